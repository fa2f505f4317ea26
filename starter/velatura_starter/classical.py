"""Material maps by rules of thumb, without learning: what is bright is high. Fit for any picture, and a measure."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .material import Maps, slopes, to_normal

BANDS = (0.7, 1.6, 3.5, 8.0)
"""Deviations in pixels between which brightness is taken apart: fine bands are dampened, as they are mostly dirt."""

DEPTH = 6.0
"""Pixels of height for a brightness from 0 to 1; of 1.5 to 12 tried, it came nearest on family A's pictures."""


def extend(x: Tensor, dim: int, reach: int, wrap: bool) -> Tensor:
    """x with ``reach`` more values on both sides of an axis: what is across, or the border's value again."""
    length = x.shape[dim]
    index = torch.arange(-reach, length + reach, device=x.device)
    return x.index_select(dim, index % length if wrap else index.clamp(0, length - 1))


def smooth(x: Tensor, pixels: float, axes: str) -> Tensor:
    """Gaussian blur of (..., H, W) with a deviation in pixels, wrapped along the named axes."""
    for dim, axis in ((-2, "y"), (-1, "x")):
        reach = math.ceil(3 * pixels)
        offsets = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
        weights = torch.exp(-0.5 * (offsets / pixels) ** 2)
        parts = extend(x, dim, reach, axis in axes).unfold(dim, 2 * reach + 1, 1)
        x = parts @ (weights / weights.sum())
    return x


def estimate(picture: Tensor, axes: str = "xy", depth: float = DEPTH) -> Maps:
    """Maps of pictures (B, 3, H, W) in 0..1 whose edges meet along ``axes`` ("", "x", "y" or "xy").

    Albedo: the picture without its large shadows. Height: its brightness in bands. Occlusion: how deep a place lies
    below its surroundings. Roughness: how much fine structure there is. Nothing is metal.
    """
    grey = picture.mean(1)
    broad = smooth(grey, max(4.0, min(grey.shape[-2:]) / 8), axes)
    level = grey.mean((1, 2), keepdim=True)
    albedo = (picture * (level / broad.clamp_min(0.02)).clamp(0.5, 2.0).unsqueeze(1)).clamp(0, 1)
    layers = [smooth(grey, pixels, axes) for pixels in BANDS]
    height = sum((a - b) * w for a, b, w in zip(layers, layers[1:], (0.5, 0.8, 1.0), strict=False)) * depth
    assert isinstance(height, Tensor)
    depths = [(smooth(height, pixels, axes) - height).clamp_min(0) for pixels in (2.0, 4.0, 8.0)]
    ao = (1 - 0.15 * torch.stack(depths).sum(0)).clamp(0.25, 1)
    busy = (smooth((grey - layers[1]) ** 2, 4.0, axes)).sqrt()
    roughness = (0.45 + 4 * busy).clamp(0, 0.95)
    return Maps(albedo, height, to_normal(slopes(height, axes)), roughness, torch.zeros_like(grey), ao)
