"""Depth as ControlNets read it."""

import numpy as np

from . import PREPROCESSORS, Given
from ._filters import as_hint


@PREPROCESSORS.part("depth", "Depth of the scene", reads="depth", hints="depth")
def build(given: Given) -> np.ndarray:
    """The scene's depth, near white, nothing black; from metres or relative depth."""
    assert given.disparity is not None
    return as_hint(given.disparity)
