"""The names that single files of transformer families have, from diffusers' names: what the engine must undo."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

_FLUX = {
    "x_embedder": "img_in", "context_embedder": "txt_in", "proj_out": "final_layer.linear",
    "norm_out.linear": "final_layer.adaLN_modulation.1",
    "time_text_embed.timestep_embedder.linear_1": "time_in.in_layer",
    "time_text_embed.timestep_embedder.linear_2": "time_in.out_layer",
    "time_text_embed.text_embedder.linear_1": "vector_in.in_layer",
    "time_text_embed.text_embedder.linear_2": "vector_in.out_layer",
    "time_text_embed.guidance_embedder.linear_1": "guidance_in.in_layer",
    "time_text_embed.guidance_embedder.linear_2": "guidance_in.out_layer",
}  # fmt: skip
_DOUBLE = {
    "norm1.linear": "img_mod.lin", "norm1_context.linear": "txt_mod.lin", "attn.to_out.0": "img_attn.proj",
    "attn.to_add_out": "txt_attn.proj", "ff.net.0.proj": "img_mlp.0", "ff.net.2": "img_mlp.2",
    "ff_context.net.0.proj": "txt_mlp.0", "ff_context.net.2": "txt_mlp.2",
}  # fmt: skip
_NORMS = {
    "attn.norm_q.weight": "img_attn.norm.query_norm.scale", "attn.norm_k.weight": "img_attn.norm.key_norm.scale",
    "attn.norm_added_q.weight": "txt_attn.norm.query_norm.scale",
    "attn.norm_added_k.weight": "txt_attn.norm.key_norm.scale",
}  # fmt: skip


def make_file(path: Path, base: Path, family: str, *, prefix: str = "") -> Path:
    """Write the denoiser of a folder as one file with its family's original names; returns the path."""
    tensors = load_file(base / "transformer" / "diffusion_pytorch_model.safetensors")
    named = _flux(tensors) if family == "flux" else tensors  # Qwen-Image's names are diffusers' own
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({f"{prefix}{name}": value.contiguous().clone() for name, value in named.items()}, path)
    return path


def _flux(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for name, value in tensors.items():
        layer, kind = name.rsplit(".", 1)
        match = re.match(r"(single_)?transformer_blocks\.(\d+)\.(.*)", name)
        if layer in _FLUX:
            half = value.chunk(2)  # shift and scale stand the other way round
            found[f"{_FLUX[layer]}.{kind}"] = torch.cat(half[::-1]) if layer == "norm_out.linear" else value
        elif match is not None and match[1]:
            _single(
                found, tensors, f"single_transformer_blocks.{match[2]}.", f"single_blocks.{match[2]}.", match[3], value
            )
        elif match is not None:
            _double(found, tensors, f"transformer_blocks.{match[2]}.", f"double_blocks.{match[2]}.", match[3], value)
    return found


def _double(found: dict, tensors: dict, old: str, new: str, rest: str, value: torch.Tensor) -> None:
    layer, kind = rest.rsplit(".", 1)
    if layer in _DOUBLE:
        found[f"{new}{_DOUBLE[layer]}.{kind}"] = value
    elif rest in _NORMS:
        found[f"{new}{_NORMS[rest]}"] = value
    elif layer == "attn.to_q":
        found[f"{new}img_attn.qkv.{kind}"] = _joined(tensors, old, (f"attn.to_{part}" for part in "qkv"), kind)
    elif layer == "attn.add_q_proj":
        found[f"{new}txt_attn.qkv.{kind}"] = _joined(tensors, old, (f"attn.add_{part}_proj" for part in "qkv"), kind)


def _single(found: dict, tensors: dict, old: str, new: str, rest: str, value: torch.Tensor) -> None:
    layer, kind = rest.rsplit(".", 1)
    plain = {"norm.linear": f"modulation.lin.{kind}", "proj_out": f"linear2.{kind}",
             "attn.norm_q": "norm.query_norm.scale", "attn.norm_k": "norm.key_norm.scale"}  # fmt: skip
    if layer in plain:
        found[f"{new}{plain[layer]}"] = value
    elif layer == "attn.to_q":
        parts = ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")
        found[f"{new}linear1.{kind}"] = _joined(tensors, old, parts, kind)


def _joined(tensors: dict, old: str, layers: Iterable[str], kind: str) -> torch.Tensor:
    return torch.cat([tensors[f"{old}{layer}.{kind}"] for layer in layers])
