"""How well views agree: how far each one's colours lie from what they were blended to, where several saw a place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..pixels.colour import to_lab

PART = 0.05
"""Part of a place's weight from which on a view counts as having had a say."""
FAR, STEP = 100.0, 0.1
"""Differences in Lab are counted up to the first, in steps of the second."""
EVERY = 16
"""One place in so many is looked at."""


class Agreement:
    """Counts differences, portion after portion."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self.counts = np.zeros(int(FAR / STEP), np.int64)

    def add(self, looks: Sequence[tuple[torch.Tensor, torch.Tensor]], paint: torch.Tensor) -> None:
        """Count what views had, colours (N, 3) and weights (N,), against the blend (N, 3), one place in `EVERY`."""
        if len(looks) < 2:
            return
        weights = torch.stack([weight for _, weight in looks])
        says = weights > PART * weights.sum(0).clamp_min(1e-30)
        several = says.sum(0) >= 2
        blend = to_lab(paint[several].numpy())
        for (color, _), said in zip(looks, says, strict=True):
            here = said[several].numpy()
            off = np.linalg.norm(to_lab(color[several].numpy()[here]) - blend[here], axis=1)
            self.counts += np.bincount(
                (off / STEP).astype(int).clip(0, len(self.counts) - 1), minlength=len(self.counts)
            )

    @property
    def scores(self) -> dict[str, float]:
        """`agreement`: the median difference, in Lab; nothing where no place was seen twice."""
        total = self.counts.sum()
        if not total:
            return {}
        return {"agreement": float((np.searchsorted(self.counts.cumsum(), total / 2) + 0.5) * STEP)}
