"""The pictures that a painting takes after: seen, and led to the layers that their roles name."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
import torch

from ..pixels.picture import as_single, as_srgb
from ..plan import DiffusePlan, ReferencePlan
from ..runtime.models import Loaded
from ..runtime.references import Look, reading, spread
from .canvas import framed
from .context import Context
from .spans import counts


class Likeness:
    """A painting's references, looked at; while it is entered the model takes after them.

    Those of no strength take no part: without others the model is not touched.
    """

    def __init__(self, plan: DiffusePlan, context: Context, model: Loaded) -> None:
        self._moment = (0, 1)
        self._reading: AbstractContextManager[None] = nullcontext()
        taken = sorted((one for one in plan.references if one.strength), key=partial(order, context=context))
        if taken:
            groups = [list(group) for _, group in groupby(taken, key=lambda one: one.model.id)]
            readers = context.models.references.readers([group[0].model for group in groups], model.denoiser)
            looks = [self._look(group, plan, context, model) for group in groups]
            context.check()
            self._reading = reading(model.denoiser, readers, looks, len(plan.seeds))

    def go_to(self, done: int, total: int) -> None:
        """So many of so many steps are done."""
        self._moment = done, total

    def __enter__(self) -> Likeness:
        self._moment = (0, 1)
        self._reading.__enter__()
        return self

    def __exit__(self, *trouble: Any) -> None:
        self._reading.__exit__(*trouble)

    def _look(self, group: list[ReferencePlan], plan: DiffusePlan, context: Context, model: Loaded) -> Look:
        """What one adapter is shown. Each picture is attended to by itself, and adds by its strength where its mask is.

        Several need masks for that, if only whole ones: without, diffusers lets them share one attention and one
        strength.
        """
        eyes = context.models.references.eyes(group[0].encoder)
        pairs = [eyes.see(as_srgb(context.picture(one.image)), whole=bool(one.model.sees[0])) for one in group]
        seen, nothing = (torch.cat(side).to(model.device, model.dtype) for side in zip(*pairs, strict=True))
        masks = None
        if len(group) > 1 or group[0].mask is not None:
            stacked = np.stack([_mask(one, plan, context) for one in group])
            masks = spread(torch.from_numpy(stacked).to(model.device, model.dtype), plan.model.latent_factor)

        def strengths(attention: str) -> list[float]:
            """How strongly each reference counts in one attention now: style only where style is painted."""
            stylish = attention.startswith(model.family.style_layers)
            return [
                one.strength if counts(one, *self._moment) and (stylish or one.role != "style") else 0.0
                for one in group
            ]

        return Look(seen, nothing, masks, strengths)


def order(one: ReferencePlan, context: Context) -> tuple[str, str, float, str]:
    """Orders references, by adapter first: sums in whatever order they were sent would differ in their last bits."""
    content = hashlib.sha256()
    for source in (one.image, one.mask):
        content.update(b"" if source is None else context.picture(source).pixels.tobytes())
    return one.model.id, one.role, one.strength, content.hexdigest()


def _mask(one: ReferencePlan, plan: DiffusePlan, context: Context) -> np.ndarray:
    """Where a reference counts, at the canvas' size, (H, W)."""
    if one.mask is None:
        return np.ones(plan.canvas[::-1], np.float32)
    return framed(as_single(context.picture(one.mask)), plan)
