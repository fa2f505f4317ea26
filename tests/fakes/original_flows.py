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


_SD3 = {
    "pos_embed.proj": "x_embedder.proj", "context_embedder": "context_embedder", "proj_out": "final_layer.linear",
    "norm_out.linear": "final_layer.adaLN_modulation.1",
    "time_text_embed.timestep_embedder.linear_1": "t_embedder.mlp.0",
    "time_text_embed.timestep_embedder.linear_2": "t_embedder.mlp.2",
    "time_text_embed.text_embedder.linear_1": "y_embedder.mlp.0",
    "time_text_embed.text_embedder.linear_2": "y_embedder.mlp.2",
}  # fmt: skip
_JOINT = {
    "attn.norm_q": "x_block.attn.ln_q", "attn.norm_k": "x_block.attn.ln_k", "attn.to_out.0": "x_block.attn.proj",
    "attn.norm_added_q": "context_block.attn.ln_q", "attn.norm_added_k": "context_block.attn.ln_k",
    "attn.to_add_out": "context_block.attn.proj", "ff.net.0.proj": "x_block.mlp.fc1", "ff.net.2": "x_block.mlp.fc2",
    "ff_context.net.0.proj": "context_block.mlp.fc1", "ff_context.net.2": "context_block.mlp.fc2",
    "attn2.norm_q": "x_block.attn2.ln_q", "attn2.norm_k": "x_block.attn2.ln_k",
    "attn2.to_out.0": "x_block.attn2.proj", "norm1.linear": "x_block.adaLN_modulation.1",
    "norm1_context.linear": "context_block.adaLN_modulation.1",
}  # fmt: skip
_FLUX2 = {
    "x_embedder": "img_in", "context_embedder": "txt_in", "proj_out": "final_layer.linear",
    "norm_out.linear": "final_layer.adaLN_modulation.1",
    "time_guidance_embed.timestep_embedder.linear_1": "time_in.in_layer",
    "time_guidance_embed.timestep_embedder.linear_2": "time_in.out_layer",
    "double_stream_modulation_img.linear": "double_stream_modulation_img.lin",
    "double_stream_modulation_txt.linear": "double_stream_modulation_txt.lin",
    "single_stream_modulation.linear": "single_stream_modulation.lin",
}  # fmt: skip
_DOUBLE2 = {
    "attn.to_out.0": "img_attn.proj", "attn.to_add_out": "txt_attn.proj",
    "ff.linear_in": "img_mlp.0", "ff.linear_out": "img_mlp.2",
    "ff_context.linear_in": "txt_mlp.0", "ff_context.linear_out": "txt_mlp.2",
}  # fmt: skip


def make_file(path: Path, base: Path, family: str, *, prefix: str = "", dtype: torch.dtype | None = None) -> Path:
    """Write the denoiser of a folder as one file with its family's original names; returns the path."""
    tensors = load_file(base / "transformer" / "diffusion_pytorch_model.safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    named = original(tensors, family)
    save_file({f"{prefix}{name}": value.to(dtype).contiguous().clone() for name, value in named.items()}, path)
    return path


def original(tensors: dict[str, torch.Tensor], family: str) -> dict[str, torch.Tensor]:
    """A denoiser's tensors in its family's original names."""
    named = {"flux": _flux, "flux2": _flux2, "sd3": _sd3, "z_image": _z_image}.get(family, dict)
    return named(tensors)  # Qwen-Image's names are diffusers' own


def _swapped(value: torch.Tensor) -> torch.Tensor:
    return torch.cat(value.chunk(2)[::-1])  # shift and scale stand the other way round


def _sd3(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {"pos_embed": tensors["pos_embed.pos_embed"]}
    last = max(int(name.split(".")[1]) for name in tensors if name.startswith("transformer_blocks."))
    for name, value in tensors.items():
        layer, kind = name.rsplit(".", 1)
        match = re.match(r"transformer_blocks\.(\d+)\.(.*)", layer)
        if layer in _SD3:
            found[f"{_SD3[layer]}.{kind}"] = _swapped(value) if layer == "norm_out.linear" else value
        elif match is not None:
            old, new = f"transformer_blocks.{match[1]}.", f"joint_blocks.{match[1]}."
            joined = {"attn.to_q": ("x_block.attn.qkv", "attn.to_{}"),
                      "attn2.to_q": ("x_block.attn2.qkv", "attn2.to_{}"),
                      "attn.add_q_proj": ("context_block.attn.qkv", "attn.add_{}_proj")}  # fmt: skip
            if match[2] in _JOINT:
                swap = match[2] == "norm1_context.linear" and int(match[1]) == last
                found[f"{new}{_JOINT[match[2]]}.{kind}"] = _swapped(value) if swap else value
            elif match[2] in joined:
                to, form = joined[match[2]]
                found[f"{new}{to}.{kind}"] = _joined(tensors, old, map(form.format, "qkv"), kind)
    return found


def _flux2(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for name, value in tensors.items():
        layer, kind = name.rsplit(".", 1)
        match = re.match(r"(single_)?transformer_blocks\.(\d+)\.(.*)", name)
        if layer in _FLUX2:
            found[f"{_FLUX2[layer]}.{kind}"] = _swapped(value) if layer == "norm_out.linear" else value
        elif match is not None and match[1]:
            to = {"attn.to_qkv_mlp_proj.weight": "linear1.weight", "attn.to_out.weight": "linear2.weight",
                  "attn.norm_q.weight": "norm.query_norm.scale",
                  "attn.norm_k.weight": "norm.key_norm.scale"}  # fmt: skip
            found[f"single_blocks.{match[2]}.{to[match[3]]}"] = value
        elif match is not None:
            _double(found, tensors, f"transformer_blocks.{match[2]}.", f"double_blocks.{match[2]}.", match[3], value,
                    _DOUBLE2)  # fmt: skip
    return found


def _z_image(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for name, value in tensors.items():
        if ".attention.to_q." in name:
            before, kind = name.split("to_q.")
            found[f"{before}qkv.{kind}"] = _joined(tensors, before, ("to_q", "to_k", "to_v"), kind)
        elif ".attention.to_k." not in name and ".attention.to_v." not in name:
            new = name.replace("all_final_layer.2-1.", "final_layer.").replace("all_x_embedder.2-1.", "x_embedder.")
            new = new.replace("attention.to_out.0.", "attention.out.")
            found[new.replace("norm_q.", "q_norm.").replace("norm_k.", "k_norm.")] = value
    return found


def _flux(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for name, value in tensors.items():
        layer, kind = name.rsplit(".", 1)
        match = re.match(r"(single_)?transformer_blocks\.(\d+)\.(.*)", name)
        if layer in _FLUX:
            found[f"{_FLUX[layer]}.{kind}"] = _swapped(value) if layer == "norm_out.linear" else value
        elif match is not None and match[1]:
            _single(
                found, tensors, f"single_transformer_blocks.{match[2]}.", f"single_blocks.{match[2]}.", match[3], value
            )
        elif match is not None:
            _double(found, tensors, f"transformer_blocks.{match[2]}.", f"double_blocks.{match[2]}.", match[3], value)
    return found


def _double(
    found: dict, tensors: dict, old: str, new: str, rest: str, value: torch.Tensor, names: dict[str, str] = _DOUBLE
) -> None:
    layer, kind = rest.rsplit(".", 1)
    if layer in names:
        found[f"{new}{names[layer]}.{kind}"] = value
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
