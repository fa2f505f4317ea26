"""Views made ready to be read: rays through pixels, and which pixels of a picture may be trusted.

Beside depth edges painted pictures mix two surfaces; there the same surface's colours further in are taken.

Lengths are metres, pictures have row 0 on top, cameras look along -z with y up (OpenGL, Blender). Geometry is float64
on the processor, whatever device paints; the outcome does not depend on the number of threads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

from . import reading
from .memory import Memory, digest

JUMP = 6.0  # pixel widths; surfaces farther apart along the axis are a depth edge (tan 80.5 degrees)
CREASE = 0.3  # pixel widths; surfaces that bend more from pixel to pixel are folded (17 degrees)
WAYS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
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
    `color` (h, w, 4): the fourth is how much a pixel counts. `inner` (2, h, w): the pixels on both sides, across and
    down, show colours of the same surface, which is not folded there. `name` tells all of it but the colours and the
    weight.
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
    inner: torch.Tensor
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
        square = torch.zeros_like(along)
        for part, more in zip(self.origin[:, 0].tolist(), self.direction[:, 0].tolist(), strict=True):
            if part or more:
                square += (along * more + part).square_()
        return square.sqrt_().mul_(2.0 / self.depth.shape[1])

    def rows(self) -> torch.Tensor:
        """The picture as it is read along a cubic, (h + 2, w + 2, 3, 4)."""
        height, width = self.color.shape[:2]
        rows = reading.rows(height + 2, width + 2)
        reading.write(rows, self.color, self.inner)
        return rows


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
    origin, direction = _rays(to_clip)
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
        inner=hit.expand(2, -1, -1),
        mask=mask,
        weight=1.0,
    )
    mending = _mending(bare, edge_margin)
    return replace(bare, usable=mending.usable, inner=mending.inner), mending


def _rays(to_clip: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Origin and direction (3, 3) of rays, affine in clip x and y: all begin in the camera, or on the near plane."""
    # Clip planes z = -1 and z = 0 are flat in camera space and have one w each, so both maps are affine in x and y.
    corners = torch.tensor([[0, 0, -1, 1], [1, 0, -1, 1], [0, 1, -1, 1]], dtype=torch.float64)
    deeper = corners + torch.tensor([0, 0, 1, 0], dtype=torch.float64)
    near, middle = (places @ torch.linalg.inv(to_clip).T for places in (corners, deeper))
    near, middle = near[:, :3] / near[:, 3:], middle[:, :3] / middle[:, 3:]
    if not to_clip[[0, 1, 3], 3].any():  # all rays meet in the camera
        middle, near = near, torch.zeros_like(near)
    way = middle - near
    origin, direction = (torch.stack((plane[1] - plane[0], plane[2] - plane[0], plane[0]), 1) for plane in (near, way))
    return origin, direction


def _counted(color: np.ndarray) -> torch.Tensor:
    """Colours (h, w, 4) whose fourth channel says how much they count: all alike where none is given."""
    return F.pad(torch.tensor(color[..., :4].copy()), (0, 4 - min(color.shape[2], 4)), value=1.0)


@dataclass(frozen=True, slots=True)
class Mending:
    """How a picture's margins beside depth edges get colours of the same surface further in.

    `usable` (h, w) are the pixels that may be read then. `rings` one after the other: pixels to fill (n,), from which
    ones (n, 8), and how much of each (n, 8), the sum 1. `inner` (2, h, w) as an `Eye` has it.
    """

    usable: torch.Tensor
    inner: torch.Tensor
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
    same = {way: _connected(eye, depth, hit, way) for way in WAYS}
    tells = {way: painted & _beside(painted, way) & same[way] for way in WAYS}
    inner = [tells[0, -1] & tells[0, 1] & _smooth(eye, depth, 1), tells[-1, 0] & tells[1, 0] & _smooth(eye, depth, 0)]
    offsets = torch.tensor([dy * width + dx for dy, dx in WAYS])
    rings = []
    for _ in range(math.ceil(edge_margin) + 1 if ring else 0):
        near = torch.stack([_beside(painted, way) & same[way] for way in WAYS], -1).view(-1, len(WAYS))
        found = (near.any(1).view(height, width) & hit & ~painted).view(-1)
        at = torch.nonzero(found)[:, 0]
        share = near[at].float()
        of = (at[:, None] + offsets).clamp(0, height * width - 1)
        rings.append((at, of, share / share.sum(1, keepdim=True)))
        painted = painted | found.view(height, width)
    return Mending(usable | painted, torch.stack(inner), tuple(rings))


def _connected(eye: Eye, depth: torch.Tensor, hit: torch.Tensor, way: tuple[int, int]) -> torch.Tensor:
    """Pixels (h, w) whose neighbour that way shows the same surface: near, or on one plane with the one behind."""
    limit = JUMP * eye.footprint(depth) * _scale(eye)
    perspective = bool(eye.camera_to_clip[3, 2] != 0)
    plane = torch.where(hit, 1.0 / depth, 0.0) if perspective else depth
    behind = (2 * way[0], 2 * way[1])
    bend = (plane - 2 * _beside(plane, way) + _beside(plane, behind)).abs()
    if perspective:
        bend = bend * depth * _beside(depth, way)
    straight = (bend <= limit) & _beside(hit, behind)
    return hit & _beside(hit, way) & (((_beside(depth, way) - depth).abs() <= limit) | straight)


def _smooth(eye: Eye, depth: torch.Tensor, axis: int) -> torch.Tensor:
    """Pixels (h, w) at which the surface goes on along an axis, with no fold."""
    perspective = bool(eye.camera_to_clip[3, 2] != 0)
    plane = torch.where(depth > 0, 1.0 / depth, 0.0) if perspective else depth
    before, after = (_beside(plane, (0, step) if axis else (step, 0)) for step in (-1, 1))
    bend = (before - 2 * plane + after).abs()
    return (bend * depth**2 if perspective else bend) <= CREASE * eye.footprint(depth) * _scale(eye)


def _scale(eye: Eye) -> float:
    """Pixels of the depth map along one of the picture."""
    return eye.depth.shape[1] / eye.color.shape[1]


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
