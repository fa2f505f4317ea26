"""The connection to the engine and the jobs that run. Blender's data is touched only inside `pump`, on the main thread.

In the window a timer pumps every 50 ms; in background mode `wait` does. A task ends exactly once: its result is placed,
or what it prepared is taken back. What would wait otherwise, starting an engine and learning what it has, is done on
threads that touch no Blender data. Jobs live at the engine, not in the call: a file that is saved in between finds its
results when it is opened again (`resume.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import bpy

from . import asking, host, icons, placing, status, unseen
from .client import (
    Endpoint,
    Engine,
    Result,
    VelaturaError,
    catalog_pb2,
    discovery,
    errors,
    jobs_pb2,
)
from .pace import Pieces
from .tasks import Placing, Task, hear

TICK = 0.05  # seconds, while there is work
SOON = 0.02  # seconds, while a result is placed in pieces
IDLE = 1.0  # seconds, while there is an engine
CONNECT_SECONDS = 5.0
PATIENCE = {True: 1.0, False: 20.0}  # seconds without an engine of this computer, or of another, before a job fails


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What a thread found: an engine that answers and what it is, or why none does."""

    endpoint: Endpoint | None
    engine: Engine | None = None
    facts: catalog_pb2.Capabilities | None = None
    catalog: catalog_pb2.Catalog | None = None
    error: VelaturaError | None = None


@dataclass(slots=True)
class Session:
    """What this Blender has to do with the engine. `models` are id, title and description, as they were last seen.

    `around` are called before a result is placed, and what they return after it, before the undo step; `learned`
    whenever the catalog is there anew; `heard` when the engine has taken a task's job in, and when a task has ended.
    """

    engine: Engine | None = None
    tasks: list[Task] = field(default_factory=list)
    models: tuple[tuple[str, str, str], ...] = ()
    catalog: catalog_pb2.Catalog = field(default_factory=catalog_pb2.Catalog)
    status: status.Status = field(default_factory=status.Status)
    message: str = ""
    warnings: tuple[str, ...] = ()
    failed: bool = False
    starting: threading.Thread | None = None
    looking: threading.Thread | None = None
    around: list[Callable[[Task, Result], Callable[[], None]]] = field(default_factory=list)
    learned: list[Callable[[], None]] = field(default_factory=list)
    heard: list[Callable[[Task], None]] = field(default_factory=list)
    _looked: bool = False
    _start_error: VelaturaError | None = None
    _learned: Learned | None = None
    _feed: Any = None
    _placing: placing.Placing | None = None

    def connect(self, endpoint: Endpoint | None) -> Engine:
        """The engine at an endpoint, or this computer's. Raises a VelaturaError that says what to do.

        In the window nobody is asked, so that nothing waits: whether it answers is told by the job.
        """
        windowed = host.has_window()
        endpoint = endpoint or (discovery.from_environment() or discovery.read_endpoint() if windowed else None)
        endpoint = endpoint or (None if windowed else discovery.find())
        try:
            if endpoint is None:
                raise _nobody()
            host.check_online(endpoint)
            if self.engine is not None and self.engine.endpoint == endpoint:
                if not windowed:
                    self.engine.check(timeout=CONNECT_SECONDS)
            else:
                self.disconnect()
                self.engine = Engine(endpoint) if windowed else Engine.connect(endpoint, timeout=CONNECT_SECONDS)
            if windowed:
                if not self.status.ok and self.looking is None:
                    self.look(endpoint)
            else:
                self._know(self.engine, self.engine.capabilities(timeout=CONNECT_SECONDS),
                           self.engine.catalog(timeout=CONNECT_SECONDS))  # fmt: skip
        except VelaturaError as error:
            self.status = status.trouble(error, local=endpoint is None or endpoint.is_local)
            raise
        return self.engine

    def run(
        self,
        title: str,
        spec: jobs_pb2.JobSpec,
        place: Placing,
        take_back: Callable[[], None] = lambda: None,
        *,
        left_out: Mapping[str, str] | None = None,
    ) -> Task:
        """Send a job; `place` is called with its result and says what was done, `take_back` where it has none.

        What `unseen` found that was left out of what it is asked with is told, and kept with its recipe.

        The result comes into the scene that is open now, whichever is then. Where both are `functools.partial`s of
        functions that `resume.resumable` knows, the job survives the session.
        """
        if self.engine is None:
            raise errors.Unreachable("There is no connection to an engine")
        if host.has_window():
            spec.preview.enabled = True
        spec.labels.update(unseen.labels(left_out or {}))
        job = self.engine.hand_in(spec, patience=PATIENCE[self.engine.endpoint.is_local])
        warnings = (unseen.warning(left_out),) if left_out else ()
        return self.follow(
            Task(title=title, job=job, place=place, take_back=take_back, scene=host.open_scene(), warnings=warnings)
        )

    def follow(self, task: Task) -> Task:
        """Pump a task's job from now on."""
        self.tasks.append(task)
        self.say(f"{task.title} …")
        _keep_ticking()
        return task

    def pump(self) -> bool:
        """Take what arrived and place what is done; says whether there is more to wait for. Never waits."""
        changed = False
        for task in list(self.tasks):
            for event in task.job.poll():
                changed = True
                hear(task, event)
            if task.job.id and not task.accepted:
                task.accepted = True
                self._tell(task)
            if task.preview and task.preview is not task.shown and host.has_window():
                task.shown = task.preview
                icons.show_glimpse(task.title, task.preview)
            if task.job.done and (self._placing is None or self._placing.task is task):
                self._place(task)
        if self.starting is not None and not self.starting.is_alive():
            self.starting, changed = None, True
            self.say("The engine runs" if self._start_error is None else str(self._start_error), self._start_error)
        if self.looking is not None and not self.looking.is_alive():
            self.looking, changed = None, True
        if self._learned is not None:
            learned, self._learned, changed = self._learned, None, True
            self._adopt(learned)
        if self._feed is not None:
            for news in self._feed.poll():
                changed = True
                self._watched(news)
        if changed:
            host.redraw()
        return bool(self.tasks) or self.starting is not None or self.looking is not None

    def is_placing(self) -> bool:
        """Whether pieces of a result are left to be placed."""
        return self._placing is not None

    def _place(self, task: Task) -> None:
        """One more piece of a result; those of other tasks wait, so that each is one step to be undone."""
        self._placing = self._placing or placing.Placing(task, self.around)
        if not self._placing.further():
            return
        self._placing = None
        self.tasks.remove(task)
        task.done = True
        self._tell(task)
        if isinstance(task.error, errors.Unreachable | errors.Unauthenticated):
            self.status = status.trouble(task.error, local=self.engine is None or self.engine.endpoint.is_local)
        self.say(task.message, task.error, task.warnings)

    def _tell(self, task: Task) -> None:
        for told in self.heard:
            told(task)

    def say(self, message: str, error: VelaturaError | None = None, warnings: tuple[str, ...] = ()) -> None:
        """What the panel shows."""
        self.warnings = warnings
        stopped = isinstance(error, errors.Cancelled)
        self.message, self.failed = "Stopped" if stopped else message, error is not None and not stopped

    def wait(self, task: Task) -> None:
        """Pump until a task ended, however long it is in the queue. Raises what it failed with."""
        while not task.done:
            task.job.wait(TICK)
            self.pump()
        if task.error is not None:
            raise task.error

    def cancel(self, number: int = -1) -> None:
        """Stop one job by its place in `tasks`, or every job; what they prepared is taken back by the next pump."""
        for task in self.tasks if number < 0 else self.tasks[number : number + 1]:
            task.job.cancel()

    def start_engine(self, program: str = "") -> None:
        """Start this computer's engine, without waiting for it; `program` is its file, "" where it is to be found."""

        def start() -> None:
            try:
                self._learned = _learn(discovery.start(program=program))
            except VelaturaError as error:
                self._start_error, self._learned = error, Learned(endpoint=None, error=error)

        self._start_error = None
        self.starting = threading.Thread(target=start, daemon=True)
        self.starting.start()
        self.status = status.waiting("The engine starts …")
        self.say("The engine starts …")
        _keep_ticking()

    def look_once(self, endpoint: Endpoint | None) -> None:
        """Learn what the engine has without waiting, the first time only."""
        if not self._looked:
            self.look(endpoint)

    def look(self, endpoint: Endpoint | None) -> None:
        """Learn whether an engine answers and what it has, without waiting; `status` tells."""
        self._looked = True
        try:
            endpoint = endpoint or discovery.from_environment()
            if endpoint is not None:
                host.check_online(endpoint)
        except VelaturaError as error:
            self.status = status.trouble(error, local=False)
            return

        def look() -> None:
            here = endpoint or discovery.find()
            learned = Learned(endpoint=None, error=_nobody()) if here is None else _learn(here)
            if self.looking is threading.current_thread():
                self._learned = learned
            elif learned.engine is not None:  # another look began in the meantime, or nobody wants to know any more
                learned.engine.close()

        self._drop_learned()
        self.status = status.waiting("Looking for an engine …")
        self.looking = threading.Thread(target=look, daemon=True)
        self.looking.start()
        _keep_ticking()

    def known(self) -> Pieces[catalog_pb2.Catalog]:
        """What the engine has, in pieces while it is still being asked; empty where none answers."""
        while self.looking is not None:
            yield
        return self.catalog

    def _adopt(self, learned: Learned) -> None:
        if learned.error is not None:
            self.status = status.trouble(learned.error, local=learned.endpoint is None or learned.endpoint.is_local)
            return
        engine, kept = learned.engine, self.engine
        if kept is not None and kept.endpoint == learned.endpoint:
            engine.close()
            engine = kept
        elif self.tasks:  # they still need theirs
            engine.close()
            engine = None
        else:
            self.disconnect()
            self.engine = engine
        if engine is not None:
            self._know(engine, learned.facts, learned.catalog)

    def _know(self, engine: Engine, facts: catalog_pb2.Capabilities, catalog: catalog_pb2.Catalog) -> None:
        self.catalog, self.models = catalog, asking.painters(catalog)
        self.status = status.well(engine.endpoint, facts, catalog)
        for learn in self.learned:
            learn()
        if self._feed is None and host.has_window():
            self._feed = engine.watch_engine()
            _keep_ticking()

    def _watched(self, news: catalog_pb2.EngineStatus) -> None:
        """The engine went away, came back, or has other models or parts than before."""
        if news.worker == "unreachable":
            self.status = status.trouble(errors.Unreachable("The engine does not answer any more"),
                                         local=self.engine is None or self.engine.endpoint.is_local)  # fmt: skip
        elif self.engine is not None and (not self.status.ok or news.catalog_etag != self.catalog.etag):
            self.look(self.engine.endpoint)

    def forget(self) -> None:
        """Drop all jobs without placing anything: the scene they were for is gone. Those that a file knows go on."""
        for task in self.tasks:
            if task.kept:
                task.job.leave()
            else:
                task.job.cancel()
        self.tasks.clear()
        if self._placing is not None:
            self._placing.drop()
            self._placing = None

    def _drop_learned(self) -> None:
        learned, self._learned = self._learned, None
        if learned is not None and learned.engine is not None:
            learned.engine.close()

    def disconnect(self) -> None:
        """Close the connection, and the one of a look that is under way."""
        self.looking = None
        self._drop_learned()
        if self._feed is not None:
            self._feed.cancel()
            self._feed = None
        if self.engine is not None:
            self.engine.close()
            self.engine = None


def _nobody() -> errors.Unreachable:
    return errors.Unreachable(
        "No engine is running on this computer",
        remedy="Press Start Engine in the Velatura tab, or give an address in the add-on's preferences.",
    )


def _learn(endpoint: Endpoint) -> Learned:
    """On a thread: connect and ask what there is."""
    engine = None
    try:
        engine = Engine.connect(endpoint, timeout=CONNECT_SECONDS)
        facts, catalog = engine.capabilities(timeout=CONNECT_SECONDS), engine.catalog(timeout=CONNECT_SECONDS)
    except VelaturaError as error:
        if engine is not None:
            engine.close()
        return Learned(endpoint=endpoint, error=error)
    return Learned(endpoint=endpoint, engine=engine, facts=facts, catalog=catalog)


session = Session()
"""This Blender's."""


def _tick() -> float | None:
    if session.pump():
        return SOON if session.is_placing() else TICK
    return IDLE if session.engine is not None else None


def _keep_ticking() -> None:
    if not host.has_window():
        return
    if bpy.app.timers.is_registered(_tick):  # it may be on its slow walk
        bpy.app.timers.unregister(_tick)
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
    ending = [task.job for task in session.tasks]
    session.forget()
    for job in ending:
        with suppress(VelaturaError):
            job.wait(1.0)  # so that the engine hears of it
    session.disconnect()
