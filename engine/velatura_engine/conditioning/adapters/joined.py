"""What a file adds to a layer that it joins with others: rows of what it adds to all of them together."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from .deltas import Mismatch, Parts
from .names import Share

WorkOut = Callable[[Parts, torch.Tensor | None], torch.Tensor | None]


def of_share(
    work_out: WorkOut, parts: Parts, share: Share, name: str, before: Mapping[int, torch.Tensor]
) -> torch.Tensor | None:
    """What `work_out` makes of the parts for one of the layers that they join, of its tensor `name`; None for nothing.

    `before` are the tensors of parameters, by their ids, that something is laid over already.
    Raises Mismatch where the joined layers have other rows than the file's, or none has that tensor.
    """
    own = getattr(share.modules[share.own], name, None)
    alone = parts.keys() - {"bias"} <= {"down", "up", "alpha"} and (name == "weight" or "bias" not in parts)
    if own is not None and not share.swapped and alone:
        # A product has its rows by themselves.
        return work_out({**parts, "up": _rows(parts["up"], share)} if "up" in parts else parts, own)
    tensors = [getattr(module, name, None) for module in share.modules]
    there = [before.get(id(one), one.data) for one in tensors if one is not None]
    whole = torch.cat(there) if len(there) == len(tensors) else None
    if whole is not None and share.swapped:
        whole = _swapped(whole)
    delta = work_out(parts, whole)
    if delta is None:
        return None
    return _swapped(_rows(delta, share)) if share.swapped else _rows(delta, share)


def _rows(values: torch.Tensor, share: Share) -> torch.Tensor:
    """Its rows of a joined layer's."""
    sizes = [len(module.weight) for module in share.modules]  # type: ignore[arg-type]
    if len(values) != sum(sizes):
        raise Mismatch(f"the file has {len(values)} rows, the layers {sum(sizes)}")
    return values.split(sizes)[share.own]


def _swapped(values: torch.Tensor) -> torch.Tensor:
    first, second = values.chunk(2)
    return torch.cat([second, first])
