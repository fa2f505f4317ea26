"""Adapters that turn what a layer gives: OFT, blocks along a diagonal, and BOFT, several layers of them like an FFT.

OFT: Qiu et al., arXiv 2306.07280; BOFT: Liu et al., arXiv 2311.06243. Files hold a square for each block, of which the
part that changes its sign under transposition counts; Cayley's formula makes a rotation of it. `alpha` is what kohya's
and LyCORIS' scripts call the constraint: times the rows, the greatest length that all these squares may have together.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

Parts = Mapping[str, torch.Tensor]


class Strange(ValueError):
    """The blocks do not make up the layer's rows."""


def rotated(parts: Parts, weight: torch.Tensor) -> torch.Tensor:
    """The weight (out, ...) float32 turned by `rotations` (blocks, b, b) or (layers, blocks, b, b), its rows then times
    `rescale`, if there is one. Raises Strange, or RuntimeError of torch, where they do not fit.
    """
    blocks = parts["rotations"].float()
    rows = weight.shape[0]
    if blocks.ndim not in (3, 4) or blocks.shape[-1] != blocks.shape[-2] or blocks.shape[-3] * blocks.shape[-1] != rows:
        raise Strange(f"blocks of {tuple(blocks.shape)} for {rows} rows")
    limit = float(parts["alpha"].float()) * rows if "alpha" in parts else 0.0
    turns = _cayley(blocks, limit)
    turned = _along_the_diagonal(turns, weight) if blocks.ndim == 3 else _butterfly(turns, weight)
    if "rescale" in parts:
        turned = turned * parts["rescale"].float().reshape(-1, *(1 for _ in weight.shape[1:]))
    return turned


def _cayley(blocks: torch.Tensor, limit: float) -> torch.Tensor:
    """Rotations (..., b, b) of squares; (I + Q)(I - Q)^-1 of their skew parts, no longer than `limit`, 0 for any."""
    skew = blocks - blocks.transpose(-1, -2)
    length = float(skew.norm())
    if 0 < limit < length:
        skew = skew * (limit / length)
    one = torch.eye(blocks.shape[-1], dtype=blocks.dtype, device=blocks.device)
    return torch.linalg.solve(one - skew, one + skew, left=False)


def _along_the_diagonal(turns: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Each block of rows turned by the transpose of its own rotation, as both trainers have it."""
    rows = weight.unflatten(0, turns.shape[:2])
    return torch.einsum("knm,kn...->km...", turns, rows).flatten(0, 1)


def _butterfly(turns: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """One layer after the other; each pairs rows that are twice as far apart as those of the layer before."""
    side = turns.shape[-1]
    for number, layer in enumerate(turns):
        reach = 2**number * (side // 2)
        mixed = weight.unflatten(0, (-1, 2, reach)).transpose(1, 2)  # (groups, reach, 2, ...)
        shape = mixed.shape[:3]
        mixed = torch.einsum("bij,bj...->bi...", layer, mixed.flatten(0, 2).unflatten(0, (-1, side)))
        weight = mixed.flatten(0, 1).unflatten(0, shape).transpose(1, 2).flatten(0, 2)
    return weight
