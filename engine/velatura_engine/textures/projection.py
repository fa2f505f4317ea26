"""Painting pictures onto meshes: what a camera saw, gathered back into texture space.

Every texel asks for its colour, so nothing is warped: triangles are drawn in UV space, which gives each texel its
place on the surface; that place is projected into each view, and the view's depth map says whether the camera saw it
there. The depth test is exact for flat surfaces: the plane of the texel's triangle is met with the ray of each pixel
that is read, and only pixels whose depth agrees take part, so that colours never mix across depth edges.

Lengths are metres, pictures have row 0 on top, v points up, cameras look along -z with y up (OpenGL, Blender).
Geometry is float64 on the processor, whatever device paints; the outcome does not depend on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ..request import Mesh

ROWS = 1 << 20  # triangle rows drawn at once
TEXELS = 1 << 19  # texels gathered at once
TOUCH = 1e-6  # texels; a centre this near an edge counts as inside
OVERLAP = 1e-2  # texels; centres this deep in two triangles overlap
JUMP = 6.0  # pixel widths; surfaces farther apart along the axis are a depth edge (tan 80.5 degrees)
SLACK = 8.0  # pixel widths; most that a slope may add to the depth tolerance
FAR = 1e9  # metres; from here on a depth map holds nothing

Check = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewArrays:
    """What one camera saw and what is to be painted there.

    world_to_camera (4, 4) rigid; camera_to_clip (4, 4) OpenGL convention, with lens shift; color (h, w, 3) float32;
    depth (H, W) float32, metres along the camera's axis (not finite, <= 0 or >= 1e9: nothing was hit); mask (h, w)
    0..1 or None. Colour and depth show the same frame and may differ in resolution.
    """

    world_to_camera: np.ndarray
    camera_to_clip: np.ndarray
    color: np.ndarray
    depth: np.ndarray
    mask: np.ndarray | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Projected:
    """A texture: rgba (H, W, 4) float32, straight alpha = painted, row 0 on top.

    Scores, all 0..1: `coverage` painted part of the texels that lie on the mesh, `islands` part of the texture that
    lies on the mesh, `overlap` part of those texels that several triangles claim (the first one has them), `outside`
    part of the triangles that reach out of 0..1 and are clipped, `degenerate` part that has no area and is skipped.
    """

    rgba: np.ndarray
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Eye:
    """A view made ready by `eye`; it may serve for several meshes.

    `origin` and `direction` (3, 3): columns x, y, 1 of the affine maps from clip x, y to a pixel's ray in camera space.
    """

    world_to_camera: torch.Tensor
    camera_to_clip: torch.Tensor
    origin: torch.Tensor
    direction: torch.Tensor
    color: torch.Tensor
    depth: torch.Tensor
    usable: torch.Tensor
    mask: torch.Tensor | None
    weight: float

    def rays(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Origins and directions (..., 3) of the rays through clip-space positions."""
        place = torch.stack((x, y, torch.ones_like(x)), -1)
        return place @ self.origin.T, place @ self.direction.T

    def footprint(self, depth: torch.Tensor) -> torch.Tensor:
        """Width in metres of a pixel of the depth map at these depths."""
        start, step = self.origin[2, 2], self.direction[2, 2]
        along = (-depth - start) / step
        across = self.origin[:, 0] + along[..., None] * self.direction[:, 0]
        return across.norm(dim=-1) * (2.0 / self.depth.shape[1])


def eye(view: ViewArrays, edge_margin: float = 1.0) -> Eye:
    """Make a view ready: its rays, and which pixels of its depth map may be trusted.

    `edge_margin`: pixels of the colour picture beside depth edges and at the border that are left out, 0 to 64.
    """
    to_clip = torch.tensor(np.asarray(view.camera_to_clip), dtype=torch.float64).reshape(4, 4)
    # Clip planes z = -1 and z = 0 are flat in camera space and have one w each, so both maps are affine in x and y.
    corners = torch.tensor([[0, 0, -1, 1], [1, 0, -1, 1], [0, 1, -1, 1]], dtype=torch.float64)
    near, middle = ((corners + shift) @ torch.linalg.inv(to_clip).T for shift in _depths_of_clip())
    near, middle = near[:, :3] / near[:, 3:], middle[:, :3] / middle[:, 3:]
    origin, direction = (
        torch.stack((plane[1] - plane[0], plane[2] - plane[0], plane[0]), 1) for plane in (near, middle - near)
    )
    depth = torch.tensor(np.asarray(view.depth), dtype=torch.float64)
    hit = torch.isfinite(depth) & (depth > 0) & (depth < FAR)
    made = Eye(
        world_to_camera=torch.tensor(np.asarray(view.world_to_camera), dtype=torch.float64).reshape(4, 4),
        camera_to_clip=to_clip,
        origin=origin,
        direction=direction,
        color=torch.tensor(np.asarray(view.color, np.float32)[..., :3].copy()),
        depth=torch.where(hit, depth, 0.0),
        usable=hit,
        mask=None if view.mask is None else torch.tensor(np.asarray(view.mask, np.float32)),
        weight=view.weight,
    )
    hit &= ~_margin(made, math.ceil(edge_margin * depth.shape[1] / view.color.shape[1] - 1e-6))
    return made


def _depths_of_clip() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(4, dtype=torch.float64), torch.tensor([0, 0, 1, 0], dtype=torch.float64)


def _margin(eye: Eye, width: int) -> torch.Tensor:
    """Pixels (H, W) less than `width` pixels beside a depth edge or the border."""
    if width <= 0:
        return torch.zeros_like(eye.usable)
    edge = torch.zeros_like(eye.usable)
    limit = JUMP * eye.footprint(eye.depth)
    perspective = bool(eye.camera_to_clip[3, 2] != 0)
    for axis in (0, 1):
        jump = _jumps(eye.depth.movedim(axis, 1), eye.usable.movedim(axis, 1), limit.movedim(axis, 1), perspective)
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
    scale = depth**2 if perspective else torch.ones_like(depth)  # dz = z^2 d(1 / z)
    left, right = plane[:, :-1], plane[:, 1:]
    steps = (right - left).abs()
    for side in (F.pad(2 * left[:, 1:] - left[:, :-1], (1, 0)), F.pad(2 * right[:, :-1] - right[:, 1:], (0, 1))):
        other = right if side[0, 0] == 0 and side is not None else left
        steps = torch.minimum(steps, (other - side).abs())
    return steps * scale[:, :-1] > limit[:, :-1]
