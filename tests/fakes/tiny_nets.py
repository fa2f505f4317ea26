"""Random ControlNets of transformer families, for folders made by `make_flow`, and their single files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from safetensors.torch import load_file, save_file
from velatura_engine.families import family as family_of

NETS: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "sd3": (
        "SD3ControlNetModel",
        ("sample_size", "patch_size", "in_channels", "attention_head_dim", "num_attention_heads",
         "joint_attention_dim", "caption_projection_dim", "pooled_projection_dim", "out_channels",
         "pos_embed_max_size", "qk_norm"),
        {"num_layers": 1},
    ),
    "flux": (
        "FluxControlNetModel",
        ("in_channels", "attention_head_dim", "num_attention_heads", "joint_attention_dim", "pooled_projection_dim",
         "guidance_embeds", "axes_dims_rope"),
        {"num_layers": 1, "num_single_layers": 1},
    ),
    "qwen_image": (
        "QwenImageControlNetModel",
        ("in_channels", "out_channels", "attention_head_dim", "num_attention_heads", "joint_attention_dim",
         "axes_dims_rope"),
        {"num_layers": 1},
    ),
    "z_image": (
        "ZImageControlNetModel",
        ("dim", "n_refiner_layers", "n_heads", "n_kv_heads"),
        {"control_layers_places": [0], "control_refiner_layers_places": [0], "control_in_dim": 16},
    ),
}  # fmt: skip
"""Class, what is as in the denoiser, and what is not."""


def make_net(folder: Path, base: Path, family: str, *, seed: int = 0, **settings: Any) -> Path:
    """Write a random ControlNet for a folder made by `make_flow`, its zero layers filled; returns the folder."""
    torch.manual_seed(seed)
    kind, same, other = NETS[family]
    denoiser = getattr(diffusers, family_of(family).components["transformer"]).load_config(base / "transformer")
    net = getattr(diffusers, kind)(**({name: denoiser[name] for name in same} | other | settings))
    for values in net.parameters():
        if not values.any():
            torch.nn.init.normal_(values, std=0.2)
    net.save_pretrained(folder)
    return folder


def make_wide(folder: Path, extra: int = 4) -> Path:
    """Give a ControlNet of Flux.1 the further channels that alimama's for inpainting has; returns the folder."""
    file, config = folder / "diffusion_pytorch_model.safetensors", folder / "config.json"
    tensors, layer = load_file(file), "controlnet_x_embedder.weight"
    tensors[layer] = torch.cat([tensors[layer], torch.ones(len(tensors[layer]), extra)], dim=1)
    save_file(tensors, file)
    config.write_text(json.dumps(json.loads(config.read_text()) | {"extra_condition_channels": extra}))
    return folder


def as_file(path: Path, folder: Path, names: Mapping[str, tuple[str, ...]] | None = None) -> Path:
    """A folder's weights as one file; returns the path. `names` are original layers with those that they join."""
    tensors = load_file(folder / "diffusion_pytorch_model.safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(joined(tensors, names or {}), path)
    return path


def joined(tensors: Mapping[str, torch.Tensor], names: Mapping[str, tuple[str, ...]]) -> dict[str, torch.Tensor]:
    """Tensors by other names: the rows of several layers one after the other where a name stands for several."""
    found = {name: values.clone() for name, values in tensors.items()}
    for old, layers in names.items():
        for number in range(8) if "*" in old else ("",):
            parts = [layer.replace("*", str(number)) for layer in layers]
            for kind in ("weight", "bias"):
                if f"{parts[0]}.{kind}" in found:
                    whole = torch.cat([found.pop(f"{part}.{kind}") for part in parts])
                    named = "scale" if old.endswith("_norm") else kind
                    found[f"{old.replace('*', str(number))}.{named}"] = whole
    return found
