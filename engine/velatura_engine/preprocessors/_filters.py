"""Filters that wrap around an edge where it meets the opposite one, so that a rolled picture gives the rolled answer.

Everything is summed in the same order for every pixel and in double precision: rolled means equal to the last bit.
"""

from __future__ import annotations

import math

import numpy as np

from . import Given

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness (ITU-R BT.601), as OpenCV has them."""

DIRECTIONS = ((0, 1), (1, 1), (1, 0), (1, -1))
"""Neighbours, (rows, columns): across, falling, down, rising."""


def brightness(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) 0..1 -> (H, W) float64 0..255."""
    return picture.astype(np.float64) @ (np.array(LUMA) * 255)


def as_hint(values: np.ndarray) -> np.ndarray:
    """(H, W) numbers or truths -> a grey hint (H, W, 3) float32, clipped to 0..1."""
    return np.repeat(np.clip(values, 0, 1).astype(np.float32)[..., None], 3, axis=2)


def pad(values: np.ndarray, reach: int, given: Given) -> np.ndarray:
    """(H, W, ...) with `reach` more pixels on each side: from across where the edges meet, else the edge again."""
    for axis, meets in ((0, given.y), (1, given.x)):
        widths = [(0, 0)] * values.ndim
        widths[axis] = (reach, reach)
        values = np.pad(values, widths, mode="wrap" if meets else "edge")
    return values


def shifted(values: np.ndarray, rows: int, columns: int, given: Given) -> np.ndarray:
    """What lies `rows` below and `columns` to the right of each pixel, (H, W, ...)."""
    height, width = values.shape[:2]
    reach = max(abs(rows), abs(columns))
    return pad(values, reach, given)[reach + rows : reach + rows + height, reach + columns : reach + columns + width]


def gaussian(values: np.ndarray, sigma: float, given: Given) -> np.ndarray:
    """(H, W, ...) softened by a Gaussian of `sigma` pixels, cut off at three of them, float64; 0 leaves it as it is."""
    values = values.astype(np.float64)
    if sigma <= 0:
        return values
    reach = max(1, math.ceil(3 * sigma))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps /= taps.sum()
    for axis, meets in ((0, given.y), (1, given.x)):
        widths = [(0, 0)] * values.ndim
        widths[axis] = (reach, reach)
        padded = np.pad(values, widths, mode="wrap" if meets else "edge")
        size, summed = values.shape[axis], np.zeros_like(values)
        for number, tap in enumerate(taps):
            summed += tap * (padded[number : number + size] if axis == 0 else padded[:, number : number + size])
        values = summed
    return values


def sobel(values: np.ndarray, given: Given) -> tuple[np.ndarray, np.ndarray]:
    """Slopes (H, W) of brightness to the right and downward, by Sobel's 3 x 3 kernels, not normalised: a step of h
    gives 4 h on both of its sides.
    """
    smooth_y = shifted(values, -1, 0, given) + 2 * values + shifted(values, 1, 0, given)
    smooth_x = shifted(values, 0, -1, given) + 2 * values + shifted(values, 0, 1, given)
    right = shifted(smooth_y, 0, 1, given) - shifted(smooth_y, 0, -1, given)
    down = shifted(smooth_x, 1, 0, given) - shifted(smooth_x, -1, 0, given)
    return right, down


def touching(weak: np.ndarray, strong: np.ndarray, given: Given) -> np.ndarray:
    """Those pixels of `weak` (H, W) from which a `strong` one is reached over neighbours that are weak too.

    Connected parts by hooking and shortcutting (Shiloach and Vishkin 1982): a few passes whatever the shapes are.
    """
    where = np.full(weak.shape, -1)
    where[weak] = np.arange(np.count_nonzero(weak))
    pairs = []
    for rows, columns in DIRECTIONS:
        there = _neighbour(where, rows, columns, given)
        both = weak & (there >= 0)
        pairs.append(np.stack([where[both], there[both]]))
    here, there = np.concatenate(pairs, axis=1)
    root = np.arange(np.count_nonzero(weak))
    while (root[here] != root[there]).any():
        low, high = np.minimum(root[here], root[there]), np.maximum(root[here], root[there])
        np.minimum.at(root, high, low)
        while (root[root] != root).any():
            root = root[root]
    alive = np.zeros(len(root), bool)
    alive[root[strong[weak]]] = True
    found = np.zeros(weak.shape, bool)
    found[weak] = alive[root]
    return found


def _neighbour(where: np.ndarray, rows: int, columns: int, given: Given) -> np.ndarray:
    """Numbers of the neighbours, -1 where an edge meets nothing."""
    moved = np.roll(where, (-rows, -columns), (0, 1))
    if rows and not given.y:
        moved[-1:] = -1
    if columns and not given.x:
        moved[:, -1 if columns > 0 else 0] = -1
    return moved
