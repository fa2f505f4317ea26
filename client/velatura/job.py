"""A running job as a host sees it: events to poll or wait for, and a result."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from .errors import Broken, Cancelled, Timeout, VelaturaError, from_proto, to_proto
from .loop import shared
from .v1 import jobs_pb2 as pb

T = TypeVar("T")
log = logging.getLogger(__name__)


class Feed(Generic[T]):
    """Things that arrive from the engine, to be taken from any thread: each is handed out once."""

    def __init__(self, on_item: Callable[[T], None] | None = None) -> None:
        self._waiting: deque[T] = deque()
        self._changed = threading.Condition()
        self._on_item = on_item
        self._stop: Callable[[], object] = lambda: None  # what `cancel` does
        self._stop_watching: Callable[[], object] = lambda: None
        self._done = False
        self._error: VelaturaError | None = None

    @property
    def done(self) -> bool:
        """Nothing more will arrive."""
        return self._done

    @property
    def error(self) -> VelaturaError | None:
        """Why it ended, where it ended badly."""
        return self._error

    def poll(self) -> list[T]:
        """What arrived since the last time, oldest first. Never waits, never raises: made for a UI timer."""
        with self._changed:
            items = list(self._waiting)
            self._waiting.clear()
        return items

    def events(self) -> Iterator[T]:
        """What arrives, waiting for it, until the end. Never raises: see `error` afterwards."""
        while True:
            if not self._waiting:
                self._refuse_to_freeze()
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._done)
                if not self._waiting:
                    return
                item = self._waiting.popleft()
            yield item

    def __iter__(self) -> Iterator[T]:
        return self.events()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for the end, at most `timeout` seconds; says whether it came."""
        self._refuse_to_freeze()
        with self._changed:
            return self._changed.wait_for(lambda: self._done, timeout)

    def cancel(self) -> None:
        """Stops it. Returns at once; `done` follows."""
        self._stop()

    def leave(self) -> None:
        """Watches it no more. A job of `hand_in`, `submit` or `watch_job` goes on at the engine, where its id finds it
        again; one of `generate` ends."""
        self._stop_watching()

    def _refuse_to_freeze(self) -> None:
        if not self._done and shared().is_here():
            raise RuntimeError("this call waits; do not make it inside on_event")

    def _push(self, item: T, error: VelaturaError | None = None) -> None:
        with self._changed:
            if self._done:
                return
            self._take(item)
            self._error = error or self._error
            self._waiting.append(item)
            self._changed.notify_all()
        if self._on_item is not None:
            try:
                self._on_item(item)
            except Exception:
                log.exception("on_event raised")

    def _take(self, item: T) -> None:
        """A place for what is to be known before the item is handed out; the lock is held."""

    def _end(self, error: VelaturaError | None = None) -> None:
        with self._changed:
            if not self._done:
                self._error, self._done = error, True
            self._changed.notify_all()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a job made: its artifacts in order, the warnings, and the spec with everything that was left open."""

    job_id: str
    artifacts: tuple[pb.Artifact, ...]
    warnings: tuple[pb.Warning, ...]
    finished: pb.Finished

    @property
    def images(self) -> list:
        """The pictures among the artifacts, as velatura.v1.Image."""
        return [artifact.image for artifact in self.artifacts if artifact.HasField("image")]

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """Where the left upper corner of each of `images` belongs on its canvas, pixels: (0, 0) but for layers."""
        return [(artifact.offset_x, artifact.offset_y) for artifact in self.artifacts if artifact.HasField("image")]

    @property
    def seeds(self) -> list[int]:
        """The seed of each of `images`; 0 where it was not painted."""
        return [artifact.seed for artifact in self.artifacts if artifact.HasField("image")]

    @property
    def resolved(self) -> pb.JobSpec:
        """What was asked, with everything that was left open filled in."""
        return self.finished.resolved


class Job(Feed[pb.JobEvent]):
    """A job that runs at the engine. Take its events with `poll` (a UI timer) or `events` (a thread), or just
    wait for `result`.

    The last event is always `finished`: where the engine could not send it, because it refused the job or is gone, the
    client makes one, with sequence 0 and the reason in its `error`. Of previews that were not taken only the newest of
    each picture is kept.
    """

    def __init__(self, on_event: Callable[[pb.JobEvent], None] | None = None, job_id: str = "") -> None:
        super().__init__(on_event)
        self.id = job_id
        self.last_sequence = 0
        self.fraction = 0.0
        self._artifacts: list[pb.Artifact] = []
        self._warnings: list[pb.Warning] = []
        self._finished: pb.Finished | None = None

    def result(self, timeout: float | None = None) -> Result:
        """Waits for the end, at most `timeout` seconds (the job then goes on), and returns what came out.

        Raises what the job failed with, Cancelled where it was stopped, Timeout where it is not done in time.
        """
        if not self.wait(timeout):
            raise Timeout(f"The job is not done after {timeout:g} seconds")
        if self._error is not None:
            raise self._error
        assert self._finished is not None
        return Result(
            job_id=self.id,
            artifacts=tuple(self._artifacts),
            warnings=tuple(self._warnings),
            finished=self._finished,
        )

    @property
    def state(self) -> pb.JobState:
        """Where it stands, as JOB_STATE_*. A job whose connection failed counts as failed."""
        if self._finished is not None:
            return self._finished.state
        return pb.JOB_STATE_RUNNING if self.fraction else pb.JOB_STATE_QUEUED

    def _take(self, item: pb.JobEvent) -> None:
        self.id = item.job_id or self.id
        self.last_sequence = max(self.last_sequence, item.sequence)
        kind = item.WhichOneof("event")
        if kind == "progress":
            self.fraction = max(self.fraction, item.progress.fraction)
        elif kind == "artifact":
            self._artifacts.append(item.artifact)
        elif kind == "warning":
            self._warnings.append(item.warning)
        elif kind == "preview":
            self._drop_older(item.preview)
        elif kind == "finished":
            self._finished = item.finished
            self._error, self._done = _why(item.finished), True

    def _drop_older(self, preview: pb.Preview) -> None:
        for index, event in enumerate(self._waiting):
            old = event.preview
            if event.HasField("preview") and (old.step_id, old.index) == (preview.step_id, preview.index):
                del self._waiting[index]
                return

    def _end(self, error: VelaturaError | None = None) -> None:
        error = error or Broken("The engine ended the job without saying how")
        state = pb.JOB_STATE_CANCELLED if isinstance(error, Cancelled) else pb.JOB_STATE_FAILED
        self._push(pb.JobEvent(job_id=self.id, finished=pb.Finished(state=state, error=to_proto(error))), error)


def _why(finished: pb.Finished) -> VelaturaError | None:
    if finished.state == pb.JOB_STATE_SUCCEEDED:
        return None
    if finished.HasField("error"):
        return from_proto(finished.error)
    if finished.state == pb.JOB_STATE_CANCELLED:
        return Cancelled("The job was stopped")
    return Broken("The engine failed without saying why")


class Patience:
    """How long to wait before the next try: doubling from 0.1 to 5 seconds, until `total` seconds passed in vain."""

    def __init__(self, total: float) -> None:
        self.total = total
        self.success()

    def success(self) -> None:
        """It worked: begin anew."""
        self._delay = 0.1
        self._since = time.monotonic()

    def next_delay(self) -> float | None:
        """Seconds to wait, or None where it is enough."""
        if time.monotonic() - self._since >= self.total:
            return None
        delay, self._delay = self._delay, min(self._delay * 2, 5.0)
        return delay
