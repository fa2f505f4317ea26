"""Line art of drawn figures."""

import numpy as np

from . import PREPROCESSORS, Given
from ._asked import RESOLUTION, Resolution, asked
from ._filters import as_hint


@PREPROCESSORS.part("lineart_anime", "Line art of anime", annotator="lineart_anime", hints="lineart_anime")
def build(given: Given, *, resolution: Resolution = RESOLUTION) -> np.ndarray:
    """Lines of drawn figures, as they were before they were coloured, found by a learned model; white on black. Where
    edges meet it is shown what lies beyond them.
    """
    return as_hint(asked(given, resolution))
