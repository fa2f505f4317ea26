"""Canny's edges."""

from typing import Annotated

import numpy as np

from ..shelf import Choice, Range
from . import PREPROCESSORS, Given
from ._filters import as_hint, brightness, gaussian, shifted, sobel, touching

_TAN = np.tan(np.pi / 8)
"""Between a direction across and one aslant lie 22.5 degrees."""


@PREPROCESSORS.part("canny", "Canny edges", hints="canny")
def build(
    given: Given,
    *,
    low: Annotated[int, Range(0, 1020, 1), "Slope from which an edge that has begun goes on"] = 100,
    high: Annotated[int, Range(0, 1020, 1), "Slope from which an edge begins"] = 200,
    blur: Annotated[float, Range(0, 8, 0.1), "Softens the picture first, against grain; pixels"] = 0.0,
    measure: Annotated[str, Choice("sum", "length"), "Of a slope: its parts together, or its true length"] = "sum",
) -> np.ndarray:
    """Edges one pixel wide, white on black (Canny 1986): where brightness changes most across an edge, and where that
    is steep, or joins what is steep.

    Slopes are of brightness 0..255 by Sobel's kernels: a full step from black to white has 1020. The defaults are those
    of OpenCV's `Canny`, which made what ControlNets were trained on: no Gaussian before, and slopes as the sum of their
    parts. Canny's own way is some blur and "length", which judges edges of every direction alike.
    """
    right, down = sobel(gaussian(brightness(given.colours), blur, given), given)
    # Equal slopes on both sides of a step must compare as equal, whatever the last bits of the sums are.
    steep = (np.hypot(right, down) if measure == "length" else np.abs(right) + np.abs(down)).round(6)
    ridge = np.zeros(steep.shape, bool)
    flat = np.abs(down) <= _TAN * np.abs(right)
    upright = np.abs(right) <= _TAN * np.abs(down)
    falling = ~flat & ~upright & (right * down > 0)
    for sector, rows, columns in ((flat, 0, 1), (upright, 1, 0), (falling, 1, 1), (~(flat | upright | falling), 1, -1)):
        before, behind = shifted(steep, -rows, -columns, given), shifted(steep, rows, columns, given)
        ridge |= sector & (steep > before) & (steep >= behind)
    low, high = min(low, high), max(low, high)
    weak = ridge & (steep > low)
    return as_hint(touching(weak, weak & (steep > high), given))
