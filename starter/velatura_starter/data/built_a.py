"""Family A (trains the model): built materials, masonry, tiles, wood and metal.

A program takes a canvas and paint and returns a surface. Sizes are pixels at scale 1.
"""

from __future__ import annotations

import math

import torch

from .fields import Canvas, cloud, grain, lattice, mix, ramp, table, voronoi
from .surface import Paint, Surface, brighten, finish, neutral, over

TAU = 2 * math.pi


def brick(c: Canvas, p: Paint) -> Surface:
    """Running bond: every other course moves by half a brick."""
    u, v = c.uv()
    ny = c.count(15, 2)
    cells = lattice(c, u + 0.004 * cloud(c, 30), v + 0.003 * cloud(c, 30), c.count(32), ny, 0.5)
    gap = c.uniform(0.7, 1.5) * c.scale**0.5
    solid = ramp(gap, gap + 1.6, cells.rounded(2.0) + 0.35 * cloud(c, 12))
    tone = 0.78 + 0.4 * table(c, cells.ix, cells.iy, cells.nx, ny) + 0.06 * grain(c) + 0.05 * cloud(c, 20)
    height = solid * (0.85 + 0.05 * cloud(c, 6)) + 0.03 * grain(c)
    return finish(over(brighten(neutral(c, 0.45, 0.8), 1 + 0.08 * grain(c)), p.shade(tone), solid), height, 0.85)


def hexagon_tiles(c: Canvas, p: Paint) -> Surface:
    """Nearest centre of a staggered lattice: Voronoi cells of it are hexagons."""
    u, v = c.uv()
    ny = c.count(22, 2)
    nx = max(1, round(ny * 0.866))
    w, h = c.size / nx, c.size / ny
    best, other = torch.full_like(u, 1e9), torch.full_like(u, 1e9)
    ident = torch.zeros_like(u)
    y0 = (v * ny).floor()
    tone = c.rand(c.batch, nx * ny)
    for oy in (-1, 0, 1, 2):
        row = y0 + oy
        x0 = (u * nx - 0.5 * row).floor()
        for ox in (-1, 0, 1):
            d = torch.hypot((x0 + ox + 0.5 + 0.5 * row - u * nx) * w, (row + 0.5 - v * ny) * h)
            # One row pair down is one cell right in sheared numbering: undo it so that ids wrap.
            column = x0 + ox + torch.div(row, 2, rounding_mode="floor")
            key = (row.long() % ny) * nx + column.long() % nx
            near = d < best
            other = torch.where(near, best, torch.minimum(other, d))
            ident = torch.where(near, tone.gather(1, key.flatten(1)).view_as(u), ident)
            best = torch.where(near, d, best)
    solid = ramp(0.6, 2.0, (other - best) / 2)
    shade = 0.85 + 0.25 * ident + 0.03 * grain(c)
    return finish(over(neutral(c, 0.15, 0.75), p.shade(shade), solid), ramp(0.2, 3.5, (other - best) / 2), 0.3)


def square_tiles(c: Canvas, p: Paint) -> Surface:
    """Glazed square tiles with bevels and grout."""
    u, v = c.uv()
    n = c.count(26)
    cells = lattice(c, u, v, n, n)
    d = cells.rounded(2.5)
    solid = ramp(0.7, 1.8, d)
    tone = 0.88 + 0.2 * table(c, cells.ix, cells.iy, n, n) + 0.03 * cloud(c, 40)
    return finish(over(neutral(c, 0.35, 0.9), p.shade(tone), solid), ramp(0.5, 4.0, d), mix(0.9, 0.15, solid))


def checkerboard(c: Canvas, p: Paint) -> Surface:
    """Parity of an even lattice."""
    u, v = c.uv()
    n = c.count(18, 2)
    cells = lattice(c, u, v, n, n)
    odd = (cells.ix + cells.iy) % 2
    edge = 1 - 0.25 * (1 - ramp(0.2, 1.4, cells.border()))
    colour = brighten(p.blend(odd), edge * (1 + 0.03 * cloud(c, 50) + 0.02 * grain(c)))
    return finish(colour, ramp(0, 1.5, cells.border()), 0.35, relief=1.5)


def planks(c: Canvas, p: Paint) -> Surface:
    """Boards with staggered ends and stretched grain, lying or standing."""
    u, v = c.uv()
    standing = c.chance(0.5)
    if standing:
        u, v = v, u
    ny = c.count(22, 2)
    cells = lattice(c, u, v, c.count(90), ny, 0.5)
    rand = table(c, cells.ix, cells.iy, cells.nx, ny, 2)
    stretch = (1.0, 9.0) if standing else (9.0, 1.0)
    fibres = torch.sin(cloud(c, 14, 1.8, stretch) * 5 + rand[1] * TAU)
    tone = 0.75 + 0.4 * rand[0] + 0.1 * fibres + 0.06 * cloud(c, 5, 0.8, stretch)
    gap = ramp(0.3, 1.6, cells.border())
    return finish(p.shade(tone * (0.25 + 0.75 * gap)), gap * (0.9 + 0.05 * fibres), 0.6)


def wood_grain(c: Canvas, p: Paint) -> Surface:
    """Warped year rings of one wide board."""
    u, v = c.uv()
    upright = c.chance(0.5)
    stretch = (1.0, 5.0) if upright else (5.0, 1.0)
    across = u if upright else v
    rings = across * c.count(26) + 0.85 * cloud(c, 90, 2.2, stretch)
    saw = rings - rings.floor()
    band = ramp(0, 0.75, saw) * (1 - ramp(0.88, 1.0, saw))
    tone = 1.12 - 0.42 * band + 0.07 * cloud(c, 4, 0.7, (stretch[0] * 2, stretch[1] * 2))
    return finish(p.shade(tone), 1 - band + 0.1 * grain(c), 0.5, relief=0.8)


def roof_tiles(c: Canvas, p: Paint) -> Surface:
    """Overlapping rows of flat shingles, each casting a shadow on the next row."""
    u, v = c.uv()
    ny = c.count(20, 2)
    cells = lattice(c, u, v, c.count(18), ny, 0.5)
    side = torch.minimum(cells.fx, 1 - cells.fx) * cells.width
    gap = ramp(0.3, 1.5, side)
    shadow = ramp(0.0, 0.3, cells.fy)
    rand = table(c, cells.ix, cells.iy, cells.nx, ny)
    tone = (0.75 + 0.35 * rand + 0.2 * cells.fy + 0.05 * grain(c)) * (0.3 + 0.7 * gap) * (0.35 + 0.65 * shadow)
    return finish(p.shade(tone), cells.fy * gap, 0.75, relief=5.0)


def corrugated_metal(c: Canvas, p: Paint) -> Surface:
    """Sine waves of painted sheet."""
    u, v = c.uv()
    n = c.count(11)
    wave = torch.cos(TAU * n * (v if c.chance(0.3) else u))
    tone = 0.82 + 0.25 * wave + 0.04 * cloud(c, 50) + 0.025 * grain(c)
    shine = 0.25 * ramp(0.75, 1.0, torch.roll(wave, c.size // (4 * n) // 2 + 1, -1))
    return finish(p.shade(tone + shine), wave, 0.35, 0.9, relief=c.size / n * 0.25)


def diamond_plate(c: Canvas, p: Paint) -> Surface:
    """Raised lozenges, crosswise on alternating cells."""
    u, v = c.uv()
    n = c.count(13, 2)
    cells = lattice(c, u, v, n, n)
    odd = (cells.ix + cells.iy) % 2 > 0.5
    x, y = cells.fx - 0.5, cells.fy - 0.5
    s, t = (x + y) * 0.7071, (x - y) * 0.7071
    along, across = torch.where(odd, s, t), torch.where(odd, t, s)
    bump = (1 - (along / 0.56) ** 2 - (across.abs() / 0.16)).clamp(0, 1)
    raised = ramp(0.0, 0.35, bump)
    tone = 0.78 + 0.32 * raised + 0.05 * cloud(c, 40) + 0.03 * grain(c)
    return finish(p.shade(tone), raised, 0.35, 1.0, relief=3.5)


def concrete(c: Canvas, p: Paint) -> Surface:
    """Soft stains, fine grain and air holes."""
    pores = ramp(2.35, 2.7, cloud(c, 5, 1.2))
    tone = 0.92 + 0.07 * cloud(c, 60, 1.8) + 0.04 * cloud(c, 9) + 0.035 * grain(c)
    return finish(p.shade(tone * (1 - 0.5 * pores)), 1 + 0.04 * cloud(c, 9) - pores, 0.9, relief=1.5)


def terrazzo(c: Canvas, p: Paint) -> Surface:
    """Chips: shrunken Voronoi cells of many tones in a matrix of the asked colour."""
    u, v = c.uv()
    n = c.count(13)
    vor = voronoi(c, u, v, n, n, 1.0)
    chip = ramp(1.0, 2.0, vor.border() + 0.3 * cloud(c, 6)) * (vor.ids[0] < 0.5)
    hue = torch.stack([0.35 + 0.6 * vor.ids[1], 0.35 + 0.6 * vor.ids[2], 0.35 + 0.6 * (1 - vor.ids[1])], 1)
    tone = 0.96 + 0.03 * grain(c)
    return finish(over(p.shade(tone), hue, chip), chip, 0.25, relief=0.3)


def pebbles(c: Canvas, p: Paint) -> Surface:
    """Cobblestone: rounded Voronoi stones in dark joints."""
    u, v = c.uv()
    n = c.count(21)
    vor = voronoi(c, u + 0.006 * cloud(c, 20), v + 0.006 * cloud(c, 20), n, n, 0.75)
    d = vor.border()
    solid = ramp(0.6, 2.2, d)
    dome = ramp(0.0, 7.0 * c.scale, d)
    tone = 0.68 + 0.3 * vor.ids[0] + 0.22 * dome + 0.07 * grain(c)
    joint = brighten(neutral(c, 0.12, 0.3), 1 + 0.2 * grain(c))
    return finish(over(joint, p.shade(tone), solid), dome, 0.8, relief=5.0)


def cracked_earth(c: Canvas, p: Paint) -> Surface:
    """Flat dry plates with thin dark warped cracks."""
    u, v = c.uv()
    n = c.count(32)
    warp = 0.018 * c.scale
    vor = voronoi(c, u + warp * cloud(c, 24, 1.9), v + warp * cloud(c, 24, 1.9), n, n, 1.0)
    crack = 1 - ramp(0.4, 1.7, vor.border() * (1 + 0.25 * cloud(c, 16)))
    tone = 0.92 + 0.08 * vor.ids[0] + 0.06 * cloud(c, 9, 1.2) + 0.06 * grain(c)
    return finish(p.shade(tone * (1 - 0.82 * crack)), 1 - crack + 0.05 * cloud(c, 8), 0.95, relief=3.0)
