"""LoRAs that make Flux.1 read a hint in further channels, as Flux.1 Depth and Canny do (Black Forest Labs, 2024).

Such a file and the Flux.1 that it was made for are together a checkpoint like those, and are listed as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..families import family
from . import lora_keys
from .entry import ModelEntry
from .header import shapes as read_shapes

Shapes = Mapping[str, tuple[int, ...]]

FAMILY, BASE = "flux_control", "flux"
VARIANT = "control lora"
CHANNELS = 128
"""What such a model takes in: latents and hint, two by two."""
WANTED = "it changes Flux.1 dev; put that beside it, as a folder of diffusers or as single files"
_ENTRY = ("img_in", "x_embedder")
_TEXT = ("txt_in", "context_embedder")
_BLOCKS = ("double_blocks.", "transformer_blocks.")


def is_control_lora(shapes: Shapes) -> bool:
    """Whether a file is one: a LoRA whose first layer takes in twice what Flux.1's does."""
    down, _ = _product(shapes, _ENTRY)
    return bool(down) and down[1] == CHANNELS


def lay(file: ModelEntry, entries: Iterable[ModelEntry]) -> ModelEntry | None:
    """The entry of such a file over the first Flux.1 that has the layers which it changes; None without one."""
    shapes = read_shapes(file.path)
    _, width = _product(shapes, _ENTRY)
    text, _ = _product(shapes, _TEXT)
    kind = family(FAMILY)
    assert kind.flow is not None
    blocks = {
        name.split(before)[1].partition(".")[0]
        for name in shapes for before in _BLOCKS if before in f".{name}" and "single" not in name
    }  # fmt: skip
    for base in entries:
        fits = base.kind == "checkpoint" and base.family == BASE and not base.negative
        if fits and base.cross_attention_dim == (width or (0,))[0] and len(base.widths) == len(blocks):
            if text and text[1] != base.widths[0]:
                continue
            return replace(
                base, id=file.id, title=file.title, path=file.path, format="single", size=file.size, over=base,
                family=FAMILY, tasks=tuple(kind.pipelines), guidance=kind.flow.embedded, control_kind=file.control_kind,
                in_channels=CHANNELS, description=f"Lets {base.title} read a hint.", license="", is_default=False,
                variant=VARIANT,
            )  # fmt: skip
    return None


def _product(shapes: Shapes, names: tuple[str, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of the two matrices of the first layer of these names that a file has; () where it has none."""
    for name in shapes:
        layer, part = lora_keys.split(name)
        if part == "down" and layer.rpartition(".")[2] in names and len(shapes[name]) == 2:
            up = next((other for other in shapes if lora_keys.split(other) == (layer, "up")), "")
            return shapes[name], shapes.get(up, ())
    return (), ()
