"""The worker process: one thread that paints, one that listens. It may die at any time; the front starts another."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

from ..errors import Broken, Cancelled, OutOfMemory, TimedOut, VelaturaError
from ..events import Event, Failed
from .channel import Channel

log = logging.getLogger("velatura.worker")

ENVIRONMENT = {
    # Nothing is ever fetched, and no code that comes with a model is ever run.
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "DIFFUSERS_DISABLE_REMOTE_CODE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    # Threads that spin for long while they wait take the cores from the host program that the artist works in; threads
    # that never do are woken a thousand times a step, which costs a tenth of it.
    "GOMP_SPINCOUNT": "20000",
}


def main(connection: Connection, factory: str) -> None:
    """Entry of the process. `factory` is "module:callable" that makes the runner, from the options that come first."""
    os.environ.update({name: value for name, value in ENVIRONMENT.items() if name not in os.environ})
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s worker %(levelname)s %(message)s")
    _keep_freed_memory()
    channel = Channel(connection)
    inbox = _Inbox(channel)
    threading.Thread(target=inbox.listen, daemon=True).start()
    runner = _make(factory, inbox)
    channel.send(("ready", runner.device))
    while True:
        job_id, plan = inbox.next()
        _work(runner, channel, inbox, job_id, plan)


def _keep_freed_memory() -> None:
    """Every layer takes megabytes and frees them; getting them from the system anew costs a tenth of a step.

    glibc learns this from what it sees freed, but only while the first picture is painted. At most 256 MB stay.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(-3, 32 * 2**20)  # M_MMAP_THRESHOLD, the most that glibc allows
            mallopt(-1, 256 * 2**20)  # M_TRIM_THRESHOLD


def _make(factory: str, inbox: _Inbox) -> Any:
    import importlib

    _keep_bars_in_process()
    module, name = factory.split(":")
    began = time.monotonic()
    with _uncollected(), _hidden("scipy"):
        make = getattr(importlib.import_module(module), name)
    made = time.monotonic()
    options = inbox.options()
    warm = options.pop("warm", None)
    runner = make(**options)
    if warm is not None:
        try:
            runner.warm(warm)
        except Exception:  # warming is a favour; the job that needs the model will say what is wrong
            log.exception("warming failed")
    log.info("ready: %.2f s to import, %.2f s to load", made - began, time.monotonic() - made)
    return runner


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """What is imported here stays until the end: looking through it for garbage costs a fifth of the time to import.

    And later collections, which may fall into a step, look past it.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Let libraries believe that a package is not installed, for good: those that could use it look while imported.

    diffusers and transformers would read scipy's statistics and optimisers, a second of every start, for what is never
    asked of them. Whoever imports it afterwards gets it.
    """
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]


def _keep_bars_in_process() -> None:
    """Progress bars would make a semaphore for other processes, which a killed worker leaves behind with a warning."""
    try:
        from tqdm import tqdm
    except ImportError:
        return
    tqdm.set_lock(threading.RLock())


class _Inbox:
    """What the front wants: jobs in order, and jobs to stop."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._options: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._jobs: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._stopped: set[str] = set()

    def listen(self) -> None:
        """Runs in its own thread until the front is gone, which ends the process."""
        while True:
            try:
                kind, *rest = self._channel.receive()
            except (EOFError, OSError):
                os._exit(0)
            if kind == "run":
                self._jobs.put((rest[0], rest[1]))
            elif kind == "cancel":
                self._stopped.add(rest[0])
            elif kind == "make":
                self._options.put(rest[0])

    def options(self) -> dict[str, Any]:
        """Wait for what the runner is to be made with."""
        return self._options.get()

    def next(self) -> tuple[str, Any]:
        """Wait for the next job."""
        return self._jobs.get()

    def checker(self, job_id: str, limit: float | None) -> Callable[[], None]:
        """A function that raises where the job is to stop."""
        end = None if limit is None else time.monotonic() + limit

        def check() -> None:
            if job_id in self._stopped:
                raise Cancelled("the job was cancelled")
            if end is not None and time.monotonic() > end:
                raise TimedOut(f"the job took longer than {limit:g} s")

        return check

    def forget(self, job_id: str) -> None:
        """The job has ended."""
        self._stopped.discard(job_id)


def _work(runner: Any, channel: Channel, inbox: _Inbox, job_id: str, plan: Any) -> None:
    def emit(event: Event) -> None:
        channel.send(("event", job_id, event))

    try:
        runner.run(plan, inbox.checker(job_id, plan.time_limit), emit)
    except VelaturaError as trouble:
        emit(Failed(error=trouble))
    except Exception as trouble:  # the rim of the process: whatever it was, the front hears a typed error
        log.exception("job %s failed", job_id)
        if _beyond_repair(trouble):
            channel.send(("leaving",))
            emit(Failed(error=_typed(trouble)))
            os._exit(1)
        emit(Failed(error=_typed(trouble)))
    finally:
        inbox.forget(job_id)
        channel.send(("idle", runner.resident))


def _beyond_repair(trouble: Exception) -> bool:
    """After some errors every later call to the device fails too; only a new process helps."""
    words = str(trouble).lower()
    if "out of memory" in words:
        return False
    return any(sign in words for sign in ("cuda error", "hip error", "device-side assert", "illegal memory access"))


def _typed(trouble: Exception) -> VelaturaError:
    words = str(trouble).lower()
    if isinstance(trouble, MemoryError) or "out of memory" in words or "can't allocate memory" in words:
        return OutOfMemory("the picture does not fit into the device's memory")
    return Broken(f"painting failed: {type(trouble).__name__}")
