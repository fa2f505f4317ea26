"""Lanczos."""

from typing import Annotated

import numpy as np

from ..shelf import Range
from . import UPSCALERS
from ._kernel import Enlarge, by_kernel


@UPSCALERS.part("lanczos", "Lanczos")
def build(*, lobes: Annotated[int, Range(2, 4, 1), "More are sharper, and ring more at edges"] = 3) -> Enlarge:
    """Sharp, with a little ringing at hard edges (Duchon 1979)."""
    return by_kernel(lambda away: np.where(np.abs(away) < lobes, np.sinc(away) * np.sinc(away / lobes), 0), lobes)
