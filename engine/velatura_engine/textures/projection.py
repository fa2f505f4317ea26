"""Painting pictures onto meshes: what a camera saw, gathered back into texture space.

Every texel asks for its colour, so nothing is warped: triangles are drawn in UV space (`unwrap.py`), which gives each
texel its place on the surface; that place is projected into each view, and the view's depth map says whether the camera
saw it there (`sight.py`). What of this does not depend on colours may be kept for the next time (`memory.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from ..request import Mesh
from . import filling, unwrap
from .agreement import EVERY, Agreement
from .memory import Memory, digest
from .sight import Eye, Rules, Sight, ViewArrays, eye, key, sight
from .unwrap import Check, Surface

TEXELS = 1 << 19  # texels gathered at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Projected:
    """A texture: rgba (H, W, 4) float32, straight alpha = painted, row 0 on top.

    Scores, all 0..1: `coverage` painted part of the texels that lie on the mesh, `islands` part of the texture that
    lies on the mesh, `overlap` part of those texels that several triangles claim (the first one has them), `outside`
    part of the triangles that reach out of 0..1 and are clipped, `degenerate` part that has no area and is skipped.
    Where views overlap also `agreement`, the median difference in Lab between what one had and what they became.
    """

    rgba: np.ndarray
    scores: Mapping[str, float]


def project(
    mesh: Mesh,
    views: Sequence[ViewArrays | Eye],
    size: tuple[int, int],
    *,
    max_angle: float = 80.0,
    exponent: float = 4.0,
    edge_margin: float = 1.0,
    depth_tolerance: float = 0.002,
    bleed: int = 16,
    base: np.ndarray | None = None,
    fill: bool = False,
    check: Check = lambda: None,
    memory: Memory | None = None,
) -> Projected:
    """Paint views onto one mesh, as a texture of `size` (width, height) texels. The knobs are those of `Project`.

    Front faces only (counter-clockwise seen from outside). Views are blended by view.weight * cos^exponent. `base`
    (H, W, 3 or 4) float 0..1, of the texture's size, stays where nothing is painted; without one, paint is bled over
    all texels within `bleed`, with one only past the islands. With `fill` texels that no view saw are coloured like the
    nearest painted ones of the surface, in space; their alpha stays 0. Paint may reach one pixel behind what hides a
    surface, in the surface's own colours. `check` is called often and may raise to stop. `memory` makes the same mesh
    under the same cameras quicker the next time; the outcome is the same to the bit.
    """
    memory = Memory(0) if memory is None else memory
    rules = Rules(max_angle=max_angle, exponent=exponent, depth_tolerance=depth_tolerance)
    eyes = [view if isinstance(view, Eye) else eye(view, edge_margin, memory) for view in views]
    name = digest(mesh.positions, mesh.triangles, mesh.uvs, size)
    surface = memory.get(name, lambda: unwrap.unwrap(mesh, size, check))
    blend = _Blend(surface, name, [(one, key(one, rules)) for one in eyes], exponent, memory)
    width, height = size
    color = torch.zeros(height * width, 3)
    if base is not None:
        color = torch.tensor(np.asarray(base, np.float32)[..., :3].reshape(-1, 3).copy())
    alpha = torch.zeros(height * width)
    owner = surface.owner.view(-1)
    covered = torch.nonzero(owner < len(surface.triangles))[:, 0]
    for number, texels in enumerate(covered.split(TEXELS)):
        check()
        paint, strength = blend.paint(number, texels, rules)
        color[texels] = (
            color[texels] * (1 - strength[:, None]) + paint * strength[:, None] if base is not None else paint
        )
        alpha[texels] = strength
    known = (alpha > 0) if base is None else (owner < len(surface.triangles))
    seen = alpha[covered] > 0
    if fill and seen.any() and not seen.all():
        color[covered[~seen]] = _fill(surface, covered, seen, color, memory, name)
        known = owner < len(surface.triangles)
    known = known.view(height, width)
    to, of = memory.get(digest(known, bleed), lambda: unwrap.nearest(known, bleed, check))
    color[to] = color[of]
    painted = float((alpha > 0).sum()) / max(len(covered), 1)
    rgba = torch.cat((color, alpha[:, None]), 1).view(height, width, 4)
    return Projected(rgba=rgba.numpy(), scores={"coverage": painted, **surface.scores, **blend.agreement.scores})


def _fill(
    surface: Surface, covered: torch.Tensor, seen: torch.Tensor, color: torch.Tensor, memory: Memory, name: bytes
) -> torch.Tensor:
    """Colours (U, 3) of those of the covered texels that are not seen."""

    def neighbours() -> filling.Neighbours:
        return filling.neighbours(*unwrap.places(surface, covered[seen]), *unwrap.places(surface, covered[~seen]))

    near = memory.get(digest(name, seen), neighbours)
    return torch.from_numpy(near.mix(color[covered[seen]].numpy()))


@dataclass(frozen=True, slots=True)
class _Blend:
    """Views of one surface, each with the name of what it shows there, and how well they agree."""

    surface: Surface
    name: bytes
    eyes: Sequence[tuple[Eye, bytes]]
    exponent: float
    memory: Memory
    agreement: Agreement = field(default_factory=Agreement)

    def paint(self, number: int, texels: torch.Tensor, rules: Rules) -> tuple[torch.Tensor, torch.Tensor]:
        """Colours (N, 3) of the texels of a portion, and how much they are painted (N,)."""
        count = len(texels)
        sums, strength = torch.zeros(count, 4), torch.zeros(count)
        places = _Places(self.surface, texels)
        looks = []
        for one, name in self.eyes:
            where = digest(self.name, name, number)
            shown, some = self.memory.get(where, lambda one=one: _shown(one, places, rules))
            at, counts = shown.places.long(), one.color[..., 3:]
            pixels = torch.cat((one.color[..., :3] * counts, counts), 2).view(-1, 4)
            said = shown.values(pixels, one.color.shape[1], one.weight * shown.cosine**self.exponent)
            sums.index_add_(0, at, said)
            looks.append(_look(said[some], at[some], count))
            if bool((counts > 0).all()) and bool((shown.mask >= 1).all()):
                strength.index_fill_(0, at, 1.0)
            else:
                painted = torch.where(said[:, 3] > 0, shown.mask, 0.0)
                strength[at] = torch.maximum(strength[at], painted)
        paint = sums[:, :3] / sums[:, 3:].clamp_min(1e-30)
        self.agreement.add(looks, paint[::EVERY])
        return paint, strength


def _shown(eye: Eye, places: _Places, rules: Rules) -> tuple[Sight, torch.Tensor]:
    """What a view shows of places, and numbers of those that agreement is told by."""
    shown = sight(eye, *places.seen_from(eye), rules)
    return shown, torch.nonzero(shown.places % EVERY == 0)[:, 0].int()


def _look(said: torch.Tensor, at: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Colours (n, 3) and weights (n,) of one place in so many of `count`, of what (k, 4) is said there, times its
    weight; where nothing is said zeros."""
    at, length = at // EVERY, -(-count // EVERY)
    colors, weights = torch.zeros(length, 3), torch.zeros(length)
    colors[at], weights[at] = said[:, :3] / said[:, 3:].clamp_min(1e-30), said[:, 3]
    return colors, weights


class _Places:
    """Texels as places on the surface, worked out when first asked for."""

    def __init__(self, surface: Surface, texels: torch.Tensor) -> None:
        self.surface, self.texels = surface, texels
        self._on: tuple[torch.Tensor, torch.Tensor] | None = None

    def seen_from(self, eye: Eye) -> tuple[torch.Tensor, torch.Tensor]:
        """Positions and normals (N, 3) in a camera's space."""
        if self._on is None:
            self._on = unwrap.on_surface(self.surface, self.texels)
        places, normals = self._on
        matrix = eye.world_to_camera
        return places @ matrix[:3, :3].T + matrix[:3, 3], normals @ matrix[:3, :3].T
