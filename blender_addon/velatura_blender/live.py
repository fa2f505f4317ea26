"""When the live view captures, sends and shows: the newest state only, and nothing while nothing changes. No bpy here.

While the view moves one picture at a time is painted, each of the state as it is when the one before has come. Once it
stands still for a moment the newest state takes the place of whatever is still being painted. A picture is shown only
if it belongs to the newest state that was captured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol

from .client import VelaturaError, errors, jobs_pb2

SETTLED = 0.15  # seconds without a change after which an older picture is given up
LIMIT = 0.045  # seconds that a capture may take
LEAST = 128  # pixels; smaller pictures show nothing
TRIES = 3  # captures of the least size that took too long; then it waits until the view stands still


class Eye(Protocol):
    """What there is to see."""

    def state(self) -> Hashable:
        """Everything that the picture depends on, as one comparable thing; cheap."""
        ...

    def prepare(self, side: int) -> bool:
        """Make the next piece of what the first capture needs ready; says whether there was none left."""
        ...

    def capture(self, side: int) -> jobs_pb2.JobSpec:
        """The job for the present state, `side` pixels at the longer side. Raises ValueError that says what lacks."""
        ...

    def rest(self) -> str:
        """Called once when what was captured stands still; says what of it has no depth, "" where all has."""
        ...


@dataclass(slots=True, kw_only=True)
class Live:
    """A live view. `on` until it is switched off or ends itself; `message` says how it stands, for the artist.

    `send` hands a job to the engine; `show` gets each picture that is to be seen. `captured` counts captures, `shown`
    pictures, `dropped` those that were too old; `took` is what captures took, seconds.
    """

    eye: Eye
    send: Callable[[jobs_pb2.JobSpec], Any]
    show: Callable[[jobs_pb2.Artifact], None]
    wanted: int = 256
    on: bool = True
    failed: bool = False
    message: str = "Live …"
    side: int = 0
    captured: int = 0
    shown: int = 0
    dropped: int = 0
    took: list[float] = field(default_factory=list)
    _state: Hashable = None
    _seen: Hashable = None
    _since: float = 0.0
    _job: Any = None
    _slow: int = 0
    _sent: float = 0.0
    _prepared: bool = False
    _rested: bool = True
    _left_out: str = ""
    _shows: str = ""

    @property
    def busy(self) -> bool:
        """A picture is being painted."""
        return self._job is not None

    def tick(self, now: float) -> None:
        """Look, take what has come, and send what is new; never waits. `now` in seconds, never going back."""
        if not self.on:
            return
        if not self._prepared:
            self._prepared = self.eye.prepare(self.wanted)
            if not self._prepared:
                return
        state = self.eye.state()
        if state != self._seen:
            self._seen, self._since = state, now
        if self._job is not None:
            self._job.poll()
            if self._job.done:
                self._take(now)
        settled = now - self._since >= SETTLED
        moving = self._job is None and self._slow < TRIES
        if self.on and state != self._state and (settled or moving):
            self._capture(state, now)
        elif self.on and settled and not self._rested:
            self._rested, left_out = True, self.eye.rest()
            if left_out != self._left_out:
                self._left_out = left_out
                self._tell()

    def stop(self, message: str = "", *, failed: bool = False) -> None:
        """End it; what is being painted is given up."""
        self._give_up()
        self.on, self.message, self.failed = False, message, failed

    def _capture(self, state: Hashable, now: float) -> None:
        self._give_up()
        self._state, self._rested = state, False
        self.side = self.side or self.wanted
        since = time.perf_counter()
        try:
            spec = self.eye.capture(self.side)
        except ValueError as error:  # once something changes it is tried again
            self.message, self.failed = str(error), True
            return
        self._adapt(time.perf_counter() - since)
        try:
            self._job, self._sent = self.send(spec), now
        except VelaturaError as error:
            self.stop(f"Live is off: {error}", failed=True)
            return
        self.message, self.failed = "Painting …", False

    def _adapt(self, took: float) -> None:
        """Smaller pictures where capturing holds the window too long, larger ones where it does not.

        Where the smallest takes too long as well, the view is left alone while it moves.
        """
        self.captured += 1
        self.took.append(took)
        if self.captured == 1:
            return  # Blender prepares itself
        if took <= LIMIT:
            self._slow = 0
            if took < LIMIT / 3 and self.side < self.wanted:
                self.side = min(self.side + 64, self.wanted)
        elif self.side > LEAST:
            self.side = max(self.side * 3 // 4 // 8 * 8, LEAST)
        else:
            self._slow += 1

    def _take(self, now: float) -> None:
        """What came of the newest job."""
        job, self._job = self._job, None
        try:
            result = job.result(0)
        except errors.Cancelled:
            self.message, self.failed = "Stopped; move the view to go on", False
            return
        except VelaturaError as error:
            self.stop(f"Live is off: {error}", failed=True)
            return
        self.show(result.artifacts[0])
        self.shown += 1
        slow = ", once the view stands still" if self._slow >= TRIES else ""
        self._shows = f"Live: {self.side} pixels in {now - self._sent:.1f} s{slow}"
        self._tell()

    def _tell(self) -> None:
        """What is shown, and what of the scene it does not follow."""
        if self._shows and not self.busy and not self.failed:
            self.message, self.failed = self._shows + (f". {self._left_out}" if self._left_out else ""), False

    def _give_up(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            self.dropped += 1
            job.cancel()
