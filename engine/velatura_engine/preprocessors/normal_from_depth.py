"""Surface directions from depth."""

from typing import Annotated

import numpy as np

from ..shelf import Range
from . import PREPROCESSORS, Given
from ._filters import pad

FACING = (0.0, 0.0, 1.0)
"""Where nothing was hit: toward the viewer, as the models' makers have it."""


@PREPROCESSORS.part("normal_from_depth", "Normals from depth", reads="depth", hints="normal")
def build(
    given: Given,
    *,
    field_of_view: Annotated[float, Range(1, 170, 1), "The camera's, along the longer side, degrees"] = 50.0,
    relief: Annotated[
        float, Range(1.01, 100, 0.1), "For relative depth: the farthest is so many times as far as the nearest"
    ] = 5.0,
) -> np.ndarray:
    """Which way surfaces face, of their depth: red right, green up (OpenGL, Blender), blue toward the viewer.

    Each pixel is a point in space, and two differences of such points span the surface; on each axis it is the smaller
    one, so that what lies behind an edge does not bend it. On a plane that is exact. Where edges meet there is no
    perspective: rays are parallel, as far apart as they would be at the median distance.
    """
    z, hit = _distance(given, relief)
    if not hit.any():
        return np.full((*z.shape, 3), _pixels(np.array(FACING)), np.float32)
    points = _points(z, hit, field_of_view, given)
    across = _difference(points, hit, 1, given)
    up = -_difference(points, hit, 0, given)
    normal = np.cross(across, up)
    length = np.linalg.norm(normal, axis=2, keepdims=True)
    normal = np.where(hit[..., None] & (length > 0), normal / np.maximum(length, 1e-300), FACING)
    return _pixels(normal).astype(np.float32)


def _pixels(normal: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * normal


def _distance(given: Given, relief: float) -> tuple[np.ndarray, np.ndarray]:
    """Distance along the camera's axis (H, W), float64, and where something was hit."""
    if given.z is not None:
        return given.z.astype(np.float64), given.z > 0
    assert given.disparity is not None
    near = given.disparity.astype(np.float64)
    return 1 / (near * (1 - 1 / relief) + 1 / relief), near > 0


def _points(z: np.ndarray, hit: np.ndarray, field_of_view: float, given: Given) -> np.ndarray:
    """Points in camera space (H + 2, W + 2, 3), a pixel more on each side; x right, y up, z toward the viewer."""
    height, width = z.shape
    footprint = 2 * np.tan(np.radians(field_of_view) / 2) / max(height, width)
    distance = pad(z, 1, given)
    scale = np.median(z[hit]) if given.x or given.y else distance
    x, y = np.arange(-1, width + 1) + 0.5 - width / 2, height / 2 - np.arange(-1, height + 1) - 0.5
    return np.stack(np.broadcast_arrays(x * footprint * scale, y[:, None] * footprint * scale, -distance), axis=2)


def _difference(points: np.ndarray, hit: np.ndarray, axis: int, given: Given) -> np.ndarray:
    """The step to the next point along an axis, (H, W, 3), to the side where the surface goes on the more evenly."""
    inner, before, behind = (slice(1, -1),) * 2, [slice(1, -1)] * 2, [slice(1, -1)] * 2
    before[axis], behind[axis] = slice(None, -2), slice(2, None)
    valid = pad(hit, 1, given)
    if not (given.x if axis else given.y):  # there is nothing behind an edge that meets none
        valid[(slice(None),) * axis + ([0, -1],)] = False
    back, ahead = points[inner] - points[tuple(before)], points[tuple(behind)] - points[inner]
    usable_back, usable_ahead = valid[tuple(before)], valid[tuple(behind)]
    take_ahead = usable_ahead & (~usable_back | (np.abs(ahead[..., 2]) <= np.abs(back[..., 2])))
    return np.where(take_ahead[..., None], ahead, np.where(usable_back[..., None], back, _even(points, axis)))


def _even(points: np.ndarray, axis: int) -> np.ndarray:
    """For lone pixels: a step at the same distance."""
    step = np.zeros_like(points[1:-1, 1:-1])
    step[..., 0 if axis else 1] = 1.0 if axis else -1.0
    return step
