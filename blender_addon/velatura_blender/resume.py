"""Jobs that outlive the session: a file that is written while one runs finds its result when it is opened again.

What is to be done with a result is a function by name and its arguments as JSON, kept in the scene while the job runs,
so that every file knows it, autosaves too, of which Blender tells nobody; and read when the file is opened. The engine
keeps its journal; the job's id is all that is needed.
"""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import bpy

from . import held, host
from .client import VelaturaError
from .errands import errands
from .session import Task, session

WAITING = "velatura_jobs"
"""Property of a scene while jobs run, and in the files of that time."""
OVER: set[str] = set()
"""Ids of jobs that have ended here; an undone step, which is older, may still name them."""
CALLED: dict[int, str] = {}
"""What objects are called in what is written down, by their numbers."""
READY_SECONDS = 2.0  # saving waits so long for what was asked for to be got ready
ACCEPTED_SECONDS = 1.0  # and so long for an engine to take a job in

Function = TypeVar("Function", bound=Callable[..., Any])
KNOWN: dict[str, Callable[..., Any]] = {}
BAKED: set[str] = set()
"""Names of those whose images fit the UV map of one object alone."""


def resumable(function: Function) -> Function:
    """A function whose partials, of keyword arguments that JSON can hold and held objects, may be written down."""
    KNOWN[function.__name__] = function
    return function


def baked(function: Function) -> Function:
    """A resumable function whose images fit the UV map of one object alone; the history puts them on no other."""
    BAKED.add(function.__name__)
    return resumable(function)


def written(call: Any) -> tuple[str, str] | None:
    """Name and arguments of a partial of a resumable function; None for anything else."""
    if not isinstance(call, partial) or call.args or KNOWN.get(call.func.__name__) is not call.func:
        return None
    try:
        return call.func.__name__, json.dumps(call.keywords, default=_told)
    except (TypeError, ValueError):
        return None


def _told(value: Any) -> dict[str, Any]:
    words = held.write(value)
    CALLED[value.uid] = words[held.WORD]
    return words


def read(name: str, arguments: str) -> Callable[..., Any] | None:
    """The partial that was written down; None where this version does not know it, or has other arguments."""
    function = KNOWN.get(name)
    try:
        return None if function is None else _fitting(function, json.loads(arguments, object_hook=held.read))
    except (TypeError, ValueError):
        return None


def _fitting(function: Callable[..., Any], given: dict[str, Any]) -> Callable[..., Any] | None:
    """A partial that lacks nothing but the result; None where another version wrote the arguments."""
    taken = inspect.signature(function).parameters
    needed = {name for name, each in taken.items() if each.default is each.empty} - {"result"}
    return partial(function, **given) if needed <= given.keys() <= taken.keys() else None


def keep() -> None:
    """Write down which running jobs can be found again, in the scenes that they were asked in, and none that ended."""
    CALLED.clear()
    running = [(host.scene_of(task.scene), entry) for task in session.tasks if (entry := _entry(task)) is not None]
    known = OVER | {entry[1] for _, entry in running}
    for scene in bpy.data.scenes:
        if scene.library is not None:
            continue
        # Others are those that an opened file waits for as long as no engine answers.
        entries = [each for each in json.loads(scene.get(WAITING, "[]")) if each[1] not in known]
        text = json.dumps(entries + [entry for home, entry in running if home == scene])
        if text != "[]":
            scene[WAITING] = text
        elif WAITING in scene:
            del scene[WAITING]


def _entry(task: Task) -> list[str] | None:
    found = written(task.place)
    if found is None or not task.job.id:
        return None
    return [task.title, task.job.id, *found, *(written(task.take_back) or ("", ""))]


def collect(endpoint: Any) -> list[Task]:
    """Follow the jobs that the opened file waits for. Raises a VelaturaError where there is no engine to ask.

    They stay written down until they have ended: an engine that is away for now has not lost them.
    """
    noted = [(scene.session_uid, scene[WAITING]) for scene in bpy.data.scenes if WAITING in scene]
    if not noted:
        return []
    engine = session.connect(endpoint)
    tasks, known = [], OVER | {task.job.id for task in session.tasks}
    for scene, text in noted:
        for title, job_id, place, arguments, back, back_arguments in json.loads(text):
            put = read(place, arguments)
            if put is not None and job_id not in known:
                take_back = read(back, back_arguments) or (lambda: None)
                job = engine.watch_job(job_id, patience=ACCEPTED_SECONDS)
                task = Task(title=title, job=job, place=put, take_back=take_back, scene=scene, kept=True)
                tasks.append(session.follow(task))
    return tasks


@bpy.app.handlers.persistent
def _before_saving(*_: object) -> None:
    """A file that is saved by hand also knows jobs that have only just been asked for, or sent."""
    errands.hand_in(time.monotonic() + READY_SECONDS)
    until = time.monotonic() + ACCEPTED_SECONDS
    for task in session.tasks:
        if written(task.place) is None:
            continue
        while not task.job.id and not task.job.done and time.monotonic() < until:
            time.sleep(0.01)
        task.kept = bool(task.job.id)
    keep()


@bpy.app.handlers.persistent
def _undone(*_: object) -> None:
    keep()


@bpy.app.handlers.persistent
def _changed(_: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    """Write jobs down with the new names of objects: of autosaves Blender tells nobody."""
    changed = [update.id.original for update in depsgraph.updates] if session.tasks else []
    if any(CALLED.get(each.session_uid, each.name) != each.name for each in changed):
        keep()


def _heard(task: Task) -> None:
    if task.done and task.job.id and not task.away:
        OVER.add(task.job.id)
    keep()


@bpy.app.handlers.persistent
def _after_opening(*_: object) -> None:
    OVER.clear()  # another state of the file may wait for what had ended in this one
    if not bpy.app.background:
        _collect_quietly()


def _engine_answers() -> None:
    if host.has_window():  # a script collects when it wants to
        _collect_quietly()


def _collect_quietly() -> None:
    with suppress(VelaturaError):
        collect(_endpoint())


def _endpoint() -> Any:
    from . import preferences  # it knows the scene's settings, which know the history, which knows us

    return preferences.endpoint(bpy.context)


HANDLERS = (
    (bpy.app.handlers.save_pre, _before_saving),
    (bpy.app.handlers.undo_post, _undone),
    (bpy.app.handlers.redo_post, _undone),
    (bpy.app.handlers.load_post, _after_opening),
    (bpy.app.handlers.depsgraph_update_post, _changed),
)


def register() -> None:
    """Watch for files being saved and opened."""
    for where, handler in HANDLERS:
        where.append(handler)
    session.heard.append(_heard)
    session.learned.append(_engine_answers)


def unregister() -> None:
    """Watch no more."""
    session.learned.remove(_engine_answers)
    session.heard.remove(_heard)
    for where, handler in HANDLERS:
        where.remove(handler)
