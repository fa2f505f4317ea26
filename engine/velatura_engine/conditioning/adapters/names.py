"""Which module of a loaded model a file's layer means, and in which block it lies.

Every way of writing a layer (kohya's with underscores, diffusers' with dots, the original's `input_blocks`) becomes one
name with underscores alone, and is looked up without its prefix.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import nn

from ...models import originals
from ...models.lora_keys import flat

DENOISERS = ("unet", "transformer")
_PREFIXES = (
    # prefix in the file, what it belongs to; "" is the denoiser whatever it is called
    ("lora_unet_", ""), ("oft_unet_", ""), ("lora_transformer_", ""), ("lora_te1_", "text_encoder"),
    ("lora_te2_", "text_encoder_2"),
    ("lora_te3_", "text_encoder_3"), ("lora_te_", "text_encoder"), ("lycoris_", ""), ("base_model_model_", ""),
    ("unet_", ""), ("transformer_", ""), ("diffusion_model_", ""), ("text_encoder_2_", "text_encoder_2"),
    ("text_encoder_3_", "text_encoder_3"), ("text_encoder_", "text_encoder"), ("", ""),
)  # fmt: skip
_RESNET = {
    "norm1": "in_layers_0", "conv1": "in_layers_2", "norm2": "out_layers_0", "conv2": "out_layers_3",
    "time_emb_proj": "emb_layers_1", "conv_shortcut": "skip_connection",
}  # fmt: skip
_ALONE = {
    "conv_in": "input_blocks_0_0", "time_embedding.linear_1": "time_embed_0", "time_embedding.linear_2": "time_embed_2",
    "add_embedding.linear_1": "label_emb_0_0", "add_embedding.linear_2": "label_emb_0_2",
    "conv_norm_out": "out_0", "conv_out": "out_2",
}  # fmt: skip
_UP = "UP"
_BLOCK = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)")
_MIDDLE = re.compile(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)")


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of a joined layer is meant: that of number `own` of the `modules` whose rows it joins in order. The
    halves of one that is `swapped` stand the other way round there.
    """

    modules: tuple[nn.Module, ...]
    own: int
    swapped: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A layer of a model: which part of the pipeline holds it, and its block (BASE outside the blocks)."""

    module: nn.Module
    component: str
    block: str
    share: Share | None = None
    """Where the file's layer joins this one with others."""


class Places:
    """All layers of a pipeline's denoiser and text encoders that have weights, by every name that files give them."""

    def __init__(self, components: Mapping[str, nn.Module]) -> None:
        """`components`: by their names in diffusers' pipelines: unet or transformer, text_encoder, text_encoder_2, …"""
        self._tables = {name: dict(_named(name, module)) for name, module in components.items()}
        self.denoiser = next((name for name in DENOISERS if name in components), "")
        self._joined = dict(_originals(self.denoiser, components[self.denoiser])) if self.denoiser else {}

    def find(self, layer: str) -> tuple[Place, ...]:
        """The places of a file's layer, several where it joins what is apart here; () where there is none."""
        name = flat(layer)
        for prefix, component in _PREFIXES:
            if name.startswith(prefix):
                place = self._tables.get(component or self.denoiser, {}).get(name[len(prefix) :])
                if place is not None:
                    return (place,)
                joined = self._joined.get(name[len(prefix) :]) if not component else None
                if joined is not None:
                    return joined
        return ()


def components(parts: object) -> dict[str, nn.Module]:
    """The denoiser and the text encoders of a loaded checkpoint, by diffusers' names."""
    names = (*DENOISERS, "text_encoder", "text_encoder_2", "text_encoder_3")
    found = {name: getattr(parts, name, None) for name in names}
    return {name: module for name, module in found.items() if isinstance(module, nn.Module)}


def _originals(component: str, model: nn.Module) -> Iterator[tuple[str, tuple[Place, ...]]]:
    """Places by the names that a transformer's authors have for layers."""
    modules = dict(model.named_modules())
    for layer, to in originals.numbered(originals.known(type(model).__name__), modules):
        group = tuple(modules[one.removeprefix(originals.SWAPPED)] for one in to)
        yield (
            layer.replace(".", "_"),
            tuple(
                Place(module, component, "BASE", Share(group, own, one.startswith(originals.SWAPPED)))
                for own, (module, one) in enumerate(zip(group, to, strict=True))
            ),
        )


def _named(component: str, model: nn.Module) -> Iterator[tuple[str, Place]]:
    rows = _rows(model)
    for path, module in model.named_modules():
        if not isinstance(getattr(module, "weight", None), nn.Parameter):
            continue
        block, original = _original(path, rows) if rows else ("BASE", "")
        place = Place(module, component, block)
        yield path.replace(".", "_"), place
        for name in _either(original):
            yield name, place
        if component.startswith("text_encoder"):
            # Files know CLIP's encoder below `text_model`, as transformers had it before its version 5.
            bare = path.removeprefix("text_model.").replace(".", "_")
            yield bare, place
            yield f"text_model_{bare}", place


def _rows(model: nn.Module) -> int:
    """Layers of each resolution of a U-Net in the original numbering: its resnets and what resamples; 0 for others."""
    blocks = getattr(model, "down_blocks", None)
    first = blocks[0] if isinstance(blocks, nn.ModuleList) and len(blocks) else None
    resnets = getattr(first, "resnets", None)
    return len(resnets) + 1 if isinstance(resnets, nn.ModuleList) else 0


def _original(path: str, rows: int) -> tuple[str, str]:
    """The block of a U-Net's layer, as the community counts them, and its name in the original layout."""
    if path in _ALONE:
        return ("IN00" if path == "conv_in" else "BASE"), _ALONE[path]
    middle = _MIDDLE.fullmatch(path)
    if middle is not None:
        kind, number, rest = middle[1], int(middle[2]), middle[3]
        return "M00", f"middle_block_{2 * number if kind == 'resnets' else 2 * number + 1}_{_rest(kind, rest)}"
    match = _BLOCK.fullmatch(path)
    if match is None:
        return "BASE", ""
    side, level, kind, number, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
    if side == "down":
        if kind == "downsamplers":
            at = (level + 1) * rows
            return f"IN{at:02}", f"input_blocks_{at}_0_{rest.replace('conv', 'op').replace('.', '_')}"
        at = level * rows + number + 1
        return f"IN{at:02}", f"input_blocks_{at}_{int(kind == 'attentions')}_{_rest(kind, rest)}"
    at = level * rows + (rows - 1 if kind == "upsamplers" else number)
    if kind == "upsamplers":
        return f"OUT{at:02}", f"output_blocks_{at}_{_UP}_{rest.replace('.', '_')}"
    return f"OUT{at:02}", f"output_blocks_{at}_{int(kind == 'attentions')}_{_rest(kind, rest)}"


def _either(name: str) -> tuple[str, ...]:
    """An upsampler stands behind its level's attention where there is one: place 2, else 1. No other is called so."""
    return (name.replace(_UP, "1"), name.replace(_UP, "2")) if _UP in name else (name,) if name else ()


def _rest(kind: str, rest: str) -> str:
    if kind == "resnets":
        return _RESNET.get(rest, rest).replace(".", "_")
    return rest.replace(".", "_")
