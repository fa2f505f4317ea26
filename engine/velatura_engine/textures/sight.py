"""What a camera's picture shows of places on surfaces: which pixels each place is read from, and how surely.

The depth test is exact for flat surfaces: the plane of a place is met with the ray of each pixel that is read, and only
pixels whose depth agrees take part, so that colours never mix across depth edges. Which pixels those are has nothing to
do with their colours: a `Sight` of a place holds as long as surface, camera and depth do.

Units and conventions are those of `eyes.py`. What has several numbers a place is kept with the places last, so that
each number lies in one piece of memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from . import reading
from .eyes import Eye

SLACK = 8.0  # pixel widths; most that a slope may add to the depth tolerance
AT_ONCE = 1 << 16  # places looked at together: few enough for a processor's cache
BEND = 0.15  # pixel widths; pixels that lie farther off a place's plane count little
SEEN = 0.05  # part of the pixel around a point that must show its surface


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Which surfaces count: steepest angle in degrees, weight = cos^exponent, tolerance as a part of the distance."""

    max_angle: float
    exponent: float
    depth_tolerance: float


@dataclass(frozen=True, slots=True)
class Sight:
    """What a view shows of places, but for the colours: of those K that it shows, numbers (K,) int32 in `places`.

    `pixel` (K,) int32 the upper left of the four that are read, row by row in the `padded` picture; `shares` (K, 4) of
    them, left to right, then down, with the sum 1; `mask` (K,) above 0, or None for all 1; `cosine` (K,) of the angle
    at which the view sees the place.
    """

    places: torch.Tensor
    pixel: torch.Tensor
    shares: torch.Tensor
    mask: torch.Tensor | None
    cosine: torch.Tensor

    def values(self, picture: torch.Tensor) -> torch.Tensor:
        """What a picture (h, w, C) of the view's size has there, mixed of four pixels, (K, C)."""
        which = self.pixel[:, None] + reading.steps(picture.shape[1] + 2, curved=False)
        return reading.read(padded(picture), which, self.shares)

    def colors(self, rows: torch.Tensor) -> torch.Tensor:
        """What the view's picture has there along a cubic, colours 0..1 and how much they count, (K, 4); `rows` are
        the view's."""
        which = 3 * self.pixel[:, None] + reading.steps(rows.shape[1])
        sums = reading.read(rows, which, reading.weighed(self.shares, torch.ones(len(self.shares))))
        return torch.cat((reading.colors(sums), sums[:, 3:]), 1)


def padded(picture: torch.Tensor, value: float = 0.0) -> torch.Tensor:
    """A picture (h, w, C) with a border, by default of zeros, which may be read though no share of it counts."""
    return F.pad(picture, (0, 0, 1, 1, 1, 1), value=value)


@dataclass(frozen=True, slots=True)
class Places:
    """Places on surfaces, in the world: `points` (4, N) homogeneous, and `planes` (4, N) of the surface there, its unit
    normal and how far along that it lies."""

    points: torch.Tensor
    planes: torch.Tensor

    @classmethod
    def of(cls, points: torch.Tensor, normals: torch.Tensor) -> Places:
        """Places at points (N, 3) with normals (N, 3)."""
        level = (normals * points).sum(1, keepdim=True)
        return cls(F.pad(points, (0, 1), value=1.0).T.contiguous(), torch.cat((normals, level), 1).T.contiguous())

    def pick(self, which: torch.Tensor) -> Places:
        """Those of these numbers (n,)."""
        return Places(pick(self.points, which), pick(self.planes, which))

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions and normals (N, 3)."""
        return self.points[:3].T.numpy(), self.planes[:3].T.numpy()

    def __len__(self) -> int:
        return self.points.shape[1]


def pick(rows: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
    """Of rows (R, N) those places (n,). Row by row and by this very function, as others take several times as long."""
    found = rows.new_empty(len(rows), len(which))
    for row, out in zip(rows, found, strict=True):
        torch.index_select(row, 0, which, out=out)
    return found


def look(
    eye: Eye, rows: torch.Tensor, points: torch.Tensor, normal: torch.Tensor, rules: Rules
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What a view has for points (N, 3) with normals, in the world: colour (N, 4), mask (N,), cosine (N,).

    `rows` are the view's own, made once for all that is asked of it. All are 0 where the point is hidden, turned away,
    out of the picture or beside a depth edge.
    """
    seen = sight(eye, Places.of(points, normal), rules)
    color, mask, cosine = torch.zeros(len(points), 4), torch.zeros(len(points)), torch.zeros(len(points))
    color[seen.places], cosine[seen.places] = seen.colors(rows), seen.cosine
    mask[seen.places] = 1.0 if seen.mask is None else seen.mask
    return color, mask, cosine


def may_see(eye: Eye, corners: torch.Tensor, planes: torch.Tensor) -> torch.Tensor:
    """Which triangles (T,) face a camera and are not wholly out of its picture: corners (4, 3 T), planes (4, T)."""
    x, y, w, _ = _project(eye, corners)
    ahead = (w > 0).view(-1, 3).any(1)
    for side in (x, y):
        ahead &= (side <= w).view(-1, 3).any(1) & (side >= -w).view(-1, 3).any(1)
    # Where a triangle is seen the product of its normal and the ray is below 0; it is affine, so also at some corner.
    way = [each[:, None] if isinstance(each, torch.Tensor) else each for each in _Rays.of(eye, planes).way]
    x, y, w = (each.view(-1, 3) for each in (x, y, w))
    return ahead & ((way[0] * x + way[1] * y + way[2] * w < 0) | (w <= 0)).any(1)


def sight(eye: Eye, places: Places, rules: Rules, ground: Ground | None = None) -> Sight:
    """What a view shows of places. Left out is what is hidden, turned away, out of the picture or beside a depth edge.

    `ground` of the eye, for whoever asks more than once.
    """
    ground = Ground.of(eye) if ground is None else ground
    parts = []
    for begin in range(0, max(len(places), 1), AT_ONCE):
        some = Places(places.points[:, begin : begin + AT_ONCE], places.planes[:, begin : begin + AT_ONCE])
        parts.append(_sight(eye, ground, some, rules))
        parts[-1].places.add_(begin)
    mask = None if eye.mask is None else torch.cat([part.mask for part in parts if part.mask is not None])
    shown, pixel, shares, cosine = (
        torch.cat([getattr(part, name) for part in parts]) for name in ("places", "pixel", "shares", "cosine")
    )
    return Sight(shown, pixel, shares, mask, cosine)


def _project(eye: Eye, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Clip x, y and w, and the depth before the camera, each (N,), of points (4, N) in the world."""
    rows = torch.cat(((eye.camera_to_clip @ eye.world_to_camera)[[0, 1, 3]], -eye.world_to_camera[2:3])).tolist()
    x, y, w, here = (_mixed(row[:3], points).add_(row[3]) for row in rows)
    return x, y, w, here


def _sight(eye: Eye, ground: Ground, places: Places, rules: Rules) -> Sight:
    x, y, w, here = _project(eye, places.points)
    good = (w > 0) & (here > 0) & (x.abs() <= w) & (y.abs() <= w)
    x, y, rays = x.div_(w), y.div_(w), _Rays.of(eye, places.planes)
    cosine = rays.cosine(eye, x, y)
    good &= cosine > math.cos(math.radians(min(rules.max_angle, 89.99)))
    which = torch.nonzero(good)[:, 0]
    if len(which) > 0.8 * len(places):  # the few others are taken along: quicker than to pick
        x, y = x.masked_fill_(~good, 0), y.masked_fill_(~good, 0)
        which = torch.arange(len(places))
    else:
        x, y, here, cosine, good = (each.index_select(0, which) for each in (x, y, here, cosine, good))
        rays = rays.pick(which)
    met = _Met(eye, ground, rays, x, y, here, rules.depth_tolerance)
    shares, mask, seen = met.shares()
    shown = torch.nonzero(seen & good)[:, 0]
    return Sight(
        which.index_select(0, shown).int(), met.pixel.index_select(0, shown), pick(shares, shown).T.contiguous(),
        None if mask is None else mask[shown], cosine.index_select(0, shown).float(),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Rays:
    """Rays of pixels against planes (N,). The products of a plane's normal with a ray's start and way are affine in
    clip x and y: `start` and `way`, three each (N,) for x, y, 1, or 0. `level` (N,) is how far a plane lies along its
    normal."""

    level: torch.Tensor
    start: tuple[torch.Tensor | float, ...]
    way: tuple[torch.Tensor | float, ...]

    @classmethod
    def of(cls, eye: Eye, planes: torch.Tensor) -> _Rays:
        """Planes (4, N) in the world."""
        turn, shift = eye.world_to_camera[:3, :3], eye.world_to_camera[:3, 3]
        level = _mixed([*(shift @ turn).tolist(), 1.0], planes)
        start, way = (
            tuple(_mixed(row, planes) if any(row) else 0.0 for row in (part.T @ turn).tolist())
            for part in (eye.origin, eye.direction)
        )
        return cls(level, start, way)

    def pick(self, which: torch.Tensor) -> _Rays:
        """Those of these numbers (n,)."""
        start, way = (
            tuple(part.index_select(0, which) if isinstance(part, torch.Tensor) else part for part in parts)
            for parts in (self.start, self.way)
        )
        return _Rays(self.level.index_select(0, which), start, way)

    def cosine(self, eye: Eye, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Of the angle between each plane's normal and the way back along the ray at clip-space places."""
        along = self.way[0] * x + self.way[1] * y + self.way[2]
        parts = [_affine(row, x, y) for row in eye.direction.tolist()]
        return along.div_(-(sum(part * part for part in parts) ** 0.5))


def _mixed(row: list[float], parts: torch.Tensor) -> torch.Tensor:
    """Rows (R, N) summed with these factors."""
    found = parts[0] * row[0]
    for factor, part in zip(row[1:], parts[1:], strict=False):
        found.add_(part, alpha=factor)
    return found


@dataclass(frozen=True, slots=True)
class Ground:
    """What a view's depth map has for each pixel of its picture, with a border of one pixel all round: `depth`
    ((h + 2) * (w + 2),), infinite where the picture is not to be read; `x` (w + 2,) and `y` (h + 2,) in clip space of
    the depth map's pixel that tells of the picture's; `mask` as `depth`, or None."""

    depth: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor
    mask: torch.Tensor | None

    @classmethod
    def of(cls, eye: Eye) -> Ground:
        """That of a view."""
        (height, width), (rows, columns) = eye.color.shape[:2], eye.depth.shape
        v, u = (((torch.arange(n) + 0.5) / n * m).long() for n, m in ((height, rows), (width, columns)))
        depth = torch.where(eye.usable, eye.depth[v[:, None], u[None]], math.inf)
        x, y = (u + 0.5).double() * (2.0 / columns) - 1, 1 - (v + 0.5).double() * (2.0 / rows)
        mask = None if eye.mask is None else padded(eye.mask[..., None]).flatten()
        return cls(padded(depth[..., None], math.inf).flatten(), F.pad(x, (1, 1)), F.pad(y, (1, 1)), mask)


class _Met:
    """Places (N,) before a view, and the four pixels round each: `pixel` (N,), the upper left one, border included."""

    def __init__(
        self, eye: Eye, ground: Ground, rays: _Rays, x: torch.Tensor, y: torch.Tensor, here: torch.Tensor,
        tolerance: float,
    ) -> None:  # fmt: skip
        self.eye, self.ground, self.rays, self.here = eye, ground, rays, here
        height, width = eye.color.shape[:2]
        column, row = (x + 1).mul_(width / 2).add_(0.5), (1 - y).mul_(height / 2).add_(0.5)
        left, top = column.floor(), row.floor()
        self.across, self.down = (column - left).float(), (row - top).float()
        self.left, self.top = left.int(), top.int()
        self.pixel = self.top * (width + 2) + self.left
        self.width = eye.footprint(here)
        self.limit = self.here * tolerance + self.width

    def shares(self) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
        """Bilinear shares (4, N) of those pixels that show the places' own planes, with the sum 1; the mask (N,); and
        which places are seen (N,)."""
        rays, width = self.rays, self.eye.color.shape[1]
        columns, rows = [], []
        for step in (0, 1):
            x, y = self.ground.x.index_select(0, self.left + step), self.ground.y.index_select(0, self.top + step)
            columns.append((x, rays.level - rays.start[0] * x, rays.way[0] * x + rays.way[2]))
            rows.append((y, rays.start[1] * y + rays.start[2], rays.way[1] * y))
        shares = torch.empty(4, len(self.here))
        seen, mask = torch.zeros(len(self.here)), None if self.ground.mask is None else torch.zeros(len(self.here))
        for number in range(4):
            i, j = number % 2, number // 2
            (x, level, way), (y, start, rest) = columns[i], rows[j]
            pixel = self.pixel + (j * (width + 2) + i)
            good = self._agreement(pixel, x, y, (level - start).div_(way + rest))
            share = (self.across if i else 1 - self.across) * (self.down if j else 1 - self.down)
            if mask is not None and self.ground.mask is not None:
                soft = self.ground.mask.index_select(0, pixel)
                share = torch.where(soft > 0, share, 0.0)
                mask += share * good * soft
            seen += torch.where(good > 0, share, 0.0)
            torch.mul(share, good, out=shares[number])
        total = (shares[0] + shares[1] + shares[2] + shares[3]).clamp_min_(1e-12)
        mask = None if mask is None else mask / total
        shown = seen > SEEN
        return shares.div_(total), mask, shown if mask is None else shown & (mask > 0)

    def _agreement(self, pixel: torch.Tensor, x: torch.Tensor, y: torch.Tensor, along: torch.Tensor) -> torch.Tensor:
        """How well pixels fit the planes that their rays (clip-space x, y) meet at `along`, by the depth map, 0..1.

        0: a pixel shows something else. Far less than 1: the same surface round a bend, to be read only where nothing
        better is.
        """
        starts, ways = self.eye.origin[2].tolist(), self.eye.direction[2].tolist()
        expected = along.mul_(_affine(ways, x, y)).add_(_affine(starts, x, y)).neg_()
        off = (expected - self.ground.depth.index_select(0, pixel)).abs_()
        slack = (expected - self.here).abs_().mul_(0.5)
        limit = torch.minimum(slack, self.width * SLACK).add_(self.limit)
        same = (off <= limit) & (expected > 0)
        near = off.div_(self.width).mul_(1 / BEND).float().square_().neg_().exp_().clamp_min_(1e-4)
        return torch.where(same, near, 0.0)


def _affine(parts: list[float], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor | float:
    """a x + b y + c; most cameras have but one of these in most places."""
    a, b, c = parts
    return (a * x if a else 0.0) + (b * y if b else 0.0) + c
