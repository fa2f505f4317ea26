"""Bicubic."""

import numpy as np

from . import UPSCALERS
from ._kernel import Enlarge, by_kernel


@UPSCALERS.part("bicubic", "Bicubic")
def build() -> Enlarge:
    """Smooth, with little ringing (Keys 1981, a = -0.5)."""
    return by_kernel(_cubic, 2)


def _cubic(away: np.ndarray) -> np.ndarray:
    x = np.abs(away)
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0))
