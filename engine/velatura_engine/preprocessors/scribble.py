"""Scribbled lines."""

from typing import Annotated

import numpy as np

from ..shelf import Range
from . import PREPROCESSORS, Given
from ._filters import as_hint, brightness, gaussian


@PREPROCESSORS.part("scribble", "Scribble", hints="scribble")
def build(
    given: Given,
    *,
    fine: Annotated[float, Range(0, 8, 0.1), "Smallest detail that is kept, pixels"] = 0.5,
    width: Annotated[float, Range(0.5, 32, 0.5), "Width of the strokes, pixels"] = 5.0,
    threshold: Annotated[int, Range(1, 255, 1), "How much darker than its surroundings a stroke is, 1 to 255"] = 32,
) -> np.ndarray:
    """Rough white strokes on black where the picture is darker than its surroundings: a thresholded difference of
    Gaussians, as in XDoG (Winnemöller et al. 2012).
    """
    light = brightness(given.colours)
    return as_hint(gaussian(light, width, given) - gaussian(light, fine, given) > threshold)
