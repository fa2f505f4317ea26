"""Asking a model that looks at a neighbourhood about a picture whose edges meet."""

from typing import Annotated

import numpy as np

from ..shelf import Range
from . import Given
from ._filters import pad

Resolution = Annotated[int, Range(64, 2048, 64), "Shorter side of the picture as the model sees it, pixels"]
RESOLUTION = 512
"""What the models were trained with."""

Levels = Annotated[int, Range(0, 16, 1), "Steps that softness is rounded to, against hidden detail; 0 is none"]
LEVELS = 0

REACH = 64
"""Pixels that are shown beyond an edge that meets the opposite one."""


def asked(given: Given, resolution: int) -> np.ndarray:
    """What the annotator answers, (H, W); it sees what lies beyond the edges that meet."""
    assert given.estimate is not None
    if not (given.x or given.y):
        return given.estimate(given.colours, side=resolution)
    height, width = given.colours.shape[:2]
    top, left = REACH * given.y, REACH * given.x
    padded = pad(given.colours, REACH, given)
    padded = padded[REACH - top : REACH + height + top, REACH - left : REACH + width + left]
    return given.estimate(padded, side=resolution)[top : top + height, left : left + width]


def stepped(edges: np.ndarray, levels: int) -> np.ndarray:
    """Edges (H, W) 0..1 rounded down to so many steps, as ControlNet's authors make them "safe": what is faint
    vanishes, and nothing can be hidden in the rest."""
    return np.floor(edges * (levels + 1)) / levels if levels else edges
