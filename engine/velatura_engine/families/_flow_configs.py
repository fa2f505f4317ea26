"""Configs of denoisers that flow, from the tensors of their single files: in diffusers' names or their authors'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Shapes = Mapping[str, tuple[int, ...]]
Config = dict[str, Any]

_HEAD = 64
"""Width of a head of Stable Diffusion 3's attention, where no norm tells it."""


def flux(shapes: Shapes) -> Config:
    """Flux.1 and its relatives. Raises LookupError."""
    old = "img_in.weight" in shapes
    inner, channels = shapes["img_in.weight" if old else "x_embedder.weight"]
    norm = "double_blocks.0.img_attn.norm.query_norm.scale" if old else "transformer_blocks.0.attn.norm_q.weight"
    told = "{}_in.in_layer.weight" if old else "time_text_embed.{}_embedder.linear_1.weight"
    return {
        "_class_name": "FluxTransformer2DModel", "patch_size": 1, "in_channels": channels,
        "out_channels": shapes["final_layer.linear.weight" if old else "proj_out.weight"][0],
        "num_layers": count(shapes, "double_blocks." if old else "transformer_blocks."),
        "num_single_layers": count(shapes, "single_blocks." if old else "single_transformer_blocks."),
        "joint_attention_dim": shapes["txt_in.weight" if old else "context_embedder.weight"][1],
        "pooled_projection_dim": shapes[told.format("vector" if old else "text")][1],
        "guidance_embeds": told.format("guidance") in shapes, **heads(inner, shapes[norm][0]),
    }  # fmt: skip


def flux_schedule(denoiser: Mapping[str, Any]) -> Config:
    """How Flux.1's levels are shifted: by the size of the picture, or not at all in the model that needs four steps."""
    guided = bool(denoiser["guidance_embeds"])
    shifts = {"base_shift": 0.5, "max_shift": 1.15, "base_image_seq_len": 256, "max_image_seq_len": 4096}
    return _SCHEDULE | shifts | {"shift": 3.0 if guided else 1.0, "use_dynamic_shifting": guided}


def sd3(shapes: Shapes) -> Config:
    """Stable Diffusion 3 and 3.5. Raises LookupError."""
    old = "joint_blocks.0.context_block.attn.qkv.weight" in shapes
    inner, channels, patch = shapes["x_embedder.proj.weight" if old else "pos_embed.proj.weight"][:3]
    block = "joint_blocks.{}.x_block.{}" if old else "transformer_blocks.{}.{}"
    norm = shapes.get(block.format(0, "attn.ln_q.weight" if old else "attn.norm_q.weight"))
    second = "attn2.qkv.weight" if old else "attn2.to_q.weight"
    layers = count(shapes, "joint_blocks." if old else "transformer_blocks.")
    head = norm[0] if norm else min(_HEAD, inner)
    words = shapes["context_embedder.weight"]
    return {
        "_class_name": "SD3Transformer2DModel", "sample_size": 128, "patch_size": patch, "in_channels": channels,
        "out_channels": channels, "num_layers": layers, "attention_head_dim": head,
        "num_attention_heads": inner // head, "joint_attention_dim": words[1], "caption_projection_dim": words[0],
        "pooled_projection_dim": shapes[
            "y_embedder.mlp.0.weight" if old else "time_text_embed.text_embedder.linear_1.weight"
        ][1],
        "pos_embed_max_size": round(shapes["pos_embed" if old else "pos_embed.pos_embed"][1] ** 0.5),
        "dual_attention_layers": [n for n in range(layers) if block.format(n, second) in shapes],
        "qk_norm": "rms_norm" if norm else None,
    }  # fmt: skip


def sd3_schedule(_: Mapping[str, Any]) -> Config:
    """How levels of Stable Diffusion 3 are shifted."""
    return _SCHEDULE | {"shift": 3.0}


def flux2(shapes: Shapes) -> Config:
    """Flux.2 klein. Raises LookupError."""
    old = "img_in.weight" in shapes
    inner, channels = shapes["img_in.weight" if old else "x_embedder.weight"]
    block, told = ("double_blocks.0.", "time_in.in_layer") if old else ("transformer_blocks.0.", _TIMES)
    head = shapes[f"{block}{'img_attn.norm.query_norm.scale' if old else 'attn.norm_q.weight'}"][0]
    return {
        "_class_name": "Flux2Transformer2DModel", "patch_size": 1, "in_channels": channels,
        "num_layers": count(shapes, "double_blocks." if old else "transformer_blocks."),
        "num_single_layers": count(shapes, "single_blocks." if old else "single_transformer_blocks."),
        "attention_head_dim": head, "num_attention_heads": inner // head, "axes_dims_rope": [head // 4] * 4,
        "joint_attention_dim": shapes["txt_in.weight" if old else "context_embedder.weight"][1],
        "timestep_guidance_channels": shapes[f"{told}.weight"][1], "guidance_embeds": False,
        "mlp_ratio": shapes[f"{block}{'img_mlp.2' if old else 'ff.linear_out'}.weight"][1] / inner,
    }  # fmt: skip


def flux2_schedule(_: Mapping[str, Any]) -> Config:
    """How levels of Flux.2 klein are shifted: its pipeline says how far."""
    return _SCHEDULE | {"shift": 3.0, "use_dynamic_shifting": True}


def z_image(shapes: Shapes) -> Config:
    """Z-Image. Raises LookupError."""
    old = "x_embedder.weight" in shapes
    inner, pixels = shapes["x_embedder.weight" if old else "all_x_embedder.2-1.weight"]
    attention = "layers.0.attention."
    head = shapes[f"{attention}{'q_norm' if old else 'norm_q'}.weight"][0]
    keys = (shapes[f"{attention}qkv.weight"][0] - inner) // 2 if old else shapes[f"{attention}to_k.weight"][0]
    share = 3 * head // 8
    return {
        "_class_name": "ZImageTransformer2DModel", "all_patch_size": [2], "all_f_patch_size": [1],
        "in_channels": pixels // 4, "dim": inner, "n_layers": count(shapes, "layers."),
        "n_refiner_layers": count(shapes, "noise_refiner."), "n_heads": inner // head, "n_kv_heads": keys // head,
        "cap_feat_dim": shapes["cap_embedder.1.weight"][1], "axes_dims": [head - 2 * share, share, share],
        "axes_lens": [1536, 512, 512],
    }  # fmt: skip


def z_image_schedule(_: Mapping[str, Any]) -> Config:
    """How levels of Z-Image are shifted."""
    return _SCHEDULE | {"shift": 3.0}


def qwen_image(shapes: Shapes) -> Config:
    """Qwen-Image, whose names are diffusers' own. Raises LookupError."""
    inner, channels = shapes["img_in.weight"]
    return {
        "_class_name": "QwenImageTransformer2DModel", "patch_size": 2, "in_channels": channels,
        "out_channels": shapes["proj_out.weight"][0] // 4, "num_layers": count(shapes, "transformer_blocks."),
        "joint_attention_dim": shapes["txt_in.weight"][1], "guidance_embeds": False,
        **heads(inner, shapes["transformer_blocks.0.attn.norm_q.weight"][0]),
    }  # fmt: skip


def qwen_image_schedule(_: Mapping[str, Any]) -> Config:
    """How levels of Qwen-Image are shifted: by the size of the picture, and so that the last step is a small one."""
    return _SCHEDULE | {
        "shift": 1.0, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 0.9, "base_image_seq_len": 256,
        "max_image_seq_len": 8192, "shift_terminal": 0.02,
    }  # fmt: skip


FLUX_VAE: Config = {"scaling_factor": 0.3611, "shift_factor": 0.1159, "force_upcast": True}
"""Of the autoencoder of Flux.1, which Z-Image has too."""
_TIMES = "time_guidance_embed.timestep_embedder.linear_1"
_SCHEDULE: Config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000}


def heads(inner: int, head: int) -> Config:
    """The attention's heads, and which share of each counts frames, rows and columns: 16, 56 and 56 of 128."""
    share = 7 * head // 32 * 2
    return {
        "attention_head_dim": head, "num_attention_heads": inner // head,
        "axes_dims_rope": [head - 2 * share, share, share],
    }  # fmt: skip


def count(shapes: Shapes, before: str) -> int:
    """How many things in a row, numbered from 0, are there."""
    numbers = {name.removeprefix(before).partition(".")[0] for name in shapes if name.startswith(before)}
    return sum(number.isdecimal() for number in numbers)
