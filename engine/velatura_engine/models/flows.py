"""What a flow model's configs tell: the geometry of its latents, its limits, and how it is guided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from ..families import Family, family
from ..families._transformer import FILE
from .autoencoders import latents_of
from .entry import ModelEntry
from .flow_controls import tokens

SCALES = (".scale_weight", ".weight_scale")
"""Ends of the names of what weights in eight bits are multiplied by, as ComfyUI names them."""
MARKS = (*SCALES, ".scale_input", ".input_scale", ".comfy_quant", "scaled_fp8", "norm_final.weight")
"""Ends of the names of tensors that are no part of a denoiser: what belongs to eight bits, and a norm that files of
Z-Image hold but nothing uses."""
Configs = Mapping[str, Mapping[str, Any]]


def facts(kind: Family, configs: Configs, index: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of an entry, from the configs of its components and its `model_index.json`."""
    flow, denoiser, schedule = kind.flow, configs[kind.denoiser], configs["scheduler"]
    assert flow is not None
    factor, channels = latents_of(configs["vae"])
    embedded = bool(denoiser.get("guidance_embeds"))
    distilled = bool(index.get("is_distilled")) or (flow.distilled and not embedded)
    limit = denoiser.get("pos_embed_max_size")
    return {
        "cross_attention_dim": tokens(denoiser),
        "widths": (int(denoiser.get("joint_attention_dim") or 0),)
        * (int(denoiser.get("num_layers") or 0) + len(denoiser.get("dual_attention_layers") or ())),
        "in_channels": int(denoiser.get("in_channels") or 0),
        "latent_factor": factor,
        "latent_channels": channels,
        "size_multiple": factor * kind.stride(denoiser),
        "native_size": int(denoiser.get("sample_size") or 0) * factor or kind.native_size,
        "max_side": int(limit) * factor * kind.stride(denoiser) if limit else 0,
        "guidance": flow.embedded if embedded else 1.0 if distilled else kind.guidance,
        "negative": not embedded,
        "steps": 4 if distilled else kind.steps,
        "prompt_tokens": flow.tokens,
        "weighs": False,
        "prediction": "flow_prediction",
        "text_layers": 0,
        "latent_scale": float(configs["vae"].get("scaling_factor") or 0),
        "sampler": "euler" if "Heun" not in schedule.get("_class_name", "") else "heun",
        "schedule": kind.schedule,
    }


def volume(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Numbers in a denoiser, of a folder's or of a file that may hold other parts beside it.

    The same in all layouts: what one has in three tensors another has in one. Scales of eight bits do not count.
    """
    inside = {name: shape for name, shape in shapes.items() if name.startswith(FILE)} or shapes
    return sum(prod(shape) for name, shape in inside.items() if not name.endswith(MARKS))


def lend(file: ModelEntry, entries: Iterable[ModelEntry]) -> ModelEntry | None:
    """A single file's entry with the folder that it can be used with, whose limits it has; None without one."""
    for base in entries:
        if base.format == "diffusers" and (base.family, base.volume) == (file.family, file.volume):
            return replace(
                base, id=file.id, title=file.title, path=file.path, format="single", size=file.size, base=base.path,
                description=f"A denoiser alone, with the other parts of {base.title}.", license="", is_default=False,
                control_kind=file.control_kind,
            )  # fmt: skip
    return None


def alone(file: ModelEntry, lacks: Sequence[str]) -> str:
    """Why a denoiser's file cannot be used: what it lacks, () where only a folder has that, and what to add."""
    missing = f"; or, into text_encoders and vae, single files of what is missing: {', '.join(lacks)}" if lacks else ""
    return (
        f"{file.path.name} has the denoiser of {family(file.family).title}, whose text encoders and VAE are too large "
        f"to come with this engine; put a diffusers folder of the same model (with model_index.json) beside it{missing}"
    )
