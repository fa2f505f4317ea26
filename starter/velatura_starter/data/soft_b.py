"""Family B (trains only the judge): ground, fabric, skin and printed patterns by other constructions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .fields import Canvas, blur, cloud, grain, lattice, mix, ramp, scatter, table, voronoi
from .surface import Paint, Surface, brighten, finish, over

TAU = 2 * math.pi


def _saw(x: Tensor) -> Tensor:
    """Fraction of x, 0..1."""
    return x - x.floor()


def _triangle(x: Tensor) -> Tensor:
    """Triangle wave of period 1: 0 at whole numbers, 1 half-way."""
    return 1 - (2 * _saw(x) - 1).abs()


def grass(c: Canvas, p: Paint) -> Surface:
    """Blades as upright noise: several warped layers of very stretched noise, brightest on top."""
    tone = 0.3 + torch.zeros((c.batch, c.size, c.size))
    height = torch.zeros_like(tone)
    for layer in range(3):
        s = scatter(c, c.count(9), lambda x, y, i: 0.14 * (1 - y * y) - (x + 0.3 * (i[1] - 0.5) * y).abs(), turn=0.18)
        on = (s.top > 0) & (s.y.abs() < 0.97)
        tone = torch.where(on, 0.4 + 0.2 * layer + 0.4 * (s.ids[2] - 0.4) - 0.2 * s.y, tone)
        height = torch.where(on, layer + 1.0 - s.y, height)
    blades = cloud(c, 4, 1.0, (1.0, 5.0))
    return finish(p.shade(tone * (1 + 0.15 * blades)), height, 0.8, relief=1.0)


def basket_weave(c: Canvas, p: Paint) -> Surface:
    """The larger of two crossing half-waves with alternating sign."""
    u, v = c.uv()
    n = c.count(13, 2)
    x, y = u * n, v * n
    sign = torch.sin(math.pi * x) * torch.sin(math.pi * y)
    flat = torch.sin(math.pi * x).abs() + 0 * y
    upright = torch.sin(math.pi * y).abs()
    up = sign > 0
    arch = torch.where(up, flat, upright) ** 0.8
    edge = ramp(0.0, 0.35, torch.where(up, upright, flat))
    rib = 0.08 * torch.cos(TAU * 2 * torch.where(up, y, x))
    tone = 0.42 + 0.55 * arch * edge + rib + 0.04 * cloud(c, 6)
    return finish(p.shade(tone), arch * edge, 0.75, relief=3.0)


def plaid(c: Canvas, p: Paint) -> Surface:
    """Sum of smooth-edged band tables in both directions, with pale and dark lines."""
    u, v = c.uv()
    n = c.count(42)
    k = 8
    bands = c.rand(c.batch, k).mul(1.3).floor()
    bands[:, :3], bands[:, 4] = 1.0, 0.0

    def sett(x: Tensor) -> Tensor:
        i = (_saw(x * n) * k).long().clamp_max(k - 1)
        return bands.gather(1, i.flatten(1)).view_as(x)

    a, b = blur(sett(u), 0.6), blur(sett(v), 0.6)
    line = torch.maximum(ramp(0.07, 0.03, (_saw(u * n) - 0.55).abs()), ramp(0.07, 0.03, (_saw(v * n) - 0.55).abs()))
    tone = 1.05 - 0.26 * (a + b) + 0.03 * grain(c)
    pale = mix(p.second, torch.ones_like(p.second), torch.tensor(0.4))
    return finish(over(brighten(p.base, tone), pale, 0.7 * line), 0.1 * grain(c), 0.85, relief=0.4)


def knit(c: Canvas, p: Paint) -> Surface:
    """Two leaning ellipses in each cell make a V."""
    u, v = c.uv()
    nx, ny = c.count(14), c.count(9)
    best = torch.zeros_like(u)
    for row in (-1, 0, 1):
        x, y = _saw(u * nx) - 0.5, _saw(v * ny) - 0.5 - row
        for sign in (-1.0, 1.0):
            s = x * 1.0 - sign * 0.25
            t = y + sign * s * 1.6
            r = (s / 0.27) ** 2 + (t / 0.62) ** 2
            best = torch.maximum(best, (1 - r).clamp_min(0).sqrt() * (0.8 + 0.1 * row))
    tone = 0.3 + 0.75 * best + 0.05 * cloud(c, 3, 0.6) + 0.04 * cloud(c, 40)
    return finish(p.shade(tone), best, 0.9, relief=3.0)


def denim(c: Canvas, p: Paint) -> Surface:
    """Twill from threads: rows of short slanted pale dashes on a dark weave."""
    u, v = c.uv()
    n, m = c.count(5.5), c.count(8)
    sign = 1 if c.chance(0.7) else -1
    d = _triangle(sign * u * n + v * m)
    dash = ramp(0.62, 0.95, d) * (0.65 + 0.35 * torch.sign(torch.sin(TAU * c.count(4) * v)))
    streak = cloud(c, 4, 0.6, (1.0, 10.0))
    tone = 0.7 + 0.3 * d + 0.09 * streak + 0.05 * grain(c)
    pale = mix(p.base, torch.full_like(p.base, 0.9), torch.tensor(0.45))
    return finish(over(p.shade(tone), pale, 0.5 * dash), d, 0.9, relief=0.8)


def scales(c: Canvas, p: Paint) -> Surface:
    """Pointed scales: diamonds that overlap downwards with a ridge."""
    u, v = c.uv()
    ny = c.count(12, 2)
    nx = max(1, round(ny * 0.6))
    x, y = u * nx, v * ny
    row0 = y.floor()
    tone, height = torch.zeros_like(u), torch.zeros_like(u)
    for back in (0, 1, 2):
        row = row0 - back
        shift = 0.5 * (row.long() % 2)
        ix = (x - shift).floor()
        dx, dy = ((x - shift - ix) - 0.5).abs() * 2, (y - row) / 2.0
        reach = 1 - 0.55 * dx**1.8
        on = dy < reach
        rim = ramp(0.0, 0.16, reach - dy)
        lit = (0.5 + 0.45 * dy + 0.18 * (dx < 0.12) + 0.2 * (table(c, ix, row, nx, ny) - 0.5)) * (0.35 + 0.65 * rim)
        tone, height = torch.where(on, lit, tone), torch.where(on, dy * rim, height)
    return finish(p.shade(tone), height, 0.4, relief=4.0)


def polka_dots(c: Canvas, p: Paint) -> Surface:
    """Dots in a square grid: a threshold on the sum of two cosines."""
    u, v = c.uv()
    n = c.count(22)
    s = torch.cos(TAU * n * u) + torch.cos(TAU * n * v)
    if c.chance(0.5):
        s = torch.cos(TAU * n * u) * torch.cos(TAU * n * v) * 2
    level = c.uniform(0.7, 1.2)
    dot = ramp(level - 0.12, level + 0.12, s)
    return finish(brighten(p.blend(dot), 1 + 0.04 * cloud(c, 25)), 0.05 * cloud(c, 9), 0.6, relief=0.3)


def stripes(c: Canvas, p: Paint) -> Surface:
    """A squared-off sine, standing or lying, with cloth grain."""
    u, v = c.uv()
    n = c.count(21)
    x = u if c.chance(0.65) else v
    band = ramp(-0.12, 0.12, torch.sin(TAU * (n * x) + c.uniform(0, TAU)))
    tone = 1 + 0.03 * cloud(c, 4) + 0.03 * grain(c)
    return finish(brighten(p.blend(band), tone), 0.05 * grain(c), 0.6, relief=0.3)


def camouflage(c: Canvas, p: Paint) -> Surface:
    """Warped Voronoi patches of few tones."""
    u, v = c.uv()
    n = c.count(17)
    vor = voronoi(c, u + 0.03 * c.scale * cloud(c, 20, 1.9), v + 0.03 * c.scale * cloud(c, 20, 1.9), n, n, 1.0)
    k = vor.ids[0]
    tone = torch.where(k < 0.25, 0.35, torch.where(k < 0.5, 0.65, 1.0))
    colour = brighten(p.base, tone)
    pale = mix(p.base, torch.full_like(p.base, 0.8), torch.tensor(0.4))
    colour = over(colour, pale, (k > 0.84).float())
    return finish(brighten(colour, 1 + 0.05 * cloud(c, 4)), 0.1 * grain(c), 0.9, relief=0.2)


def water(c: Canvas, p: Paint) -> Surface:
    """Caustic net: warped Voronoi borders, softly glowing."""
    u, v = c.uv()
    n = c.count(20)
    vor = voronoi(c, u + 0.016 * cloud(c, 24, 2.2), v + 0.016 * cloud(c, 24, 2.2), n, n, 1.0)
    net = torch.exp(-((vor.border() / 1.5) ** 2)) * ramp(-1.5, 1.0, cloud(c, 40))
    soft = blur(net, 2.5)
    light = mix(p.base, torch.ones_like(p.base), torch.tensor(0.65))
    return finish(
        over(p.shade(0.7 + 0.4 * soft + 0.05 * cloud(c, 50)), light, (0.75 * net).clamp(0, 1)), soft, 0.05, relief=1.0
    )


def marble(c: Canvas, p: Paint) -> Surface:
    """Sine bands bent by noise, sharpened to thin veins that come and go."""
    u, v = c.uv()
    n, m = c.count(64), c.count(64)
    bend = math.pi * (u * n * 2 + v * m * 2) + 2.6 * cloud(c, 70, 2.1)
    vein = torch.exp(-((torch.sin(bend) / 0.15) ** 2))
    fine = torch.exp(-((torch.sin(TAU * v + 2.2 * cloud(c, 55, 2.1)) / 0.09) ** 2)) * 0.7
    vein = torch.maximum(vein, fine) * (0.25 + 0.75 * ramp(-1.0, 0.8, cloud(c, 45)))
    luma = p.base.mean(dim=1, keepdim=True)
    ink = torch.where(luma > 0.35, p.base * 0.35, mix(p.base, torch.ones_like(p.base), torch.tensor(0.7)))
    return finish(over(p.shade(0.96 + 0.06 * cloud(c, 50, 2.0)), ink, 0.85 * vein), -vein, 0.15, relief=0.2)


def ridged_water(c: Canvas, p: Paint) -> Surface:
    """Caustics from the smaller of three folded noises."""
    folds = torch.stack([cloud(c, s, 2.4).abs() for s in (34, 26, 20)])
    net = torch.exp(-((folds.amin(0) / 0.12) ** 2)) + 0.35 * torch.exp(-((folds[0] / 0.5) ** 2))
    tone = 0.7 + 0.2 * blur(net, 2.0) + 0.05 * cloud(c, 60)
    light = mix(p.base, torch.ones_like(p.base), torch.tensor(0.6))
    return finish(over(p.shade(tone), light, (0.6 * net).clamp(0, 0.9)), net, 0.05, relief=0.8)


def lattice_weave(c: Canvas, p: Paint) -> Surface:
    """Flat basket: pairs of strands over and under on an even lattice, with strand lines."""
    u, v = c.uv()
    n = c.count(14, 2)
    cells = lattice(c, u, v, n, n)
    across_first = ((cells.ix + cells.iy) % 2).bool()
    a = torch.where(across_first, cells.fx, cells.fy)
    strands = _triangle(torch.where(across_first, cells.fy, cells.fx) * 2)
    arch = 1 - (2 * a - 1) ** 4
    tone = (0.35 + 0.65 * arch) * (0.65 + 0.4 * ramp(0.0, 0.5, strands)) + 0.03 * grain(c)
    return finish(p.shade(tone), arch * strands, 0.8, relief=2.5)
