"""A grid that is being painted: a few jobs at a time, on a thread of its own, past cells that fail."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Broken, Busy, Cancelled, Invalid, Timeout, Unauthenticated, Unreachable, VelaturaError
from ..job import Feed, Job
from ..v1 import jobs_pb2
from . import page, sheet
from .folder import Folder, Made
from .grid import Cell, Grid

if TYPE_CHECKING:
    from ..client import Engine

log = logging.getLogger(__name__)

AHEAD = 2
"""Jobs at the engine at the same time: the next one waits there while one is painted, so that none has to wait here."""
PATIENCE = 600.0
"""Seconds to try again where the engine's queue is full."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """What happened: a cell `made` (painted, kept or failed), or None for mere progress.

    `done` of `total` cells are over, `fraction` (0..1) of all work.
    """

    done: int
    total: int
    fraction: float
    made: Made | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came out: every cell in order, and the files that show them all."""

    folder: Path
    sheet: Path
    page: Path
    made: tuple[Made, ...]

    def count(self, state: str) -> int:
        """How many cells were "painted", "kept" from before, or "failed"."""
        return sum(made.state == state for made in self.made)


class Exploration(Feed[Event]):
    """A grid that is being painted. Take its events with `poll` or `events`, or wait for `result`; `cancel` stops it.

    What was painted stays, and a later run of the same grid into the same folder goes on from there.
    """

    def __init__(
        self,
        engine: Engine,
        grid: Grid,
        folder: str | Path,
        on_event: Callable[[Event], None] | None = None,
        *,
        ahead: int = AHEAD,
    ) -> None:
        super().__init__(on_event)
        self._engine, self._grid, self._ahead = engine, grid, max(1, ahead)
        self._folder = Folder(Path(folder).expanduser())
        self._stopped = threading.Event()
        self._stop = self._stop_watching = self._stopped.set
        self._made: dict[tuple[int, int, int], Made] = {}
        self._outcome: Outcome | None = None
        self._shown = 0.0

    def result(self, timeout: float | None = None) -> Outcome:
        """Waits for the end, at most `timeout` seconds, and returns what came out; failed cells are part of that.

        Raises Cancelled where it was stopped, Unreachable where the engine is gone, Invalid where the folder cannot be
        written, Timeout where it is not done in time (it then goes on).
        """
        if not self.wait(timeout):
            raise Timeout(f"The grid is not done after {timeout:g} seconds")
        if self.error is not None:
            raise self.error
        assert self._outcome is not None
        return self._outcome

    def run(self) -> None:
        """Paint everything; `start` calls it on a thread of its own. Never raises: see `error`."""
        try:
            self._outcome = self._paint()
            self._end()
        except VelaturaError as trouble:
            self._end(trouble)
        except Exception as trouble:
            log.exception("exploring failed")
            self._end(Broken("Exploring failed here, not at the engine", debug=repr(trouble)))

    def _paint(self) -> Outcome:
        self._folder.open()
        grid = self._grid.with_seed(self._folder.seed())
        try:
            self._work(grid)
        finally:
            made = tuple(self._made[cell.x, cell.y, cell.z] for cell in grid.cells if self._has(cell))
            self._folder.note(grid, made)
            sheet_file = self._folder.put("sheet.png", sheet.draw(grid, made, self._folder))
            page_file = self._folder.put("index.html", page.write(grid, made).encode("utf-8"))
        return Outcome(folder=self._folder.path, sheet=sheet_file, page=page_file, made=made)

    def _has(self, cell: Cell) -> bool:
        return (cell.x, cell.y, cell.z) in self._made

    def _work(self, grid: Grid) -> None:
        waiting = deque(grid.cells)
        running: deque[tuple[Cell, Job]] = deque()
        self._folder.note(grid, ())  # the seed, should this end before its time
        try:
            while waiting or running:
                while waiting and len(running) < self._ahead:
                    cell = waiting.popleft()
                    kept = self._folder.find(cell)
                    if kept is not None:
                        self._tell(grid, kept)
                    else:
                        running.append((cell, self._engine.generate(_bare(cell.job))))
                if running:
                    cell, job = running.popleft()
                    self._tell(grid, self._finish(grid, cell, job))
        finally:
            for _, job in running:
                job.cancel()
            for _, job in running:
                job.wait(5.0)

    def _finish(self, grid: Grid, cell: Cell, job: Job) -> Made:
        """Wait for a cell's job; where the engine is too busy for it, hand it in again."""
        until = time.monotonic() + PATIENCE
        while True:
            self._follow(grid, job)
            try:
                return self._folder.save(cell, job.result())
            except Busy as trouble:
                if time.monotonic() > until:
                    return self._folder.fail(cell, trouble)
                if self._stopped.wait(min(max(trouble.retry_after or 1.0, 0.1), 30.0)):
                    raise Cancelled("It was stopped") from None
                job = self._engine.generate(_bare(cell.job))
            except (Unreachable, Unauthenticated):
                raise  # the others would fare no better
            except Cancelled:
                if self._stopped.is_set():
                    raise
                return self._folder.fail(cell, Cancelled("Somebody stopped this one"))
            except Invalid as trouble:
                if trouble.field == "folder":
                    raise
                return self._folder.fail(cell, trouble)
            except VelaturaError as trouble:
                return self._folder.fail(cell, trouble)

    def _follow(self, grid: Grid, job: Job) -> None:
        while not job.wait(0.05):
            if self._stopped.is_set():
                job.cancel()
                job.wait(5.0)
                return
            job.poll()
            now = time.monotonic()
            if now - self._shown > 0.2:
                self._shown = now
                self._push(self._event(grid, job.fraction))
        if self._stopped.is_set():
            raise Cancelled("It was stopped")

    def _tell(self, grid: Grid, made: Made) -> None:
        self._made[made.x, made.y, made.z] = made
        self._push(self._event(grid, 0.0, made))
        if self._stopped.is_set():
            raise Cancelled("It was stopped")

    def _event(self, grid: Grid, part: float, made: Made | None = None) -> Event:
        done, total = len(self._made), grid.pictures
        return Event(done=done, total=total, fraction=min(1.0, (done + part) / total), made=made)


def start(
    engine: Engine,
    grid: Grid,
    folder: str | Path,
    on_event: Callable[[Event], None] | None = None,
    *,
    ahead: int = AHEAD,
) -> Exploration:
    """Begin to paint a grid into a folder, and return at once. `on_event` is called on the exploration's own thread.

    Cells whose pictures are in the folder are kept, not painted again. `ahead`: jobs at the engine at the same time.
    """
    running = Exploration(engine, grid, folder, on_event, ahead=ahead)
    threading.Thread(target=running.run, name="velatura-explore", daemon=True).start()
    return running


def _bare(job: jobs_pb2.JobSpec) -> jobs_pb2.JobSpec:
    """The job without previews, as one that lets others go first, and with a PNG file for a result."""
    bare = jobs_pb2.JobSpec()
    bare.CopyFrom(job)
    for name in ("preview", "supersede_key", "request_id", "output"):
        bare.ClearField(name)
    bare.lane = jobs_pb2.LANE_BATCH
    return bare
