"""What a flow model's configs tell: the geometry of its latents, its limits, and how it is guided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..families import Family

Configs = Mapping[str, Mapping[str, Any]]
EMBEDDED = 3.5
"""Guidance of models that were distilled to read it."""


def facts(family: Family, configs: Configs, index: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of an entry, from the configs of its components and its `model_index.json`."""
    flow, denoiser, schedule = family.flow, configs[family.denoiser], configs["scheduler"]
    assert flow is not None
    factor, channels = _latents(configs["vae"])
    embedded = bool(denoiser.get("guidance_embeds"))
    distilled = bool(index.get("is_distilled")) or (flow.distilled and not embedded)
    limit = denoiser.get("pos_embed_max_size")
    return {
        "in_channels": int(denoiser.get("in_channels") or 0),
        "latent_factor": factor,
        "latent_channels": channels,
        "size_multiple": factor * family.stride(denoiser),
        "native_size": int(denoiser.get("sample_size") or 0) * factor or family.native_size,
        "max_side": int(limit) * factor * family.stride(denoiser) if limit else 0,
        "guidance": EMBEDDED if embedded else 1.0 if distilled else family.guidance,
        "negative": not embedded,
        "steps": 4 if distilled else family.steps,
        "prompt_tokens": flow.tokens,
        "weighs": False,
        "prediction": "flow_prediction",
        "text_layers": 0,
        "latent_scale": float(configs["vae"].get("scaling_factor") or 0),
        "sampler": "euler" if "Heun" not in schedule.get("_class_name", "") else "heun",
        "schedule": family.schedule,
    }


def _latents(vae: Mapping[str, Any]) -> tuple[int, int]:
    """Pixels a latent along each side, and channels."""
    if "temperal_downsample" in vae:
        return 2 ** len(vae["temperal_downsample"]), int(vae["z_dim"])
    factor, channels = 2 ** (len(vae["block_out_channels"]) - 1), int(vae["latent_channels"])
    return (2 * factor, 4 * channels) if "batch_norm_eps" in vae else (factor, channels)
