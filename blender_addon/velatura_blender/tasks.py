"""A job of the engine and what is to be done with it. No bpy here."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

from . import status
from .client import Job, Result, VelaturaError, jobs_pb2

Placing = Callable[[Result], str | Generator[None, None, str]]
"""Puts a result into the scene and says what was done; at once, or in pieces that the window can breathe between."""


@dataclass(slots=True, kw_only=True)
class Task:
    """A job and what is to be done with it. `message`, `warnings` and `error` are for the artist.

    `scene` is the `session_uid` of the scene that it was asked in, where its result belongs; 0: the one that is open;
    `preview` is the newest glimpse, a JPEG file; `ahead` counts the jobs that go first; `kept` says that a saved file
    knows of it, `accepted` that the engine has taken it in, `away` that it ended only here, as no engine answered.
    """

    title: str
    job: Job
    place: Placing
    take_back: Callable[[], None]
    scene: int = 0
    message: str = ""
    warnings: tuple[str, ...] = ()
    error: VelaturaError | None = None
    done: bool = False
    preview: bytes = b""
    shown: bytes = b""
    ahead: int = 0
    kept: bool = False
    accepted: bool = False
    away: bool = False


def hear(task: Task, event: jobs_pb2.JobEvent) -> None:
    """Take in what the engine says of a task."""
    kind = event.WhichOneof("event")
    if kind == "progress":
        stage = event.progress.stage.rpartition(":")[2]  # after the step's id, which no artist knows
        task.message = f"{task.title}: {status.STAGES.get(stage, stage)} {event.progress.step}/{event.progress.steps}"
    elif kind == "preview":
        task.preview = event.preview.image.data
    elif kind == "queued":
        task.ahead = event.queued.position
        task.message = f"{task.title}: waits for {task.ahead}" if task.ahead else f"{task.title} …"
