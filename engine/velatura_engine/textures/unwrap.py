"""Texture space: which triangle each texel lies on, where on it, and what lies past the edges of UV islands.

Texel centres are at whole numbers, row 0 on top; UVs run 0..1 with v up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ..request import Mesh
from .sight import Places, pick

ROWS = 1 << 20  # triangle rows drawn at once
SPANS = 1 << 21  # texels drawn at once
TOUCH = 1e-6  # texels; a centre this near an edge counts as inside
OVERLAP = 1e-2  # texels; centres this deep in two triangles overlap
FAR = 1 << 14  # texels; farther than any texture is wide, and its square fits 32 bits twice

Check = Callable[[], None]
"""Called often; raises where the job is to stop."""


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
        slope, rest = edges[which, :, 0].T.contiguous(), (edges[which, :, 1] * y[:, None] + edges[which, :, 2]).T
        rest = rest.contiguous()
        first, count = _span(slope, rest + TOUCH, width)
        for piece in _parts(count, SPANS):
            row, place = _spread(count[piece])
            row += piece.start
            x, triangle = first[row] + place, which[row]
            texel = y[row].long() * width + x
            owner.scatter_reduce_(0, texel, triangle, "amin")
            inside = torch.ones_like(texel, dtype=torch.bool)
            for along, level in zip(slope, rest, strict=True):  # how deep inside each edge
                deep = along.index_select(0, row).mul_(x).add_(level.index_select(0, row))
                inside &= deep > OVERLAP
            claims.scatter_add_(0, texel, inside.int())
    drawn = int((owner < len(corners)).sum())
    return owner.view(height, width), float((claims > 1).sum()) / max(drawn, 1)


def _span(slope: torch.Tensor, rest: torch.Tensor, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """First texel and number of texels of rows (R,) where `slope` x + `rest` (3, R) are all above 0."""
    bound = -rest / slope
    low = torch.where(slope > 1e-12, bound, -math.inf).amax(0)
    high = torch.where(slope < -1e-12, bound, math.inf).amin(0)
    empty = ((slope.abs() <= 1e-12) & (rest < 0)).any(0)
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


class Facets:
    """A surface's triangles made ready to be asked where texels lie: `corners` (4, 3 T) homogeneous and `planes` (4, T)
    in the world, as in `Places`."""

    def __init__(self, surface: Surface) -> None:
        a, b, c = surface.positions[surface.triangles].unbind(1)
        normal = torch.linalg.cross(b - a, c - a)
        normal = normal / normal.norm(dim=1, keepdim=True).clamp_min(1e-30)
        self.corners = F.pad(surface.positions[surface.triangles.view(-1)], (0, 1), value=1.0).T
        self.planes = torch.cat((normal, (normal * a).sum(1, keepdim=True)), 1).T.contiguous()
        (ax, ay), (bx, by), (cx, cy) = surface.corners.movedim(1, 0).movedim(2, 1)
        bx, by, cx, cy = bx - ax, by - ay, cx - ax, cy - ay
        area = bx * cy - by * cx
        # Where a texel lies, and its weights of the second and the third corner are affine in its column and row.
        self._start = torch.stack((ax, ay))
        self._weights = torch.stack((cy, -cx, -by, bx)) / area
        self._edges = torch.cat((a, b - a, c - a), 1).T.contiguous()  # (9, T)
        self._owner, self._width = surface.owner.view(-1), surface.owner.shape[1]

    def triangles(self, texels: torch.Tensor) -> torch.Tensor:
        """The triangle (N,) that each texel lies on."""
        return self._owner.index_select(0, texels)

    def places(self, texels: torch.Tensor) -> Places:
        """Where texels (N,) lie on the surface, never outside their triangles."""
        triangle = self.triangles(texels)
        x, y = (texels % self._width).double(), (texels // self._width).double()
        start, weights = pick(self._start, triangle), pick(self._weights, triangle)
        x, y = x.sub_(start[0]), y.sub_(start[1])
        second = weights[0].mul_(x).addcmul_(weights[1], y).clamp_min_(0)
        third = weights[2].mul_(x).addcmul_(weights[3], y).clamp_min_(0)
        total = (second + third).clamp_min_(1)
        second, third = second.div_(total), third.div_(total)
        points = torch.ones(4, len(texels), dtype=torch.float64)
        for axis in range(3):
            first, across, along = (self._edges[3 * n + axis].index_select(0, triangle) for n in range(3))
            torch.addcmul(first, across, second, out=points[axis])
            points[axis].addcmul_(along, third)
        return Places(points, pick(self.planes, triangle))


def nearest(known: torch.Tensor, reach: int, check: Check) -> tuple[torch.Tensor, torch.Tensor]:
    """Unknown texels of `known` (H, W) within `reach` texels of a known one, and the nearest known one of each: numbers
    (N,) row by row.

    The nearest in each column is found first, then the nearest of those in each row: exact, and nothing is looked at
    twice (Saito and Toriwaki 1994).
    """
    nothing = torch.zeros(0, dtype=torch.int64)
    if reach <= 0 or not known.any() or known.all():
        return nothing, nothing
    height, width = known.shape
    row = np.arange(height, dtype=np.int32)[:, None]
    above = np.maximum.accumulate(np.where(known, row, -FAR), axis=0)
    below = np.minimum.accumulate(np.where(known, row, FAR)[::-1], axis=0)[::-1]
    check()
    source = np.where(row - above <= below - row, above, below)
    off = np.abs(source - row)
    wide = torch.from_numpy(np.pad(off, ((0, 0), (reach, reach)), constant_values=FAR))  # nothing lies past the sides
    beside = F.max_pool1d((wide <= reach).float()[:, None], 2 * reach + 1, 1)[:, 0] > 0
    to = torch.nonzero((beside & ~known).view(-1))[:, 0]
    at = to + (2 * (to // width) + 1) * reach
    square = wide.view(-1).clamp_max(FAR) ** 2
    best, step = square[at], torch.zeros_like(at, dtype=torch.int32)
    left = torch.arange(len(to))
    for across in range(1, reach + 1):
        check()
        left = left[best[left] > across**2]
        for way in (-across, across):
            distance = square[at[left] + way] + across**2
            nearer = left[distance < best[left]]
            best[nearer], step[nearer] = square[at[nearer] + way] + across**2, way
    reached = torch.nonzero(best <= reach**2)[:, 0]
    to, column = to[reached], to[reached] + step[reached]
    return to, torch.from_numpy(source).view(-1)[column].long() * width + column % width
