"""Pictures made ready to be placed: as files, which Blender takes as they are, made beside its own thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from . import icons
from .client import png
from .pace import Pieces, beside


@dataclass(frozen=True)
class Sheet:
    """A picture of 3 or 4 channels as a PNG file of 8 or 16 bits, and a small copy for the history.

    Blender packs the images of a .blend as such files. Its own writer takes longer, on the thread that draws windows.
    """

    channels: int
    file: bytes
    small: str


def sheet(pixels: np.ndarray) -> Sheet:
    """Make pixels (H, W, 3 or 4) ready, row 0 on top: uint8, or uint16."""
    height, width, channels = pixels.shape
    little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    raster = png.Raster(
        width=width, height=height, channels=channels, bits=8 * pixels.dtype.itemsize, data=little.tobytes()
    )
    return Sheet(channels, png.encode(raster, level=1), icons.small(pixels))


def sheets_in_turn(pictures: Sequence[Callable[[], np.ndarray]]) -> Pieces[list[Sheet]]:
    """Make the pictures of these functions ready, in a thread of their own. The functions may not touch Blender."""
    return beside([lambda picture=picture: sheet(picture()) for picture in pictures])
