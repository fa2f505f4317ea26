"""Straight lines."""

from typing import Annotated

import numpy as np

from ..shelf import Range
from . import PREPROCESSORS, Given
from ._asked import RESOLUTION, Resolution
from ._drawing import line
from ._filters import as_hint


@PREPROCESSORS.part("mlsd", "Straight lines (M-LSD)", annotator="mlsd", hints="mlsd")
def build(
    given: Given,
    *,
    resolution: Resolution = RESOLUTION,
    confidence: Annotated[float, Range(0.01, 1, 0.01), "Lines that are less sure are left out"] = 0.1,
    length: Annotated[float, Range(0, 512, 1), "Shorter lines are left out, pixels"] = 4.0,
) -> np.ndarray:
    """Straight lines of buildings and rooms, found by a learned model (M-LSD); white on black. Where edges are to meet,
    its answer need not.
    """
    assert given.estimate is not None
    drawn = np.zeros(given.colours.shape[:2], bool)
    for x0, y0, x1, y1, sure in given.estimate(given.colours, side=resolution):
        if sure >= confidence and np.hypot(x1 - x0, y1 - y0) >= length:
            line(drawn, (x0, y0), (x1, y1))
    return as_hint(drawn)
