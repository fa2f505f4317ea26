"""Enlarging by a kernel: every new pixel is a weighted mean of the old ones around it, rows and columns apart."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

Kernel = Callable[[np.ndarray], np.ndarray]
Enlarge = Callable[[np.ndarray, tuple[int, int], bool, bool], np.ndarray]
"""(pixels (H, W, C) float32, (width, height) to come out, tile_x, tile_y) -> (height, width, C) float32."""


def by_kernel(kernel: Kernel, reach: int) -> Enlarge:
    """An upscaler of a kernel that is 0 beyond `reach` pixels."""
    return partial(_enlarge, kernel, reach)


def taps(kernel: Kernel, reach: int, old: int, new: int, tiled: bool) -> tuple[np.ndarray, np.ndarray]:
    """For each of `new` pixels the old ones that it is made of, (new, 2 reach) indices and weights that add up to 1.

    Past an edge lies what is across where it tiles, else the edge's own pixel again.
    """
    middles = (np.arange(new) + 0.5) * old / new - 0.5
    around = np.floor(middles)[:, None] + np.arange(1 - reach, reach + 1)
    weights = kernel(middles[:, None] - around)
    indices = around.astype(np.int64)
    indices = indices % old if tiled else np.clip(indices, 0, old - 1)
    return indices, (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def _enlarge(
    kernel: Kernel, reach: int, pixels: np.ndarray, size: tuple[int, int], tile_x: bool, tile_y: bool
) -> np.ndarray:
    for axis, new, tiled in ((1, size[0], tile_x), (0, size[1], tile_y)):
        indices, weights = taps(kernel, reach, pixels.shape[axis], new, tiled)
        shape = (1, -1, 1) if axis else (-1, 1, 1)
        # Tap by tap: all of them at once would take several times the memory.
        parts = (pixels.take(indices[:, n], axis) * weights[:, n].reshape(shape) for n in range(2 * reach))
        pixels = sum(parts, np.float32(0))  # type: ignore[assignment]
    return pixels
