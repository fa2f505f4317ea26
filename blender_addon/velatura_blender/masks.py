"""The part of a picture that is to be painted anew, (H, W) uint8, row 0 on top: 255 anew, 0 as it is."""

from __future__ import annotations

from collections.abc import Callable

import bpy
import numpy as np

from . import looks, place

STEPS = 16  # straight pieces of a curve between two points
Reckon = Callable[[], np.ndarray]
"""Makes the mask of what was read, and touches no Blender data."""


def part_of(settings: bpy.types.PropertyGroup, picture: looks.Numbers) -> Reckon:
    """What is to be painted anew in an image, as the scene's settings say now. Raises ValueError where what they name
    is missing, and there where it holds nothing."""
    height, width = picture.shape
    if settings.mask_source == "ALPHA":
        reckon = transparent(picture)
        missing = "Nothing of the picture is transparent: erase what is to be painted anew (Paint mode, Erase Alpha)"
    elif settings.mask_source == "IMAGE":
        if settings.mask_image is None:
            raise ValueError("Choose the mask picture: white is painted anew")
        reckon, missing = white(settings.mask_image, width, height), "The mask picture is black everywhere"
    else:
        if settings.mask is None:
            raise ValueError("Choose a mask: draw one in the Image editor's Mask mode")
        reckon, missing = enclosed(settings.mask, width, height), "The mask encloses nothing of the picture"

    def found() -> np.ndarray:
        mask = reckon()
        if not mask.any():
            raise ValueError(missing)
        return mask

    return found


def transparent(picture: looks.Numbers) -> Reckon:
    """What is transparent."""
    return lambda: 255 - picture.texels()[..., 3]


def white(mask: bpy.types.Image, width: int, height: int) -> Reckon:
    """What is white now in another picture of the same size. Raises ValueError for another size."""
    if tuple(mask.size) != (width, height):
        raise ValueError(
            f"{mask.name} is {mask.size[0]} × {mask.size[1]}, the picture {width} × {height}: a mask has its size"
        )
    read = place.raw(mask)
    return lambda: read.texels()[..., :3].max(2)


def enclosed(mask: bpy.types.Mask, width: int, height: int) -> Reckon:
    """What the closed curves of a mask's layers enclose now; layers that subtract take away."""
    layers = [
        (
            [_outline(spline) for spline in layer.splines if spline.use_fill and len(spline.points) > 1],
            layer.invert,
            round(255 * layer.alpha),
            "SUBTRACT" in layer.blend,
        )
        for layer in mask.layers
        if not layer.hide_render
    ]

    def reckon() -> np.ndarray:
        found = np.zeros((height, width), np.uint8)
        for outlines, inverted, strength, takes in layers:
            inside = np.zeros((height, width), bool)
            for outline in outlines:
                inside |= _filled(outline * _stretch(width, height), width, height)
            drawn = np.where(inside ^ inverted, strength, 0).astype(np.uint8)
            found = np.minimum(found, 255 - drawn) if takes else np.maximum(found, drawn)
        return found

    return reckon


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
