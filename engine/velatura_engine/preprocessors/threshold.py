"""Black and white."""

from typing import Annotated

import numpy as np

from ..shelf import Range
from . import PREPROCESSORS, Given
from ._filters import as_hint, brightness


@PREPROCESSORS.part("threshold", "Threshold")
def build(
    given: Given, *, threshold: Annotated[int, Range(0, 255, 1), "Brightness from which it is white"] = 128
) -> np.ndarray:
    """White where the picture is at least so bright, black elsewhere."""
    return as_hint(brightness(given.colours).round(6) >= threshold)
