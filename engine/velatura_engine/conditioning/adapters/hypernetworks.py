"""Hypernetworks, as AUTOMATIC1111 trains and applies them: small networks on what a U-Net's attention reads.

For each width there are two, one before the keys and one before the values: x + strength * net(x). They act wherever a
width occurs, on the text and, where the picture's own features are as wide, on these too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, safe_open
from torch import nn

from ...errors import Unsupported
from ...models.hypernetwork import ACTIVATIONS, Structure, structure
from ...plan import AdapterPlan
from .deltas import finite
from .names import DENOISERS

_KEY = re.compile(r"(\d+)\.([kv])\.linear\.(\d+)\.(weight|bias)")


@contextmanager
def applied(worn: AdapterPlan, components: Mapping[str, nn.Module]) -> Iterator[None]:
    """Inside the block the denoiser's attention reads through the hypernetwork. Raises Unsupported for one that is
    broken or changes nothing here.
    """
    if worn.weight == 0:
        yield
        return
    denoiser = next(components[name] for name in DENOISERS if name in components)
    nets = _load(worn, denoiser)
    handles = []
    try:
        for name, layer in denoiser.named_modules():
            net = nets.get((getattr(layer, "in_features", 0), name.rpartition(".")[2]))
            if net is not None:
                handles.append(layer.register_forward_pre_hook(_through(net, worn.weight)))
        if not handles:
            raise Unsupported(
                f"{worn.model.title} changes text of no width that this model has", field=worn.field,
                reason="WRONG_BASE", remedy="use a hypernetwork that was made for this model",
            )  # fmt: skip
        yield
    finally:
        for handle in handles:
            handle.remove()


def _through(net: nn.Module, strength: float) -> Callable[[nn.Module, tuple], tuple]:
    def change(_: nn.Module, args: tuple) -> tuple:
        return (args[0] + net(args[0]) * strength, *args[1:])

    return change


def _load(worn: AdapterPlan, like: nn.Module) -> dict[tuple[int, str], nn.Module]:
    """The networks by width and by what they stand before, "to_k" or "to_v"."""
    parameter = next(like.parameters())
    try:
        with safe_open(worn.model.path, framework="pt") as file:
            facts = structure(file.metadata() or {})
        tensors = load_file(worn.model.path)
        layers: dict[tuple[int, str], dict[int, dict[str, torch.Tensor]]] = {}
        for key, values in tensors.items():
            match = _KEY.fullmatch(key)
            if match is None:
                raise ValueError(f"{key[:80]!r} belongs to no layer")
            place = layers.setdefault((int(match[1]), f"to_{match[2]}"), {})
            place.setdefault(int(match[3]), {})[match[4]] = finite(values.to(parameter))
        return {place: _net(place[0], parts, facts) for place, parts in layers.items()}
    except (SafetensorError, OSError, ValueError, LookupError) as trouble:
        raise Unsupported(
            f"{worn.model.title} cannot be worn: {trouble}", field=worn.field, reason="BROKEN_MODEL_FILE",
            remedy="get the file again, or leave it out",
        ) from None  # fmt: skip


def _net(width: int, parts: Mapping[int, Mapping[str, torch.Tensor]], facts: Structure) -> nn.Module:
    """Linear layers (weights of two axes), each with its activation, and norms (of one) where the file has them."""
    layers: list[nn.Module] = []
    last = max(number for number, tensors in parts.items() if tensors["weight"].ndim == 2)
    before = width
    for number in sorted(parts):
        weight, bias = parts[number]["weight"], parts[number]["bias"]
        if weight.ndim == 2:
            layer: nn.Module = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0])
            inputs, outputs = weight.shape[1], weight.shape[0]
        else:
            layer, inputs, outputs = nn.LayerNorm(weight.shape[0]), weight.shape[0], weight.shape[0]
        if inputs != before or bias.shape != (outputs,):
            raise ValueError(f"its layer {number} takes {inputs} numbers and is given {before}")
        layer.weight, layer.bias = (nn.Parameter(values, requires_grad=False) for values in (weight, bias))
        layers.append(layer)
        before = outputs
        activation = ACTIVATIONS[facts.activation]
        if weight.ndim == 2 and activation and (number != last or facts.activate_output):
            layers.append(getattr(nn, activation)())
    if before != width:
        raise ValueError(f"it gives {before} numbers for {width}")
    return nn.Sequential(*layers).eval()
