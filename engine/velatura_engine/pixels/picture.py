"""A picture in memory, and the few conversions everything shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Space = Literal["srgb", "linear", "data"]


@dataclass(frozen=True, slots=True)
class Picture:
    """Pixels, top row first: (H, W, C) with C in 1, 2, 3, 4; uint8, uint16 or float32 (0..1 for colours).

    A second or fourth channel is straight alpha. `space` says what the colour channels mean.
    """

    pixels: np.ndarray
    space: Space = "srgb"

    @property
    def height(self) -> int:
        """Rows."""
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        """Pixels in a row."""
        return self.pixels.shape[1]

    @property
    def channels(self) -> int:
        """Values a pixel, alpha among them."""
        return self.pixels.shape[2]


def to_float(pixels: np.ndarray) -> np.ndarray:
    """Any pixel type -> float32; integers are scaled to 0..1."""
    if pixels.dtype == np.uint8:
        return pixels.astype(np.float32) / 255.0
    if pixels.dtype == np.uint16:
        return pixels.astype(np.float32) / 65535.0
    return pixels.astype(np.float32, copy=False)


def to_bytes(pixels: np.ndarray) -> np.ndarray:
    """Any pixel type -> uint8, rounded to nearest, clipped."""
    if pixels.dtype == np.uint8:
        return pixels
    return to_whole(to_float(pixels), np.uint8)


def to_whole(values: np.ndarray, kind: np.dtype | type) -> np.ndarray:
    """Floats 0..1 (H, ...) -> integers of a kind, rounded to nearest and clipped."""
    top = float(np.iinfo(kind).max)
    whole = np.empty(values.shape, kind)
    rows = max(1, (1 << 16) // max(values[:1].size, 1))  # a processor's cache holds so many
    for row in range(0, len(values), rows):
        some = values[row : row + rows] * np.float32(top)
        whole[row : row + rows] = np.clip(np.rint(some, out=some), 0, top, out=some)
    return whole


def linear_to_srgb(values: np.ndarray) -> np.ndarray:
    """Linear light -> sRGB curve, float32 0..1 (IEC 61966-2-1)."""
    values = np.clip(values, 0.0, None)
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * np.power(values, 1 / 2.4) - 0.055).astype(np.float32)


def srgb_to_linear(values: np.ndarray) -> np.ndarray:
    """sRGB curve -> linear light, float32 0..1 (IEC 61966-2-1)."""
    return np.where(values <= 0.04045, values / 12.92, np.power((values + 0.055) / 1.055, 2.4)).astype(np.float32)


def as_srgb(picture: Picture) -> np.ndarray:
    """Colour of a picture as (H, W, 3) float32 sRGB 0..1; grey is spread over three channels, alpha left out."""
    values = to_float(picture.pixels)
    colour = values[..., :3] if picture.channels >= 3 else np.repeat(values[..., :1], 3, axis=2)
    return np.clip(linear_to_srgb(colour) if picture.space == "linear" else colour, 0.0, 1.0)


def as_single(picture: Picture) -> np.ndarray:
    """First channel as (H, W) float32; integers are scaled to 0..1."""
    return to_float(picture.pixels[..., 0])
