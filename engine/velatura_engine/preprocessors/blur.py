"""The picture, softened."""

from typing import Annotated

import numpy as np

from ..shelf import Range
from . import PREPROCESSORS, Given
from ._filters import gaussian


@PREPROCESSORS.part("blur", "Blur", hints="blur")
def build(given: Given, *, sigma: Annotated[float, Range(0, 32, 0.5), "Of the Gaussian, pixels"] = 9.0) -> np.ndarray:
    """The picture softened by a Gaussian: its colours without its detail."""
    return gaussian(given.colours, sigma, given).astype(np.float32)
