"""Soft edges by slope."""

from typing import Annotated

import numpy as np

from ..shelf import Range
from . import PREPROCESSORS, Given
from ._filters import as_hint, brightness, gaussian, sobel


@PREPROCESSORS.part("gradient", "Gradient edges", hints="softedge")
def build(
    given: Given,
    *,
    blur: Annotated[float, Range(0, 32, 0.1), "Softens the picture first, so that edges are wider; pixels"] = 2.0,
    gain: Annotated[float, Range(0.1, 16, 0.1), "How bright an edge becomes"] = 2.0,
) -> np.ndarray:
    """Soft edges, bright where brightness changes fast. Plain slopes: what a soft-edge ControlNet can read, without
    the sense for objects that learned ones (HED, PiDiNet) have.
    """
    right, down = sobel(gaussian(brightness(given.colours), blur, given), given)
    return as_hint(np.hypot(right, down) * (gain / 1020))
