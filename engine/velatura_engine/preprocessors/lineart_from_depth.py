"""Lines where surfaces end or bend, from depth."""

from typing import Annotated

import numpy as np

from ..shelf import Range
from . import PREPROCESSORS, Given
from ._filters import as_hint, shifted
from .normal_from_depth import build as normals

NEARER = 0.02
"""Part of the distance by which what lies in front must be nearer, for an edge that is no bend."""


@PREPROCESSORS.part("lineart_from_depth", "Lines from depth", reads="depth", hints="lineart")
def build(
    given: Given,
    *,
    bend: Annotated[float, Range(1, 180, 1), "Degrees from which on a bend is a line"] = 30.0,
    field_of_view: Annotated[float, Range(1, 170, 1), "The camera's, along the longer side, degrees"] = 50.0,
) -> np.ndarray:
    """The outlines and creases of the scene's surfaces, of their depth: white lines on black, a pixel or two wide.

    A line is drawn where the next pixel to the right or below shows a surface that faces another way, lies in front or
    behind, or is not there.
    """
    facing = normals(given, field_of_view=field_of_view) * 2 - 1
    if given.z is not None:
        near, hit = np.where(given.z > 0, 1 / np.maximum(given.z, 1e-12), 0), given.z > 0
    else:
        assert given.disparity is not None
        near, hit = given.disparity, given.disparity > 0
    lines = np.zeros(hit.shape, bool)
    for rows, columns in ((1, 0), (0, 1)):
        other, there = shifted(facing, rows, columns, given), shifted(hit, rows, columns, given)
        far = shifted(near, rows, columns, given)
        bends = (facing * other).sum(2) < np.cos(np.radians(bend))
        # Along a plane 1 / z changes evenly: what it does between two pixels is compared with what it did before.
        before = shifted(near, -rows, -columns, given)
        jumps = np.abs(near - far) > NEARER * np.maximum(near, far) + 2 * np.abs(near - before)
        lines |= (hit & there & (bends | jumps)) | (hit != there)
    return as_hint(lines.astype(np.float32))
