"""Soft edges, as HED draws them."""

from typing import Annotated

import numpy as np

from ..shelf import Range
from . import PREPROCESSORS, Given
from ._asked import RESOLUTION, Resolution, asked
from ._filters import as_hint


@PREPROCESSORS.part("hed", "Soft edges (HED)", annotator="softedge", hints="softedge")
def build(
    given: Given,
    *,
    resolution: Resolution = RESOLUTION,
    levels: Annotated[int, Range(0, 16, 1), "Steps that softness is rounded to, against hidden detail; 0 is none"] = 0,
) -> np.ndarray:
    """Soft edges of objects, found by a learned model (HED); white on black. Where edges meet it is shown what lies
    beyond them.
    """
    edges = asked(given, resolution)
    # As ControlNet's authors make it "safe": what is faint vanishes, and nothing can be hidden in the rest.
    return as_hint(np.floor(edges * (levels + 1)) / max(levels, 1) if levels else edges)
