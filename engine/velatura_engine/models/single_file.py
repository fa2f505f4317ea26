"""Bundled configs, adapted to the tensor shapes of one file in the original key layout.

So that every model of the layout loads, whatever its widths: no table of known checkpoints, no hub to ask. Configs come
back by component; a file that lacks what they are read from raises LookupError.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..families import Layout

CONFIGS = Path(__file__).parents[1] / "families" / "configs"
FIRST = "sd1"
LIKE = {"sdxl_refiner": "sdxl", "sdxl": FIRST, "sd2": FIRST}
"""Whose configs and vocabulary a folder of configs shares where it has none of its own."""
WORDS = ("vocab.json.gz", "merges.txt.gz", "tokenizer_config.json", "special_tokens_map.json")
"""Files of a tokenizer of the CLIP kind."""
T5, T5_WORDS = "t5", ("tokenizer.json.gz", "tokenizer_config.json")
"""The folder of T5's tokenizer, and its files."""
QWEN, QWEN_WORDS = "qwen", ("merges.txt.gz", "tokenizer_config.json")
"""The folder of Qwen's tokenizer, and its files; the vocabulary is made of the merges."""
HEAD = 64
"""Width of an attention head, in text encoders and in UNets from the second generation on."""

Shapes = Mapping[str, tuple[int, ...]]
Config = dict[str, Any]


def configs(layout: Layout, shapes: Shapes) -> dict[str, Config]:
    """Configs of the components that hold weights, so that they fit the file, and of the scheduler."""
    found: dict[str, Config] = {"scheduler": bundled(layout.config, "scheduler", "scheduler_config.json")}
    for part, prefix in layout.prefixes.items():
        config = bundled(layout.config, part)
        inside = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
        kind = config.get("_class_name") or config["architectures"][0]
        found[part] = config | _READERS[kind](inside, config)
    return found


def vae_config(shapes: Shapes) -> Config:
    """The config of a VAE that comes alone, its tensors without a prefix."""
    return bundled(FIRST, "vae") | _vae(shapes, {})


def bundled(folder: str, part: str, name: str = "config.json") -> Config:
    """A bundled config."""
    return json.loads(bundled_file(folder, part, name).read_text(encoding="utf-8"))


def bundled_file(folder: str, part: str, name: str) -> Path:
    """Where a bundled file lies: what a folder does not hold is that of the one which it is `LIKE`, and all read the
    same vocabulary.
    """
    path = CONFIGS / folder / part / name
    if path.is_file():
        return path
    if name.endswith(".gz") and folder != T5:
        return CONFIGS / FIRST / "tokenizer" / name
    return bundled_file(LIKE[folder], part, name)


def _unet(shapes: Shapes, config: Config) -> Config:
    first, channels = shapes["input_blocks.0.0.weight"][:2]
    widths, depths, block = [], [], 1
    # Blocks come in rows of two residual layers and a downsampler; the last row has none.
    while (name := f"input_blocks.{block}.0.out_layers.3.weight") in shapes:
        widths.append(shapes[name][0])
        depths.append(_count(shapes, f"input_blocks.{block}.1.transformer_blocks.", ".attn2.to_k.weight"))
        block += 3
    facts: Config = {
        "in_channels": channels,
        "out_channels": shapes["out.2.weight"][0],
        "block_out_channels": widths or [first],
        "down_block_types": ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths],
        "up_block_types": ["CrossAttnUpBlock2D" if depth else "UpBlock2D" for depth in reversed(depths)],
        "cross_attention_dim": next(shape[1] for name, shape in shapes.items() if name.endswith(".attn2.to_k.weight")),
    }
    if isinstance(config["attention_head_dim"], list):
        facts["attention_head_dim"] = [max(1, width // HEAD) for width in widths]
    if "label_emb.0.0.weight" in shapes:
        facts["projection_class_embeddings_input_dim"] = shapes["label_emb.0.0.weight"][1]
        # The last number is the middle block's too, and the last row of a refiner has no attention.
        depths[-1] = _count(shapes, "middle_block.1.transformer_blocks.", ".attn2.to_k.weight")
        facts["transformer_layers_per_block"] = [max(1, depth) for depth in depths]
    return facts


def _vae(shapes: Shapes, _: Config) -> Config:
    """In the original names, or in diffusers' own."""
    widths: list[int] = []
    names = ("encoder.down.{}.block.0.conv2.weight", "encoder.down_blocks.{}.resnets.0.conv2.weight")
    while found := [shapes[here] for name in names if (here := name.format(len(widths))) in shapes]:
        widths.append(found[0][0])
    if not widths:
        raise LookupError(names[0].format(0))
    return {
        "block_out_channels": widths,
        "down_block_types": ["DownEncoderBlock2D"] * len(widths),
        "up_block_types": ["UpDecoderBlock2D"] * len(widths),
        "latent_channels": shapes["decoder.conv_in.weight"][1],
        "use_quant_conv": "quant_conv.weight" in shapes,
        "use_post_quant_conv": "post_quant_conv.weight" in shapes,
    }


def text_config(shapes: Shapes, config: Config) -> Config:
    """Either CLIP's own names or OpenCLIP's, which call the same things otherwise."""
    if "token_embedding.weight" in shapes:
        return _open_text(shapes, config)
    tokens, width = shapes["embeddings.token_embedding.weight"]
    return {
        "vocab_size": tokens,
        "hidden_size": width,
        "projection_dim": width,
        "intermediate_size": shapes["encoder.layers.0.mlp.fc1.weight"][0],
        "num_hidden_layers": _count(shapes, "encoder.layers.", ".layer_norm1.weight"),
        "num_attention_heads": max(1, width // HEAD),
        "max_position_embeddings": shapes["embeddings.position_embedding.weight"][0],
    }


def _open_text(shapes: Shapes, config: Config) -> Config:
    tokens, width = shapes["token_embedding.weight"]
    layers = _count(shapes, "transformer.resblocks.", ".ln_1.weight")
    projected = config["architectures"] == ["CLIPTextModelWithProjection"]
    if not projected and "text_projection" in shapes:
        # As it was trained, and its last layer was never listened to.
        layers -= 1
    return {
        "vocab_size": tokens,
        "hidden_size": width,
        "projection_dim": shapes["text_projection"][1] if projected else width,
        "intermediate_size": shapes["transformer.resblocks.0.mlp.c_fc.weight"][0],
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, width // HEAD),
        "max_position_embeddings": shapes["positional_embedding"][0],
    }


def _count(shapes: Shapes, before: str, after: str) -> int:
    """How many things in a row, numbered from 0, are there."""
    number = 0
    while f"{before}{number}{after}" in shapes:
        number += 1
    return number


_READERS = {
    "UNet2DConditionModel": _unet, "AutoencoderKL": _vae, "CLIPTextModel": text_config,
    "CLIPTextModelWithProjection": text_config,
}  # fmt: skip
