"""Texture space: which triangle each texel lies on, where on it, and what lies past the edges of UV islands.

Texel centres are at whole numbers, row 0 on top; UVs run 0..1 with v up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from ..request import Mesh

ROWS = 1 << 20  # triangle rows drawn at once
SPANS = 1 << 21  # texels drawn at once
TOUCH = 1e-6  # texels; a centre this near an edge counts as inside
OVERLAP = 1e-2  # texels; centres this deep in two triangles overlap
FAR = 1 << 14  # texels; farther than any texture is wide, and its square fits 32 bits twice

Check = Callable[[], None]
"""Called often; raises where the job is to stop."""
Place = tuple[slice, slice]
"""Rows and columns."""


@dataclass(frozen=True, slots=True)
class Surface:
    """A mesh in texture space: `owner` (H, W) is the triangle of each texel, or the number of triangles for none."""

    positions: torch.Tensor
    triangles: torch.Tensor
    corners: torch.Tensor
    owner: torch.Tensor
    scores: Mapping[str, float]


def unwrap(mesh: Mesh, size: tuple[int, int], check: Check = lambda: None) -> Surface:
    """Draw a mesh in UV space at `size` (width, height) texels. UVs outside 0..1 are clipped; where triangles overlap
    the first one wins; triangles without area, in space or on the texture, or with numbers not finite are skipped."""
    width, height = size
    positions = torch.tensor(np.asarray(mesh.positions), dtype=torch.float64).reshape(-1, 3)
    triangles = torch.tensor(np.asarray(mesh.triangles, np.int64)).reshape(-1, 3)
    uvs = torch.tensor(np.asarray(mesh.uvs), dtype=torch.float64).reshape(-1, 3, 2)
    corners = torch.stack((uvs[..., 0] * width - 0.5, (1 - uvs[..., 1]) * height - 0.5), -1)  # in texel centres
    a, b, c = positions[triangles].unbind(1)
    area = torch.linalg.cross(b - a, c - a).norm(dim=1)
    extent = torch.maximum((b - a).norm(dim=1), (c - a).norm(dim=1))
    sound = (area > 1e-12 * extent**2) & (_area(corners).abs() > 1e-9) & torch.isfinite(corners.sum((1, 2)))
    owner, overlap = _draw(corners, sound, size, check)
    outside = ((uvs < -1e-6) | (uvs > 1 + 1e-6)).any(dim=2).any(dim=1)
    count = max(len(triangles), 1)
    scores = {
        "islands": float((owner < len(triangles)).double().mean()),
        "overlap": overlap,
        "outside": float(outside.sum()) / count,
        "degenerate": float((~sound).sum()) / count,
    }
    return Surface(positions, triangles, corners, owner, scores)


def _area(corners: torch.Tensor) -> torch.Tensor:
    """Twice the signed area of triangles (T, 3, 2)."""
    (ax, ay), (bx, by) = (corners[:, k].sub(corners[:, 0]).unbind(1) for k in (1, 2))
    return ax * by - ay * bx


def _draw(
    corners: torch.Tensor, sound: torch.Tensor, size: tuple[int, int], check: Check
) -> tuple[torch.Tensor, float]:
    """First triangle at each texel centre (H, W), and the part of the drawn texels that several triangles claim.

    Rows of triangles are cut into spans by their edges' half-planes; only texels inside are ever touched.
    """
    width, height = size
    begin, end = corners, corners.roll(-1, 1)
    step = end - begin
    edges = torch.stack((-step[..., 1], step[..., 0], step[..., 1] * begin[..., 0] - step[..., 0] * begin[..., 1]), -1)
    edges = edges * _area(corners).sign()[:, None, None] / step.norm(dim=2).clamp_min(1e-30)[..., None]
    top = torch.ceil(corners[..., 1].amin(1) - TOUCH).clamp(0, height).nan_to_num(0).long()
    bottom = torch.floor(corners[..., 1].amax(1) + TOUCH).clamp(-1, height - 1).nan_to_num(-1).long()
    rows = torch.where(sound, bottom - top + 1, 0).clamp_min(0)
    owner = torch.full((height * width,), len(corners), dtype=torch.int64)
    claims = torch.zeros(height * width, dtype=torch.int32)
    for part in _parts(rows, ROWS):
        check()
        which, offset = _spread(rows[part])
        which += part.start
        y = (top[which] + offset).double()
        first, count = _span(edges[which], y, width)
        for piece in _parts(count, SPANS):
            row, place = _spread(count[piece])
            row += piece.start
            x, triangle = first[row] + place, which[row]
            texel = y[row].long() * width + x
            owner.scatter_reduce_(0, texel, triangle, "amin")
            depth = (edges[triangle] * torch.stack((x.double(), y[row], torch.ones_like(y[row])), 1)[:, None]).sum(2)
            claims.scatter_add_(0, texel, (depth.amin(1) > OVERLAP).int())
    drawn = int((owner < len(corners)).sum())
    return owner.view(height, width), float((claims > 1).sum()) / max(drawn, 1)


def _span(edges: torch.Tensor, y: torch.Tensor, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """First texel and number of texels of rows `y` (R,) inside half-planes (R, 3, 3)."""
    slope, rest = edges[..., 0], edges[..., 1] * y[:, None] + edges[..., 2] + TOUCH
    bound = -rest / slope
    low = torch.where(slope > 1e-12, bound, -math.inf).amax(1)
    high = torch.where(slope < -1e-12, bound, math.inf).amin(1)
    empty = ((slope.abs() <= 1e-12) & (rest < 0)).any(1)
    first = torch.ceil(low).clamp(0, width).long()
    last = torch.floor(high).clamp(-1, width - 1).long()
    return first, torch.where(empty, 0, last - first + 1).clamp_min(0)


def _parts(counts: torch.Tensor, limit: int) -> Iterator[slice]:
    """Consecutive slices of `counts` whose sums stay below `limit` where single entries do."""
    total = counts.cumsum(0)
    start = 0
    while start < len(counts):
        before = int(total[start - 1]) if start else 0
        stop = max(int(torch.searchsorted(total, before + limit)), start + 1)
        if int(total[stop - 1]) > before:
            yield slice(start, stop)
        start = stop


def _spread(counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`counts` items for each entry: the entry's number, and the item's number within it."""
    which = torch.repeat_interleave(torch.arange(len(counts)), counts)
    return which, torch.arange(len(which)) - (counts.cumsum(0) - counts)[which]


def places(surface: Surface, texels: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Positions and normals (N, 3) of texels in the world."""
    where, normal = on_surface(surface, texels)
    return where.numpy(), normal.numpy()


def on_surface(surface: Surface, texels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions and normals (N, 3) float64 of texels in the world."""
    a, b, c = surface.positions[surface.triangles].unbind(1)
    normal = torch.linalg.cross(b - a, c - a)
    normal = normal / normal.norm(dim=1, keepdim=True).clamp_min(1e-30)
    triangle, parts = on_triangles(surface, texels)
    where = sum(parts[:, k, None] * corner[triangle] for k, corner in enumerate((a, b, c)))
    assert isinstance(where, torch.Tensor)
    return where, normal[triangle]


def on_triangles(surface: Surface, texels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The triangle (N,) of each texel, and where on it the texel lies (N, 3), barycentric."""
    width = surface.owner.shape[1]
    triangle = surface.owner.view(-1)[texels]
    place = torch.stack((texels % width, texels // width), 1).double()
    return triangle, barycentric(surface.corners[triangle], place)


def barycentric(corners: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Weights (N, 3) of the corners (N, 3, 2) at places (N, 2), never outside the triangle."""
    (ax, ay), (bx, by), (px, py) = ((p - corners[:, 0]).unbind(1) for p in (corners[:, 1], corners[:, 2], place))
    area = ax * by - ay * bx
    second, third = (px * by - py * bx) / area, (ax * py - ay * px) / area
    parts = torch.stack((1 - second - third, second, third), 1).clamp_min(0)
    return parts / parts.sum(1, keepdim=True)


def nearest(known: torch.Tensor, reach: int, check: Check) -> tuple[torch.Tensor, torch.Tensor]:
    """Unknown texels of `known` (H, W) within `reach` texels of a known one, and the nearest known one of each: numbers
    (N,) row by row.

    Jump flooding (Rong and Tan 2006), with one more pass of step 1 against its few wrong answers.
    """
    if reach <= 0 or not known.any() or known.all():
        return torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
    height, width = known.shape
    y, x = torch.arange(height, dtype=torch.int32)[:, None], torch.arange(width, dtype=torch.int32)[None]
    from_y, from_x = torch.where(known, y, -FAR), torch.where(known, x, -FAR)
    best = (from_y - y) ** 2 + (from_x - x) ** 2
    for step in [1 << k for k in reversed(range(reach.bit_length()))] + [1]:
        check()
        before_y, before_x = from_y.clone(), from_x.clone()
        for to, of in neighbours(step, height, width):
            distance = (before_y[of] - y[to[0]]) ** 2 + (before_x[of] - x[:, to[1]]) ** 2
            better = distance < best[to]
            for own, new in ((from_y, before_y[of]), (from_x, before_x[of]), (best, distance)):
                own[to] = torch.where(better, new, own[to])
    reached = (best <= reach**2) & ~known
    return torch.nonzero(reached.view(-1))[:, 0], from_y[reached].long() * width + from_x[reached].long()


def neighbours(step: int, height: int, width: int) -> Iterator[tuple[Place, Place]]:
    """For each of the 8 directions: where pixels lie that have a neighbour `step` away, and where those lie."""
    for dy in (-step, 0, step) if step < height else (0,):
        for dx in (-step, 0, step) if step < width else (0,):
            to = (slice(max(-dy, 0), height - max(dy, 0)), slice(max(-dx, 0), width - max(dx, 0)))
            of = (slice(max(dy, 0), height - max(-dy, 0)), slice(max(dx, 0), width - max(-dx, 0)))
            if dy or dx:
                yield to, of
