"""Soft edges, as PiDiNet draws them."""

import numpy as np

from . import PREPROCESSORS, Given
from ._asked import LEVELS, RESOLUTION, Levels, Resolution, asked, stepped
from ._filters import as_hint


@PREPROCESSORS.part("pidinet", "Soft edges (PiDiNet)", annotator="pidinet", hints="softedge")
def build(given: Given, *, resolution: Resolution = RESOLUTION, levels: Levels = LEVELS) -> np.ndarray:
    """Soft edges of objects, found by a learned model (PiDiNet), crisper than HED's; white on black. Where edges meet
    it is shown what lies beyond them.
    """
    return as_hint(stepped(asked(given, resolution), levels))
