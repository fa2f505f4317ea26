"""Periodic scalar fields: spectral noise, wrapped Voronoi, lattices and scattered strokes.

Everything lives on the unit torus: coordinates u (right) and v (down) are in [0, 1) and every
field f satisfies f(u + 1, v) = f(u, v + 1) = f(u, v) by construction, never by blending.
Fields are float32 tensors (B, H, W) unless said otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where a program draws: ``batch`` square pictures of ``size`` pixels, features scaled by ``scale``."""

    batch: int
    size: int
    scale: float
    generator: torch.Generator

    def rand(self, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1), by default one for each picture, (B, 1, 1)."""
        return torch.rand(shape or (self.batch, 1, 1), generator=self.generator)

    def uniform(self, low: float, high: float) -> Tensor:
        """One number in [low, high) for each picture, (B, 1, 1)."""
        return low + (high - low) * self.rand()

    def chance(self, probability: float) -> bool:
        """One coin for the whole batch."""
        return float(self.rand(1)) < probability

    def pick(self, low: float, high: float) -> float:
        """One number for the whole batch."""
        return low + (high - low) * float(self.rand(1))

    def count(self, pixels: float, multiple: int = 1) -> int:
        """How many features of about ``pixels`` fit side by side; a whole multiple, at least one."""
        return max(1, round(self.size / (pixels * self.scale * multiple))) * multiple

    def uv(self) -> tuple[Tensor, Tensor]:
        """Pixel-centre coordinates, two tensors (B, H, W) in [0, 1)."""
        line = (torch.arange(self.size) + 0.5) / self.size
        v, u = torch.meshgrid(line, line, indexing="ij")
        return u.expand(self.batch, -1, -1), v.expand(self.batch, -1, -1)


def mix(a: Tensor | float, b: Tensor | float, t: Tensor) -> Tensor:
    """Linear blend, t = 0 gives a."""
    return a + (b - a) * t


def ramp(low: float | Tensor, high: float | Tensor, x: Tensor) -> Tensor:
    """Smoothstep from 0 at ``low`` to 1 at ``high`` (``low`` may exceed ``high``)."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def cloud(c: Canvas, pixels: float, beta: float = 1.6, stretch: tuple[float, float] = (1, 1)) -> Tensor:
    """Spectral noise with zero mean and unit deviation, (B, H, W).

    Power falls as f^-beta (amplitude) above one cycle per ``pixels``; ``stretch`` > 1 lengthens
    the features along x or y. Filtered white noise in the Fourier domain is periodic by nature.
    """
    n = c.size
    white = torch.fft.rfft2(torch.randn((c.batch, n, n), generator=c.generator))
    fx, fy = torch.fft.rfftfreq(n) * n * stretch[0], torch.fft.fftfreq(n) * n * stretch[1]
    f = torch.sqrt(fx[None, :] ** 2 + fy[:, None] ** 2)
    f0 = max(n / (pixels * c.scale), 1.0)
    gain = (f / f0).clamp_min(1e-3) ** -beta * ramp(0.35, 0.95, f / f0)
    gain[0, 0] = 0
    out = torch.fft.irfft2(white * gain, s=(n, n))
    return out / out.std(dim=(1, 2), keepdim=True).clamp_min(1e-6)


def grain(c: Canvas) -> Tensor:
    """Fine grain of about two pixels, zero mean, unit deviation."""
    n = c.size
    white = torch.fft.rfft2(torch.randn((c.batch, n, n), generator=c.generator))
    fx, fy = torch.fft.rfftfreq(n), torch.fft.fftfreq(n)
    gain = torch.exp(-((fx[None, :] ** 2 + fy[:, None] ** 2) / 0.045))
    out = torch.fft.irfft2(white * gain, s=(n, n))
    return out / out.std(dim=(1, 2), keepdim=True)


def blur(x: Tensor, pixels: float) -> Tensor:
    """Periodic Gaussian blur of (..., H, W) with a deviation in pixels."""
    h, w = x.shape[-2:]
    fx, fy = torch.fft.rfftfreq(w, device=x.device), torch.fft.fftfreq(h, device=x.device)
    gain = torch.exp(-2 * (math.pi * pixels) ** 2 * (fx[None, :] ** 2 + fy[:, None] ** 2))
    return torch.fft.irfft2(torch.fft.rfft2(x) * gain, s=(h, w))


def table(c: Canvas, ix: Tensor, iy: Tensor, nx: int, ny: int, channels: int = 1) -> Tensor:
    """A random number for each lattice cell, wrapped: (B, H, W), or (channels, B, H, W)."""
    values = c.rand(channels, c.batch, nx * ny)
    index = (iy.floor().long() % ny) * nx + ix.floor().long() % nx
    out = values.gather(2, index.flatten(1).expand(channels, -1, -1)).view(channels, *index.shape)
    return out[0] if channels == 1 else out


@dataclass(frozen=True, slots=True)
class Cells:
    """Lattice coordinates of every pixel: cell numbers and place in the cell (0..1), and cell size in px."""

    ix: Tensor
    iy: Tensor
    fx: Tensor
    fy: Tensor
    nx: int
    ny: int
    width: float
    height: float

    def border(self) -> Tensor:
        """Distance to the nearest side of the cell, px."""
        dx = torch.minimum(self.fx, 1 - self.fx) * self.width
        dy = torch.minimum(self.fy, 1 - self.fy) * self.height
        return torch.minimum(dx, dy)

    def rounded(self, radius: float) -> Tensor:
        """Distance (px, positive inside) to the side of a rectangle with round corners."""
        qx = (self.fx - 0.5).abs() * self.width - (self.width / 2 - radius)
        qy = (self.fy - 0.5).abs() * self.height - (self.height / 2 - radius)
        outside = torch.sqrt(qx.clamp_min(0) ** 2 + qy.clamp_min(0) ** 2)
        return radius - outside - torch.maximum(qx, qy).clamp_max(0)


def lattice(c: Canvas, u: Tensor, v: Tensor, nx: int, ny: int, shift: float = 0.0) -> Cells:
    """Rectangular cells; row r is moved right by ``r * shift`` cells (shift * ny must be whole)."""
    y = v * ny
    iy = y.floor()
    # The row's place in the tile, not its number: so a row one tile further is numbered the same.
    x = u * nx - torch.remainder(iy, ny) * shift
    ix = x.floor()
    return Cells(ix, iy, x - ix, y - iy, nx, ny, c.size / nx, c.size / ny)


@dataclass(frozen=True, slots=True)
class Voronoi:
    """Distances (px) to the nearest and second nearest point and three random numbers per cell."""

    near: Tensor
    second: Tensor
    ids: Tensor

    def border(self) -> Tensor:
        """About the distance to the nearest cell wall, px."""
        return (self.second - self.near) / 2


def voronoi(c: Canvas, u: Tensor, v: Tensor, nx: int, ny: int, jitter: float = 0.9) -> Voronoi:
    """Wrapped Voronoi cells of a jittered ``nx`` x ``ny`` grid."""
    points = c.rand(5, c.batch, nx * ny)
    points[:2] = 0.5 + (points[:2] - 0.5) * jitter
    x, y = u * nx, v * ny
    cx, cy = x.floor(), y.floor()
    w, h = c.size / nx, c.size / ny
    best = torch.full_like(x, 1e9)
    other = best.clone()
    ids = torch.zeros((3, *x.shape))
    for oy in (-1, 0, 1):
        for ox in (-1, 0, 1):
            index = ((cy + oy).long() % ny) * nx + (cx + ox).long() % nx
            p = points.gather(2, index.flatten(1).expand(5, -1, -1)).view(5, *x.shape)
            d = torch.hypot((cx + ox + p[0] - x) * w, (cy + oy + p[1] - y) * h)
            closer = d < best
            other = torch.where(closer, best, torch.minimum(other, d))
            best = torch.where(closer, d, best)
            ids = torch.where(closer, p[2:], ids)
    return Voronoi(best, other, ids)


@dataclass(frozen=True, slots=True)
class Strokes:
    """What the topmost stroke shows at a pixel: height (0 = none), its own coordinates, random numbers."""

    top: Tensor
    x: Tensor
    y: Tensor
    ids: Tensor


def scatter(
    c: Canvas, n: int, inside: Callable[[Tensor, Tensor, Tensor], Tensor], *, turn: float = 1.0, jitter: float = 1.0
) -> Strokes:
    """Scatter one turned stroke in every cell of an n x n grid; the highest one wins.

    ``inside(x, y, ids)`` gets stroke coordinates in cells (|x|, |y| <= 1 at most, so that nine
    neighbours suffice) and answers how far inside the stroke is (> 0 inside). ``turn`` = 1 is any angle.
    """
    u, v = c.uv()
    p = c.rand(6, c.batch, n * n)
    p[:2] = 0.5 + (p[:2] - 0.5) * jitter
    px, py = u * n, v * n
    cx, cy = px.floor(), py.floor()
    top, sx, sy = torch.zeros_like(px), torch.zeros_like(px), torch.zeros_like(px)
    ids = torch.zeros((3, *px.shape))
    for oy in (-1, 0, 1):
        for ox in (-1, 0, 1):
            index = ((cy + oy).long() % n) * n + (cx + ox).long() % n
            q = p.gather(2, index.flatten(1).expand(6, -1, -1)).view(6, *px.shape)
            dx, dy = px - (cx + ox + q[0]), py - (cy + oy + q[1])
            angle = (q[2] - 0.5) * 2 * math.pi * turn
            co, si = angle.cos(), angle.sin()
            x, y = dx * co + dy * si, dy * co - dx * si
            z = torch.where(inside(x, y, q[3:]) > 0, 0.05 + 0.95 * q[3], 0)
            over = z > top
            top, sx, sy = torch.where(over, z, top), torch.where(over, x, sx), torch.where(over, y, sy)
            ids = torch.where(over, q[3:], ids)
    return Strokes(top, sx, sy, ids)
