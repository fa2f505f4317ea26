"""The part of a picture that is to be painted anew, (H, W) uint8, row 0 on top: 255 anew, 0 as it is."""

from __future__ import annotations

import bpy
import numpy as np

from . import place

STEPS = 16  # straight pieces of a curve between two points


def of_alpha(picture: bpy.types.Image) -> np.ndarray:
    """What is transparent."""
    return 255 - place.read(picture)[..., 3]


def of_image(mask: bpy.types.Image, width: int, height: int) -> np.ndarray:
    """What is white in another picture of the same size. Raises ValueError for another size."""
    if tuple(mask.size) != (width, height):
        raise ValueError(
            f"{mask.name} is {mask.size[0]} × {mask.size[1]}, the picture {width} × {height}: a mask has its size"
        )
    return place.read(mask)[..., :3].max(2)


def of_splines(mask: bpy.types.Mask, width: int, height: int) -> np.ndarray:
    """What the closed curves of a mask's layers enclose; layers that subtract take away."""
    found = np.zeros((height, width), np.uint8)
    for layer in mask.layers:
        if layer.hide_render:
            continue
        inside = np.zeros((height, width), bool)
        for spline in layer.splines:
            if spline.use_fill and len(spline.points) > 1:
                inside |= _filled(_outline(spline) * _stretch(width, height), width, height)
        drawn = np.where(inside ^ layer.invert, round(255 * layer.alpha), 0).astype(np.uint8)
        found = np.minimum(found, 255 - drawn) if "SUBTRACT" in layer.blend else np.maximum(found, drawn)
    return found


def _stretch(width: int, height: int) -> np.ndarray:
    """Blender lays a mask over the square that has the picture's longer side, about its middle."""
    longer = max(width, height)
    return np.array([longer / width, longer / height])


def _outline(spline: bpy.types.MaskSpline) -> np.ndarray:
    """Points (N, 2) along a closed curve, from the picture's middle, in shares of its longer side, y up."""
    points = list(spline.points)
    t = np.linspace(0, 1, STEPS, endpoint=False)[:, None]
    parts = []
    for point, following in zip(points, [*points[1:], points[0]], strict=True):
        a, b, c, d = (np.array(each[:]) for each in (point.co, point.handle_right, following.handle_left, following.co))
        parts.append((1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d)
    return np.concatenate(parts) - 0.5


def _filled(outline: np.ndarray, width: int, height: int) -> np.ndarray:
    """Pixels (H, W) whose centres lie inside a polygon, by the even-odd rule."""
    x, y = (outline[:, 0] + 0.5) * width, (0.5 - outline[:, 1]) * height
    turns = np.zeros((height, width + 1), np.int32)
    centres = np.arange(height) + 0.5
    for x0, y0, x1, y1 in zip(x, y, np.roll(x, -1), np.roll(y, -1), strict=True):
        rows = np.flatnonzero((centres >= min(y0, y1)) & (centres < max(y0, y1)))
        if len(rows):
            cross = x0 + (centres[rows] - y0) * (x1 - x0) / (y1 - y0)
            np.add.at(turns, (rows, np.clip(np.ceil(cross - 0.5), 0, width).astype(int)), 1)
    return np.cumsum(turns, axis=1)[:, :width] % 2 == 1
