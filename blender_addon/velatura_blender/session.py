"""The connection to the engine and the jobs that run. Blender's data is touched only inside `pump`, on the main thread.

In the window a timer pumps every 50 ms; in background mode `wait` does. A task ends exactly once: its result is placed,
or what it prepared is taken back. What would wait otherwise, starting an engine and looking for its models before the
first job, is done on threads that touch no Blender data.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import bpy

from . import asking, host
from .client import Endpoint, Engine, Job, Result, VelaturaError, discovery, errors, jobs_pb2

TICK = 0.05  # seconds
CONNECT_SECONDS = 5.0


@dataclass(slots=True, kw_only=True)
class Task:
    """A job and what is to be done with it. `message`, `warnings` and `error` are for the artist."""

    title: str
    job: Job
    place: Callable[[Result], str]
    take_back: Callable[[], None]
    message: str = ""
    warnings: tuple[str, ...] = ()
    error: VelaturaError | None = None
    done: bool = False


@dataclass(slots=True)
class Session:
    """What this Blender has to do with the engine. `models` are id, title and description, as they were last seen."""

    engine: Engine | None = None
    tasks: list[Task] = field(default_factory=list)
    models: tuple[tuple[str, str, str], ...] = ()
    message: str = ""
    warnings: tuple[str, ...] = ()
    failed: bool = False
    starting: threading.Thread | None = None
    looking: threading.Thread | None = None
    _looked: bool = False
    _start_error: VelaturaError | None = None

    def connect(self, endpoint: Endpoint | None) -> Engine:
        """The engine at an endpoint, or this computer's. Raises a VelaturaError that says what to do."""
        endpoint = endpoint or discovery.find()
        if endpoint is None:
            raise errors.Unreachable(
                "No engine is running on this computer",
                remedy="Press Start Engine in the Velatura tab, or give an address in the add-on's preferences.",
            )
        host.check_online(endpoint)
        if self.engine is not None and self.engine.endpoint == endpoint:
            self.engine.check(timeout=CONNECT_SECONDS)
        else:
            self.disconnect()
            self.engine = Engine.connect(endpoint, timeout=CONNECT_SECONDS)
        self.models = asking.painters(self.engine.catalog(timeout=CONNECT_SECONDS))
        return self.engine

    def run(
        self,
        title: str,
        spec: jobs_pb2.JobSpec,
        place: Callable[[Result], str],
        take_back: Callable[[], None] = lambda: None,
    ) -> Task:
        """Send a job; `place` is called with its result and says what was done, `take_back` where it has none."""
        if self.engine is None:
            raise errors.Unreachable("There is no connection to an engine")
        task = Task(title=title, job=self.engine.generate(spec), place=place, take_back=take_back)
        self.tasks.append(task)
        self.say(f"{title} …")
        _keep_ticking()
        return task

    def pump(self) -> bool:
        """Take what arrived and place what is done; says whether there is more to wait for. Never waits."""
        for task in list(self.tasks):
            for event in task.job.poll():
                if event.HasField("progress"):
                    task.message = f"{task.title}: {event.progress.stage} {event.progress.step}/{event.progress.steps}"
            if task.job.done:
                self.tasks.remove(task)
                self._end(task)
        if self.starting is not None and not self.starting.is_alive():
            self.starting = None
            self.say("The engine runs" if self._start_error is None else str(self._start_error), self._start_error)
        if self.looking is not None and not self.looking.is_alive():
            self.looking = None
        host.redraw()
        return bool(self.tasks) or self.starting is not None or self.looking is not None

    def _end(self, task: Task) -> None:
        task.done = True
        try:
            result = task.job.result()
            task.warnings = tuple(dict.fromkeys(warning.message for warning in result.warnings))
            task.message = task.place(result)
            host.undo_step(task.title)
        except VelaturaError as error:
            task.take_back()
            task.error, task.message = error, str(error)
        except Exception as error:
            task.take_back()
            task.error = errors.Broken(f"{task.title} could not be placed: {error}", debug=repr(error))
            task.message = str(task.error)
        self.say(task.message, task.error, task.warnings)

    def say(self, message: str, error: VelaturaError | None = None, warnings: tuple[str, ...] = ()) -> None:
        """What the panel shows."""
        self.warnings = warnings
        stopped = isinstance(error, errors.Cancelled)
        self.message, self.failed = "Stopped" if stopped else message, error is not None and not stopped

    def wait(self, task: Task, timeout: float = 3600.0) -> None:
        """Pump until a task ended. Raises what it failed with."""
        until = time.monotonic() + timeout
        while not task.done and time.monotonic() < until:
            task.job.wait(TICK)
            self.pump()
        if not task.done:
            task.job.cancel()
            raise errors.Timeout(f"{task.title} is not done after {timeout:g} seconds")
        if task.error is not None:
            raise task.error

    def cancel(self) -> None:
        """Stop every job; what they prepared is taken back by the next pump."""
        for task in self.tasks:
            task.job.cancel()

    def start_engine(self, program: str = "") -> None:
        """Start this computer's engine, without waiting for it; `program` is its file, "" where it is to be found."""

        def start() -> None:
            try:
                self._learn(discovery.start(program=program))
            except VelaturaError as error:
                self._start_error = error

        self._start_error = None
        self.starting = threading.Thread(target=start, daemon=True)
        self.starting.start()
        self.say("The engine starts …")
        _keep_ticking()

    def look_once(self, endpoint: Endpoint | None) -> None:
        """Learn the models for the panel without waiting, the first time only; trouble is told when a job is sent."""
        if self._looked:
            return
        self._looked = True

        def look() -> None:
            with suppress(VelaturaError):
                here = endpoint or discovery.find()
                if here is not None:
                    self._learn(here)

        with suppress(VelaturaError):
            endpoint = endpoint or discovery.from_environment()
            if endpoint is not None:
                host.check_online(endpoint)
            self.looking = threading.Thread(target=look, daemon=True)
            self.looking.start()
            _keep_ticking()

    def _learn(self, endpoint: Endpoint) -> None:
        with Engine.connect(endpoint, timeout=CONNECT_SECONDS) as engine:
            self.models = asking.painters(engine.catalog(timeout=CONNECT_SECONDS))

    def forget(self) -> None:
        """Drop all jobs without placing anything: the scene they were for is gone."""
        self.cancel()
        self.tasks.clear()

    def disconnect(self) -> None:
        """Close the connection."""
        if self.engine is not None:
            self.engine.close()
            self.engine = None


session = Session()
"""This Blender's."""


def _tick() -> float | None:
    return TICK if session.pump() else None


def _keep_ticking() -> None:
    if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=TICK, persistent=True)


@bpy.app.handlers.persistent
def _on_load(*_: object) -> None:
    session.forget()


def register() -> None:
    """Watch for files being opened."""
    bpy.app.handlers.load_pre.append(_on_load)


def unregister() -> None:
    """Stop everything."""
    bpy.app.handlers.load_pre.remove(_on_load)
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    session.forget()
    session.disconnect()
