"""Jobs that outlive the session: a file that is saved while one runs finds its result when it is opened again.

What is to be done with a result is a function by name and its arguments as JSON, written into the file that is saved
and read when it is opened. The engine keeps its journal; the job's id is all that is needed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import bpy

from .client import VelaturaError
from .session import Task, session

WAITING = "velatura_jobs"
"""Property of a scene in a saved file."""
ACCEPTED_SECONDS = 1.0  # saving waits so long for an engine to take a job in

Function = TypeVar("Function", bound=Callable[..., Any])
KNOWN: dict[str, Callable[..., Any]] = {}


def resumable(function: Function) -> Function:
    """A function whose partials, of keyword arguments that JSON can hold, may be written down."""
    KNOWN[function.__name__] = function
    return function


def written(call: Any) -> tuple[str, str] | None:
    """Name and arguments of a partial of a resumable function; None for anything else."""
    if not isinstance(call, partial) or call.args or KNOWN.get(call.func.__name__) is not call.func:
        return None
    try:
        return call.func.__name__, json.dumps(call.keywords)
    except (TypeError, ValueError):
        return None


def read(name: str, arguments: str) -> Callable[..., Any] | None:
    """The partial that was written down; None where this version does not know it."""
    function = KNOWN.get(name)
    try:
        return None if function is None else partial(function, **json.loads(arguments))
    except (TypeError, ValueError):
        return None


def note(scene: bpy.types.Scene) -> None:
    """Write down the running jobs that can be found again."""
    entries = []
    for task in session.tasks:
        found = written(task.place)
        until = time.monotonic() + ACCEPTED_SECONDS
        while found and not task.job.id and not task.job.done and time.monotonic() < until:
            time.sleep(0.01)
        if found and task.job.id:
            task.kept = True
            entries.append([task.title, task.job.id, *found, *(written(task.take_back) or ("", ""))])
    if entries:
        scene[WAITING] = json.dumps(entries)


def collect(endpoint: Any) -> list[Task]:
    """Follow the jobs that the opened file waits for. Raises a VelaturaError where there is no engine to ask."""
    noted = [(scene, scene[WAITING]) for scene in bpy.data.scenes if WAITING in scene]
    if not noted:
        return []
    engine = session.connect(endpoint)
    tasks = []
    for scene, text in noted:
        del scene[WAITING]
        for title, job_id, place, arguments, back, back_arguments in json.loads(text):
            put = read(place, arguments)
            if put is not None:
                take_back = read(back, back_arguments) or (lambda: None)
                job = engine.watch_job(job_id, patience=ACCEPTED_SECONDS)
                tasks.append(session.follow(Task(title=title, job=job, place=put, take_back=take_back, kept=True)))
    return tasks


@bpy.app.handlers.persistent
def _before_saving(*_: object) -> None:
    note(bpy.context.scene or bpy.data.scenes[0])


@bpy.app.handlers.persistent
def _after_saving(*_: object) -> None:
    for scene in bpy.data.scenes:
        if WAITING in scene:
            del scene[WAITING]


@bpy.app.handlers.persistent
def _after_opening(*_: object) -> None:
    if not bpy.app.background:
        with suppress(VelaturaError):
            collect(_endpoint())


def _endpoint() -> Any:
    from . import preferences  # it knows the scene's settings, which know the history, which knows us

    return preferences.endpoint(bpy.context)


HANDLERS = (
    (bpy.app.handlers.save_pre, _before_saving),
    (bpy.app.handlers.save_post, _after_saving),
    (bpy.app.handlers.load_post, _after_opening),
)


def register() -> None:
    """Watch for files being saved and opened."""
    for where, handler in HANDLERS:
        where.append(handler)


def unregister() -> None:
    """Watch no more."""
    for where, handler in HANDLERS:
        where.remove(handler)
