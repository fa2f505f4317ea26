"""A family's bundled configs, adapted to the tensor shapes of one file in the original key layout.

So that every model of the layout loads, whatever its widths: no table of known checkpoints, no hub to ask.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Shapes = Mapping[str, tuple[int, ...]]
_UNET, _VAE, _TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer.text_model."


def adapt(folder: Path, shapes: Shapes) -> None:
    """Rewrite the configs of a diffusers folder in place so that they fit the file."""
    _update(folder / "unet" / "config.json", _unet(shapes))
    _update(folder / "vae" / "config.json", _vae(shapes))
    _update(folder / "text_encoder" / "config.json", _text(shapes))


def _update(path: Path, facts: dict[str, Any]) -> None:
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(config | facts), encoding="utf-8")


def _unet(shapes: Shapes) -> dict[str, Any]:
    first, channels = shapes[f"{_UNET}input_blocks.0.0.weight"][:2]
    widths, block = [first], 1
    # Blocks come in rows of two residual layers and a downsampler; the last row has none.
    while f"{_UNET}input_blocks.{block}.0.out_layers.3.weight" in shapes:
        widths.append(shapes[f"{_UNET}input_blocks.{block}.0.out_layers.3.weight"][0])
        block += 3
    facts: dict[str, Any] = {"in_channels": channels, "block_out_channels": widths[1:]}
    cross = next((shape[1] for name, shape in shapes.items() if name.endswith(".attn2.to_k.weight")), None)
    if cross:
        facts["cross_attention_dim"] = cross
    return facts


def _vae(shapes: Shapes) -> dict[str, Any]:
    widths = []
    while (name := f"{_VAE}encoder.down.{len(widths)}.block.0.conv2.weight") in shapes:
        widths.append(shapes[name][0])
    return {
        "block_out_channels": widths,
        "down_block_types": ["DownEncoderBlock2D"] * len(widths),
        "up_block_types": ["UpDecoderBlock2D"] * len(widths),
        "latent_channels": shapes[f"{_VAE}post_quant_conv.weight"][0],
    }


def _text(shapes: Shapes) -> dict[str, Any]:
    tokens, width = shapes[f"{_TEXT}embeddings.token_embedding.weight"]
    layers = 0
    while f"{_TEXT}encoder.layers.{layers}.layer_norm1.weight" in shapes:
        layers += 1
    return {
        "vocab_size": tokens,
        "hidden_size": width,
        "projection_dim": width,
        "intermediate_size": shapes[f"{_TEXT}encoder.layers.0.mlp.fc1.weight"][0],
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, width // 64),
        "max_position_embeddings": shapes[f"{_TEXT}embeddings.position_embedding.weight"][0],
    }
