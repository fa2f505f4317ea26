"""What several views have to say of the same places: each pixel of each view gets what all make of its place together.

It is a blend in texture space whose texture is never drawn: a pixel is a place on a surface, asks every view for what
it has there, and weighs the answers by how much each faces the place. The weights belong to the place, so two views
that see it get the same. Which pixels answer depends on cameras and depth alone, and is found once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from .eyes import Eye, ViewArrays, eye, margin
from .sight import Places, Rules, Sight, sight
from .views import at_size, in_world, surface

STEEPEST = 85.0
"""Degrees between surface and view from which on a view has nothing to say of a place."""
LEAST = 1e-12
"""What a view's own pixel counts at least, so that a place which nobody sees well keeps what it has."""


@dataclass(frozen=True, slots=True)
class _Own:
    """A view's own pixels: how much each faces the camera (h * w,), 0 where its colour belongs to no surface."""

    facing: torch.Tensor
    shown: torch.Tensor


class Sharing:
    """Views of one scene at `size` (width, height) values: pixels, or latents, which are coarser."""

    def __init__(
        self, views: Sequence[ViewArrays], size: tuple[int, int], check: Callable[[], None] = lambda: None
    ) -> None:
        """Only cameras, depth and weight of the views are used."""
        self.size = size
        self.weights = [view.weight for view in views]
        width, height = size
        blank = np.zeros((height, width, 3), np.float32)
        eyes = [_bare(replace(view, color=blank)) for view in views]
        rules = Rules(max_angle=STEEPEST, exponent=1.0, depth_tolerance=0.002)
        self._own: list[_Own] = []
        self._others: list[list[tuple[int, Sight]]] = []
        """Of each view: the views that see something of it, and what of it."""
        for number, one in enumerate(eyes):
            points, normal, facing = (at_size(values, size).flatten(0, 1) for values in surface(one))
            facing = facing.float()
            self._own.append(_Own(facing * one.usable.flatten(), facing > 0))
            seen = torch.nonzero(facing > 0)[:, 0]
            places = Places.of(*in_world(one, points[seen], normal[seen]))
            found = []
            for other, its in enumerate(eyes):
                check()
                if other == number or not len(seen):
                    continue
                shown = sight(its, places, rules)
                found.append((other, replace(shown, places=seen[shown.places.long()].int())))
            self._others.append(found)

    def blend(self, values: torch.Tensor, exponent: float, only: Sequence[int] | None = None) -> torch.Tensor:
        """Values (V, C, h, w) of all views -> what each has after all were heard, for the views in `only`, else all.

        Weights are cosines to the power `exponent`; the larger, the more each place has the view alone that faces it
        most. What shows no surface stays.
        """
        rows = values.permute(0, 2, 3, 1).flatten(1, 2).float()  # (V, h * w, C)
        width, height = self.size
        blended = []
        for number in range(len(rows)) if only is None else only:
            weight = self._weight(number, exponent)
            sums = rows[number] * weight[:, None]
            for other, seen in self._others[number]:
                at, share = seen.places.long(), self.weights[other] * seen.cosine**exponent
                sums.index_add_(0, at, share[:, None] * seen.values(rows[other].view(height, width, -1)))
                weight.index_add_(0, at, share)
            made = torch.where(self._own[number].shown[:, None], sums / weight[:, None], rows[number])
            blended.append(made.view(height, width, -1).permute(2, 0, 1))
        return torch.stack(blended).to(values.dtype)

    def own(self, exponent: float, only: Sequence[int]) -> torch.Tensor:
        """How much of what `blend` gives the views in `only` is their own, (V, h, w) 0..1; 1 where no surface is."""
        width, height = self.size
        parts = []
        for number in only:
            weight = self._weight(number, exponent)
            total = weight.clone()
            for other, seen in self._others[number]:
                total.index_add_(0, seen.places.long(), self.weights[other] * seen.cosine**exponent)
            parts.append(torch.where(self._own[number].shown, weight / total, 1.0).view(height, width))
        return torch.stack(parts)

    def _weight(self, number: int, exponent: float) -> torch.Tensor:
        """What each of a view's own pixels (h * w,) weighs."""
        own = self._own[number]
        weight = self.weights[number] * own.facing.clamp_min(0) ** exponent * (own.facing > 0)
        return weight.clamp_min(LEAST)


def _bare(view: ViewArrays) -> Eye:
    """A view of whose picture that is not used which mixes two surfaces, beside depth edges."""
    bare = eye(view, 0)
    height, width = bare.color.shape[:2]
    inner = bare.hit & ~margin(bare, math.ceil(bare.depth.shape[1] / width))
    return replace(bare, usable=at_size(inner, (width, height)))
