"""From where the artist looks, and the part of that view which holds what is to be changed."""

from __future__ import annotations

from dataclasses import replace

import bpy
import numpy as np

from . import capture, host

NEAR = 1e-3
"""Metres before an orthographic view's own eye, which may stand among things."""


def lens_of(context: bpy.types.Context, where: str, longest: int) -> tuple[capture.Lens, tuple[int, int]]:
    """The lens of the 3D view that is worked in ("VIEWPORT"), of the scene's camera ("CAMERA"), or of the first of both
    that there is ("AUTO"), and the size of its picture. Raises ValueError where there is none."""
    if where != "CAMERA" and (found := host.view_of(context)) is not None:
        region, shown = found
        scale = longest / max(region.width, region.height)
        size = tuple(max(round(side * scale), 16) for side in (region.width, region.height))
        return of_view(shown), size
    if where == "VIEWPORT":
        raise ValueError("There is no 3D view to look from: open one, or look from the camera")
    scene = context.scene
    if scene.camera is None:
        raise ValueError("There is no 3D view and no camera to look from: add a camera (Ctrl Alt 0)")
    size = host.frame_size(scene, longest)
    return capture.lens_of(scene.camera, context.evaluated_depsgraph_get(), *size), size


def of_view(shown: bpy.types.RegionView3D) -> capture.Lens:
    """The lens of a 3D view. An orthographic one is moved back until everything it shows lies before it."""
    pose = np.array(shown.view_matrix, np.float64)
    clip = np.array(shown.window_matrix, np.float64)
    if shown.is_perspective:
        return capture.Lens(world_to_camera=pose, camera_to_clip=clip, orthographic=False)
    # On the near plane clip space is at -1; whatever lies there shall be NEAR metres away.
    back = max(NEAR - (1 + clip[2, 3]) / clip[2, 2], 0.0)
    pose[2, 3] -= back
    clip[2, 3] += clip[2, 2] * back
    return capture.Lens(world_to_camera=pose, camera_to_clip=clip, orthographic=True)


def zoomed(
    lens: capture.Lens, part: np.ndarray, longest: int, surroundings: float
) -> tuple[capture.Lens, tuple[int, int]]:
    """The same lens looking at nothing but a part (H, W) bool of its picture and what is around it, and the size of
    that picture, multiples of 8, `longest` pixels at its longer side.

    `surroundings` is added on each side, as a share of the part's longer side; never more than the picture has.
    """
    height, width = part.shape
    rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
    low = np.array([columns[0], rows[0]], float)
    high = np.array([columns[-1] + 1, rows[-1] + 1], float)
    around = max(surroundings * (high - low).max(), 1.0)
    low, high = np.maximum(low - around, 0), np.minimum(high + around, (width, height))
    # A narrow strip is shown with more around it: models paint badly in strips.
    short = np.maximum((high - low).max() / 2 - (high - low), 0) / 2
    low, high = np.maximum(low - short, 0), np.minimum(high + short, (width, height))
    scale = longest / (high - low).max()
    size = tuple(max(round(side * scale / 8) * 8, 64) for side in high - low)
    crop = np.eye(4)
    for axis, (start, end, side) in enumerate(zip(low, high, (width, height), strict=True)):
        middle, half = (start + end) / side - 1, (end - start) / side
        crop[axis, axis], crop[axis, 3] = 1 / half, (-middle if axis == 0 else middle) / half
    return replace(lens, camera_to_clip=crop @ lens.camera_to_clip), size
