"""Material maps by rules of thumb, without learning: what is bright is high. Fit for any picture, and a measure."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .material import Maps, slopes, to_normal

BANDS = (0.7, 1.6, 3.5, 8.0)
"""Deviations in pixels between which brightness is taken apart: fine bands are dampened, as they are mostly dirt."""

DEPTH = 4.0
"""Pixels of height for a brightness from 0 to 1; of 1.5 to 12 tried, it came nearest on family A's pictures."""


def extend(x: Tensor, dim: int, reach: int, wrap: bool) -> Tensor:
    """x with ``reach`` more values on both sides of an axis: what is across, or the border's value again."""
    length = x.shape[dim]
    index = torch.arange(-reach, length + reach, device=x.device)
    return x.index_select(dim, index % length if wrap else index.clamp(0, length - 1))


def smooth(x: Tensor, pixels: float, axes: str) -> Tensor:
    """Gaussian blur of (..., H, W) with a deviation in pixels; it wraps along the named axes, others clamp."""
    for dim, axis in ((-2, "y"), (-1, "x")):
        length, reach = x.shape[dim], 0 if axis in axes else math.ceil(3 * pixels)
        wide = extend(x, dim, reach, wrap=False) if reach else x
        waves = torch.fft.rfftfreq(wide.shape[dim], device=x.device)
        gain = torch.exp(-2 * (math.pi * pixels * waves) ** 2)
        gain = gain.unsqueeze(-1) if dim == -2 else gain
        x = torch.fft.irfft(torch.fft.rfft(wide, dim=dim) * gain, n=wide.shape[dim], dim=dim).narrow(dim, reach, length)
    return x


def integrate(slope: Tensor, axes: str = "xy") -> Tensor:
    """Height (B, H, W) of mean 0 whose `material.slopes` are nearest to these (B, 2, H, W), pixels.

    In the Fourier domain, after Frankot and Chellappa (1988), so that it is exact where edges meet. Along other axes
    the surface is continued by its mirror image, where it rises as much as it fell.
    """
    rises = slope
    for dim, axis, own in ((-1, "x", 0), (-2, "y", 1)):
        if axis not in axes:
            turned = rises.flip(dim) * torch.where(torch.arange(2, device=slope.device) == own, -1, 1).view(2, 1, 1)
            rises = torch.cat([rises, turned], dim)
    height, width = rises.shape[-2:]
    right, below = torch.fft.rfft2(rises).unbind(1)
    across = 1j * torch.sin(2 * math.pi * torch.fft.rfftfreq(width, device=slope.device))
    down = 1j * torch.sin(2 * math.pi * torch.fft.fftfreq(height, device=slope.device)).unsqueeze(1)
    power = across.abs() ** 2 + down.abs() ** 2
    # What central differences do not see (the mean, and stripes two pixels wide) is left flat.
    seen = power > 1e-6
    waves = torch.where(seen, (across.conj() * right + down.conj() * below) / power.clamp_min(1e-6), 0)
    whole = torch.fft.irfft2(waves, s=(height, width))[..., : slope.shape[-2], : slope.shape[-1]]
    return whole - whole.mean((1, 2), keepdim=True)


def occlusion(height: Tensor, axes: str = "xy") -> Tensor:
    """How open places lie, 0..1: darker the deeper below their surroundings; height (B, H, W) in pixels."""
    depths = [(smooth(height, pixels, axes) - height).clamp_min(0) for pixels in (2.0, 4.0, 8.0)]
    return (1 - 0.15 * torch.stack(depths).sum(0)).clamp(0.25, 1)


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
    busy = smooth((grey - layers[1]) ** 2, 4.0, axes).clamp_min(0).sqrt()
    roughness = (0.45 + 4 * busy).clamp(0, 0.95)
    normal, ao = to_normal(slopes(height, axes)), occlusion(height, axes)
    return Maps(albedo, height, normal, roughness, torch.zeros_like(grey), ao)
