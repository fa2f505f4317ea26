"""Nearest neighbour."""

import numpy as np

from . import UPSCALERS
from ._kernel import Enlarge, by_kernel


@UPSCALERS.part("nearest", "Nearest")
def build() -> Enlarge:
    """Every pixel becomes a block: for pixel art, masks and plain numbers."""
    return by_kernel(lambda away: ((away >= -0.5) & (away < 0.5)).astype(np.float64), 1)
