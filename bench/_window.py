"""How long Blender's thread is kept, piece by piece: a window is pretended, and what its timers do is done and timed.

A window can be drawn between two pieces, and not while one is under way. Importing this needs Blender as a module.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
for _folder in ("blender_addon", "client", "tests/blender"):
    sys.path.insert(0, str(ROOT / _folder))

import bpy  # noqa: E402
import velatura_blender  # noqa: E402
from velatura_blender import host, placing, shots  # noqa: E402
from velatura_blender.errands import TICK, Errands, errands  # noqa: E402
from velatura_blender.session import Session, session  # noqa: E402

PRESSED, READY, PLACED = "pressed", "got ready", "placed"
SECONDS = 180.0  # in which a result has to come


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A time in which the window cannot be drawn: what for, seconds on the clock, and of its thread's own time."""

    stage: str
    wall: float
    own: float


class Watch:
    """Notes the pieces. Blender's own render, which in a window is a job beside it, is none, and ends the one before.

    `profile`: seconds; of each stage what the longest piece calls is printed, where it takes longer than that. Looking
    makes all pieces longer.
    """

    def __init__(self, profile: float | None = None) -> None:
        self.pieces: list[Piece] = []
        self._limit = profile
        self._depth = 0
        self._stage = ""
        self._since = (0.0, 0.0)
        self._profile = cProfile.Profile()
        self._profiles: dict[str, tuple[float, cProfile.Profile]] = {}

    def begin(self) -> None:
        """Watch the add-on from now on, for the rest of this process."""
        self._watch(Errands, "further", READY)
        self._watch(Session, "pump", READY)
        self._watch(placing.Placing, "further", PLACED)
        self.watch_renders()

    def watch_renders(self) -> None:
        """Let a render end the piece in which it begins, and what comes after it be another one."""
        handlers = bpy.app.handlers
        handlers.render_init.append(handlers.persistent(lambda *_: self._close() if self._depth else None))
        for ended in (handlers.render_complete, handlers.render_cancel):
            ended.append(handlers.persistent(lambda *_: self._open(READY) if self._depth else None))

    @contextmanager
    def piece(self, stage: str) -> Iterator[None]:
        """What is done in this block is one piece; inside another one it is a part of that, which places where it
        does."""
        if self._depth:
            self._stage = stage if stage == PLACED else self._stage
            yield
            return
        self._depth = 1
        self._open(stage)
        try:
            yield
        finally:
            self._close()
            self._depth = 0

    def _open(self, stage: str) -> None:
        self._stage, self._since = stage, _clocks()
        if self._limit is not None:
            self._profile = cProfile.Profile()
            self._profile.enable()

    def _close(self) -> None:
        wall, own = (now - then for now, then in zip(_clocks(), self._since, strict=True))
        self._profile.disable()
        self.pieces.append(Piece(stage=self._stage, wall=wall, own=own))
        if self._limit is not None and wall > max(self._profiles.get(self._stage, (0,))[0], self._limit):
            self._profiles[self._stage] = wall, self._profile

    def longest(self) -> dict[str, Piece]:
        """Of each stage since the last call the most that one piece took on the clock, and of its thread's time."""
        stages = dict.fromkeys(piece.stage for piece in self.pieces)
        found = {stage: [piece for piece in self.pieces if piece.stage == stage] for stage in stages}
        for stage, (wall, profile) in self._profiles.items():
            print(f"{stage}: {wall * 1e3:.0f} ms")
            pstats.Stats(profile).sort_stats("cumulative").print_stats("velatura_blender|method", 30)
        self.clear()
        return {
            stage: Piece(stage=stage, wall=max(each.wall for each in some), own=max(each.own for each in some))
            for stage, some in found.items()
        }

    def clear(self) -> None:
        """Forget what was noted."""
        self.pieces.clear()
        self._profiles.clear()

    def _watch(self, owner: type, name: str, stage: str) -> None:
        before = getattr(owner, name)

        def watched(*given: Any, **more: Any) -> Any:
            with self.piece(stage):
                return before(*given, **more)

        setattr(owner, name, watched)


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.thread_time()


class _Windowless:
    """`host` as it is without a window: rendering beside one needs a window's own events."""

    has_window = staticmethod(lambda: False)

    def __getattr__(self, name: str) -> Any:
        return getattr(host, name)


def pretend() -> None:
    """Let the add-on believe that somebody looks, so that nothing waits; only renders are made as without a window."""
    host.has_window = lambda: True
    shots.host = _Windowless()


def _do(done: Callable[[], bool]) -> None:
    """What the timers of a window do, until something is so. Ends the program where it never is."""
    until = time.monotonic() + SECONDS
    while not done():
        for errand in list(errands.running):
            errands.further(errand)
        session.pump()
        time.sleep(TICK)
        if time.monotonic() > until or session.failed:
            raise SystemExit(f"It does not come: {session.message}")


def come() -> None:
    """Until all that was asked for is in the scene."""
    _do(lambda: not errands.running and not session.tasks)


def sent() -> None:
    """Until all that was asked for is at the engine, and nothing is placed yet."""
    _do(lambda: not errands.running and all(task.accepted for task in session.tasks))


def noted() -> None:
    """What the add-on does before a file is saved."""
    for handler in bpy.app.handlers.save_pre:
        if handler.__module__.startswith(velatura_blender.__name__):
            handler(bpy.context.scene)


@contextmanager
def engine() -> Iterator[None]:
    """An engine in a process of its own that the add-on finds and knows; it is ended with the block."""
    words = [sys.executable, str(Path(__file__).with_name("_full_engine.py"))]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        os.environ |= {"VELATURA_ENGINE": process.stdout.readline().strip(), "VELATURA_TOKEN": "secret"}
        session.look(None)
        _do(lambda: session.status.ok)
        yield
    finally:
        session.disconnect()
        process.stdin.close()
        process.wait(timeout=20)
