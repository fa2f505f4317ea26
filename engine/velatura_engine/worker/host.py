"""The front's side of the worker: starts it, talks to it, and replaces it when it dies or hangs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import Broken, Cancelled, TimedOut, VelaturaError, WorkerLost
from ..events import Done, Event, Failed, Progress
from .channel import Channel, Packed, pack
from .launch import PAINTER, Launched, launch

log = logging.getLogger("velatura.front")

MAX_STILLBORN = 3
"""Workers in a row that died before they were ready, after which jobs no longer wait for one."""
START_SECONDS = 600.0
"""A worker that is not ready after so long is replaced: it imports torch and loads a model before."""
_LOST, _STIR = object(), object()


@dataclass(slots=True, kw_only=True, eq=False)
class _Errand:
    """The job that the worker has now, and how long to be patient with it. Times in seconds of the monotonic clock."""

    job_id: str
    time_limit: float | None
    stall: float
    grace: float
    events: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    begun: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)
    longest: float = 0.0
    cancelled: float | None = None

    def note(self, event: Event) -> None:
        """An event came; steps tell how long this job's silences are."""
        now = time.monotonic()
        if isinstance(event, Progress) and event.step > 1:
            self.longest = max(self.longest, now - self.heard)
        self.heard = now

    def patience(self) -> float:
        """Seconds from now after which the worker counts as hung."""
        slack = max(self.grace, 3 * self.longest)
        ends = [self.heard + max(self.stall, 10 * self.longest)]
        if self.cancelled is not None:
            ends.append(self.cancelled + slack)
        if self.time_limit is not None:
            ends.append(self.begun + self.time_limit + slack)
        return max(0.0, min(ends) - time.monotonic())

    def loss(self) -> VelaturaError:
        """What to say when the worker is gone."""
        if self.cancelled is not None:
            return Cancelled("the job was cancelled")
        if self.time_limit is not None and time.monotonic() > self.begun + self.time_limit:
            return TimedOut(f"the job took longer than {self.time_limit:g} s")
        return WorkerLost("the painting process died during this job")


class WorkerHost:
    """One worker process. All methods belong to the event loop's thread."""

    def __init__(
        self, options: Mapping[str, Any], *, factory: str = PAINTER, stall_seconds: float = 300.0,
        cancel_seconds: float = 30.0, launched: Launched | None = None,
    ) -> None:  # fmt: skip
        """`factory` makes the runner inside the worker from `options`; `launched` is a process that waits for them.

        A worker that is silent for `stall_seconds` (or ten of its steps, if that is more) is replaced; so is one that
        has not stopped `cancel_seconds` (or three steps) after it was asked to, or after the job's time limit.
        """
        self._options, self._factory, self._launched = dict(options), factory, launched
        self._stall, self._grace = stall_seconds, cancel_seconds
        self.state, self.device, self.resident, self.restarts = "starting", "", "", 0
        self.changed: Callable[[], None] = lambda: None
        """Called whenever `state`, `resident` or `restarts` changes."""
        self._ready = asyncio.Event()
        self._errand: _Errand | None = None
        self._closing = self._was_ready = False
        self._crashes = self._stillborn = 0
        self._started = 0.0
        self._process: Any = None
        self._channel: Channel | None = None
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def pid(self) -> int | None:
        """The worker's process id."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process; it is ready some seconds later, and jobs wait for that."""
        launched, self._launched = self._launched or launch(self._factory), None
        self._process = launched.process
        self._was_ready = False
        self._channel, self._started = Channel(launched.connection), time.monotonic()
        with contextlib.suppress(OSError):  # one that is dead already is noticed by its listener
            self._channel.send(("make", self._options))
        listener = threading.Thread(
            target=self._listen, args=(self._channel, asyncio.get_running_loop()), daemon=True, name="velatura-listen"
        )
        listener.start()

    async def run(self, job_id: str, plan: Any) -> AsyncGenerator[Event, None]:
        """Run a job; its events end with Done or Failed, with Failed(WorkerLost) where the worker dies or hangs."""
        errand = _Errand(job_id=job_id, time_limit=plan.time_limit, stall=self._stall, grace=self._grace)
        self._errand = errand  # from here on it can be cancelled, also while it is packed
        try:
            packed = await asyncio.to_thread(pack, ("run", job_id, plan))
            refusal = await self._until_ready(errand)
            if refusal is not None:
                yield Failed(error=refusal)
                return
            errand.events, errand.begun, errand.heard = asyncio.Queue(), time.monotonic(), time.monotonic()
            self._send(packed)
            while True:
                event = await self._next(errand)
                yield event
                if isinstance(event, Done | Failed):
                    return
        finally:
            self._errand = None

    async def _until_ready(self, errand: _Errand) -> VelaturaError | None:
        """Wait for a worker; returns why the job will not get one."""
        while errand.cancelled is None and not self._ready.is_set():
            if self._stillborn >= MAX_STILLBORN:
                return Broken("the painting process cannot start", remedy="look into the engine's log")
            if time.monotonic() - self._started > START_SECONDS:
                log.error("worker %s does not get ready; replacing it", self.pid)
                self.kill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await self._ready.wait()
        return None if errand.cancelled is None else errand.loss()

    async def _next(self, errand: _Errand) -> Event:
        """The next event of the running job, be it that its worker is gone."""
        while True:
            try:
                # Not `wait_for`: Python 3.11's forgets that it was cancelled where the event comes at that moment, and
                # a front that stops would wait for ever.
                async with asyncio.timeout(errand.patience()):
                    event = await errand.events.get()
            except TimeoutError:
                log.error("worker %s hangs; replacing it", self.pid)
                self.kill()
                while (event := await errand.events.get()) is not _LOST:
                    pass
            if event is _LOST:
                return Failed(error=errand.loss())
            if event is not _STIR:
                errand.note(event)
                if isinstance(event, Done):
                    self._crashes = 0
                return event

    def cancel(self, job_id: str) -> None:
        """Ask the worker to stop a job at its next step."""
        errand = self._errand
        if errand is None or errand.job_id != job_id or errand.cancelled is not None:
            return
        errand.cancelled = time.monotonic()
        errand.events.put_nowait(_STIR)
        self._send(pack(("cancel", job_id)))

    def _send(self, packed: Packed) -> None:
        """Send in the background: a stopped worker must not stop the front. A dead one is noticed by its listener."""

        async def send(channel: Channel) -> None:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(channel.put, packed)

        if self._channel is not None:
            task = asyncio.create_task(send(self._channel))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    def kill(self) -> None:
        """End the process at once; another is started."""
        if self._process is not None:
            self._process.kill()

    async def close(self) -> None:
        """End the process for good."""
        self._closing = True
        self.kill()
        if self._process is not None:
            await asyncio.to_thread(self._process.join, 5)
        if self._sending:
            await asyncio.wait(self._sending, timeout=5)

    def _listen(self, channel: Channel, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(EOFError, OSError, RuntimeError):
            while True:
                loop.call_soon_threadsafe(self._hear, channel.receive())
        with contextlib.suppress(RuntimeError):  # the loop may be closed already
            loop.call_soon_threadsafe(self._lose)

    def _hear(self, message: tuple) -> None:
        kind, *rest = message
        if kind == "ready":
            self.state, self.device = "ready", rest[0]
            self._stillborn, self._was_ready = 0, True
            self._ready.set()
        elif kind == "leaving":  # its device is beyond repair: no further job may go there
            self.state = "restarting"
            self._ready.clear()
        elif kind == "idle":
            self.resident = rest[0]
        elif self._errand is not None and rest[0] == self._errand.job_id:
            self._errand.events.put_nowait(rest[1])
            return
        self.changed()

    def _lose(self) -> None:
        if self._closing:
            return
        self._stillborn += not self._was_ready
        self._ready.clear()
        if self._errand is not None:
            self._errand.events.put_nowait(_LOST)
        self.restarts += 1
        self.state, self.resident = "restarting", ""
        # A worker that cannot even start must not be started in a tight loop.
        delay = min(30.0, 0.5 * 2**self._crashes) if self._crashes else 0.0
        self._crashes += 1
        log.warning("worker lost; starting another in %.1f s", delay)
        asyncio.get_running_loop().call_later(delay, self._restart)
        self.changed()

    def _restart(self) -> None:
        if not self._closing:
            self.start()
