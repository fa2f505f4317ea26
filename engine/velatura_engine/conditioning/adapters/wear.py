"""Let a model wear LoRAs and hypernetworks for one painting, and take them off without a trace.

What a LoRA adds is worked out once, layer by layer, and laid over a copy of each weight, so that it costs nothing per
step and every way of painting sees it. The weights that were there stay in memory meanwhile and are put back
themselves: nothing is subtracted, nothing rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from ...errors import Unsupported
from ...events import Warning
from ...models import lora_keys
from ...plan import AdapterPlan
from . import hypernetworks
from .deltas import Mismatch, bias_delta, weight_delta
from .joined import of_share
from .names import Place, Places

_SLOTS = (("weight", weight_delta), ("bias", bias_delta))


@dataclass(frozen=True, slots=True)
class _Piece:
    """One layer of one LoRA: where it belongs, what it holds, and how much it counts."""

    worn: AdapterPlan
    layer: str
    place: Place
    file: Any
    keys: Mapping[str, str]
    factor: float

    def parts(self, device: torch.device) -> dict[str, torch.Tensor]:
        """Its matrices."""
        try:
            return {part: self.file.get_tensor(key).to(device) for part, key in self.keys.items()}
        except SafetensorError as trouble:
            raise _broken(self.worn, str(trouble)) from None


@dataclass(slots=True)
class _Tally:
    """How many layers of a file there are, and which of them fit nothing."""

    worn: AdapterPlan
    layers: int = 0
    left: set[str] = field(default_factory=set)


@contextmanager
def wearing(
    adapters: Sequence[AdapterPlan],
    components: Mapping[str, nn.Module],
    title: str,
    *,
    check: Callable[[], None],
    warn: Callable[[Warning], None],
) -> Iterator[None]:
    """Inside the block the components wear the adapters; after it their weights are the same tensors as before.

    `components` by diffusers' names, see names.components; `title` is the model's. `check` is called for each layer
    and raises to stop. Layers that fit nothing are told to `warn`. Raises Unsupported, naming the adapter's field, for
    a file that fits nowhere or is broken.
    """
    loras = [worn for worn in adapters if worn.model.kind == "lora"]
    hypers = [worn for worn in adapters if worn.model.kind == "hypernetwork"]
    kept: list[tuple[nn.Parameter, torch.Tensor]] = []
    with ExitStack() as stack, torch.no_grad():
        try:
            if loras:
                pieces, tallies = _pieces(loras, Places(components), stack)
                _put_on(pieces, tallies, kept, check)
                for tally in tallies:
                    _report(tally, title, warn)
            for worn in hypers:
                stack.enter_context(hypernetworks.applied(worn, components))
            yield
        finally:
            for parameter, before in reversed(kept):
                parameter.data = before


def fuse(worn: AdapterPlan, components: Mapping[str, nn.Module]) -> set[str]:
    """Lay a LoRA over the components' weights for good; the layers of its file that fit nothing. Raises Unsupported for
    a file that is broken.
    """
    with ExitStack() as stack, torch.no_grad():
        pieces, (tally,) = _pieces([worn], Places(components), stack)
        _put_on(pieces, [tally], [], lambda: None)
    return tally.left


def _pieces(
    loras: Sequence[AdapterPlan], places: Places, stack: ExitStack
) -> tuple[dict[nn.Module, list[_Piece]], list[_Tally]]:
    """What is to be added, by module, in the order asked."""
    pieces: dict[nn.Module, list[_Piece]] = {}
    tallies = []
    for worn in loras:
        try:
            file = stack.enter_context(safe_open(worn.model.path, framework="pt"))
            keys = dict.fromkeys(file.keys())
        except (SafetensorError, OSError) as trouble:
            raise _broken(worn, str(trouble)) from None
        scales = _Scales(file.metadata() or {})
        found, strange = lora_keys.layers(keys)
        tally = _Tally(worn, len(found), {key.rpartition(".")[0] for key in strange})
        tally.layers += len(tally.left)
        for layer, parts in found.items():
            found_at = places.find(layer)
            if not found_at:
                tally.left.add(layer)
            for place in found_at:
                factor = _factor(worn, place) * scales.of(layer, parts, file)
                pieces.setdefault(place.module, []).append(_Piece(worn, layer, place, file, parts, factor))
        if worn.block_weights and not any(piece.worn is worn and piece.place.block != "BASE" for piece in _all(pieces)):
            raise Unsupported(
                f"{worn.model.title} changes no block that has a name",
                field=worn.field,
                remedy="leave block_weights out",
            )
        tallies.append(tally)
    return pieces, tallies


def _all(pieces: Mapping[nn.Module, list[_Piece]]) -> Iterator[_Piece]:
    return (piece for some in pieces.values() for piece in some)


def _factor(worn: AdapterPlan, place: Place) -> float:
    whole = worn.text_weight if place.component.startswith("text_encoder") else worn.weight
    return whole * worn.block_weights.get(place.block, 1.0)


def _put_on(
    pieces: Mapping[nn.Module, list[_Piece]],
    tallies: Sequence[_Tally],
    kept: list[tuple[nn.Parameter, torch.Tensor]],
    check: Callable[[], None],
) -> None:
    """Lay the sum of all pieces over each weight; what was there is added to `kept` before it is covered."""
    by_plan = {id(tally.worn): tally for tally in tallies}
    covered: dict[int, torch.Tensor] = {}
    for module, some in pieces.items():
        check()
        sums: dict[str, torch.Tensor] = {}
        for piece in some:
            parts = piece.parts(next(module.parameters()).device)
            for name, delta in _deltas(module, piece, parts, by_plan[id(piece.worn)], covered).items():
                if piece.factor:
                    delta = delta * piece.factor
                    sums[name] = sums[name] + delta if name in sums else delta
        for name, total in sums.items():
            parameter = getattr(module, name)
            before = covered[id(parameter)] = parameter.data
            changed = torch.empty_like(before)  # laid out in memory as the weight is
            changed.copy_(before.float() + total)
            kept.append((parameter, before))
            parameter.data = changed


def _deltas(
    module: nn.Module,
    piece: _Piece,
    parts: dict[str, torch.Tensor],
    tally: _Tally,
    before: Mapping[int, torch.Tensor],
) -> dict[str, torch.Tensor]:
    """What a piece adds to the module's weight and bias; nothing where its shapes do not fit."""
    deltas: dict[str, torch.Tensor] = {}
    try:
        for name, work_out in _SLOTS:
            share = piece.place.share
            own = getattr(module, name, None)
            delta = work_out(parts, own) if share is None else of_share(work_out, parts, share, name, before)
            if delta is not None:
                deltas[name] = delta
    except Mismatch:
        tally.left.add(piece.layer)
        return {}
    except ValueError as trouble:
        raise _broken(piece.worn, f"{piece.layer[:80]!r} {trouble}") from None
    return deltas


def _report(tally: _Tally, title: str, warn: Callable[[Warning], None]) -> None:
    worn, left = tally.worn, len(tally.left)
    if left == tally.layers:
        raise Unsupported(
            f"none of the {tally.layers} layers of {worn.model.title} fit {title}", field=worn.field,
            reason="WRONG_BASE", remedy="use one that was made for this model, or the model that it was made for",
        )  # fmt: skip
    if left:
        example = min(tally.left)[:80]
        message = f"{left} of the {tally.layers} layers of {worn.model.title} fit nothing in {title}, such as {example}"
        warn(Warning(reason="LAYERS_LEFT_OUT", message=message, field=worn.field))


def _broken(worn: AdapterPlan, why: str) -> Unsupported:
    return Unsupported(
        f"{worn.model.title} cannot be worn: {why}", field=worn.field, reason="BROKEN_MODEL_FILE",
        remedy="get the file again, or leave it out",
    )  # fmt: skip


class _Scales:
    """The `alpha` that peft and diffusers keep in a file's metadata where kohya has tensors for it."""

    def __init__(self, metadata: Mapping[str, str]) -> None:
        self.facts = lora_keys.peft_facts(metadata)

    def of(self, layer: str, parts: Mapping[str, str], file: Any) -> float:
        """What a layer's product counts, beside what its own tensors say."""
        if "alpha" in parts or "down" not in parts or not self.facts:
            return 1.0
        rank = file.get_slice(parts["down"]).get_shape()[0]
        return lora_keys.peft_scale(self.facts, layer, rank)
