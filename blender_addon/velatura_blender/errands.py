"""What goes on beside the window in small pieces: generators that yield whenever nothing but waiting is left to do.

A timer takes them further in the window; in background mode `wait` does. Each piece finds the scene as the open one in
which the errand was begun. An errand that is stopped is closed, so that what it borrowed is given back where it stands.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, field

import bpy

from . import host
from .client import VelaturaError, errors
from .session import session

TICK = 0.02  # seconds

Steps = Generator[None, None, str]
"""Ends with what was done, in words."""


@dataclass(slots=True, kw_only=True)
class Errand:
    """Something under way, in the `scene` of this number; it `asks` where it ends with a job. `message` and `fraction`
    (0 to 1) are for the artist, `error` is why it ended badly."""

    title: str
    steps: Steps
    scene: int
    asks: bool = False
    message: str = ""
    fraction: float = 0.0
    error: Exception | None = None
    stopping: bool = False
    done: bool = False


@dataclass(slots=True)
class Errands:
    """Those of this Blender; `last` is the one that ended last."""

    running: list[Errand] = field(default_factory=list)
    last: Errand | None = None

    def start(self, title: str, steps: Steps, *, asks: bool = False) -> Errand:
        """Begin at once, as far as nothing has to be waited for."""
        words = f"{title}: being got ready …" if asks else f"{title} …"
        errand = Errand(title=title, steps=steps, scene=host.open_scene(), asks=asks, message=words)
        self.running.append(errand)
        session.say(errand.message)
        self.further(errand)
        if self.running and host.has_window() and not bpy.app.timers.is_registered(_tick):
            bpy.app.timers.register(_tick, first_interval=TICK, persistent=True)
        return errand

    def find(self, title: str) -> Errand | None:
        """The one of this title that runs."""
        return next((errand for errand in self.running if errand.title == title), None)

    def asking(self) -> list[Errand]:
        """Those that end with a job, which is not at the engine yet."""
        return [errand for errand in self.running if errand.asks]

    def hand_in(self, until: float) -> None:
        """Go on with those until all jobs are at the engine, or `time.monotonic` is so late."""
        for errand in self.asking():
            while not errand.done and time.monotonic() < until:
                self.further(errand)

    def further(self, errand: Errand) -> None:
        """Take one piece of an errand; never waits."""
        if errand.stopping and not rendering():
            self.stop(errand)
            return
        try:
            with host.within(errand.scene):
                next(errand.steps)
            return
        except StopIteration as end:
            errand.message = end.value or errand.message
        except (VelaturaError, ValueError) as error:
            errand.error = error
        except ReferenceError:
            errand.error = ValueError(f"{errand.title}: the scene is not there any more")
        except Exception as error:
            errand.error = errors.Broken(f"{errand.title} could not go on: {error}", debug=repr(error))
        self._end(errand)

    def stop(self, errand: Errand) -> None:
        """End an errand where it stands, or once Blender's render has ended; what it borrowed is given back."""
        if rendering() and errand in self.running:
            errand.stopping, errand.message = True, "Stops when this render ends; Escape ends it"
            return
        errand.steps.close()
        errand.error = errors.Cancelled("The job was stopped")
        self._end(errand)

    def stop_all(self) -> None:
        """End everything at once: the scene it is for goes away."""
        for errand in list(self.running):
            errand.steps.close()
            errand.error = errors.Cancelled("The job was stopped")
            self._end(errand)

    def wait(self, errand: Errand, timeout: float | None = None) -> None:
        """Go on until it ended. Raises what it failed with, Timeout after so many seconds."""
        until = None if timeout is None else time.monotonic() + timeout
        while not errand.done:
            self.further(errand)
            session.pump()
            if until is not None and time.monotonic() > until and not errand.done:
                self.stop(errand)
                raise errors.Timeout(f"{errand.title} is not done after {timeout:g} seconds")
            if not errand.done:
                time.sleep(0.01)
        if errand.error is not None:
            raise errand.error

    def _end(self, errand: Errand) -> None:
        if errand.done:
            return
        errand.done, self.last = True, errand
        self.running.remove(errand)
        if errand.error is not None:
            errand.message = str(errand.error)
        failed = errand.error is not None and not isinstance(errand.error, errors.Cancelled)
        session.say(errand.message, errand.error if isinstance(errand.error, VelaturaError) else None)
        session.failed = failed
        host.redraw()


def rendering() -> bool:
    """Blender renders beside the window, and must not be disturbed."""
    return bpy.app.is_job_running("RENDER")


errands = Errands()
"""This Blender's."""


def _tick() -> float | None:
    told = _told()
    for errand in list(errands.running):
        errands.further(errand)
    if _told() != told:
        host.redraw()
    return TICK if errands.running else None


def _told() -> list[tuple[str, float]]:
    return [(errand.message, errand.fraction) for errand in errands.running]


@bpy.app.handlers.persistent
def _on_load(*_: object) -> None:
    errands.stop_all()


def register() -> None:
    """Watch for files being opened."""
    bpy.app.handlers.load_pre.append(_on_load)


def unregister() -> None:
    """Stop everything."""
    bpy.app.handlers.load_pre.remove(_on_load)
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    errands.stop_all()
