"""The front's side of the worker: starts it, talks to it, and replaces it when it dies or hangs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from ..errors import Broken, WorkerLost
from ..events import Done, Event, Failed
from . import main
from .channel import Channel

log = logging.getLogger("velatura.front")

PAINTER = "velatura_engine.run:Runner"
_LOST = object()

MAX_STILLBORN = 3
"""Workers in a row that died before they were ready, after which jobs no longer wait for one."""


class WorkerHost:
    """One worker process. All methods belong to the event loop's thread."""

    def __init__(
        self, options: Mapping[str, Any], *, factory: str = PAINTER, stall_seconds: float = 300.0
    ) -> None:
        """`factory` makes the runner inside the worker from `options`; a silent worker is replaced after `stall_seconds`."""
        self._options, self._factory, self._stall = dict(options), factory, stall_seconds
        self.state, self.device, self.resident, self.restarts = "starting", "", "", 0
        self.changed: Callable[[], None] = lambda: None
        """Called whenever `state`, `resident` or `restarts` changes."""
        self._ready = asyncio.Event()
        self._events: asyncio.Queue[Any] = asyncio.Queue()
        self._job = ""
        self._closing = False
        self._crashes = self._stillborn = 0
        self._process: Any = None
        self._channel: Channel | None = None

    @property
    def pid(self) -> int | None:
        """The worker's process id."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process; it is ready some seconds later, and jobs wait for that."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._process = context.Process(
            target=main.main, args=(theirs, self._factory, self._options), daemon=True, name="velatura-worker"
        )
        self._process.start()
        theirs.close()
        self._channel = Channel(ours)
        listener = threading.Thread(
            target=self._listen, args=(self._channel, asyncio.get_running_loop()), daemon=True, name="velatura-listen"
        )
        listener.start()

    async def run(self, job_id: str, plan: Any) -> AsyncIterator[Event]:
        """Run a job; its events end with Done or Failed. A worker that dies or hangs under it gives Failed(WorkerLost)."""
        while not self._ready.is_set():
            if self._stillborn >= MAX_STILLBORN:
                yield Failed(error=Broken("the painting process cannot start", remedy="look into the engine's log"))
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ready.wait(), 0.2)
        assert self._channel is not None
        self._job, self._events = job_id, asyncio.Queue()
        try:
            await asyncio.to_thread(self._channel.send, ("run", job_id, plan))
        except OSError:
            self._events.put_nowait(_LOST)
        longest, since = 0.0, time.monotonic()
        while True:
            try:
                event = await asyncio.wait_for(self._events.get(), max(self._stall, 10 * longest))
            except TimeoutError:
                log.error("worker %s hangs; replacing it", self.pid)
                self.kill()
                event = await self._events.get()
            now = time.monotonic()
            longest, since = max(longest, now - since), now
            if event is _LOST:
                yield Failed(error=WorkerLost("the painting process died during this job"))
                return
            if isinstance(event, Done):
                self._crashes = 0
            yield event
            if isinstance(event, Done | Failed):
                return

    def cancel(self, job_id: str) -> None:
        """Ask the worker to stop a job at its next step."""
        if self._channel is not None:
            with contextlib.suppress(OSError):
                self._channel.send(("cancel", job_id))

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
            self._stillborn = 0
            self._ready.set()
        elif kind == "idle":
            self.resident = rest[1]
        elif rest[0] == self._job:
            self._events.put_nowait(rest[1])
            return
        self.changed()

    def _lose(self) -> None:
        if self._closing:
            return
        self._stillborn += not self._ready.is_set()
        self._ready.clear()
        self._events.put_nowait(_LOST)
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
