"""Family B (trains only the judge): second constructions, with wide styles, where one look is not enough."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .fields import Canvas, blur, cloud, grain, mix, ramp, table, voronoi
from .surface import Paint, Surface, brighten, finish, neutral, over

TAU = 2 * math.pi


def _saw(x: Tensor) -> Tensor:
    """Fraction of x, 0..1."""
    return x - x.floor()


def _smooth_noise(c: Canvas, pixels: float) -> Tensor:
    """White noise under a Gaussian blur, zero mean, unit deviation."""
    field = blur(torch.randn((c.batch, c.size, c.size), generator=c.generator), pixels * c.scale)
    field = field - field.mean((1, 2), keepdim=True)
    return field / field.std((1, 2), keepdim=True).clamp_min(1e-6)


def _octaves(c: Canvas, pixels: float, fall: float = 0.5) -> Tensor:
    """A sum of blurred noises, each half as wide."""
    total = sum(fall**k * _smooth_noise(c, pixels / 2**k) for k in range(4))
    assert isinstance(total, Tensor)
    return total / total.std((1, 2), keepdim=True)


def rough_brick(c: Canvas, p: Paint) -> Surface:
    """Running bond by modular coordinates, wobbling edges, mortar of any width."""
    u, v = c.uv()
    nx, ny = c.count(c.pick(28, 36)), c.count(c.pick(13, 17), 2)
    wobble = c.pick(0.0, 0.5)
    row = (v * ny).floor()
    x = u * nx + 0.5 * torch.remainder(row, 2)
    qx = (0.5 - (_saw(x) - 0.5).abs()) * c.size / nx
    qy = (0.5 - (_saw(v * ny) - 0.5).abs()) * c.size / ny
    d = torch.minimum(qx, qy) + wobble * _octaves(c, 6)
    gap, soft = c.pick(0.6, 1.8), c.pick(0.8, 2.0)
    solid = ramp(gap, gap + soft, d)
    spread = c.pick(0.1, 0.45)
    tone = 0.92 + spread * (table(c, x.floor(), row, nx, ny) - 0.45) + 0.07 * grain(c) + 0.05 * _octaves(c, 9)
    mortar = brighten(neutral(c, 0.3, 0.85), 1 + 0.08 * grain(c))
    return finish(over(mortar, p.shade(tone), solid), solid * 0.8 + 0.06 * _octaves(c, 3), 0.85)


def round_stones(c: Canvas, p: Paint) -> Surface:
    """Stones from the ratio of the two nearest distances."""
    u, v = c.uv()
    n = c.count(c.pick(18, 25))
    vor = voronoi(c, u + 0.006 * _octaves(c, 12), v + 0.006 * _octaves(c, 12), n, n, c.pick(0.6, 0.95))
    inside = 1 - vor.near / vor.second.clamp_min(1e-3)
    solid, dome = ramp(0.04, 0.2, inside), ramp(0.0, 0.7, inside)
    tone = 0.7 + 0.32 * (vor.ids[0] - 0.2) + 0.2 * dome + 0.06 * grain(c)
    joint = brighten(neutral(c, 0.08, 0.35), 1 + 0.2 * grain(c))
    return finish(over(joint, p.shade(tone), solid), dome, 0.8, relief=c.pick(3, 6))


def lined_checker(c: Canvas, p: Paint) -> Surface:
    """Signs of sines with dark joints between the squares."""
    u, v = c.uv()
    n = c.count(c.pick(32, 44))
    a, b = torch.sin(TAU * n * u), torch.sin(TAU * n * v)
    t = (a.sign() * b.sign() + 1) / 2
    joint = ramp(c.pick(0.05, 0.25), 0.0, torch.minimum(a.abs(), b.abs()))
    tone = (1 - 0.4 * joint) * (1 + 0.04 * cloud(c, 40) + 0.02 * grain(c))
    return finish(brighten(p.blend(t), tone), 1 - joint, 0.4, relief=c.pick(0.5, 2.0))


def straight_wood(c: Canvas, p: Paint) -> Surface:
    """Ring lines of uneven distance: a warped triangle wave along the board."""
    upright = c.chance(0.5)
    u, v = c.uv()
    along, across = (v, u) if upright else (u, v)
    n = c.count(c.pick(20, 32))
    bend = 0.5 * torch.sin(TAU * along + c.uniform(0, TAU)) + 0.6 * torch.sin(TAU * (2 * across) + c.uniform(0, TAU))
    stretch = (1.0, 5.0) if upright else (5.0, 1.0)
    ring = across * n + 0.5 * bend + c.pick(0.3, 0.9) * cloud(c, 70, 2.0, stretch)
    saw = _saw(ring)
    tone = 1.1 - c.pick(0.25, 0.5) * saw ** c.pick(0.7, 2.0) * ramp(1.0, 0.9, saw)
    tone = tone + 0.06 * cloud(c, 3, 0.6, (stretch[0] * 3, stretch[1] * 3))
    return finish(p.shade(tone), 1 - saw, 0.5, relief=0.6)


def shingles(c: Canvas, p: Paint) -> Surface:
    """Flat shingles: a ramp down every row, slits between neighbours, a shadow line."""
    u, v = c.uv()
    nx, ny = c.count(c.pick(15, 22)), c.count(c.pick(17, 23), 2)
    row, fy = (v * ny).floor(), _saw(v * ny)
    x = u * nx + 0.5 * torch.remainder(row, 2)
    slit = ramp(0.2, 1.4, (0.5 - (_saw(x) - 0.5).abs()) * c.size / nx)
    tone = 0.78 + 0.36 * (table(c, x.floor(), row, nx, ny) - 0.4) + c.pick(0.1, 0.3) * fy + 0.05 * grain(c)
    shade = (0.25 + 0.75 * slit) * (0.3 + 0.7 * ramp(0.0, c.pick(0.15, 0.4), fy))
    return finish(p.shade(tone * shade), fy * slit, 0.75, relief=c.pick(3, 6))


def cast_concrete(c: Canvas, p: Paint) -> Surface:
    """Stains by octaves, a few bubbles, dust."""
    bubbles = ramp(2.6, 3.0, _smooth_noise(c, 1.3))
    tone = 0.93 + c.pick(0.04, 0.1) * _octaves(c, 22) + 0.035 * grain(c)
    return finish(p.shade(tone * (1 - 0.5 * bubbles)), 1 + 0.04 * _octaves(c, 5) - bubbles, 0.9, relief=c.pick(0.5, 2))


def big_terrazzo(c: Canvas, p: Paint) -> Surface:
    """Angular chips where a Voronoi cell is kept and the ratio of distances is low."""
    u, v = c.uv()
    n = c.count(c.pick(11, 16))
    vor = voronoi(c, u, v, n, n, 1.0)
    keep = (vor.ids[0] < c.pick(0.35, 0.6)).float()
    chip = keep * ramp(0.75, 0.65, vor.near / vor.second.clamp_min(1e-3))
    hue = torch.stack([0.3 + 0.65 * vor.ids[1], 0.3 + 0.65 * vor.ids[2], 0.3 + 0.65 * _saw(vor.ids[1] * 5)], 1)
    return finish(over(p.shade(0.96 + 0.03 * grain(c)), hue, chip), chip, 0.25, relief=0.3)


def stocking(c: Canvas, p: Paint) -> Surface:
    """Slanted half-columns leaning in turn left and right make rows of V."""
    u, v = c.uv()
    nx, ny = c.count(c.pick(11, 16)), c.count(c.pick(8, 12))
    column = (u * nx * 2).floor()
    fx = _saw(u * nx * 2)
    lean = torch.where(column % 2 > 0.5, fx, 1 - fx)
    fy = _saw(v * ny + c.pick(0.6, 1.1) * lean)
    bump = (torch.sin(math.pi * fy) * torch.sin(math.pi * (0.08 + 0.84 * fx))).clamp_min(0) ** c.pick(0.5, 1.0)
    tone = 0.33 + 0.72 * bump + 0.05 * torch.sin(TAU * (2 * fy + 1.5 * lean)) + 0.04 * grain(c)
    return finish(p.shade(tone), bump, 0.9, relief=c.pick(2, 5))


def round_scales(c: Canvas, p: Paint) -> Surface:
    """Discs in staggered rows, measured in pixels, upper rows on top."""
    u, v = c.uv()
    ny = c.count(c.pick(9, 12), 2)
    nx = max(1, round(ny * c.pick(0.5, 0.62)))
    w, h = c.size / nx, c.size / ny
    x, y = u * nx, v * ny
    tone, height = torch.full_like(u, 0.2), torch.zeros_like(u)
    for back in (0, 1, 2):
        row = y.floor() - back
        shift = 0.5 * torch.remainder(row, 2)
        column = (x - shift).floor()
        dx, dy = (x - shift - column - 0.5) * w, (y - row) * h
        r = torch.hypot(dx / (0.5 * w), dy / (2.0 * h))
        on = r < 1
        rim = ramp(1.0, c.pick(0.75, 0.9), r)
        lit = 0.5 + 0.45 * dy / (2 * h) + 0.2 * (table(c, column, row, nx, ny) - 0.5) + 0.1 * (1 - r)
        tone = torch.where(on, lit * (0.35 + 0.65 * rim), tone)
        height = torch.where(on, rim * dy / h, height)
    return finish(p.shade(tone + 0.02 * grain(c)), height, 0.35, relief=c.pick(2, 5))


def disc_dots(c: Canvas, p: Paint) -> Surface:
    """Discs by distance, on a square grid or on two interleaved ones."""
    u, v = c.uv()
    n = c.count(c.pick(20, 32))
    step = c.size / n

    def distance(shift: float) -> Tensor:
        return torch.hypot(_saw(u * n + shift) - 0.5, _saw(v * n + shift) - 0.5) * step

    d = torch.minimum(distance(0.0), distance(0.5)) if c.chance(0.65) else distance(0.0)
    r = step * c.uniform(0.17, 0.3)
    dot = ramp(r + 0.8, r - 0.8, d)
    tone = 1 + 0.025 * grain(c) + 0.02 * cloud(c, 40)
    return finish(brighten(p.blend(dot), tone), dot, 0.6, relief=c.pick(0.2, 0.8))


def blob_camouflage(c: Canvas, p: Paint) -> Surface:
    """Tails of octave noise in three tones over the base."""
    colour = p.base.expand(-1, -1, c.size, c.size)
    pale = mix(p.base, torch.full_like(p.base, 0.8), torch.tensor(0.4))
    for paint, level in ((p.base * 0.6, 0.3), (p.base * 0.3, 0.7), (pale, 0.85)):
        colour = over(colour, paint, ramp(level - 0.05, level + 0.05, _octaves(c, c.pick(7, 13), 0.3)))
    return finish(brighten(colour, 1 + 0.04 * grain(c)), 0.1 * grain(c), 0.9, relief=0.2)


def fine_marble(c: Canvas, p: Paint) -> Surface:
    """Hair-thin ridges of two octave noises."""
    strength = ramp(-0.8, 1.0, _octaves(c, 14))
    a, b = _octaves(c, 22, 0.42), _octaves(c, 16, 0.42)
    vein = torch.exp(-((a / 0.12) ** 2)) * (0.5 + 0.5 * strength) + 0.6 * torch.exp(-((b / 0.08) ** 2)) * strength
    luma = p.base.mean(dim=1, keepdim=True)
    ink = torch.where(luma > 0.35, p.base * 0.35, mix(p.base, torch.ones_like(p.base), torch.tensor(0.7)))
    return finish(over(p.shade(0.95 + 0.07 * _octaves(c, 20)), ink, vein.clamp(0, 1) * 0.85), -vein, 0.15, relief=0.2)


def plate_lozenges(c: Canvas, p: Paint) -> Surface:
    """One bar in every cell, by the parity of the cell up or down the diagonal."""
    u, v = c.uv()
    n = c.count(c.pick(11, 16), 2)
    x, y = _saw(u * n) - 0.5, _saw(v * n) - 0.5
    odd = torch.remainder((u * n).floor() + (v * n).floor(), 2) > 0.5
    y = torch.where(odd, y, -y)
    along, across = (x + y).abs() / 1.414, (x - y).abs() / 1.414
    raised = ramp(1.0, 0.6, (along / 0.5) ** c.pick(1, 2) + across / c.pick(0.13, 0.2))
    tone = 0.78 + 0.32 * raised + 0.05 * cloud(c, 40) + 0.03 * grain(c)
    return finish(p.shade(tone), raised, 0.35, 1.0, relief=c.pick(2, 4))


def dusty_concrete(c: Canvas, p: Paint) -> Surface:
    """Broad stains and fine mottling, round holes at scattered points."""
    u, v = c.uv()
    n = c.count(c.pick(14, 24))
    vor = voronoi(c, u, v, n, n, 1.0)
    holes = ramp(1.5, 0.7, vor.near) * (vor.ids[0] < 0.15)
    mottle = cloud(c, c.pick(6, 14))
    tone = 0.92 + c.pick(0.05, 0.1) * cloud(c, c.pick(40, 80), 1.8) + 0.04 * mottle + 0.035 * grain(c)
    return finish(p.shade(tone * (1 - 0.5 * holes)), 1 + 0.04 * mottle - holes, 0.9, relief=c.pick(0.5, 2))
