"""Pictures made ready to be placed: as files, which Blender takes as they are, made beside its own thread."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np

from .client import png

MOMENT = 0.005
"""Seconds that are waited between two looks whether all is ready."""


@dataclass(frozen=True)
class Sheet:
    """Pixels (H, W, 3 or 4), row 0 on top; and of those of 8 bits a PNG file.

    Blender packs the images of a .blend as such files. Its own writer takes three times as long, on the thread that
    draws the window.
    """

    pixels: np.ndarray
    file: bytes | None


def sheet(pixels: np.ndarray) -> Sheet:
    """Make pixels ready: uint8, or uint16, which have no file."""
    if pixels.dtype != np.uint8:
        return Sheet(pixels, None)
    height, width, channels = pixels.shape
    raster = png.Raster(width=width, height=height, channels=channels, data=np.ascontiguousarray(pixels).tobytes())
    return Sheet(pixels, png.encode(raster, level=1))


def sheets_in_turn(pictures: Sequence[Callable[[], np.ndarray]]) -> Generator[None, None, list[Sheet]]:
    """Make the pictures of these functions ready, in a thread of their own. The functions may not touch Blender."""
    pool = ThreadPoolExecutor(1)
    try:
        coming = [pool.submit(lambda picture=picture: sheet(picture())) for picture in pictures]
        while wait(coming, MOMENT).not_done:
            yield
        return [each.result() for each in coming]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
