"""Painting pictures onto meshes: what a camera saw, gathered back into texture space.

Every texel asks for its colour, so nothing is warped: triangles are drawn in UV space (`unwrap.py`), which gives each
texel its place on the surface; that place is projected into each view, and the view's depth map says whether the camera
saw it there (`sight.py`). What of this does not depend on colours may be kept for the next time (`memory.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F

from ..request import Mesh
from . import filling, unwrap
from .agreement import ASKED, Agreement
from .blending import PORTION, Sheet, Shown, combine, sheet
from .eyes import Eye, ViewArrays, eye
from .memory import Memory, digest
from .sight import Ground, Rules, Sight, may_see, sight
from .unwrap import Check, Facets


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
    width, height = size
    rgba = torch.zeros(height * width, 4)
    if base is not None:
        rgba[:, :3] = torch.from_numpy(np.asarray(base, np.float32)[..., :3].reshape(-1, 3))
    on_mesh = surface.owner.view(-1) < len(surface.triangles)
    covered = torch.nonzero(on_mesh)[:, 0]
    facets = cache(lambda: unwrap.Facets(surface))
    blend = _Blend(facets, digest(name, max_angle, depth_tolerance), _named(eyes), rules, memory, len(covered))
    for number, texels in enumerate(covered.split(PORTION)):
        check()
        paint, strength = blend.paint(number, texels)
        if base is not None:
            paint = rgba[texels, :3] * (1 - strength[:, None]) + paint * strength[:, None]
        rgba[texels] = torch.cat((paint, strength[:, None]), 1)
    painted = rgba[:, 3] > 0
    count = int(painted.sum())
    if fill and 0 < count < len(covered):
        _fill(rgba, facets, covered, memory, name)
    known = on_mesh if base is not None or (fill and count) else painted
    known = known.view(height, width)
    to, of = memory.get(digest(name, known, bleed), lambda: unwrap.nearest(known, bleed, check))
    rgba[to] = F.pad(rgba[of, :3], (0, 1))
    coverage = {"coverage": count / max(len(covered), 1)}
    return Projected(
        rgba=rgba.view(height, width, 4).numpy(), scores={**coverage, **surface.scores, **blend.agreement.scores}
    )


def _named(eyes: Sequence[Eye]) -> dict[bytes, Eye]:
    """Each eye by what its sight hangs on; those that are alike but for their colours are numbered."""
    found: dict[bytes, Eye] = {}
    for one in eyes:
        number = 0
        while (name := digest(one.name, number)) in found:
            number += 1
        found[name] = one
    return found


def _fill(rgba: torch.Tensor, facets: Callable[[], Facets], covered: torch.Tensor, memory: Memory, name: bytes) -> None:
    """Give colours to those of the covered texels that are not seen."""
    seen = rgba[covered, 3] > 0

    def neighbours() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        shown, unseen = filling.some(covered[seen]), covered[~seen]
        near = filling.neighbours(*facets().places(shown).arrays(), *facets().places(unseen).arrays())
        return unseen, shown[torch.from_numpy(near.which).long()], torch.from_numpy(near.share)

    unseen, of, share = memory.get(digest(name, seen, "fill"), neighbours)
    mixed = F.embedding_bag(of, rgba, mode="sum", per_sample_weights=share)
    rgba[unseen] = F.pad(mixed[:, :3], (0, 1))


@dataclass(slots=True)
class _Blend:
    """Views of one surface by their names, and how well they agree. `name` tells the surface and what it is seen by."""

    facets: Callable[[], Facets]
    name: bytes
    eyes: dict[bytes, Eye]
    rules: Rules
    memory: Memory
    count: int
    agreement: Agreement = field(default_factory=Agreement)
    sheets: dict[tuple[bytes, ...], Sheet] = field(default_factory=dict)
    ready: dict[bytes, tuple[torch.Tensor, Ground]] = field(default_factory=dict)
    """Triangles that a view may see, and its depth map as it is read."""

    def paint(self, number: int, texels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Colours (N, 3) of the texels of a portion, and how much they are painted (N,)."""
        shown = self._shown(number, texels)
        if shown.views not in self.sheets:
            self.sheets[shown.views] = sheet(shown, self.eyes)
        pixels = self.sheets[shown.views]
        blend = shown.blend(pixels, self.rules.exponent)
        every = max(1, self.count // ASKED)
        entries, places = shown.entries(every)
        self.agreement.add(*blend.looks(pixels, entries), places, blend.paint[::every])
        return blend.paint, blend.strength

    def _shown(self, number: int, texels: torch.Tensor) -> Shown:
        """What the views show there: kept, or made of what is kept and what is not."""
        name = digest(self.name, number)
        kept: Shown | None = self.memory.find(name)
        if kept is not None and self.eyes.keys() <= set(kept.views):
            return kept
        triangles, places = self.facets().triangles(texels), self.facets().places(texels)

        def see(view: bytes) -> Sight:
            eye = self.eyes[view]
            if view not in self.ready:
                self.ready[view] = may_see(eye, self.facets().corners, self.facets().planes), Ground.of(eye)
            facing, ground = self.ready[view]
            some = torch.nonzero(facing.index_select(0, triangles))[:, 0]
            found = sight(eye, places.pick(some), self.rules, ground)
            return replace(found, places=some.index_select(0, found.places).int())

        return self.memory.keep(name, combine(kept, self.eyes, see, len(texels)))
