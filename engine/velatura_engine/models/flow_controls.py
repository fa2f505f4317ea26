"""ControlNets of transformer families among the installed models: folders, and single files of every key layout.

A single file has no config; its tensors' shapes tell one. What they do not tell is as the families' authors have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import Unsupported
from ..families import Family, Led, detect_control, families
from ..families._flow_configs import count, heads

Shapes = Mapping[str, tuple[int, ...]]
Config = dict[str, Any]

XLABS = "double_blocks.0.img_attn.qkv.weight"
"""A tensor that ControlNets of Flux.1 have in XLabs' names."""
MODES = "controlnet_mode_embedder.weight"
EXTRA = "extra_condition_channels"
"""What configs call further channels of a hint, of each token."""
PIXELS = 8
"""Of a hint to a latent: these families all have that."""
MARKS = ("controlnet_blocks.", "control_all_x_embedder.")
"""What tensors' names begin with that only such ControlNets have."""

_HEAD = 64
"""Width of a head of Stable Diffusion 3's attention."""
_Z_LAYERS, _Z_REFINERS = 30, 2
"""Of Z-Image: layers that its ControlNets' are spread over, and those that refine."""
LATENTS = 16
"""Channels of latents that hints become."""


def classes() -> dict[str, Family]:
    """Families by the classes of diffusers of their ControlNets."""
    found = (part.build() for part in families().parts())
    return {kind.flow.led.net: kind for kind in found if kind.flow is not None and kind.flow.led is not None}


def file_family(shapes: Shapes) -> Family | None:
    """The family of transformers that a file's ControlNet leads; None where it is none of theirs."""
    kind = detect_control(shapes)
    return kind if kind is not None and kind.flow is not None else None


def facts(shapes: Shapes, kind: Family, name: str) -> dict[str, Any]:
    """Fields of an entry, by its tensors' shapes and what it is called; `reads` is left out where it is no union.
    Raises Unsupported where a tensor is missing that all have.
    """
    assert kind.flow is not None and kind.flow.led is not None
    try:
        config = config_of(shapes)
    except (LookupError, ArithmeticError) as gap:
        raise Unsupported(
            f"{name} lacks tensors that such a ControlNet has, such as {gap}", reason="NOT_A_WHOLE_MODEL",
            remedy="get the file again",
        ) from None  # fmt: skip
    reads = _reads(shapes, kind.flow.led, name)
    more = {"control_kind": "", "reads": reads, "description": f"Reads {', '.join(reads)}."} if reads else {}
    return {
        "kind": "controlnet", "family": kind.id, "in_channels": config.get("in_channels", 16),
        "latent_factor": PIXELS, "cross_attention_dim": tokens(config), **more,
    }  # fmt: skip


def tokens(config: Mapping[str, Any]) -> int:
    """Width of the tokens that a transformer of diffusers with that config works on."""
    heads, size = config.get("num_attention_heads"), config.get("attention_head_dim")
    return int(config["dim"]) if "dim" in config else int(heads or 0) * int(size or 0)


def config_of(shapes: Shapes) -> Config:
    """The config of diffusers that fits a ControlNet's tensors, in whatever layout. Raises LookupError."""
    if "control_all_x_embedder.2-1.weight" in shapes:
        return _z_image(shapes)
    if "pos_embed_input.proj.weight" in shapes:
        return _sd3(shapes)
    return _qwen(shapes) if "txt_norm.weight" in shapes else _flux(shapes)


def _reads(shapes: Shapes, led: Led, name: str) -> tuple[str, ...]:
    """Kinds that a union reads: by its numbers, or where it has none by what its authors say; none for others."""
    if MODES in shapes:
        return tuple(kind for kinds in led.modes[: shapes[MODES][0]] for kind in kinds)
    return led.reads if "union" in name.lower() else ()


def _sd3(shapes: Shapes) -> Config:
    inner, channels, patch = shapes["pos_embed_input.proj.weight"][:3]
    words = shapes.get("context_embedder.weight")
    norm = shapes.get("transformer_blocks.0.attn.norm_q.weight")
    head = norm[0] if norm else min(_HEAD, inner)
    places = shapes.get("pos_embed.pos_embed")
    layers = count(shapes, "transformer_blocks.")
    return {
        "_class_name": "SD3ControlNetModel", "patch_size": patch, "in_channels": LATENTS,
        "extra_conditioning_channels": channels - LATENTS, "num_layers": layers, "attention_head_dim": head,
        "num_attention_heads": inner // head, "joint_attention_dim": words[1] if words else None,
        "caption_projection_dim": words[0] if words else inner,
        "pooled_projection_dim": shapes["time_text_embed.text_embedder.linear_1.weight"][1], "out_channels": LATENTS,
        "pos_embed_max_size": round(places[1] ** 0.5) if places else None, "use_pos_embed": places is not None,
        "pos_embed_type": "sincos" if places else None, "qk_norm": "rms_norm" if norm else None,
        "dual_attention_layers": [n for n in range(layers) if f"transformer_blocks.{n}.attn2.to_q.weight" in shapes],
        # Those that read no words are Stability's own, which hear the prompt in one vector; others were not told it.
        "force_zeros_for_pooled_projection": words is not None,
    }  # fmt: skip


def _flux(shapes: Shapes) -> Config:
    old = XLABS in shapes
    entry = shapes["img_in.weight" if old else "x_embedder.weight"]
    norm = "double_blocks.0.img_attn.norm.query_norm.scale" if old else "transformer_blocks.0.attn.norm_q.weight"
    pooled = "vector_in.in_layer.weight" if old else "time_text_embed.text_embedder.linear_1.weight"
    guided = "guidance_in.in_layer.weight" if old else "time_text_embed.guidance_embedder.linear_1.weight"
    config = {
        "_class_name": "FluxControlNetModel", "in_channels": entry[1],
        "num_layers": count(shapes, "double_blocks." if old else "transformer_blocks."),
        "num_single_layers": count(shapes, "single_transformer_blocks."),
        "joint_attention_dim": shapes["txt_in.weight" if old else "context_embedder.weight"][1],
        "pooled_projection_dim": shapes[pooled][1], "guidance_embeds": guided in shapes,
        "num_mode": shapes[MODES][0] if MODES in shapes else None, **heads(entry[0], shapes[norm][0]),
    }  # fmt: skip
    if old or "input_hint_block.conv_out.weight" in shapes:
        config["conditioning_embedding_channels"] = shapes[f"input_hint_block.{'14' if old else 'conv_out'}.weight"][0]
        config["patch_size"] = 2
    elif shapes["controlnet_x_embedder.weight"][1] > entry[1]:
        # alimama's, for inpainting: diffusers' class knows of no such channels.
        config[EXTRA] = shapes["controlnet_x_embedder.weight"][1] - entry[1]
    return config


def _qwen(shapes: Shapes) -> Config:
    inner, channels = shapes["img_in.weight"]
    return {
        "_class_name": "QwenImageControlNetModel", "in_channels": channels, "out_channels": 16,
        "num_layers": count(shapes, "transformer_blocks."), "joint_attention_dim": shapes["txt_in.weight"][1],
        "extra_condition_channels": shapes["controlnet_x_embedder.weight"][1] - channels,
        **heads(inner, shapes["transformer_blocks.0.attn.norm_q.weight"][0]),
    }  # fmt: skip


def _z_image(shapes: Shapes) -> Config:
    dim, entry = shapes["control_all_x_embedder.2-1.weight"]
    refiners = count(shapes, "control_noise_refiner.") or _Z_REFINERS
    layers, head = count(shapes, "control_layers."), shapes["control_layers.0.attention.norm_q.weight"][0]
    # The first version refines its hint apart from the picture; later ones lead while the picture is refined.
    refines = "control_noise_refiner" if "control_noise_refiner.0.before_proj.weight" in shapes else "control_layers"
    return {
        "_class_name": "ZImageControlNetModel", "dim": dim, "control_in_dim": entry // 4, "n_heads": dim // head,
        "n_kv_heads": shapes["control_layers.0.attention.to_k.weight"][0] // head, "n_refiner_layers": refiners,
        "control_layers_places": list(range(0, _Z_LAYERS, _Z_LAYERS // layers))[:layers],
        "control_refiner_layers_places": list(range(refiners)),
        "add_control_noise_refiner": None if entry // 4 == LATENTS else refines,
    }  # fmt: skip
