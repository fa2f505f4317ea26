"""Line art of pictures that are drawn."""

from typing import Annotated

import numpy as np

from ..shelf import Range
from . import PREPROCESSORS, Given
from ._filters import as_hint, gaussian


@PREPROCESSORS.part("lineart", "Line art", hints="lineart")
def build(
    given: Given,
    *,
    width: Annotated[float, Range(0.5, 32, 0.5), "Width of the strokes, pixels"] = 6.0,
    threshold: Annotated[int, Range(0, 255, 1), "Fainter strokes do not count for what is full, 0 to 255"] = 8,
) -> np.ndarray:
    """Lines, white on black, as far as they are darker than their surroundings in every colour; best on drawings. It
    stretches them so that half of the strokes reach middle grey.
    """
    colours = given.colours.astype(np.float64) * 255
    strokes = np.clip((gaussian(colours, width, given) - colours).min(axis=2), 0, 255).round(6)
    strong = strokes[strokes > threshold]
    full = max(16.0, float(np.median(strong))) if strong.size else 16.0
    return as_hint(strokes / full * (127 / 255))
