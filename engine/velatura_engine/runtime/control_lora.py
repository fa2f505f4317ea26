"""A Flux.1 -> the model that a control LoRA makes of it: a wider entry, other norms, and its products laid over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors import safe_open
from torch import nn

from ..conditioning.adapters.wear import fuse
from ..errors import Unsupported
from ..families import Family
from ..models import originals
from ..models.control_lora import CHANNELS
from ..models.entry import ModelEntry
from ..plan import AdapterPlan

if TYPE_CHECKING:
    from .load import Components

NORM = "_norm.scale"
"""End of the names of norms, which stand in such files as they are."""


def changed(parts: Components, entry: ModelEntry, kind: Family) -> Components:
    """The parts of a Flux.1 whose denoiser reads a hint beside its latents. Raises Unsupported where the file does not
    fit it.
    """
    denoiser = parts.parts[kind.denoiser]
    denoiser.x_embedder = _widened(denoiser.x_embedder)
    denoiser.register_to_config(in_channels=CHANNELS)
    left = fuse(
        AdapterPlan(model=entry, weight=1.0, text_weight=0.0, block_weights={}, force=False, field="model"),
        {kind.denoiser: denoiser},
    )
    left -= _norms(entry, denoiser)
    if left:
        raise Unsupported(
            f"{len(left)} layers of {entry.title} fit nothing in {entry.over.title if entry.over else 'it'}, such as "
            f"{min(left)[:80]}", reason="BROKEN_MODEL_FILE", remedy="get the file again",
        )  # fmt: skip
    return parts


def _widened(layer: nn.Linear) -> nn.Linear:
    """The same layer with further columns of nothing."""
    facts = {"device": layer.weight.device, "dtype": layer.weight.dtype}
    wide = nn.Linear(CHANNELS, layer.out_features, bias=layer.bias is not None, **facts).requires_grad_(False)
    wide.weight.zero_()
    wide.weight[:, : layer.in_features] = layer.weight
    if layer.bias is not None:
        wide.bias.copy_(layer.bias)
    return wide.eval()


def _norms(entry: ModelEntry, denoiser: nn.Module) -> set[str]:
    """Put the file's norms in the place of the denoiser's; the names of their layers in the file."""
    table, done = originals.known(type(denoiser).__name__), set()
    with safe_open(entry.path, framework="pt") as file, torch.no_grad():
        for name in file.keys():  # noqa: SIM118
            to = originals.targets(name.rpartition(".")[0], table) if name.endswith(NORM) else ()
            for layer in to:
                denoiser.get_parameter(f"{layer}.weight").copy_(file.get_tensor(name))
                done.add(name.rpartition(".")[0])
    return done
