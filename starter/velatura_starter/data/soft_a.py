"""Family A (trains the model): ground, fabric, skin and printed patterns."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .fields import Canvas, blur, cloud, grain, lattice, mix, ramp, scatter, table
from .surface import Paint, Surface, brighten, finish, over

TAU = 2 * math.pi


def grass(c: Canvas, p: Paint) -> Surface:
    """Three layers of thin upright blades."""
    n = c.count(10)

    def blade(x: Tensor, y: Tensor, ids: Tensor) -> Tensor:
        bend = (ids[1] - 0.5) * 0.3 * y * y
        return 0.1 * (1 - (y / 0.98).abs()) - (x - bend).abs()

    tone = 0.22 + 0.08 * cloud(c, 5)
    height = torch.zeros_like(tone)
    for layer in range(4):
        s = scatter(c, n, blade, turn=0.12)
        on = s.top > 0
        lit = 0.42 + 0.17 * layer + 0.35 * s.ids[1] - 0.25 * s.y
        tone, height = torch.where(on, lit, tone), torch.where(on, layer + 1 - s.y, height)
    return finish(p.shade(tone), height, 0.8, relief=1.0)


def basket_weave(c: Canvas, p: Paint) -> Surface:
    """Over and under bands on an even lattice."""
    u, v = c.uv()
    n = c.count(12, 2)
    cells = lattice(c, u, v, n, n)
    over_h = (cells.ix + cells.iy) % 2 > 0.5
    across = torch.where(over_h, cells.fy, cells.fx)
    along = torch.where(over_h, cells.fx, cells.fy)
    arch = torch.sin(math.pi * along) ** 0.7 * (0.55 + 0.45 * torch.sin(math.pi * across) ** 0.5)
    threads = torch.cos(TAU * 3 * across)
    tone = 0.4 + 0.62 * arch + 0.09 * threads + 0.05 * grain(c) + 0.1 * (table(c, cells.ix, cells.iy, n, n) - 0.5)
    return finish(p.shade(tone), arch, 0.75, relief=3.0)


def plaid(c: Canvas, p: Paint) -> Surface:
    """Tartan: the same stripes both ways, woven half and half."""
    u, v = c.uv()
    n = c.count(40)
    wide, thin = c.uniform(0.38, 0.5), c.uniform(0.04, 0.07)

    def sett(x: Tensor) -> tuple[Tensor, Tensor]:
        f = x * n - (x * n).floor()
        return ramp(wide + 0.02, wide - 0.02, (f - 0.5).abs() * 2), ramp(thin + 0.02, thin - 0.01, (f - 0.1).abs())

    (a, s), (b, t) = sett(u), sett(v)
    dark = (a + b) / 2
    twill = 0.04 * torch.sign(torch.sin(TAU * (u + v) * (c.size // 4) + 0.7))
    colour = brighten(p.base, 1.02 - 0.45 * dark + twill + 0.02 * grain(c))
    line = mix(p.second, torch.ones_like(p.second), torch.tensor(0.25))
    return finish(over(colour, line, torch.maximum(s, t) * 0.75), twill, 0.85, relief=0.6)


def knit(c: Canvas, p: Paint) -> Surface:
    """Columns of V-shaped stitches."""
    u, v = c.uv()
    nx, ny = c.count(13), c.count(10)
    x = u * nx
    fx = x - x.floor()
    side = (fx - 0.5).abs() * 2
    y = v * ny + 0.9 * side + 0.05 * cloud(c, 20)
    fy = y - y.floor()
    yarn = torch.sin(math.pi * fy) * torch.sin(math.pi * (side * 0.86 + 0.1).clamp(0, 1)) ** 0.6
    fibre = torch.sin(TAU * (2.2 * fy + 1.5 * side * torch.sign(fx - 0.5)))
    tone = 0.35 + 0.72 * yarn.clamp_min(0) ** 0.8 + 0.05 * fibre + 0.04 * grain(c)
    return finish(p.shade(tone), yarn, 0.9, relief=4.0)


def denim(c: Canvas, p: Paint) -> Surface:
    """Diagonal twill with pale weft and uneven warp."""
    u, v = c.uv()
    n, m = c.count(5), c.count(9)
    twill = torch.sin(TAU * (u * n + v * m))
    warp = cloud(c, 5, 0.7, (1.0, 14.0))
    weft = ramp(0.45, 0.95, twill + 0.25 * warp)
    tone = 0.85 + 0.2 * twill + 0.1 * warp + 0.05 * grain(c)
    pale = mix(p.base, torch.full_like(p.base, 0.88), torch.tensor(0.4))
    return finish(over(p.shade(tone), pale, 0.55 * weft), twill, 0.9, relief=1.0)


def scales(c: Canvas, p: Paint) -> Surface:
    """Overlapping round scales in staggered rows."""
    u, v = c.uv()
    ny = c.count(10, 2)
    nx = max(1, round(ny * 0.55))
    x, y = u * nx, v * ny
    row0 = y.floor()
    best = torch.zeros_like(u)
    rim, tone_id = torch.zeros_like(u), torch.zeros_like(u)
    tones = c.rand(c.batch, nx * ny)
    # Rows above lie on top: walk from the lowest row that reaches the pixel upwards.
    for back in (0, 1, 2):
        row = row0 - back
        shift = 0.5 * (row.long() % 2)
        ix = (x - shift).floor()
        dx = (x - shift - ix - 0.5) * 2
        dy = (y - row) / 2.1
        r = torch.hypot(dx, dy)
        on = (r < 1.0) & (dy >= 0)
        key = (row.long() % ny) * nx + ix.long() % nx
        value = tones.gather(1, key.flatten(1)).view_as(u)
        rim, tone_id = torch.where(on, r, rim), torch.where(on, value, tone_id)
        best = torch.where(on, 0.3 + 0.7 * dy, best)
    edge = ramp(1.0, 0.82, rim)
    tone = (0.5 + 0.5 * best + 0.18 * (tone_id - 0.5) + 0.12 * ramp(0.9, 0.2, rim)) * (0.35 + 0.65 * edge)
    return finish(p.shade(tone + 0.03 * grain(c)), best * edge, 0.35, relief=4.0)


def polka_dots(c: Canvas, p: Paint) -> Surface:
    """Staggered round dots of the companion colour."""
    u, v = c.uv()
    ny = c.count(15, 2)
    nx = max(1, ny // 2)
    cells = lattice(c, u, v, nx, ny, 0.5)
    # In a staggered lattice the nearest dot may sit in the row above or below: fold both.
    d = torch.hypot((cells.fx - 0.5) * cells.width, (cells.fy - 0.5) * cells.height)
    r = c.uniform(0.2, 0.3) * 2 * cells.height
    side = ((cells.fx - 0.5).abs() - 0.5) * cells.width
    for dy in (-0.5, 1.5):
        d = torch.minimum(d, torch.hypot(side, (cells.fy - dy) * cells.height))
    dot = ramp(r + 0.8, r - 0.8, d)
    tone = 1 + 0.025 * grain(c) + 0.02 * cloud(c, 40)
    return finish(brighten(p.blend(dot), tone), dot, 0.6, relief=0.5)


def stripes(c: Canvas, p: Paint) -> Surface:
    """Parallel bands, standing or lying."""
    u, v = c.uv()
    n = c.count(20)
    x = (u if c.chance(0.65) else v) * n
    f = (x - x.floor() - 0.5).abs() * 2
    band = ramp(0.5 - 2 / (c.size / n), 0.5 + 2 / (c.size / n), f)
    tone = 1 + 0.03 * grain(c) + 0.02 * cloud(c, 40)
    return finish(brighten(p.blend(band), tone), band, 0.6, relief=0.4)


def camouflage(c: Canvas, p: Paint) -> Surface:
    """Blobs of four tones of the colour: thresholds of smooth noise."""
    colour = p.shade(torch.full((c.batch, c.size, c.size), 1.0))
    tones = ((0.6, 0.35), (0.3, 0.75), (1.45, 0.85))
    for tone, level in tones:
        field = cloud(c, 34, 2.1)
        pale = tone > 1
        paint = mix(p.base, torch.full_like(p.base, 0.8), torch.tensor(0.4)) if pale else p.base * tone
        colour = over(colour, paint, ramp(level - 0.05, level + 0.05, field))
    return finish(brighten(colour, 1 + 0.04 * grain(c)), 0.1 * grain(c), 0.9, relief=0.3)


def water(c: Canvas, p: Paint) -> Surface:
    """Caustics: bright thin ridges where smooth noise changes sign, warped."""
    a, b = cloud(c, 30, 2.2), cloud(c, 22, 2.2)
    net = torch.exp(-((a / 0.22) ** 2)) + 0.7 * torch.exp(-((b / 0.2) ** 2))
    soft = blur(net, 3.0)
    tone = 0.68 + 0.25 * soft + 0.05 * cloud(c, 60)
    light = mix(p.base, torch.ones_like(p.base), torch.tensor(0.6))
    return finish(over(p.shade(tone), light, (0.6 * net).clamp(0, 0.9)), soft, 0.05, relief=1.0)


def marble(c: Canvas, p: Paint) -> Surface:
    """Veins: thin zero lines of warped noise at two widths, over soft clouds."""
    a = cloud(c, 75, 1.75, (1.0, 1.6))
    b = cloud(c, 60, 1.9)
    strength = ramp(-0.6, 1.2, cloud(c, 50))
    vein = torch.exp(-((a / 0.13) ** 2)) * (0.5 + 0.5 * strength) + 0.7 * torch.exp(-((b / 0.09) ** 2)) * strength
    luma = p.base.mean(dim=1, keepdim=True)
    dark, pale = p.base * 0.35, mix(p.base, torch.ones_like(p.base), torch.tensor(0.7))
    ink = torch.where(luma > 0.35, dark, pale)
    return finish(over(p.shade(0.95 + 0.07 * cloud(c, 60, 2.0)), ink, vein.clamp(0, 1) * 0.85), -vein, 0.15, relief=0.2)
