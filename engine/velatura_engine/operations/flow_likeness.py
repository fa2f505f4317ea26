"""The pictures that a painting of a model that flows takes after: seen once, told to its attentions at each call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ..conditioning.guiding import Heard, Shifts
from ..pixels.picture import as_single, as_srgb
from ..plan import DiffusePlan, ReferencePlan
from ..runtime.flow_references import Worn
from ..runtime.models import Loaded
from ..runtime.tokens import Tokens, rolled
from .canvas import framed
from .context import Context
from .references import order
from .spans import counts


class FlowLikeness:
    """A painting's references, looked at. Those of no strength take no part."""

    def __init__(self, plan: DiffusePlan, context: Context, model: Loaded, tokens: Tokens) -> None:
        self.plan, self.model, self.tokens = plan, model, tokens
        taken = (one for one in plan.references if one.strength)
        self._taken = sorted(taken, key=partial(order, context=context))
        self._moment = (0, 1)
        self._worn: Worn | None = None
        shelf, count = context.models.references, len(plan.seeds)
        self._adapters: list[Any] = [shelf.flow_adapter(one.model) for one in self._taken]
        self._seen: list[torch.Tensor] = []
        self._nothing: list[torch.Tensor] = []
        for one, adapter in zip(self._taken, self._adapters, strict=True):
            both = adapter.look(shelf.eyes(one.encoder), as_srgb(context.picture(one.image)))
            for said, told in zip(both, (self._seen, self._nothing), strict=True):
                told.append(said.to(model.device, model.dtype).repeat(count, 1, 1))  # (B, T, D)
        self._masks = [self._mask(one, context) for one in self._taken]

    def __bool__(self) -> bool:
        return bool(self._taken)

    def go_to(self, done: int, total: int) -> None:
        """So many of so many steps are done."""
        self._moment = done, total

    @contextmanager
    def leading(self) -> Iterator[None]:
        """Inside the block the denoiser takes after the pictures, as `taste` tells it."""
        self._moment = (0, 1)
        wear = self._adapters[0].worn  # all are of one make, the model's family's
        with wear(self.model.denoiser, self._adapters, self.plan.model.title) as self._worn:
            yield

    def taste(self, told: bool, shifts: Shifts | None) -> Heard:
        """Further arguments of the denoiser where it is asked for what is `told`, or for the other side of guidance;
        for pictures that are rolled by `shifts`.
        """
        assert self._worn is not None
        self._worn.strengths(
            [self._strength(one, mask, shifts) for one, mask in zip(self._taken, self._masks, strict=True)]
        )
        return {"joint_attention_kwargs": {self._worn.argument: self._seen if told else self._nothing}}

    def _strength(self, one: ReferencePlan, mask: torch.Tensor | None, shifts: Shifts | None) -> float | torch.Tensor:
        if not counts(one, *self._moment):
            return 0.0
        if mask is None:
            return one.strength
        each = rolled(mask.repeat(len(self.plan.seeds), 1, 1, 1), shifts, 1)
        return one.strength * each.flatten(2).transpose(1, 2)  # (B, n, 1)

    def _mask(self, one: ReferencePlan, context: Context) -> torch.Tensor | None:
        """Where a reference counts, a number for each token, (1, 1, h, w)."""
        if one.mask is None:
            return None
        values = torch.from_numpy(np.ascontiguousarray(framed(as_single(context.picture(one.mask)), self.plan)))
        unit = self.tokens.unit
        size = (self.tokens.height // unit, self.tokens.width // unit)
        return F.adaptive_avg_pool2d(values[None, None].to(self.model.device, self.model.dtype), size)
