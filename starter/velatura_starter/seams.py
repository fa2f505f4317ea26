"""How visible is the joint of a tile? The wrap cut's rank among every cut of the same picture."""

from __future__ import annotations

import torch
from torch import Tensor


def _columns(x: Tensor) -> dict[str, Tensor]:
    """Statistics of every column cut of grey pictures (B, H, W): each (B, W); cut i lies before column i."""
    before, after, second = torch.roll(x, 1, -1), torch.roll(x, -1, -1), torch.roll(x, 2, -1)
    d1 = (x - before).abs().mean(-2)
    # Second difference across the cut: what the two sides' slopes disagree on.
    d2 = ((after - x) - (before - second)).abs().mean(-2)
    a, b = x - x.mean(-2, keepdim=True), before - before.mean(-2, keepdim=True)
    corr = 1 - (a * b).sum(-2) / (a.norm(dim=-2) * b.norm(dim=-2)).clamp_min(1e-6)
    rows = x.unflatten(-2, (8, -1)).mean(-2)  # (B, 8, W)
    right = sum(torch.roll(rows, -k, -1) for k in range(8)) / 8
    left = sum(torch.roll(rows, k, -1) for k in range(1, 9)) / 8
    return {"d1": d1, "d2": d2, "corr": corr, "band": (right - left).abs().mean(-2)}


def seam_percentiles(images: Tensor, axis: str, generator: torch.Generator) -> dict[str, float]:
    """Mean rank (0..1) of the wrap cut over pictures (B, 3, H, W): about 0.5 when no seam is there.

    ``axis`` "x" looks at the joint of left and right, "y" at that of top and bottom. Ranks are a set statistic:
    use 64 pictures or more. Below 0.3 means mirroring or blur. Height must divide by 8.
    """
    grey = images.float().mean(1)
    if axis == "y":
        grey = grey.transpose(1, 2)
    shift = int(torch.randint(grey.shape[-2], (1,), generator=generator))
    grey = torch.roll(grey, shift, -2)
    out = {}
    for key, values in _columns(grey).items():
        wrap, inner = values[:, :1], values[:, 1:]
        rank = (inner < wrap).float().mean(1) + 0.5 * (inner == wrap).float().mean(1)
        out[key] = float(rank.mean())
    return out
