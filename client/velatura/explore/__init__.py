"""Many pictures of one job, a knob or two apart: as a labelled sheet and a folder to browse.

from velatura import Engine, explore, spec

with Engine.connect() as engine:
    grid = explore.Grid(
        spec.texture("red brick wall", size=256),
        x=explore.axis("sampler", "euler, ddim, dpmpp_2m"),
        y=explore.axis("steps", "5..20+5"),
    )
    grid.check(engine)
    outcome = explore.start(engine, grid, "walls").result()
    print(outcome.sheet, outcome.page)
"""

from .axes import Axis, FieldAxis, PartsAxis, ReplaceAxis, axis, matrix
from .grid import MAX_PICTURES, Cell, Grid
from .run import Event, Exploration, Outcome, start
from .values import values

__all__ = [
    "MAX_PICTURES",
    "Axis",
    "Cell",
    "Event",
    "Exploration",
    "FieldAxis",
    "Grid",
    "Outcome",
    "PartsAxis",
    "ReplaceAxis",
    "axis",
    "matrix",
    "start",
    "values",
]
