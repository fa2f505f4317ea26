"""Where a picture that repeats is best cut: where its border stands out least."""

from __future__ import annotations

import numpy as np

from ..request import Tiling
from .picture import Picture, as_srgb

LINES = 64
"""Lines along each axis at which a picture is looked at; finer ones do not decide."""


def shifted(picture: Picture, tiling: Tiling) -> Picture:
    """A picture whose edges meet, rolled along the axes that tile so that its quietest lines lie along its edges.

    Nothing but the places of pixels changes. `tiling.keep` is the width of the band that is looked at on either side.
    """
    grey = as_srgb(picture).mean(2)
    pixels = picture.pixels
    for axis, tiled in ((1, tiling.x), (0, tiling.y)):
        if tiled:
            pixels = np.roll(pixels, -quietest(grey, axis, tiling.keep or 1), axis)
    return Picture(pixels, picture.space)


def quietest(grey: np.ndarray, axis: int, band: int) -> int:
    """The line of a picture (H, W) to begin with so that what lies `band` pixels on either side is conspicuous least.

    A border is seen again with every repeat, and stands out where it is like nothing else in the picture. So the strip
    is taken that is most like another one, wherever that lies along its line.
    """
    given = np.moveaxis(grey.astype(np.float64), axis, 0)
    small, starts = given, [0]
    for each in (1, 0):
        count = min(small.shape[each], LINES)
        starts = np.arange(count) * small.shape[each] // count
        small = np.add.reduceat(small, starts, each) / np.diff([*starts, small.shape[each]]).reshape(
            [-1 if side == each else 1 for side in (0, 1)]
        )
    around = max(1, round(band * len(small) / len(given)))
    rows = (np.arange(len(small))[:, None] + np.arange(-around, around)) % len(small)
    return int(starts[np.argmin(_unlike(small - small.mean(), rows))])


def _unlike(small: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """How far each strip (N, K) of rows is from the one elsewhere that is most like it at any shift, in shares of both
    their contrast: 0 is the same, 1 has nothing to do with it."""
    count, far = rows.shape
    strips = np.fft.rfft(small[rows], axis=2)
    power = (small[rows] ** 2).mean((1, 2))
    found = np.empty(count)
    for number, strip in enumerate(strips):
        same = np.fft.irfft((strips * strip.conj()).sum(1), small.shape[1], axis=1) / (far * small.shape[1])
        away = 1 - 2 * same.max(1) / np.maximum(power + power[number], 1e-12)
        apart = np.abs(np.arange(count) - number)
        away[np.minimum(apart, count - apart) < far] = np.inf  # it shares rows
        found[number] = away.min() + 1e-6 * power[number]  # two are each other's likeness: the calmer one
    return found
