"""Depth of a picture, estimated."""

from typing import Annotated

import numpy as np

from ..shelf import Range
from . import PREPROCESSORS, Given
from ._filters import as_hint


@PREPROCESSORS.part("depth_estimate", "Estimated depth", annotator="depth", hints="depth")
def build(
    given: Given,
    *,
    background: Annotated[float, Range(0, 1, 0.01), "What lies farther than this, 0 to 1, is made black"] = 0.0,
) -> np.ndarray:
    """How near things in a picture look to a model that has learned it (DPT, Depth Anything); near is white. A model
    sees the whole picture: where edges are to meet, its answer need not.
    """
    assert given.estimate is not None
    near = given.estimate(given.colours)
    return as_hint(np.where(near >= background, near, 0))
