"""How a finished job's result gets into the scene: at once or in pieces, but as one step to be undone.

Blender packs every image, which takes some milliseconds each and holds the window. A function that places a lot is a
generator: it yields between pieces, and each tick of the timer takes it one piece further. What it keeps between pieces
are names, never Blender's own things: the artist may undo meanwhile, and those would be gone. Each piece finds the
scene as the open one that the job was asked in.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from types import GeneratorType
from typing import Any

from . import host
from .client import Result, VelaturaError, errors

Look = Callable[[Any, Result], Callable[[], None]]
"""Called with task and result before anything is placed; what it returns is called after."""


class Placing:
    """A task whose job is done, on the way into the scene. At its end `message`, `warnings` and `error` are told."""

    def __init__(self, task: Any, around: Sequence[Look]) -> None:
        self.task = task
        self._around = around
        self._afters: list[Callable[[], None]] = []
        self._pieces: Generator[None, None, str] | None = None
        self._known = host.ids()

    def further(self) -> bool:
        """Place one more piece; says whether it was the last. What failed is taken back."""
        task = self.task
        try:
            with host.within(task.scene):
                words = self._begin() if self._pieces is None else None
                if words is None:
                    next(self._pieces)
                    return False
        except StopIteration as end:
            words = end.value
        except VelaturaError as error:
            self._fail(error)
            return True
        except Exception as error:
            self._fail(errors.Broken(f"{task.title} could not be placed: {error}", debug=repr(error)))
            return True
        return self._finish(words)

    def drop(self) -> None:
        """Give it up midway; what was made and is used by nothing goes."""
        if self._pieces is not None:
            self._pieces.close()
        host.remove_unused(self._known)

    def _begin(self) -> str | None:
        """Take the result; what was done, or None where that comes in pieces."""
        result = self.task.job.result()
        told = (*self.task.warnings, *(warning.message for warning in result.warnings))
        self.task.warnings = tuple(dict.fromkeys(told))
        self._afters = [look(self.task, result) for look in self._around]
        made = self.task.place(result)
        if isinstance(made, GeneratorType):
            self._pieces = made
            return None
        return made

    def _finish(self, words: str) -> bool:
        self.task.message = words
        try:
            with host.within(self.task.scene):
                for after in self._afters:
                    after()
            host.undo_step(self.task.title)
        except Exception as error:
            self._fail(errors.Broken(f"{self.task.title} could not be placed: {error}", debug=repr(error)))
        return True

    def _fail(self, error: VelaturaError) -> None:
        self.drop()
        if self.task.kept and isinstance(error, errors.Unreachable | errors.Unauthenticated):
            self.task.away = True  # its job is still at the engine, and the file waits for it
            self.task.error = error
            self.task.message = f"{error} What this file waits for comes when the engine answers."
            return
        self.task.take_back()
        if error.field == "job_id":
            lost = f"The result of «{self.task.title}» is not at the engine any more"
            error = errors.NotFound(lost, remedy="Ask for it again.")
        self.task.error, self.task.message = error, str(error)
