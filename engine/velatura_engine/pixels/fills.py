"""What stands inside a mask before it is painted: the surroundings carried inward, smooth or mirrored."""

from __future__ import annotations

import numpy as np

from ..request import Fill
from .masks import around

Wrap = tuple[bool, bool]
"""Whether left meets right, and top meets bottom."""

GRID = 256
"""Longest side on which nearest border points are looked for, pixels; between them is interpolated."""
MARGIN = 8
"""More than what is mirrored that is looked at around a mask, pixels."""
SWEEPS = 12
"""Relaxations on every size; more change nothing that can be seen."""


def fill(
    picture: np.ndarray, mask: np.ndarray, mode: Fill, noise: np.random.Generator, wrap: Wrap = (False, False)
) -> np.ndarray:
    """Fill the masked part of (H, W, 3) float32 sRGB before painting; soft masks fill softly."""
    if mode == "original":
        return picture
    if mode == "neutral":
        inside = np.full_like(picture, 0.5)
    elif mode == "noise":
        inside = noise.random(picture.shape, np.float32)
    else:
        inside = surroundings(picture, mask, wrap)
    weight = mask[..., None]
    return picture * (1 - weight) + inside * weight


def surroundings(picture: np.ndarray, mask: np.ndarray, wrap: Wrap = (False, False)) -> np.ndarray:
    """What is around a mask (H, W) carried into it, (H, W, 3) float32.

    Each pixel shows what lies as far outside of the nearest border as it lies inside, so that structure goes on; where
    nothing is there, colours spread smoothly. Mid grey where the mask leaves nothing over.
    """
    known = mask <= 0
    if known.all():
        return picture
    if not known.any():
        return np.full_like(picture, 0.5)
    depth = min(held.stop - held.start for held in around(mask, 0))  # no pixel lies deeper
    part = around(mask, depth + MARGIN, wrap)
    filled = picture.astype(np.float32)
    filled[part] = _filled(filled[part], known[part], wrap)
    return filled


def _filled(picture: np.ndarray, known: np.ndarray, wrap: Wrap) -> np.ndarray:
    smooth = spread(picture, known, wrap)
    mirrored, valid = _mirror(picture, known, wrap)
    weight = _soften(valid.astype(np.float32), wrap)[..., None] * valid[..., None]
    return np.where(known[..., None], picture, smooth * (1 - weight) + mirrored * weight)


def spread(values: np.ndarray, known: np.ndarray, wrap: Wrap = (False, False)) -> np.ndarray:
    """Values (H, W, C) where `known` (H, W), and between them the smoothest surface: Laplace's equation.

    Solved from coarse to fine (cascadic multigrid, Bornemann and Deuflhard 1996). Open edges are flat across, wrapped
    ones meet. Zeros where nothing is known.
    """
    height, width = known.shape
    if known.all():
        return values
    if max(height, width) <= 2 or not known.any():
        weight = known[..., None]
        mean = (values * weight).sum((0, 1)) / max(float(weight.sum()), 1.0)
        return np.where(weight, values, mean.astype(np.float32))
    some = _halve(known.astype(np.float32)[..., None])
    half = _halve(np.where(known[..., None], values, 0)) / np.maximum(some, 1e-6)
    below = _double(spread(half.astype(np.float32), some[..., 0] > 0, wrap), (height, width), wrap)
    result = np.where(known[..., None], values, below).astype(np.float32)
    for _ in range(SWEEPS):
        around = _pad(result, wrap)
        mean = (around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]) / 4
        result = np.where(known[..., None], values, mean)
    return result


def _halve(values: np.ndarray) -> np.ndarray:
    height, width = values.shape[:2]
    padded = np.pad(values, ((0, height % 2), (0, width % 2), (0, 0)))
    return padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2, -1).mean(axis=(1, 3))


def _double(values: np.ndarray, shape: tuple[int, int], wrap: Wrap) -> np.ndarray:
    """Twice the size, each value a mix of its nearest in thirds and quarters."""
    for axis in (0, 1):
        around = np.moveaxis(_pad(values, wrap), axis, 0)
        around = around[:, 1:-1]
        mid, before, after = around[1:-1], around[:-2], around[2:]
        both = np.stack([0.75 * mid + 0.25 * before, 0.75 * mid + 0.25 * after], axis=1)
        values = np.moveaxis(both.reshape(-1, *mid.shape[1:]), 0, axis)
    return values[: shape[0], : shape[1]]


def _pad(values: np.ndarray, wrap: Wrap) -> np.ndarray:
    """One more on each side: what is across where the axis wraps, else the edge again."""
    values = np.pad(values, ((1, 1), (0, 0), (0, 0)), "wrap" if wrap[1] else "edge")
    return np.pad(values, ((0, 0), (1, 1), (0, 0)), "wrap" if wrap[0] else "edge")


def _soften(weight: np.ndarray, wrap: Wrap) -> np.ndarray:
    values = weight[..., None]
    for _ in range(4):
        around = _pad(values, wrap)
        values = (around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:] + 4 * values) / 8
    return values[..., 0]


def _mirror(picture: np.ndarray, known: np.ndarray, wrap: Wrap) -> tuple[np.ndarray, np.ndarray]:
    """The picture mirrored at the nearest border, (H, W, 3), and where that shows something known, (H, W)."""
    height, width = known.shape
    y, x = np.mgrid[:height, :width]
    step = -(-max(height, width) // GRID)
    dy, dx = _to_nearest(known[::step, ::step], wrap)
    if step > 1:
        dy, dx = (
            np.repeat(np.repeat(d, step, 0), step, 1)[:height, :width].astype(np.float32) * step for d in (dy, dx)
        )
        dy, dx = (_soften(d, wrap) for d in (dy, dx))
    rows, columns = np.rint(y + 2 * dy).astype(int), np.rint(x + 2 * dx).astype(int)
    valid = np.ones(known.shape, bool)
    if wrap[1]:
        rows %= height
    if wrap[0]:
        columns %= width
    valid &= (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
    return picture[rows, columns], valid & known[rows, columns]


def _to_nearest(known: np.ndarray, wrap: Wrap) -> tuple[np.ndarray, np.ndarray]:
    """From every point of a grid the way (rows, columns) to the nearest known one: jump flooding (Rong, Tan 2006)."""
    height, width = known.shape
    far = 4 * (height + width)
    dy, dx = (np.where(known, 0, far) for _ in "yx")
    jump = 1 << max(0, max(height, width) - 1).bit_length()
    while jump := jump // 2:
        for down in (-jump, 0, jump):
            for right in (-jump, 0, jump):
                cy, cx = (_moved(d, down, right, far, wrap) for d in (dy, dx))
                cy, cx = cy + down, cx + right
                nearer = cy * cy + cx * cx < dy * dy + dx * dx
                dy, dx = np.where(nearer, cy, dy), np.where(nearer, cx, dx)
    return dy, dx


def _moved(values: np.ndarray, down: int, right: int, outside: int, wrap: Wrap) -> np.ndarray:
    """What lies `down` and `right` of every point; `outside` beyond edges that do not wrap."""
    moved = np.roll(values, (-down, -right), (0, 1))
    height, width = values.shape
    if down and not wrap[1]:
        moved[slice(max(0, height - down), None) if down > 0 else slice(0, min(height, -down))] = outside
    if right and not wrap[0]:
        moved[:, slice(max(0, width - right), None) if right > 0 else slice(0, min(width, -right))] = outside
    return moved
