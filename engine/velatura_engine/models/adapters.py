"""What a file is that adds to a model, and what it was made for: LoRAs, embeddings, hypernetworks.

Told by the names and shapes of its tensors, as checkpoints are. What tells the base: the width of the text that its
layers attend to, the widths of the text encoders, and how many of those there are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import Unsupported
from . import lora_keys
from .entry import ModelEntry

MAX_RANK = 8192
"""Of a low-rank product; layers have far fewer rows, so more can only be meant to exhaust."""
MAX_VECTORS = 1024
"""Of an embedding; prompts of many windows hold no more."""

_HYPER = re.compile(r"(\d+)\.[kv]\.linear\.\d+\.(?:weight|bias)")
_A1111 = re.compile(r"string_to_param(?:\..*)?")
_PAIRS = {"clip_l", "clip_g", "t5xxl"}
"""Keys of embeddings that have vectors for several text encoders."""
_NOT_YET = re.compile(r"(.+)\.(?:oft_[rR]|boft_R|vera_lambda_b|hra_u)(?:\..+)?")
_TRANSFORMER = re.compile(
    r"transformer_blocks|(?:double|single|joint)_blocks|final_layer|layers[._]\d+[._](?:attention|feed_forward)"
)
"""Layers of transformers, in diffusers' names or their authors'."""
_WIDE = 2048
"""Width of SDXL's text, its two encoders side by side."""

Shapes = Mapping[str, tuple[int, ...]]


def identify_adapter(path: Path, id: str, shapes: Shapes) -> ModelEntry | None:
    """The entry of a file that adds to a model, None where it is something else. Raises Unsupported for an adapter
    that cannot be used.
    """
    if shapes and all(_HYPER.fullmatch(name) for name in shapes):
        return _hypernetwork(path, id, shapes)
    embedded = vectors(shapes)
    if embedded:
        return _embedding(path, id, embedded)
    found, left = lora_keys.layers(shapes)
    if len(found) > len(left) and set().union(*found.values()) - {"alpha", "bias", "on_input", "rescale"}:
        return _lora(path, id, shapes, found)
    strange = next((name for name in left if _NOT_YET.fullmatch(name)), None)
    if strange is not None:
        raise Unsupported(
            f"{path.name} is an adapter of a kind that is not read: {strange[-40:]!r}", reason="UNSUPPORTED_LAYOUT",
            remedy="use a LoRA, LoHa, LoKr, DoRA, GLoRA, (IA)^3, or an OFT or BOFT of kohya's or LyCORIS' scripts",
        )  # fmt: skip
    return None


def misfit(adapter: ModelEntry, model: ModelEntry) -> str:
    """Why an adapter does not go with a checkpoint, in words; "" where it does, or nothing tells."""
    theirs, own = adapter.text_widths, model.text_widths or (model.cross_attention_dim,)
    if adapter.kind == "hypernetwork":
        if model.cross_attention_dim in theirs:
            return ""
        return f"it changes text {_list(theirs)} wide, the model's is {model.cross_attention_dim} wide"
    if adapter.kind == "embedding":
        if sorted(theirs) == sorted(own):
            return ""
        return f"it was made for text encoders {_list(theirs)} wide, the model's are {_list(own)} wide"
    if adapter.cross_attention_dim and adapter.cross_attention_dim != model.cross_attention_dim:
        return f"it was made for text {adapter.cross_attention_dim} wide, the model's is {model.cross_attention_dim}"
    if len(theirs) > len(own):
        return f"it was made for {len(theirs)} text encoders, the model has {len(own)}"
    for number, (asked, there) in enumerate(zip(theirs, own, strict=False), 1):
        if asked and asked != there:
            return f"it was made for a text encoder {asked} wide, the model's number {number} is {there} wide"
    return ""


def vectors(shapes: Shapes) -> dict[str, tuple[int, int]]:
    """(vectors, width) of an embedding by key; empty where the file is none."""
    if not 1 <= len(shapes) <= 3:
        return {}
    names = set(shapes)
    plain = names == {"emb_params"} or names <= _PAIRS or all(_A1111.fullmatch(name) for name in names)
    alone = len(names) == 1 and "." not in next(iter(names))  # diffusers names it by its token
    if not plain and not alone:
        return {}
    tables = {name: shape if len(shape) == 2 else (1, *shape) for name, shape in shapes.items()}
    least = 1 if names <= _PAIRS else 16
    if any(len(table) != 2 or not 0 < table[0] <= MAX_VECTORS or table[1] < least for table in tables.values()):
        return {}
    return {name: (table[0], table[1]) for name, table in tables.items()}


def _embedding(path: Path, id: str, tables: Mapping[str, tuple[int, int]]) -> ModelEntry:
    widths = tuple(table[1] for table in tables.values())
    tokens = tuple(name for name in tables if name.startswith("<") and name.endswith(">"))
    return ModelEntry(
        id=id, title=path.stem, kind="embedding", family="sdxl" if len(widths) > 1 else "sd1", path=path,
        format="single", size=path.stat().st_size, text_widths=widths, name=path.stem,
        words=tuple(dict.fromkeys((path.stem, f"<{path.stem}>", *tokens))),
        description=f"{max(table[0] for table in tables.values())} vectors; write its name in a prompt.",
    )  # fmt: skip


def _hypernetwork(path: Path, id: str, shapes: Shapes) -> ModelEntry:
    widths = {int(match[1]) for name in shapes if (match := _HYPER.fullmatch(name))}
    return ModelEntry(
        id=id, title=path.stem, kind="hypernetwork", family="sd1", path=path, format="single",
        size=path.stat().st_size, text_widths=tuple(sorted(widths)), name=path.stem,
    )  # fmt: skip


def _lora(path: Path, id: str, shapes: Shapes, found: lora_keys.Layers) -> ModelEntry:
    for layer, parts in found.items():
        if lora_keys.rank(parts, shapes) > MAX_RANK:
            raise Unsupported(
                f"{path.name} says that {layer[:80]!r} has a rank of {lora_keys.rank(parts, shapes)}, "
                f"{MAX_RANK} at most", reason="BROKEN_MODEL_FILE", remedy="get the file again",
            )  # fmt: skip
    cross, texts = 0, {}
    for layer, parts in found.items():
        width, name = lora_keys.width(parts, shapes), lora_keys.flat(layer)
        encoder = lora_keys.encoder(layer)
        if encoder:
            texts.setdefault(encoder, 0)
            if name.endswith("self_attn_q_proj"):
                texts[encoder] = width
        elif name.endswith(("attn2_to_k", "attn2_to_v")):
            cross = cross or width
    widths = tuple(texts.get(number, 0) for number in range(1, max(texts, default=0) + 1))
    return ModelEntry(
        id=id, title=path.stem, kind="lora", family=_family(cross, widths, found), path=path, format="single",
        size=path.stat().st_size, cross_attention_dim=cross, text_widths=widths, name=path.stem,
    )  # fmt: skip


def _family(cross: int, widths: tuple[int, ...], found: lora_keys.Layers) -> str:
    """What it was made for, as far as that tells."""
    if cross == _WIDE or len(widths) > 1:
        return "sdxl"
    return "sd1" if cross or not any(_TRANSFORMER.search(layer) and not _unet(layer) for layer in found) else ""


def _unet(layer: str) -> bool:
    return any(mark in layer for mark in ("attentions", "input_blocks", "output_blocks", "middle_block"))


def _list(widths: tuple[int, ...]) -> str:
    return " and ".join(map(str, widths)) or "of no"
