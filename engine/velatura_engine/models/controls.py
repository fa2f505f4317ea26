"""ControlNets, T2I-Adapters and annotators among the installed models: told by content, their kind by their name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import Unsupported
from ..families import Family, detect_control
from ..families._unet import POOLED, cross_attention
from . import flow_controls, t2i
from .annotators import annotator_facts, is_annotator_folder
from .weights import weights

Shapes = Mapping[str, tuple[int, ...]]

KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    # kind: (what the hint shows, words by which files of that kind are known); the first that a name holds counts
    "depth": ("Distance, near white", ("depth", "zoedepth", "midas")),
    "canny": ("Edges one pixel wide", ("canny",)),
    "normal": ("Which way surfaces face", ("normal", "normalbae", "bae")),
    "openpose": ("Skeletons of people", ("openpose", "dwpose", "keypose", "pose")),
    "scribble": ("Rough lines", ("scribble", "sketch")),
    "softedge": ("Soft edges", ("softedge", "hed", "pidi", "pidinet", "teed")),
    "mlsd": ("Straight lines", ("mlsd",)),
    "lineart_anime": ("Lines of drawn figures", ("lineart_anime", "lineartanime", "anime")),
    "lineart": ("Lines of a drawing", ("lineart",)),
    "tile": ("The picture itself, to add detail to", ("tile",)),
    "inpaint": ("What is to stay", ("inpaint",)),
    "ip2p": ("The picture that an instruction changes", ("ip2p", "instructp2p", "pix2pix")),
    "shuffle": ("A picture whose colours and textures are taken", ("shuffle",)),
    "seg": ("Areas by what they show, in the colours of ADE20K", ("seg", "segmentation")),
    "qrcode": ("Light and dark, such as of a QR code", ("qrcode", "qr", "qrpattern", "qr_code_monster", "brightness")),
    "gray": ("The picture without colour", ("gray", "grayscale", "recolor", "recolour")),
    "color": ("Large patches of colour", ("color", "colour", "palette")),
    "blur": ("The picture without detail", ("blur",)),
}
"""Kinds of hints."""

UNION: tuple[tuple[str, ...], ...] = (
    ("openpose",), ("depth",), ("softedge", "scribble"), ("canny", "lineart", "lineart_anime", "mlsd"), ("normal",),
    ("seg",), ("tile",), ("inpaint",),
)  # fmt: skip
"""Kinds of hints by the numbers that union ControlNets have for them; the first of these have the first six."""

HINT_BLOCK = "input_hint_block."
ORIGINAL = "control_model."
TASKS = "task_embedding"
"""The tensor with one row for each number of a union ControlNet."""


def control_kind(name: str) -> str:
    """What a control model reads, by the custom of naming it so; "" where the name does not tell."""
    plain = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z][A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower())
    told = {
        kind: [match.start() for word in words for match in re.finditer(rf"(?<![a-z]){word}(?![a-z])", plain)]
        for kind, (_, words) in KINDS.items()
    }
    whole = next((kind for kind, places in told.items() if places), "")
    # Failing that, within words: only where the word is too long to be there by accident.
    return whole or next(
        (kind for kind, (_, words) in KINDS.items() if any(w in plain for w in words if len(w) > 4)), ""
    )


def canonical(kind: str) -> str:
    """The kind that a word for it means, such as "softedge" for "hed"; other words stay as they are."""
    word = kind.lower().replace("-", "_")
    return next((known for known, (_, words) in KINDS.items() if word == known or word in words), kind)


def union_number(kind: str) -> int:
    """The number by which union ControlNets know a kind of hint, one of those in `UNION`."""
    return next(number for number, kinds in enumerate(UNION) if canonical(kind) in kinds)


def is_control_file(shapes: Shapes) -> bool:
    """Whether a single file holds the weights of a ControlNet or a T2I-Adapter."""
    marks = (ORIGINAL, HINT_BLOCK, "controlnet_cond_embedding.", *flow_controls.MARKS)
    return t2i.is_adapter_file(shapes) or any(name.startswith(marks) for name in shapes)


def control_shapes(shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """The tensors of a ControlNet's single file alone, without the prefix that the original names have."""
    inside = {name.removeprefix(ORIGINAL): shape for name, shape in shapes.items() if name.startswith(ORIGINAL)}
    return inside or dict(shapes)


def folder_facts(config: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """What a folder with one model is, as fields of an entry. Raises Unsupported for what is not used on its own."""
    name = config.get("_class_name") or config.get("model_type") or "model"
    if name in ("ControlNetModel", "ControlNetUnionModel"):
        shapes = weights(path).shapes()
        steps = len(config.get("conditioning_embedding_out_channels", (16, 32, 96, 256))) - 1
        return {
            "kind": "controlnet", "family": _family(shapes, path), "in_channels": config["in_channels"],
            "latent_factor": 2**steps, "cross_attention_dim": cross_attention(shapes), **_reads(shapes, path.name),
        }  # fmt: skip
    if name in flow_controls.classes():
        return _flowing(weights(path).shapes(), flow_controls.classes()[name], path.name)
    if name == "T2IAdapter":
        weights(path)
        return t2i.facts(config, path) | {"control_kind": control_kind(path.name)}
    if is_annotator_folder(config):
        return annotator_facts(config, path)
    raise Unsupported(f"{path.name} is a {name} that is not used on its own")


def _reads(shapes: Shapes, name: str) -> dict[str, Any]:
    """Which kinds of hints a ControlNet reads: a union by its tensors, others by their name."""
    if TASKS not in shapes:
        return {"control_kind": control_kind(name)}
    reads = tuple(kind for kinds in UNION[: shapes[TASKS][0]] for kind in kinds)
    return {"reads": reads, "description": f"Reads {', '.join(reads)}."}


def file_facts(shapes: Shapes, path: Path) -> dict[str, Any]:
    """What a ControlNet or T2I-Adapter in one file is, as fields of an entry. Raises Unsupported where its layout is
    another."""
    if t2i.is_adapter_file(shapes):
        return t2i.facts(t2i.adapter_config(shapes, path), path) | {"control_kind": control_kind(path.stem)}
    flowing = flow_controls.file_family(shapes)
    if flowing is not None:
        return _flowing(shapes, flowing, path.stem)
    names = control_shapes(shapes)
    if "lora_controlnet" in names:
        raise _unknown(path, "it is a Control-LoRA; use the ControlNet in full")
    entry = names.get("input_blocks.0.0.weight") or names.get("conv_in.weight")
    hints = hint_widths(names)
    if "label_emb.0.0.weight" in names:
        names[POOLED] = names["label_emb.0.0.weight"]
    if entry is None or len(hints) < 2 or not cross_attention(names):
        raise _unknown(path, "use one made for Stable Diffusion, SDXL, Flux.1, Z-Image or Qwen-Image")
    return {
        "kind": "controlnet", "family": _family(names, path), "in_channels": entry[1],
        "latent_factor": 2 ** (len(hints) - 1), "cross_attention_dim": cross_attention(names),
        **_reads(names, path.stem),
    }  # fmt: skip


def _flowing(shapes: Shapes, kind: Family, name: str) -> dict[str, Any]:
    """What a ControlNet of a family of transformers is; its kind of hint is told by its name, but for unions."""
    return {"control_kind": control_kind(name)} | flow_controls.facts(shapes, kind, name)


def _family(shapes: Shapes, path: Path) -> str:
    """The family whose models a ControlNet was made for."""
    family = detect_control(shapes)
    if family is None:
        raise _unknown(path, "use one made for Stable Diffusion, SDXL, Flux.1, Z-Image or Qwen-Image")
    return family.id


def _unknown(path: Path, remedy: str) -> Unsupported:
    return Unsupported(
        f"{path.name} is a ControlNet of an architecture this engine does not know", reason="UNKNOWN_ARCHITECTURE",
        remedy=remedy,
    )  # fmt: skip


def hint_widths(names: Shapes) -> tuple[int, ...]:
    """Channels of the layers that read the hint, from either layout; each but the first halves its size."""
    original = sorted(
        (int(name.split(".")[1]), shape)
        for name, shape in names.items()
        if name.startswith(HINT_BLOCK) and name.endswith(".weight")
    )
    if original:  # pairs of layers, the second of which doubles the width; the last one leads into the network
        return tuple(shape[0] for _, shape in original[:-1:2])
    widths = []
    while (name := f"controlnet_cond_embedding.blocks.{2 * len(widths)}.weight") in names:
        widths.append(names[name][1])
    last = names.get("controlnet_cond_embedding.conv_out.weight")
    return (*widths, last[1]) if last and widths else ()
