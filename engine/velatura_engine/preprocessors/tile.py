"""The picture for tile ControlNets."""

from typing import Annotated

import numpy as np

from ..shelf import Range
from . import PREPROCESSORS, Given
from ._filters import gaussian


@PREPROCESSORS.part("tile", "Tile", hints="tile")
def build(
    given: Given, *, detail: Annotated[float, Range(1, 32, 0.5), "Detail smaller than this is left out, pixels"] = 1.0
) -> np.ndarray:
    """The picture itself, for ControlNets that add detail to what is there; on request without its finest detail.

    Instead of made smaller and larger again, as is the custom, it is softened by a Gaussian of half the size: that
    knows no grid, and so does the same at every place of a tile.
    """
    return gaussian(given.colours, detail / 2 if detail > 1 else 0, given).astype(np.float32)
