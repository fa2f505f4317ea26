"""Hints of the panel for the views of a whole object: each is made of every view's own depth."""

from . import hints, knobs
from .client import spec

DEPTH = "depth"
"""Views follow their depth in any case; a hint of this kind says how strongly."""


def controls(units):
    """Messages of the hints that are switched on, but for depth. Raises ValueError that says which one cannot be made
    of a view."""
    made = []
    for number, unit in enumerate(units, 1):
        if not unit.use:
            continue
        if unit.source != "SCENE":
            raise ValueError(f"Hint {number}: a picture would lie over every view alike: take it from the scene, "
                             "or switch the hint off")  # fmt: skip
        if _own(unit):
            if unit.start > 0 or unit.end < 1:
                raise ValueError(f"Hint {number}: views follow their depth all along: set Start to 0 and End to 1")
            continue
        preprocessor = unit.preprocessor or hints.OF_SCENE.get(unit.kind, "")
        if not preprocessor:
            raise ValueError(f"Hint {number}: choose a preprocessor that makes «{unit.kind}» of the scene's depth")
        more = {"knobs": knobs.values(unit.knobs, unit.preprocessor)} if unit.preprocessor else {}
        made.append(
            spec.control(
                unit.kind, preprocessor=preprocessor, strength=unit.strength, start=unit.start, end=unit.end, **more
            )
        )
    return tuple(made)


def depth_strength(units):
    """How strongly views follow their depth; None: as the model likes it."""
    return next((unit.strength for unit in units if unit.use and unit.source == "SCENE" and _own(unit)), None)


def _own(unit):
    return unit.kind == DEPTH and unit.preprocessor in ("", DEPTH)
