"""Random IP-Adapters and a random picture encoder, tiny but in the true layouts."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    SiglipConfig,
    SiglipModel,
    SiglipTextConfig,
    SiglipVisionConfig,
    SiglipVisionModel,
)

PROJECTED, HIDDEN = 24, 32
"""Widths of what the tiny encoder makes of a picture."""
WIDTH, QUERIES, HEAD = 64, 5, 64
"""Of the tiny resampler."""


def make_encoder(folder: Path, *, projected: int = PROJECTED, hidden: int = HIDDEN, seed: int = 0) -> Path:
    """Write a random CLIP vision tower that sees 28 x 28 pixels; returns the folder."""
    torch.manual_seed(seed)
    config = CLIPVisionConfig(
        hidden_size=hidden, intermediate_size=48, projection_dim=projected, num_hidden_layers=3, num_attention_heads=2,
        image_size=28, patch_size=7, hidden_act="gelu",
    )  # fmt: skip
    CLIPVisionModelWithProjection(config).save_pretrained(folder)
    return folder


def make_adapter(
    path: Path, base: Path, variant: str = "plain", *, sees: int | None = None, scale: float = 0.3, seed: int = 0
) -> Path:
    """Write a random IP-Adapter for the denoiser of a diffusers folder as one file, original names; returns the path.

    `variant`: "plain", "plus" or "full face". `sees`: the width of encoded pictures, by default the tiny encoder's.
    """
    dice = torch.Generator().manual_seed(seed)
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    text = unet.config["cross_attention_dim"]
    makers = {"plain": _plain, "plus": _plus, "full face": _full}
    eye = makers[variant](text, sees or (PROJECTED if variant == "plain" else HIDDEN), dice)
    tensors = {f"image_proj.{name}": value for name, value in eye.items()}
    number = 1
    for name in unet.attn_processors:
        if name.endswith("attn2.processor"):
            width = unet.get_submodule(name.removesuffix(".processor")).to_k.out_features
            for part in "kv":
                tensors[f"ip_adapter.{number}.to_{part}_ip.weight"] = _random(dice, width, text) * scale
            number += 2
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path


def make_flow_adapter(path: Path, base: Path, *, tokens: int = 4, diffusers_names: bool = False, seed: int = 0) -> Path:
    """Write a random IP-Adapter for a Flux made by `make_flow`, in XLabs' names or diffusers'; returns the path."""
    dice = torch.Generator().manual_seed(seed)
    config = json.loads((base / "transformer" / "config.json").read_text())
    text, width = config["joint_attention_dim"], config["num_attention_heads"] * config["attention_head_dim"]
    eye = {"proj.weight": _random(dice, tokens * text, PROJECTED), "proj.bias": _random(dice, tokens * text)}
    before = "image_proj" if diffusers_names else "ip_adapter_proj_model"
    tensors = {f"{before}.{name}": value for name, value in (eye | _norm("norm", text)).items()}
    for block in range(config["num_layers"]):
        for part in "kv":
            layer = f"double_blocks.{block}.processor.ip_adapter_double_stream_{part}_proj"
            layer = f"ip_adapter.{block}.to_{part}_ip" if diffusers_names else layer
            tensors |= {
                f"{layer}.weight": _random(dice, width, text) * 0.1,
                f"{layer}.bias": _random(dice, width) * 0.1,
            }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path


def make_siglip(folder: Path, *, whole: bool = False, hidden: int = HIDDEN, seed: int = 0) -> Path:
    """Write a random SigLIP tower that sees 28 x 28 pixels, or the `whole` model around it; returns the folder."""
    torch.manual_seed(seed)
    config = SiglipVisionConfig(
        hidden_size=hidden,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=28,
        patch_size=7,
    )
    text = SiglipTextConfig(
        vocab_size=9, hidden_size=hidden, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
        bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    joined = SiglipConfig(text_config=text.to_dict(), vision_config=config.to_dict())
    (SiglipModel(joined) if whole else SiglipVisionModel(config)).save_pretrained(folder)
    return folder


def make_joint_adapter(path: Path, base: Path, *, sees: int = HIDDEN, seed: int = 0) -> Path:
    """Write a random IP-Adapter for a Stable Diffusion 3 made by `make_flow`, in InstantX's names; returns the path."""
    dice = torch.Generator().manual_seed(seed)
    config = json.loads((base / "transformer" / "config.json").read_text())
    head = config["attention_head_dim"]
    width, times = config["num_attention_heads"] * head, 8
    layers = config["num_layers"] + len(config.get("dual_attention_layers") or ())
    eye = {
        "latents": _random(dice, 1, QUERIES, WIDTH), "proj_in.weight": _random(dice, WIDTH, sees) / 4,
        "proj_in.bias": _random(dice, WIDTH), "proj_out.weight": _random(dice, width, WIDTH) / 4,
        "proj_out.bias": _random(dice, width), **_norm("norm_out", width),
        "time_embedding.linear_1.weight": _random(dice, WIDTH, times),
        "time_embedding.linear_1.bias": _random(dice, WIDTH),
        "time_embedding.linear_2.weight": _random(dice, WIDTH, WIDTH) / 8,
        "time_embedding.linear_2.bias": _random(dice, WIDTH),
    }  # fmt: skip
    for layer in range(4):
        look, think = f"layers.{layer}.0", f"layers.{layer}.1"
        eye |= _norm(f"{look}.norm1", WIDTH) | _norm(f"{look}.norm2", WIDTH) | _norm(f"{think}.0", WIDTH)
        eye |= {
            f"{look}.to_q.weight": _random(dice, HEAD, WIDTH) / 8,
            f"{look}.to_kv.weight": _random(dice, 2 * HEAD, WIDTH) / 8,
            f"{look}.to_out.weight": _random(dice, WIDTH, HEAD) / 8,
            f"{think}.1.weight": _random(dice, 4 * WIDTH, WIDTH) / 8,
            f"{think}.3.weight": _random(dice, WIDTH, 4 * WIDTH) / 16,
            f"layers.{layer}.2.1.weight": _random(dice, 4 * WIDTH, WIDTH) / 16,
            f"layers.{layer}.2.1.bias": _random(dice, 4 * WIDTH) / 4,
        }  # fmt: skip
    tensors = {f"image_proj.{name}": value for name, value in eye.items()}
    for number in range(layers):
        at = f"ip_adapter.{number}"
        tensors |= {f"{at}.{norm}.weight": 1 + _random(dice, head) / 4 for norm in ("norm_q", "norm_k", "norm_ip_k")}
        tensors |= {f"{at}.to_{part}_ip.weight": _random(dice, width, width) / 4 for part in "kv"}
        tensors |= {
            f"{at}.norm_ip.linear.weight": _random(dice, 2 * width, WIDTH) / 16,
            f"{at}.norm_ip.linear.bias": _random(dice, 2 * width) / 4,
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path


def _random(dice: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=dice)


def _norm(name: str, width: int) -> dict[str, torch.Tensor]:
    return {f"{name}.weight": torch.ones(width), f"{name}.bias": torch.zeros(width)}


def _plain(text: int, sees: int, dice: torch.Generator) -> dict[str, torch.Tensor]:
    return {"proj.weight": _random(dice, 4 * text, sees), "proj.bias": _random(dice, 4 * text)} | _norm("norm", text)


def _full(text: int, sees: int, dice: torch.Generator) -> dict[str, torch.Tensor]:
    return {
        "proj.0.weight": _random(dice, sees, sees), "proj.0.bias": _random(dice, sees),
        "proj.2.weight": _random(dice, text, sees), "proj.2.bias": _random(dice, text), **_norm("proj.3", text),
    }  # fmt: skip


def _plus(text: int, sees: int, dice: torch.Generator) -> dict[str, torch.Tensor]:
    tensors = {
        "latents": _random(dice, 1, QUERIES, WIDTH), "proj_in.weight": _random(dice, WIDTH, sees) / 4,
        "proj_in.bias": _random(dice, WIDTH), "proj_out.weight": _random(dice, text, WIDTH) / 4,
        "proj_out.bias": _random(dice, text), **_norm("norm_out", text),
    }  # fmt: skip
    for layer in range(4):
        look, think = f"layers.{layer}.0", f"layers.{layer}.1"
        tensors |= _norm(f"{look}.norm1", WIDTH) | _norm(f"{look}.norm2", WIDTH) | _norm(f"{think}.0", WIDTH)
        tensors |= {
            f"{look}.to_q.weight": _random(dice, HEAD, WIDTH) / 8,
            f"{look}.to_kv.weight": _random(dice, 2 * HEAD, WIDTH) / 8,
            f"{look}.to_out.weight": _random(dice, WIDTH, HEAD) / 8,
            f"{think}.1.weight": _random(dice, 4 * WIDTH, WIDTH) / 8,
            f"{think}.3.weight": _random(dice, WIDTH, 4 * WIDTH) / 16,
        }  # fmt: skip
    return tensors
