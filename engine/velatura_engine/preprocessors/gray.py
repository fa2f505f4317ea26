"""The picture without colour."""

import numpy as np

from . import PREPROCESSORS, Given
from ._filters import as_hint, brightness


@PREPROCESSORS.part("gray", "Grey", hints="gray")
def build(given: Given) -> np.ndarray:
    """The picture's brightness, for ControlNets that colour it anew."""
    return as_hint(brightness(given.colours) / 255)
