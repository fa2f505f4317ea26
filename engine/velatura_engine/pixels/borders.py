"""Where a picture that repeats is best cut: where its border stands out least."""

from __future__ import annotations

import numpy as np

from ..request import Tiling
from .picture import Picture, as_srgb


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
    """The line of a picture (H, W) to begin with so that what lies `band` pixels on either side is the least conspicuous.

    A border is seen again in every repeat. What makes it seen are straight lines along it: rows that are brighter or
    darker as a whole than the picture, and steps from one to the next.
    """
    lines = grey.astype(np.float64).mean(1 - axis) - grey.mean()
    steps = np.abs(lines - np.roll(lines, 1))
    window = np.arange(-band, band)
    seen = [np.abs(lines[(start + window) % len(lines)]).mean() + steps[(start + window) % len(lines)].mean()
            for start in range(len(lines))]  # fmt: skip
    return int(np.argmin(seen))
