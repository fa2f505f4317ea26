"""Family B (trains only the judge): built materials by other constructions than family A's."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .fields import Canvas, blur, cloud, grain, lattice, ramp, scatter, table, voronoi
from .surface import Paint, Surface, brighten, finish, neutral, over

TAU = 2 * math.pi


def _saw(x: Tensor) -> Tensor:
    """Fraction of x, 0..1."""
    return x - x.floor()


def _triangle(x: Tensor) -> Tensor:
    """Triangle wave of period 1: 0 at whole numbers, 1 half-way."""
    return 1 - (2 * _saw(x) - 1).abs()


def brick(c: Canvas, p: Paint) -> Surface:
    """Courses by triangle waves, head joints in thirds or halves, bevelled bricks, dark or pale mortar."""
    u, v = c.uv()
    ny = c.count(14, 2)
    nx = c.count(30)
    row = (v * ny).floor()
    x = u * nx + 0.5 * (row % 2) + 0.1 * torch.sin(TAU * row / ny)
    dx, dy = _triangle(x) * c.size / nx / 2, _triangle(v * ny) * c.size / ny / 2
    d = torch.minimum(dx, dy) + 0.25 * cloud(c, 8)
    gap = c.uniform(0.8, 1.4)
    solid = ramp(gap - 0.5, gap + 0.8, d)
    tone = 0.85 + 0.22 * (table(c, x.floor(), row, nx, ny) - 0.5) + 0.1 * cloud(c, 10, 1.0)
    mortar = brighten(neutral(c, 0.25, 0.9), 1 + 0.1 * cloud(c, 4))
    return finish(over(mortar, p.shade(tone), solid), ramp(0, 3, d) + 0.05 * cloud(c, 4), 0.8)


def cobblestone(c: Canvas, p: Paint) -> Surface:
    """Ellipses on a staggered lattice with wobbling outlines."""
    u, v = c.uv()
    ny = c.count(18, 2)
    nx = max(1, round(ny * 0.8))
    a, b = u + 0.012 * c.scale * cloud(c, 26, 2.0), v + 0.012 * c.scale * cloud(c, 26, 2.0)
    cells = lattice(c, a, b, nx, ny, 0.5)
    x, y = (cells.fx - 0.5) * 2, (cells.fy - 0.5) * 2
    r = (x.abs() ** 3.2 + y.abs() ** 3.2) ** (1 / 3.2)
    dome = (1 - r).clamp_min(0) ** 0.6
    solid = ramp(0.99, 0.86, r)
    tone = 0.72 + 0.4 * table(c, cells.ix, cells.iy, nx, ny) + 0.06 * cloud(c, 5, 1.0)
    joint = brighten(neutral(c, 0.08, 0.4), 1 + 0.2 * grain(c))
    return finish(over(joint, p.shade(tone * (0.7 + 0.35 * dome)), solid), dome, 0.8, relief=5.0)


def hexagon_tiles(c: Canvas, p: Paint) -> Surface:
    """Hexagonal distance (largest of three projections) to two interleaved rectangular lattices."""
    u, v = c.uv()
    nx = c.count(25)
    ny = max(1, round(nx / 1.732))
    w, h = c.size / nx, c.size / ny

    def distance(shift: float) -> Tensor:
        x = (_saw(u * nx + shift) - 0.5).abs() * w
        y = (_saw(v * ny + shift) - 0.5).abs() * h * (w * 1.732 / h)
        return torch.maximum(x, x * 0.5 + y * 0.866)

    a, b = distance(0.0), distance(0.5)
    d = w / 2 - torch.minimum(a, b)
    first = (a < b).float()
    ident = first * table(c, u * nx, v * ny, nx, ny) + (1 - first) * table(c, u * nx + 0.5, v * ny + 0.5, nx, ny)
    solid = ramp(0.7, 1.6, d)
    tone = 0.9 + 0.2 * (ident - 0.5) + 0.03 * cloud(c, 30)
    return finish(over(neutral(c, 0.1, 0.85), p.shade(tone), solid), ramp(0.3, 2.5, d), 0.3)


def square_tiles(c: Canvas, p: Paint) -> Surface:
    """Lines where a sine grid is near zero; tiles slightly domed."""
    u, v = c.uv()
    n = c.count(24)
    x, y = _triangle(u * n), _triangle(v * n)
    d = torch.minimum(x, y) * c.size / n / 2
    solid = ramp(0.5, 1.7, d)
    tone = 0.9 + 0.12 * (x * y) + 0.14 * (table(c, u * n, v * n, n, n) - 0.5)
    return finish(over(neutral(c, 0.2, 0.95), p.shade(tone), solid), ramp(0, 2.5, d) + 0.3 * x * y, 0.2, relief=2.5)


def checkerboard(c: Canvas, p: Paint) -> Surface:
    """The sign of a product of sines, with soft edges."""
    u, v = c.uv()
    n = c.count(36)
    s = torch.sin(TAU * n * u) * torch.sin(TAU * n * v)
    t = ramp(-0.06, 0.06, s)
    return finish(brighten(p.blend(t), 1 + 0.05 * cloud(c, 20, 1.2)), 0.05 * cloud(c, 9), 0.4, relief=0.6)


def planks(c: Canvas, p: Paint) -> Surface:
    """Boards of unequal width from a warped staircase, nails at their ends."""
    u, v = c.uv()
    standing = c.chance(0.5)
    if standing:
        u, v = v, u
    n = c.count(24)
    m = c.count(100)
    phase = v * n + 0.18 * torch.sin(TAU * v + c.uniform(0, TAU))
    row = phase.floor()
    x = u * m + table(c, torch.zeros_like(row), row, 1, n)
    d = torch.minimum(_triangle(phase) * c.size / n / 2, _triangle(x) * c.size / m / 2)
    stretch = (1.0, 12.0) if standing else (12.0, 1.0)
    fibre = cloud(c, 7, 1.0, stretch)
    tone = 0.88 + 0.3 * (table(c, x.floor(), row, m, n) - 0.5) + 0.11 * fibre
    gap = ramp(0.2, 1.3, d)
    return finish(p.shade(tone * (0.3 + 0.7 * gap)), gap + 0.03 * fibre, 0.6)


def wood_grain(c: Canvas, p: Paint) -> Surface:
    """Stretched noise folded into flowing lines."""
    upright = c.chance(0.5)
    stretch = (1.0, 5.0) if upright else (5.0, 1.0)
    field = cloud(c, 110, 2.2, stretch) + 0.06 * cloud(c, 12, 1.2, stretch)
    line = 0.5 + 0.5 * torch.sin(field * c.pick(7, 11))
    tone = 0.72 + 0.38 * line**0.6 + 0.05 * cloud(c, 3, 0.5, (stretch[0] * 3, stretch[1] * 3))
    return finish(p.shade(tone), line, 0.5, relief=0.6)


def flat_sawn(c: Canvas, p: Paint) -> Surface:
    """Rings around a few long eyes: a stretched distance field, bent and sharpened."""
    u, v = c.uv()
    if c.chance(0.5):
        u, v = v, u
    n = c.count(60)
    field = (
        n * v * 3 + 0.9 * torch.sin(TAU * u + c.uniform(0, TAU)) + 0.7 * torch.sin(TAU * (v - u) + c.uniform(0, TAU))
    )
    field = field + 0.25 * cloud(c, 80, 2.3)
    line = 1 - _saw(field)
    tone = 0.7 + 0.42 * ramp(0.0, 0.9, line) * ramp(1.0, 0.93, line) + 0.05 * grain(c)
    return finish(p.shade(tone), line, 0.5, relief=0.4)


def roof_tiles(c: Canvas, p: Paint) -> Surface:
    """Rows of slightly arched pantiles by sines, shadow under each row."""
    u, v = c.uv()
    ny, nx = c.count(19, 2), c.count(16)
    row = (v * ny).floor()
    fy = v * ny - row
    x = u * nx + 0.5 * (row % 2)
    arch = torch.sin(math.pi * _saw(x)) ** 0.5
    tone = (0.7 + 0.3 * (table(c, x.floor(), row, nx, ny) - 0.5) + 0.3 * fy) * (0.35 + 0.65 * ramp(0, 0.45, arch))
    tone = tone * (0.4 + 0.6 * ramp(0.0, 0.25, fy)) + 0.04 * cloud(c, 4)
    return finish(p.shade(tone), fy + 0.35 * arch, 0.7, relief=4.0)


def corrugated_metal(c: Canvas, p: Paint) -> Surface:
    """Trapezoid ribs."""
    u, v = c.uv()
    n = c.count(12)
    wave = ramp(0.2, 0.75, _triangle(n * (v if c.chance(0.3) else u)))
    tone = 0.62 + 0.42 * wave + 0.04 * cloud(c, 30) + 0.02 * grain(c)
    return finish(p.shade(tone), wave, 0.4, 0.9, relief=c.size / n * 0.2)


def diamond_plate(c: Canvas, p: Paint) -> Surface:
    """Two turned lattices of elongated Gaussians."""
    u, v = c.uv()
    n = c.count(26)

    def bumps(du: float, sign: float) -> Tensor:
        x, y = _saw(u * n + du) - 0.5, _saw(v * n) - 0.5
        s, t = (x + sign * y) * 0.707, (x - sign * y) * 0.707
        return torch.exp(-((s / 0.2) ** 2) - (t / 0.07) ** 2)

    h = bumps(0, 1) + bumps(0.5, -1)
    second = _shifted_bumps(c, u, v, n)
    raised = ramp(0.15, 0.5, torch.maximum(h, second))
    return finish(p.shade(0.8 + 0.28 * raised + 0.04 * cloud(c, 20)), raised, 0.3, 1.0, relief=3.0)


def _shifted_bumps(c: Canvas, u: Tensor, v: Tensor, n: int) -> Tensor:
    """The other half of the tread: rows moved by half a cell, the turns exchanged."""
    y = _saw(v * n + 0.5) - 0.5
    out = torch.zeros_like(u)
    for du, sign in ((0.0, -1.0), (0.5, 1.0)):
        x = _saw(u * n + du) - 0.5
        s, t = (x + sign * y) * 0.707, (x - sign * y) * 0.707
        out = torch.maximum(out, torch.exp(-((s / 0.2) ** 2) - (t / 0.07) ** 2))
    return out


def concrete(c: Canvas, p: Paint) -> Surface:
    """Trowel strokes over blotches, pits from Voronoi points."""
    u, v = c.uv()
    n = c.count(22)
    vor = voronoi(c, u, v, n, n, 1.0)
    pits = ramp(1.6, 0.6, vor.near) * (vor.ids[0] < 0.25)
    smear = cloud(c, 30, 1.4, (2.0, 1.0))
    tone = 0.94 + 0.06 * smear + 0.05 * cloud(c, 80, 2.0) + 0.03 * grain(c)
    return finish(p.shade(tone * (1 - 0.45 * pits)), 1 + 0.05 * smear - pits, 0.9, relief=1.2)


def terrazzo(c: Canvas, p: Paint) -> Surface:
    """Scattered chips: rounded boxes of any angle, three tones of several hues."""
    s = scatter(c, c.count(15), lambda x, y, i: 0.3 + 0.16 * i[1] - (x.abs() * 1.2 + y.abs() * (0.9 + i[2])))
    chip = (s.top > 0).float() * ramp(0.12, 0.13, s.top)
    hue = torch.stack([0.3 + 0.65 * _saw(s.ids[0] * 7 + 0.33 * k) for k in (0, 1, 2)], 1)
    return finish(over(p.shade(0.97 + 0.03 * cloud(c, 6)), hue, blur(chip, 0.5)), chip, 0.25, relief=0.3)


def cracked_earth(c: Canvas, p: Paint) -> Surface:
    """Plates between the zero lines of cellular noise, with a second net of hairline cracks."""
    u, v = c.uv()
    n = c.count(36)
    warp = 0.02 * c.scale
    vor = voronoi(c, u + warp * cloud(c, 20, 1.7), v + warp * cloud(c, 20, 1.7), n, n, 0.8)
    wide = 1 - ramp(0.5, 1.5, vor.border())
    m = c.count(24)
    fine = voronoi(c, u + 0.01 * cloud(c, 14), v + 0.01 * cloud(c, 14), m, m, 1.0)
    hair = (1 - ramp(0.2, 0.7, fine.border())) * c.uniform(0.0, 0.3)
    tone = 0.95 + 0.14 * (vor.ids[1] - 0.5) + 0.05 * cloud(c, 5, 0.9)
    return finish(p.shade(tone * (1 - 0.85 * wide) * (1 - hair)), ramp(0, 5, vor.border()), 0.95, relief=2.0)
