"""Asking a model that looks at a neighbourhood about a picture whose edges meet."""

import numpy as np

from . import Given
from ._filters import pad

REACH = 64
"""Pixels that are shown beyond an edge that meets the opposite one."""


def asked(given: Given) -> np.ndarray:
    """What the annotator answers, (H, W); it sees what lies beyond the edges that meet."""
    assert given.estimate is not None
    if not (given.x or given.y):
        return given.estimate(given.colours)
    height, width = given.colours.shape[:2]
    top, left = REACH * given.y, REACH * given.x
    padded = pad(given.colours, REACH, given)
    padded = padded[REACH - top : REACH + height + top, REACH - left : REACH + width + left]
    return given.estimate(padded)[top : top + height, left : left + width]
