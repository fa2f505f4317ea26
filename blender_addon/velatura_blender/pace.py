"""How work goes on while the window stays alive: beside Blender's own thread, or in it with pauses.

Work is a generator that yields wherever the window may be drawn; what it returns is what was made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

Made = TypeVar("Made")
Pieces = Generator[None, None, Made]
PIECE = 0.02
"""Seconds of work in Blender's thread that the window can wait for."""
MOMENT = 0.005
"""Seconds that are waited between two looks whether all is ready."""


class Breath:
    """Lets the window go on now and then, for what is made of many short steps in Blender's thread."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def pause(self) -> Pieces[None]:
        """Yield once where a piece has taken as long as it may; the next one begins when this goes on."""
        if time.perf_counter() - self._since >= PIECE:
            yield
            self._since = time.perf_counter()


def beside(calls: Sequence[Callable[[], Made]]) -> Pieces[list[Made]]:
    """What these functions make, one after the other, in a thread of their own. They may not touch Blender.

    The window goes on first, so that neither starting the thread nor what comes after it lengthens the piece before.
    """
    yield
    pool = ThreadPoolExecutor(1)
    try:
        coming = [pool.submit(call) for call in calls]
        while wait(coming, MOMENT).not_done:
            yield
        return [each.result() for each in coming]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def finished(pieces: Pieces[Made]) -> Made:
    """What pieces make, where the window may wait for it."""
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return end.value
