"""Line art of photographs."""

import numpy as np

from . import PREPROCESSORS, Given
from ._asked import RESOLUTION, Resolution, asked
from ._filters import as_hint


@PREPROCESSORS.part("lineart_realistic", "Line art (learned)", annotator="lineart", hints="lineart")
def build(given: Given, *, resolution: Resolution = RESOLUTION) -> np.ndarray:
    """Lines as an artist would draw them, found by a learned model; white on black. Where edges meet it is shown what
    lies beyond them.
    """
    return as_hint(asked(given, resolution))
