"""How well views agree: how far each one's colours lie from what they were blended to, where several saw a place."""

from __future__ import annotations

import numpy as np
import torch

from ..pixels.colour import to_lab

PART = 0.05
"""Part of a place's weight from which on a view counts as having had a say."""
FAR, STEP = 100.0, 0.1
"""Differences in Lab are counted up to the first, in steps of the second."""
ASKED = 1 << 14
"""About so many places of a texture are looked at."""


class Agreement:
    """Counts differences, portion after portion."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self.counts = np.zeros(int(FAR / STEP), np.int64)

    def add(self, colors: torch.Tensor, weights: torch.Tensor, places: torch.Tensor, blend: torch.Tensor) -> None:
        """Count what views had, colours (k, 3) and weights (k,) at `places` (k,), against the blend (N, 3) there."""
        total = torch.zeros(len(blend)).index_add_(0, places, weights)
        says = weights > PART * total[places].clamp_min(1e-30)
        several = torch.zeros(len(blend)).index_add_(0, places, says.float()) >= 2
        looked = torch.nonzero(says & several[places])[:, 0]
        if len(looked):
            off = to_lab(colors[looked].numpy()) - to_lab(blend.numpy())[places[looked].numpy()]
            steps = (np.linalg.norm(off, axis=1) / STEP).astype(int).clip(0, len(self.counts) - 1)
            self.counts += np.bincount(steps, minlength=len(self.counts))

    @property
    def scores(self) -> dict[str, float]:
        """`agreement`: the median difference, in Lab; nothing where no place was seen twice."""
        total = self.counts.sum()
        if not total:
            return {}
        return {"agreement": float((np.searchsorted(self.counts.cumsum(), total / 2) + 0.5) * STEP)}
