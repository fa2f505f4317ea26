"""Masks for repainting: grown and softened for the painting, and laid back so that nothing else moves."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter


def widen(mask: np.ndarray, grow: int, feather: int, wrap: tuple[bool, bool] = (False, False)) -> np.ndarray:
    """Mask (H, W) float32 0..1 -> grown by `grow` pixels and softened outward over `feather`; inside stays opaque.

    Along axes (x, y) that wrap it grows across the edge.
    """
    if any(wrap):
        across, down = (reach(grow, feather) if on else 0 for on in wrap)
        wide = widen(np.pad(mask, ((down, down), (across, across)), "wrap"), grow, feather)
        return wide[down : down + mask.shape[0], across : across + mask.shape[1]]
    picture = Image.fromarray(np.rint(mask * 255).astype(np.uint8))
    # The blur reaches half the feather to both sides of an edge that lies half the feather out.
    out = grow + (feather + 1) // 2
    for _ in range(out // 7):
        picture = picture.filter(ImageFilter.MaxFilter(15))
    if out % 7:
        picture = picture.filter(ImageFilter.MaxFilter(2 * (out % 7) + 1))
    if feather:
        picture = picture.filter(ImageFilter.BoxBlur(feather / 4)).filter(ImageFilter.BoxBlur(feather / 4))
    return np.maximum(np.asarray(picture, np.float32) / 255.0, mask)


def reach(grow: int, feather: int) -> int:
    """How far out a mask can have become more than nothing by `widen`, pixels."""
    return grow + (feather + 1) // 2 + 2 * (-(-feather // 4))


def around(mask: np.ndarray, by: int, wrap: tuple[bool, bool] = (False, False)) -> tuple[slice, slice]:
    """Rows and columns that hold a mask (H, W) and `by` pixels around it; all of them along axes (x, y) that wrap."""
    found = []
    for axis, wraps in ((1, wrap[1]), (0, wrap[0])):
        held = np.flatnonzero(mask.any(axis))
        if wraps or not len(held):
            found.append(slice(0, mask.shape[1 - axis]))
        else:
            found.append(slice(max(0, int(held[0]) - by), min(mask.shape[1 - axis], int(held[-1]) + by + 1)))
    return found[0], found[1]


def quantize(values: np.ndarray, kind: np.dtype | type) -> np.ndarray:
    """Floats 0..1 -> a picture's number format: integers rounded to nearest and clipped, floats as they are."""
    if not np.issubdtype(kind, np.integer):
        return values.astype(kind)
    top = np.iinfo(kind).max
    return np.clip(np.rint(values * float(top)), 0, top).astype(kind)


def lay(original: np.ndarray, painted: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Lay new pixels over old ones: (H, W, C) of the original's type; where the mask is 0 the bytes are the original's.

    All three are of one number format, the mask (H, W) straight alpha. The mix is made on the stored values, as layers
    are in paint programs: for integers `o (1 - a) + p a` rounded to nearest, which has no ties, so every program that
    lays the same layer down comes to the same bytes.
    """
    if np.issubdtype(original.dtype, np.integer):
        top = int(np.iinfo(original.dtype).max)
        alpha = mask[..., None].astype(np.int64)
        return ((original * (top - alpha) + painted * alpha + top // 2) // top).astype(original.dtype)
    mixed = (original * (1.0 - mask[..., None]) + painted * mask[..., None]).astype(original.dtype)
    return np.where(mask[..., None] > 0, mixed, original)
