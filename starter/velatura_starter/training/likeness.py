"""How alike two pictures of one material are, wherever their lines lie: what a texture is, is its statistics."""

from __future__ import annotations

import torch
from torch import Tensor

FAR = (1, 2, 4, 6, 9, 13)
"""Pixels over which changes are compared. A stone is five to eight wide: the far ones tell stones from a grid."""
SMALL = 0.05
"""What is added to a spread that others are divided by, so that a plain surface may vary a little."""


def unlike(painted: Tensor, drawn: Tensor) -> Tensor:
    """How far the spreads of latents (B, 4, h, w) that repeat are from those of drawings, (B,), as mean square of their
    ratio less one: 0 where channels vary together as much, and as much over some pixels.

    Moments of a texture as in Portilla & Simoncelli (IJCV 2000), without a pyramid.
    """
    pairs = zip(_spreads(painted), _spreads(drawn), strict=True)
    errors = [((spread - wanted) / (wanted + SMALL)).square().mean(1) for spread, wanted in pairs]
    return torch.stack(errors).mean(0)


def _spreads(x: Tensor) -> list[Tensor]:
    """Standard deviations (B, n): of channels and of sums and differences of two; of what changes over some pixels."""
    rows, columns = torch.tril_indices(4, 4, -1, device=x.device)
    every = torch.cat([x, x[:, rows] + x[:, columns], x[:, rows] - x[:, columns]], 1)
    moved = torch.cat([x - x.roll(far, axis) for far in FAR for axis in (2, 3)], 1)
    # A root has no slope at 0.
    return [(some.var((2, 3)) + 1e-4).sqrt() for some in (every, moved)]
