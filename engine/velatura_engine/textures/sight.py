"""What a camera's picture shows of places on surfaces: which pixels each place is read from, and how surely.

The depth test is exact for flat surfaces: the plane of a place is met with the ray of each pixel that is read, and only
pixels whose depth agrees take part, so that colours never mix across depth edges. Which pixels those are has nothing to
do with their colours: a `Sight` of a place holds as long as surface, camera and depth do.

Lengths are metres, pictures have row 0 on top, cameras look along -z with y up (OpenGL, Blender). Geometry is float64
on the processor, whatever device paints; the outcome does not depend on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

from .memory import Memory, digest

JUMP = 6.0  # pixel widths; surfaces farther apart along the axis are a depth edge (tan 80.5 degrees)
SLACK = 8.0  # pixel widths; most that a slope may add to the depth tolerance
AT_ONCE = 1 << 16  # places looked at together: few enough for a processor's cache
BEND = 0.15  # pixel widths; pixels that lie farther off a texel's plane count little
WAYS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
SEEN = 0.05  # part of the pixel around a point that must show its surface
FAR = 1e9  # metres; from here on a depth map holds nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewArrays:
    """What one camera saw and what is to be painted there.

    world_to_camera (4, 4) rigid; camera_to_clip (4, 4) OpenGL convention, with lens shift; color (h, w, 3) float32, or
    with a fourth channel that says how much each pixel counts against other views; depth (H, W) float32, metres along
    the camera's axis (not finite, <= 0 or >= 1e9: nothing was hit); mask (h, w) 0..1 or None. Colour and depth show the
    same frame and may differ in resolution.
    """

    world_to_camera: np.ndarray
    camera_to_clip: np.ndarray
    color: np.ndarray
    depth: np.ndarray
    mask: np.ndarray | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Eye:
    """A view made ready by `eye`; it may serve for several meshes.

    `origin` and `direction` (3, 3): columns x, y, 1 of the affine maps from clip x, y to a pixel's ray in camera space.
    `hit` (H, W): the depth map shows something; `usable` (h, w): so does the picture, and its colour may be trusted.
    `color` (h, w, 4): the fourth is how much a pixel counts. `name` tells all of it but the colours and the weight.
    """

    name: bytes
    world_to_camera: torch.Tensor
    camera_to_clip: torch.Tensor
    origin: torch.Tensor
    direction: torch.Tensor
    color: torch.Tensor
    depth: torch.Tensor
    hit: torch.Tensor
    usable: torch.Tensor
    mask: torch.Tensor | None
    weight: float

    def rays(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Origins and directions (..., 3) of the rays through clip-space positions."""
        place = torch.stack((x, y, torch.ones_like(x)), -1).double()
        return place @ self.origin.T, place @ self.direction.T

    def footprint(self, depth: torch.Tensor) -> torch.Tensor:
        """Width in metres of a pixel of the depth map at these depths."""
        start, step = self.origin[2, 2], self.direction[2, 2]
        along = (-depth - start) / step
        across = self.origin[:, 0] + along[..., None] * self.direction[:, 0]
        return across.norm(dim=-1) * (2.0 / self.depth.shape[1])


def eye(view: ViewArrays, edge_margin: float = 1.0, memory: Memory | None = None) -> Eye:
    """Make a view ready: its rays, and which pixels of its depth map may be trusted.

    `edge_margin`: pixels of the picture beside depth edges and at the border whose colours are not used, 0 to 64.
    `memory` makes the same camera and depth quicker the next time.
    """
    color = _counted(np.asarray(view.color, np.float32))
    soft = None if view.mask is None else torch.tensor(np.asarray(view.mask, np.float32))
    name = digest(
        np.asarray(view.world_to_camera, float), np.asarray(view.camera_to_clip, float), np.asarray(view.depth),
        tuple(color.shape), *(() if soft is None else (soft,)), "eye", edge_margin,
    )  # fmt: skip
    blind, mending = (memory or Memory(0)).get(name, lambda: _made_ready(view, color, soft, edge_margin, name))
    return replace(blind, color=mending.mend(color), weight=view.weight)


def _made_ready(
    view: ViewArrays, color: torch.Tensor, mask: torch.Tensor | None, edge_margin: float, name: bytes
) -> tuple[Eye, Mending]:
    """What hangs on camera and depth alone: all but the colours, and how those are mended."""
    to_clip = torch.tensor(np.asarray(view.camera_to_clip), dtype=torch.float64).reshape(4, 4)
    # Clip planes z = -1 and z = 0 are flat in camera space and have one w each, so both maps are affine in x and y.
    corners = torch.tensor([[0, 0, -1, 1], [1, 0, -1, 1], [0, 1, -1, 1]], dtype=torch.float64)
    deeper = corners + torch.tensor([0, 0, 1, 0], dtype=torch.float64)
    near, middle = (places @ torch.linalg.inv(to_clip).T for places in (corners, deeper))
    near, middle = near[:, :3] / near[:, 3:], middle[:, :3] / middle[:, 3:]
    origin, direction = (
        torch.stack((plane[1] - plane[0], plane[2] - plane[0], plane[0]), 1) for plane in (near, middle - near)
    )
    depth = torch.tensor(np.asarray(view.depth), dtype=torch.float64)
    hit = torch.isfinite(depth) & (depth > 0) & (depth < FAR)
    bare = Eye(
        name=name,
        world_to_camera=torch.tensor(np.asarray(view.world_to_camera), dtype=torch.float64).reshape(4, 4),
        camera_to_clip=to_clip,
        origin=origin,
        direction=direction,
        color=torch.zeros(1).expand(color.shape),
        depth=torch.where(hit, depth, 0.0),
        hit=hit,
        usable=hit,
        mask=mask,
        weight=1.0,
    )
    mending = _mending(bare, edge_margin)
    return replace(bare, usable=mending.usable), mending


def _counted(color: np.ndarray) -> torch.Tensor:
    """Colours (h, w, 4) whose fourth channel says how much they count: all alike where none is given."""
    return F.pad(torch.tensor(color[..., :4].copy()), (0, 4 - min(color.shape[2], 4)), value=1.0)


@dataclass(frozen=True, slots=True)
class Mending:
    """How a picture's margins beside depth edges get colours of the same surface further in.

    `usable` (h, w) are the pixels that may be read then. `rings` one after the other: pixels to fill (n,), from which
    ones (n, 8), and how much of each (n, 8), the sum 1.
    """

    usable: torch.Tensor
    rings: tuple[tuple[torch.Tensor, torch.Tensor, torch.Tensor], ...]

    def mend(self, color: torch.Tensor) -> torch.Tensor:
        """Colours (h, w, 4), their margins filled."""
        pixels = color.reshape(-1, 4).clone()
        for at, of, share in self.rings:
            pixels[at] = (pixels[of] * share[..., None]).sum(1)
        return pixels.view(color.shape)


def _mending(eye: Eye, edge_margin: float) -> Mending:
    """A surface is followed over neighbours whose depth differs by less than an edge; what is only margin stays
    unusable."""
    rows, columns = eye.depth.shape
    height, width = eye.color.shape[:2]
    ring = math.ceil(edge_margin * columns / width - 1e-6)
    v = ((torch.arange(height) + 0.5) / height * rows).long()[:, None]
    u = ((torch.arange(width) + 0.5) / width * columns).long()[None]
    hit, depth = eye.hit[v, u], eye.depth[v, u]
    usable = hit & ~margin(eye, ring)[v, u]
    painted = usable if eye.mask is None else usable & (eye.mask > 0)
    ways = [(way, _connected(eye, depth, hit, way)) for way in WAYS] if ring else []
    offsets = torch.tensor([dy * width + dx for dy, dx in WAYS])
    rings = []
    for _ in range(math.ceil(edge_margin) + 1 if ring else 0):
        near = torch.stack([_beside(painted, way) & connected for way, connected in ways], -1).view(-1, len(WAYS))
        found = (near.any(1).view(height, width) & hit & ~painted).view(-1)
        at = torch.nonzero(found)[:, 0]
        share = near[at].float()
        of = (at[:, None] + offsets).clamp(0, height * width - 1)
        rings.append((at, of, share / share.sum(1, keepdim=True)))
        painted = painted | found.view(height, width)
    return Mending(usable | painted, tuple(rings))


def _connected(eye: Eye, depth: torch.Tensor, hit: torch.Tensor, way: tuple[int, int]) -> torch.Tensor:
    """Pixels (h, w) whose neighbour that way shows the same surface: near, or on one plane with the one behind."""
    limit = JUMP * eye.footprint(depth) * (eye.depth.shape[1] / eye.color.shape[1])
    perspective = bool(eye.camera_to_clip[3, 2] != 0)
    plane = torch.where(hit, 1.0 / depth, 0.0) if perspective else depth
    behind = (2 * way[0], 2 * way[1])
    bend = (plane - 2 * _beside(plane, way) + _beside(plane, behind)).abs()
    if perspective:
        bend = bend * depth * _beside(depth, way)
    straight = (bend <= limit) & _beside(hit, behind)
    return hit & _beside(hit, way) & (((_beside(depth, way) - depth).abs() <= limit) | straight)


def _beside(values: torch.Tensor, way: tuple[int, int]) -> torch.Tensor:
    """What lies (rows, columns) away from each pixel; zeros outside."""
    (dy, dx), (height, width) = way, values.shape[:2]
    moved = torch.zeros_like(values)
    rows, columns = slice(max(-dy, 0), height - max(dy, 0)), slice(max(-dx, 0), width - max(dx, 0))
    moved[rows, columns] = values[max(dy, 0) : height - max(-dy, 0), max(dx, 0) : width - max(-dx, 0)]
    return moved


def margin(eye: Eye, width: int) -> torch.Tensor:
    """Pixels (H, W) less than `width` pixels beside a depth edge or the border."""
    if width <= 0:
        return torch.zeros_like(eye.hit)
    edge = torch.zeros_like(eye.hit)
    limit = JUMP * eye.footprint(eye.depth)
    perspective = bool(eye.camera_to_clip[3, 2] != 0)
    for axis in (0, 1):
        jump = _jumps(eye.depth.movedim(axis, 1), eye.hit.movedim(axis, 1), limit.movedim(axis, 1), perspective)
        beside = edge.movedim(axis, 1)  # a view
        beside[:, :-1] |= jump
        beside[:, 1:] |= jump
    reach = 2 * width - 1
    wide = F.max_pool2d(edge[None, None].float(), (reach, 1), 1, (width - 1, 0))
    wide = F.max_pool2d(wide, (1, reach), 1, (0, width - 1))[0, 0] > 0
    wide[:width] = wide[-width:] = True
    wide[:, :width] = wide[:, -width:] = True
    return wide


def _jumps(depth: torch.Tensor, hit: torch.Tensor, limit: torch.Tensor, perspective: bool) -> torch.Tensor:
    """Whether a depth edge lies between each pixel and its right neighbour, (H, W - 1).

    Steep surfaces are no edges: the neighbour is compared with what a plane through this pixel and the one before
    would give (1 / z is affine across the picture in perspective, z itself without), from both sides.
    """
    plane = torch.where(hit, 1.0 / depth, 0.0) if perspective else depth
    left, right = plane[:, :-1], plane[:, 1:]
    bend = plane[:, 2:] - 2 * plane[:, 1:-1] + plane[:, :-2]
    bend = torch.where(hit[:, 2:] & hit[:, 1:-1] & hit[:, :-2], bend.abs(), math.inf)
    steps = (right - left).abs()
    steps = torch.minimum(steps, F.pad(bend, (1, 0), value=math.inf))
    steps = torch.minimum(steps, F.pad(bend, (0, 1), value=math.inf))
    if perspective:
        steps = steps * depth[:, :-1] * depth[:, 1:]  # dz = z^2 d(1 / z)
    both = hit[:, :-1] & hit[:, 1:]
    far = steps > torch.minimum(limit[:, :-1], limit[:, 1:])
    return torch.where(both, far, hit[:, :-1] | hit[:, 1:])


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
    them, left to right, then down, with the sum 1; `mask` (K,) above 0, or None for all 1; `cosine` (K,) of the angle at
    which the view sees the place.
    """

    places: torch.Tensor
    pixel: torch.Tensor
    shares: torch.Tensor
    mask: torch.Tensor | None
    cosine: torch.Tensor

    def values(self, picture: torch.Tensor) -> torch.Tensor:
        """What a picture (h, w, C) of the view's size has there, (K, C)."""
        across = picture.shape[1] + 2
        read = self.pixel[:, None] + torch.tensor([0, 1, across, across + 1], dtype=torch.int32)
        return F.embedding_bag(read, padded(picture).flatten(0, 1), mode="sum", per_sample_weights=self.shares)


def padded(picture: torch.Tensor) -> torch.Tensor:
    """A picture (h, w, C) with a border of zeros, which may be read though no share of it counts."""
    return F.pad(picture, (0, 0, 1, 1, 1, 1))


def sight(eye: Eye, points: torch.Tensor, normal: torch.Tensor, rules: Rules) -> Sight:
    """What a view shows of points (N, 3) with normals, in camera space.

    Left out is what is hidden, turned away, out of the picture or beside a depth edge.
    """
    parts = [_sight(eye, *part, rules) for part in zip(points.split(AT_ONCE), normal.split(AT_ONCE), strict=True)]
    places = torch.cat([part.places + number * AT_ONCE for number, part in enumerate(parts)])
    pixel, shares, cosine = (
        torch.cat([getattr(part, name) for part in parts]) for name in ("pixel", "shares", "cosine")
    )
    mask = None if eye.mask is None else torch.cat([part.mask for part in parts if part.mask is not None])
    return Sight(places, pixel, shares, mask, cosine)


def _sight(eye: Eye, points: torch.Tensor, normal: torch.Tensor, rules: Rules) -> Sight:
    clip = F.pad(points, (0, 1), value=1.0) @ eye.camera_to_clip.T
    ahead = (clip[:, 3] > 0) & (points[:, 2] < 0)
    x, y = (torch.where(ahead, clip[:, k] / clip[:, 3], 9.0) for k in (0, 1))
    chosen = torch.nonzero((x.abs() <= 1) & (y.abs() <= 1))[:, 0]
    points, normal, x, y = (values[chosen] for values in (points, normal, x, y))
    direction = torch.stack((x, y, torch.ones_like(x)), 1) @ eye.direction.T
    cosine = -(direction * normal).sum(1) / direction.norm(dim=1)
    facing = torch.nonzero(cosine > math.cos(math.radians(min(rules.max_angle, 89.99))))[:, 0]
    pixel, shares, mask = _sample(eye, points[facing], normal[facing], x[facing], y[facing], rules)
    shown = mask > 0
    facing = facing[shown]
    soft = None if eye.mask is None else mask[shown]
    return Sight(chosen[facing].int(), pixel[shown], shares[shown], soft, cosine[facing].float())


def look(
    eye: Eye, points: torch.Tensor, normal: torch.Tensor, rules: Rules
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What a view has for points (N, 3) with normals, in camera space: colour (N, 4), mask (N,), cosine (N,).

    All are 0 where the point is hidden, turned away, out of the picture or beside a depth edge.
    """
    seen = sight(eye, points, normal, rules)
    color, mask, cosine = torch.zeros(len(points), 4), torch.zeros(len(points)), torch.zeros(len(points))
    color[seen.places], cosine[seen.places] = seen.values(eye.color), seen.cosine
    mask[seen.places] = 1.0 if seen.mask is None else seen.mask
    return color, mask, cosine


def _sample(
    eye: Eye, points: torch.Tensor, normal: torch.Tensor, x: torch.Tensor, y: torch.Tensor, rules: Rules
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Bilinear reading at clip-space places, of those of the four pixels that show the points' own plane.

    The upper left pixel (N,), shares (N, 4) with the sum 1, and mask (N,), 0 where nothing is read.
    """
    height, width = eye.color.shape[:2]
    column, row = (x + 1) / 2 * width - 0.5, (1 - y) / 2 * height - 0.5
    left, top = column.floor(), row.floor()
    mask, seen, shares = torch.zeros(len(points)), torch.zeros(len(points)), torch.zeros(len(points), 4)
    planes = _Planes(eye, points, normal, rules.depth_tolerance)
    for number, (across, down) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
        i, j = (left + across).long(), (top + down).long()
        share = (1 - (column - i).abs()) * (1 - (row - j).abs())
        inside = (i >= 0) & (i < width) & (j >= 0) & (j < height)
        i, j = i.clamp(0, width - 1), j.clamp(0, height - 1)
        agreement = planes.agreement(i, j)
        good = inside & (agreement > 0)
        soft = None if eye.mask is None else eye.mask.view(-1)[j * width + i]
        good = good if soft is None else good & (soft > 0)
        share = torch.where(good, share, 0.0).float()
        seen += share
        shares[:, number] = share * agreement.float()
        mask += shares[:, number] if soft is None else shares[:, number] * soft
    total = shares.sum(1).clamp_min(1e-12)
    return ((top + 1) * (width + 2) + left + 1).int(), shares / total[:, None], torch.where(seen > SEEN, mask / total, 0.0)


class _Planes:
    """The planes through points (N, 3) with normals, met with the rays of pixels.

    Rays are affine in clip x and y, so all that has three numbers a point is worked out once for all pixels.
    """

    def __init__(self, eye: Eye, points: torch.Tensor, normal: torch.Tensor, tolerance: float) -> None:
        self.eye = eye
        self.level = (normal * points).sum(1)
        self.starts, self.ways = (normal @ eye.origin).unbind(1), (normal @ eye.direction).unbind(1)
        self.here = -points[:, 2]
        self.pixel = eye.footprint(self.here)
        self.limit = tolerance * self.here + self.pixel
        self.depth, self.usable = eye.depth.reshape(-1), eye.usable.reshape(-1)

    def agreement(self, i: torch.Tensor, j: torch.Tensor) -> torch.Tensor:
        """How well pixel (i, j) of the colour picture fits the plane through each point by the depth map, 0..1.

        0: it shows something else. Far less than 1: the same surface round a bend, to be read only where nothing
        better is.
        """
        eye = self.eye
        (height, width), (rows, columns) = eye.color.shape[:2], eye.depth.shape
        alike = (height, width) == (rows, columns)
        u, v = (i, j) if alike else (((i + 0.5) / width * columns).long(), ((j + 0.5) / height * rows).long())
        x, y = (u + 0.5).double() * (2.0 / columns) - 1, 1 - (v + 0.5).double() * (2.0 / rows)

        def affine(parts: Sequence[torch.Tensor | float]) -> torch.Tensor:
            return parts[0] * x + parts[1] * y + parts[2]

        along = (self.level - affine(self.starts)) / affine(self.ways)
        expected = -(affine(eye.origin[2].tolist()) + along * affine(eye.direction[2].tolist()))
        slope = torch.minimum(0.5 * (expected - self.here).abs(), SLACK * self.pixel)
        off = (expected - self.depth[v * columns + u]).abs()
        same = (off <= self.limit + slope) & self.usable[j * width + i] & (expected > 0)
        return torch.where(same, torch.exp(-((off / (BEND * self.pixel)) ** 2)).clamp_min(1e-4), 0.0)
