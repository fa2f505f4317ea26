"""Random control models of SDXL's kinds, and T2I-Adapters with TencentARC's own names."""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from diffusers import ControlNetUnionModel, T2IAdapter, UNet2DConditionModel
from safetensors.torch import save_file

from .original_names import control_key

HINT_WIDTHS = (16, 32, 96, 256)


def make_union(folder: Path, base: Path, *, kinds: int = 8, seed: int = 0) -> Path:
    """Write a random union ControlNet for a folder made by `make_tiny`, its zero layers filled; returns the folder."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    names = (
        "in_channels", "down_block_types", "block_out_channels", "layers_per_block", "cross_attention_dim",
        "transformer_layers_per_block", "attention_head_dim", "use_linear_projection", "addition_embed_type",
        "addition_time_embed_dim", "projection_class_embeddings_input_dim",
    )  # fmt: skip
    width = unet.config["block_out_channels"][0]
    union = ControlNetUnionModel(
        **{name: unet.config[name] for name in names}, conditioning_embedding_out_channels=HINT_WIDTHS,
        num_control_type=kinds, num_trans_channel=width, num_proj_channel=width, num_trans_head=8,
    )  # fmt: skip
    hint = union.controlnet_cond_embedding.conv_out
    for layer in (*union.controlnet_down_blocks, union.controlnet_mid_block, hint, union.spatial_ch_projs):
        torch.nn.init.normal_(layer.weight, std=0.1)
    union.save_pretrained(folder)
    return folder


def as_file(path: Path, folder: Path) -> Path:
    """A folder's weights as one file with the names that they have there; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((folder / "diffusion_pytorch_model.safetensors").read_bytes())
    return path


def original_control_key(name: str) -> str:
    """diffusers' name of a tensor of SDXL's ControlNets -> the original one."""
    return control_key(name).replace("add_embedding.linear_1", "label_emb.0.0")


def make_adapter_xl(folder: Path, base: Path, *, in_channels: int = 3, seed: int = 0) -> Path:
    """Write a random T2I-Adapter for SDXL; returns the folder."""
    torch.manual_seed(seed)
    rows = json.loads((base / "unet" / "config.json").read_text())["block_out_channels"]
    adapter = T2IAdapter(in_channels, [*rows, rows[-1]], 2, 16, "full_adapter_xl")
    adapter.save_pretrained(folder)
    return folder


def make_original_adapter(path: Path, adapter: T2IAdapter) -> Path:
    """Write an adapter of diffusers as one file with TencentARC's names; returns the path.

    Full adapters have their blocks numbered through, light ones a body in each level's.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    light, blocks = adapter.config["adapter_type"] == "light_adapter", adapter.config["num_res_blocks"]
    tensors = {}
    for name, values in adapter.state_dict().items():
        name = name.removeprefix("adapter.")
        if match := re.fullmatch(r"body\.(\d+)\.resnets\.(\d+)\.(.+)", name):
            level, number, rest = int(match[1]), int(match[2]), match[3]
            name = f"body.{level}.body.{number}.{rest}" if light else f"body.{level * blocks + number}.{rest}"
        elif not light and (match := re.fullmatch(r"body\.(\d+)\.in_conv\.(.+)", name)):
            name = f"body.{int(match[1]) * blocks}.in_conv.{match[2]}"
        tensors[name] = values.contiguous().clone()
    save_file(tensors, path)
    return path
