"""Family A (trains the model): built materials, masonry, tiles, wood and metal.

A program takes a canvas and paint and returns a surface. Sizes are pixels at scale 1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .fields import Canvas, cloud, grain, lattice, mix, ramp, scatter, table, voronoi
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


def herringbone(c: Canvas, p: Paint) -> Surface:
    """Herringbone parquet: 1 x 4 blocks on an integer lattice, turned by the place on the diagonal."""
    u, v = c.uv()
    k = 3
    n = c.count(10, 2 * k)
    x, y = u * n, v * n
    ix, iy = x.floor(), y.floor()
    phase = (ix - iy) % (2 * k)
    flat = phase < k
    along = torch.where(flat, phase + (x - ix), (2 * k - 1 - phase) + (y - iy))
    across = torch.where(flat, y - iy, x - ix)
    sx, sy = torch.where(flat, ix - phase, ix), torch.where(flat, iy, iy - (2 * k - 1 - phase))
    cell = c.size / n
    border = torch.minimum(torch.minimum(along, k - along), torch.minimum(across, 1 - across)) * cell
    rand = table(c, sx, sy, n, n)
    fibre = torch.where(flat, cloud(c, 8, 1.2, (7, 1)), cloud(c, 8, 1.2, (1, 7)))
    gap = ramp(0.1, 1.4, border)
    tone = (0.75 + 0.3 * rand + torch.where(flat, 0.12, 0.0) + 0.06 * fibre) * (0.35 + 0.65 * gap)
    return finish(p.shade(tone), gap, 0.45, relief=2.0)


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


def brushed_metal(c: Canvas, p: Paint) -> Surface:
    """Very long thin streaks and broad soft reflections."""
    long = (40.0, 1.0) if c.chance(0.7) else (1.0, 40.0)
    streaks = cloud(c, 3, 0.4, long)
    glow = cloud(c, 70, 2.5, (1.0, 3.0) if long[0] > 1 else (3.0, 1.0))
    return finish(p.shade(0.95 + 0.11 * streaks + 0.12 * glow), streaks, 0.3, 1.0, relief=0.5)


def rusty_metal(c: Canvas, p: Paint) -> Surface:
    """Painted metal, paint flaking off: noise patches of rust with a dark rim."""
    field = cloud(c, 50, 1.5) + 0.25 * cloud(c, 8)
    level = c.uniform(0.6, 0.9)
    rust = ramp(level - 0.08, level + 0.08, field)
    rim = ramp(level - 0.3, level, field) * (1 - rust)
    iron = torch.tensor([0.42, 0.2, 0.08]).view(1, 3, 1, 1)
    rusty = brighten(iron, 1 + 0.25 * cloud(c, 5, 1.0) + 0.1 * grain(c))
    colour = over(p.shade((0.95 + 0.04 * cloud(c, 30)) * (1 - 0.35 * rim)), rusty, rust)
    return finish(colour, (1 - rust) + 0.1 * rust * cloud(c, 4), mix(0.4, 0.9, rust), mix(0.8, 0.2, rust), relief=2.0)


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


def granite(c: Canvas, p: Paint) -> Surface:
    """Three minerals: thresholds of fine noise."""
    a, b = cloud(c, 6, 1.0), cloud(c, 5, 0.9)
    dark, light = ramp(0.75, 1.0, a), ramp(0.9, 1.15, b)
    colour = p.shade(0.9 + 0.1 * grain(c))
    colour = over(colour, brighten(p.base, torch.full_like(a, 0.25)), dark)
    colour = over(colour, mix(p.base, torch.ones_like(p.base), torch.tensor(0.6)), light)
    return finish(colour, 0.5 + 0.1 * a, 0.35, relief=0.4)


def terrazzo(c: Canvas, p: Paint) -> Surface:
    """Chips: shrunken Voronoi cells of many tones in a matrix of the asked colour."""
    u, v = c.uv()
    n = c.count(13)
    vor = voronoi(c, u, v, n, n, 1.0)
    chip = ramp(1.0, 2.0, vor.border() + 0.3 * cloud(c, 6)) * (vor.ids[0] < 0.5)
    hue = torch.stack([0.35 + 0.6 * vor.ids[1], 0.35 + 0.6 * vor.ids[2], 0.35 + 0.6 * (1 - vor.ids[1])], 1)
    tone = 0.96 + 0.03 * grain(c)
    return finish(over(p.shade(tone), hue, chip), chip, 0.25, relief=0.3)


def circuit(c: Canvas, p: Paint) -> Surface:
    """Copper tracks: a random choice of wires in every cell, and solder pads."""
    u, v = c.uv()
    n = c.count(12)
    cells = lattice(c, u, v, n, n)
    x, y = cells.fx - 0.5, cells.fy - 0.5
    right, down = table(c, cells.ix, cells.iy, n, n, 2) > 0.45
    # A wire to the right of a cell is the wire on the left of its neighbour: one table, two look-ups.
    left, up = _neighbour(right, cells, -1, 0), _neighbour(down, cells, 0, -1)
    half = 0.11
    wire = ((y.abs() < half) & (((x > 0) & right) | ((x < 0) & left))) | (
        (x.abs() < half) & (((y > 0) & down) | ((y < 0) & up))
    )
    degree = right.int() + left.int() + up.int() + down.int()
    r = torch.hypot(x, y)
    pad = (r < 0.3) & (degree == 1)
    hole = (r < 0.12) & pad
    metal = (wire | pad).float()
    track = mix(p.base, torch.tensor([0.95, 0.85, 0.55]).view(1, 3, 1, 1), torch.tensor(0.55))
    colour = over(p.shade(0.72 + 0.04 * cloud(c, 30)), track, metal)
    return finish(over(colour, torch.full((1, 3, 1, 1), 0.05), hole.float()), metal, 0.3, metal, relief=1.2)


def _neighbour(flag: Tensor, cells, dx: int, dy: int) -> Tensor:
    """The per-cell flag of the cell at (+dx, +dy): cells are constant, so a whole-cell gather does it."""
    b, size = flag.shape[0], flag.shape[-1]
    n = cells.nx
    centre = ((torch.arange(n) + 0.5) * size / n).long()
    grid = flag[:, centre][:, :, centre]
    iy, ix = (cells.iy.long() + dy) % n, (cells.ix.long() + dx) % n
    return grid.flatten(1).gather(1, (iy * n + ix).flatten(1)).view(b, size, size)


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


def leaves(c: Canvas, p: Paint) -> Surface:
    """Leaf-shaped strokes, two layers deep, each with a midrib."""

    def leaf(x: Tensor, y: Tensor, _: Tensor) -> Tensor:
        return 0.3 * (1 - (x / 0.92) ** 2) * (1 - 0.35 * x) - y.abs()

    n = c.count(20)
    low, top = scatter(c, n, leaf), scatter(c, n, leaf)
    covered = top.top > 0
    x, y = torch.where(covered, top.x, low.x), torch.where(covered, top.y, low.y)
    z = torch.where(covered, 1 + top.top, low.top)
    rand = torch.where(covered, top.ids[1], low.ids[1])
    rib = 1 - ramp(0.015, 0.05, y.abs())
    veins = 0.06 * torch.sin(24 * (x - y.abs()))
    tone = (0.62 + 0.45 * rand + 0.28 * rib + veins + 0.2 * (y > 0)) * (0.6 + 0.2 * z)
    tone = torch.where(z > 0, tone, torch.full_like(tone, 0.18))
    return finish(p.shade(tone), z, 0.55, relief=1.5)
