"""The picture's negative."""

import numpy as np

from . import PREPROCESSORS, Given


@PREPROCESSORS.part("invert", "Invert")
def build(given: Given) -> np.ndarray:
    """White for black: makes a drawing on paper the white lines on black that ControlNets read."""
    return 1 - given.colours
