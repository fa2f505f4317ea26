"""Autoencoders that come as single files, told by their tensors: Stable Diffusion's kind, Flux.2's, and Qwen-Image's.

The second norms its latents four by four; the third, which is Wan's 2.1, was made for films. A file holds no config;
its shapes tell one. What they do not tell is as the classes of diffusers have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..families import FILMS, FOLDED, PICTURES
from . import single_file

Shapes = Mapping[str, tuple[int, ...]]

CLASSES = (PICTURES, FOLDED, FILMS)
"""Classes of diffusers that can be worn."""
_PLAIN = ("encoder.conv_in.weight", "decoder.conv_in.weight")
_FOLDS = "bn.running_mean"
_FIRST, _NEW_FIRST = "encoder.conv1.weight", "encoder.conv_in.weight"
_LAST, _NEW_LAST = "decoder.conv1.weight", "decoder.conv_in.weight"
_NORM, _NEW_NORM = "decoder.middle.0.residual.0.gamma", "decoder.mid_block.resnets.0.norm1.gamma"
"""What the autoencoder of films has, in the authors' names and in diffusers'."""


def class_of(shapes: Shapes) -> str:
    """diffusers' class for an autoencoder that comes alone; "" where it is none of these."""
    if _NORM in shapes or _NEW_NORM in shapes:
        return FILMS if len(shapes.get(_LAST) or shapes.get(_NEW_LAST) or ()) == 5 else ""
    if not all(name in shapes for name in _PLAIN):
        return ""
    return FOLDED if _FOLDS in shapes else PICTURES


def config_of(shapes: Shapes) -> dict[str, Any]:
    """The config of diffusers for an autoencoder that comes alone. Raises LookupError."""
    of = class_of(shapes)
    if of == FILMS:
        first, last = (_FIRST, _LAST) if _NORM in shapes else (_NEW_FIRST, _NEW_LAST)
        return {
            "_class_name": FILMS, "base_dim": shapes[first][0], "z_dim": shapes[last][1],
            "temperal_downsample": [False, True, True],
        }  # fmt: skip
    config = single_file.vae_config(shapes)
    return config if of != FOLDED else _folded(shapes, config)


def latents_of(config: Mapping[str, Any]) -> tuple[int, int]:
    """Pixels a latent along each side, and channels, of an autoencoder with that config."""
    if "temperal_downsample" in config:
        return 2 ** len(config["temperal_downsample"]), int(config["z_dim"])
    factor, channels = 2 ** (len(config["block_out_channels"]) - 1), int(config.get("latent_channels", 4))
    return (2 * factor, 4 * channels) if "batch_norm_eps" in config else (factor, channels)


def _folded(shapes: Shapes, config: Mapping[str, Any]) -> dict[str, Any]:
    """Its decoder may be narrower than its encoder, and its authors have two layers inside these."""
    names = ("block_out_channels", "down_block_types", "up_block_types", "latent_channels")
    widths: list[int] = []
    levels = len(config["block_out_channels"])
    while len(widths) < levels:
        old, new = (f"decoder.up.{len(widths)}.block.0", f"decoder.up_blocks.{levels - 1 - len(widths)}.resnets.0")
        widths.append((shapes.get(f"{old}.conv2.weight") or shapes[f"{new}.conv2.weight"])[0])
    return {name: config[name] for name in names} | {
        "_class_name": FOLDED, "decoder_block_out_channels": widths, "batch_norm_eps": 1e-4, "patch_size": [2, 2],
        "use_quant_conv": "quant_conv.weight" in shapes or "encoder.quant_conv.weight" in shapes,
        "use_post_quant_conv": "post_quant_conv.weight" in shapes or "decoder.post_quant_conv.weight" in shapes,
    }  # fmt: skip
