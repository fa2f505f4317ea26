"""What images show, as plain numbers, so that it can be reckoned with beside Blender's own thread. No bpy here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .client import png

BAND = 16
"""Rows that are reckoned with at once: what is between two steps stays in the processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Raw:
    """An image's numbers as Blender has them: float32 (H, W, C), row 0 at the bottom. To read them is quick, and
    `texels` reckons."""

    numbers: np.ndarray
    is_float: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return self.numbers.shape[:2]

    def is_as(self, other: Numbers) -> bool:
        """Whether both are surely the same."""
        same = isinstance(other, Raw) and self.is_float == other.is_float
        return same and np.array_equal(self.numbers, other.numbers)

    def first(self) -> np.ndarray:
        """The first channel (H, W) float32 as it is, row 0 on top."""
        return np.ascontiguousarray(self.numbers[::-1, :, 0])

    def texels(self) -> np.ndarray:
        """Pixels (H, W, 4) uint8, row 0 on top, colours on the sRGB curve."""
        (height, width, channels), given = self.numbers.shape, self.numbers[::-1]
        colors = 3 if channels >= 3 else 1
        order = [*(range(3) if colors == 3 else (0, 0, 0)), *([channels - 1] if channels in (2, 4) else [])]
        found = np.full((height, width, 4), 255, np.uint8)
        for top in range(0, height, BAND):
            part = given[top : top + BAND]
            if self.is_float:
                part = to_bytes(np.concatenate([srgb(part[..., :colors]), part[..., colors:]], 2))
            else:  # they are bytes behind a point, and as such quickly read
                part = part * np.float32(255)
                part += 0.5
            for channel, origin in enumerate(order):
                found[top : top + BAND, :, channel] = part[..., origin]
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Packed:
    """An image that is still the file of 8 bits that we packed (`sheets.py`): Blender has the same numbers, and takes
    ten times as long to open it and hand them out."""

    file: bytes
    is_float: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return png.size(self.file)[::-1]

    def is_as(self, other: Numbers) -> bool:
        """Whether both are surely the same."""
        return isinstance(other, Packed) and self.file == other.file

    def first(self) -> np.ndarray:
        """The first channel (H, W) float32, row 0 on top."""
        return self.texels()[..., 0] / np.float32(255)

    def texels(self) -> np.ndarray:
        """Pixels (H, W, 4) uint8, row 0 on top."""
        read = png.decode(self.file)
        given = np.frombuffer(read.data, np.uint8).reshape(read.height, read.width, read.channels)
        found = np.full((read.height, read.width, 4), 255, np.uint8)
        found[..., : 4 if read.channels == 4 else 3] = given  # grey becomes each of the three
        return found


Numbers = Raw | Packed


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shown:
    """An image that an object wears, and how it is laid: `scale` and `shift` of UVs."""

    raw: Numbers
    scale: tuple[float, ...]
    shift: tuple[float, ...]

    def is_as(self, other: Shown | None) -> bool:
        """Whether both are the same."""
        laid = other is not None and (self.scale, self.shift) == (other.scale, other.shift)
        return laid and self.raw.is_as(other.raw)

    def texture(self, side: int) -> np.ndarray:
        """It as a texture, as `place.look_of` says."""
        pixels = self.raw.texels()[..., :3]
        if (self.scale, self.shift) == ((1, 1), (0, 0)):
            return _resized(pixels, side)
        return _laid(pixels, side, self.scale, self.shift)


def room(count: int) -> np.ndarray:
    """Memory for so many numbers float32, which has been touched: to be given it takes longer than to fill it."""
    found = np.empty(count, np.float32)
    found.fill(0)
    return found


def srgb(linear: np.ndarray) -> np.ndarray:
    """Colours 0..1 on the sRGB curve; what is beyond is cut."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def linear(srgb: np.ndarray) -> np.ndarray:
    """Colours 0..1 off the sRGB curve."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_bytes(values: np.ndarray) -> np.ndarray:
    """Numbers 0..1 as uint8; what is beyond is cut."""
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def _laid(pixels: np.ndarray, side: int, scale: Sequence[float], shift: Sequence[float]) -> np.ndarray:
    """A picture (H, W, 3) uint8 repeated over a square texture, each texel the mean of what falls into it."""
    height, width = pixels.shape[:2]
    fine = min(max(math.ceil(max(abs(scale[0]) * width, abs(scale[1]) * height) / side), 1), 4)  # samples a texel
    place = (np.arange(side * fine) + 0.5) / (side * fine)
    columns = np.floor((place * scale[0] + shift[0]) % 1 * width).astype(int) % width
    rows = height - 1 - np.floor((place[::-1] * scale[1] + shift[1]) % 1 * height).astype(int) % height
    total = np.zeros((side, side, 3), np.float32)
    for down in range(fine):
        for across in range(fine):
            total += pixels[rows[down::fine, None], columns[None, across::fine]]
    return np.rint(total / fine**2).astype(np.uint8)


def _resized(pixels: np.ndarray, side: int) -> np.ndarray:
    """At least `side` and at most 8192 pixels each way, bilinear."""
    for axis in (0, 1):
        length = pixels.shape[axis]
        wanted = min(max(side, length), 8192)
        if wanted != length:
            place = np.clip((np.arange(wanted) + 0.5) * length / wanted - 0.5, 0, length - 1)
            low = np.floor(place).astype(int)
            part = (place - low).astype(np.float32).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
            high = np.minimum(low + 1, length - 1)
            pixels = pixels.take(low, axis) * (1 - part) + pixels.take(high, axis) * part
    return pixels if pixels.dtype == np.uint8 else np.rint(pixels).astype(np.uint8)
