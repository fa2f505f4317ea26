"""Language models that transformers listen to as text encoders, told by their tensors: Qwen 3, and Qwen 2.5 VL.

Only their layers are heard: what speaks (`lm_head`) and what sees (`visual`) is left in the file. What shapes do not
tell is as the models' authors have it, and so is the vocabulary, which is bundled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Shapes = Mapping[str, tuple[int, ...]]
LanguageModel = Literal["qwen3", "qwen2_5"]

HEARD: Mapping[str, str] = {"qwen3": "Qwen3Model", "qwen2_5": "Qwen2_5_VLTextModel"}
"""Classes of transformers that hold the layers alone."""
NAMES: Mapping[str, str] = {"qwen3": "Qwen 3", "qwen2_5": "Qwen 2.5 VL"}
KNOWN: Mapping[tuple[str, int], str] = {
    ("qwen3", 2560): "Qwen 3 4B (qwen_3_4b.safetensors)", ("qwen3", 4096): "Qwen 3 8B (qwen_3_8b.safetensors)",
    ("qwen2_5", 3584): "Qwen 2.5 VL 7B (qwen_2.5_vl_7b.safetensors)",
}  # fmt: skip
"""What those of some widths are called."""
WORDS = (151936, 152064)
"""Rows that the bundled vocabulary is filled up to."""
_STEMS = ("model.", "model.language_model.", "language_model.model.", "language_model.", "")
"""What may stand before the names of layers."""
_TABLE = "embed_tokens.weight"
_QUERY, _GEMMA = "layers.0.self_attn.q_proj.weight", "layers.0.pre_feedforward_layernorm.weight"
_HEAD = 128
"""Width of a head, where no norm tells it."""


def stem(shapes: Shapes) -> str | None:
    """What stands before the names of the layers; None where there are none of a language model."""
    return next((one for one in _STEMS if f"{one}{_QUERY}" in shapes and f"{one}{_TABLE}" in shapes), None)


def kind_of(shapes: Shapes) -> LanguageModel | None:
    """Which language model it is; None for others."""
    before = stem(shapes)
    if before is None or f"{before}{_GEMMA}" in shapes:
        return None
    attention = f"{before}layers.0.self_attn."
    if f"{attention}q_norm.weight" in shapes:
        # One that sees is another model of the same widths.
        return None if any("visual." in name for name in shapes) else "qwen3"
    return "qwen2_5" if f"{attention}q_proj.bias" in shapes else None


def config_of(shapes: Shapes, kind: LanguageModel) -> dict[str, Any]:
    """The config of transformers for the layers alone. Raises LookupError."""
    before = stem(shapes)
    if before is None:
        raise LookupError(_QUERY)
    words, width = shapes[f"{before}{_TABLE}"]
    attention = f"{before}layers.0.self_attn."
    rows, keys = shapes[f"{attention}q_proj.weight"][0], shapes[f"{attention}k_proj.weight"][0]
    head = shapes[f"{attention}q_norm.weight"][0] if kind == "qwen3" else min(_HEAD, rows)
    numbers = {name.split(".")[before.count(".") + 1] for name in shapes if name.startswith(f"{before}layers.")}
    config = {
        "architectures": [HEARD[kind]], "vocab_size": words, "hidden_size": width, "num_hidden_layers": len(numbers),
        "intermediate_size": shapes[f"{before}layers.0.mlp.gate_proj.weight"][0],
        "num_attention_heads": rows // head, "num_key_value_heads": keys // head, "hidden_act": "silu",
        "rms_norm_eps": 1e-6, "max_position_embeddings": 40960 if kind == "qwen3" else 128000,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}, "use_sliding_window": False,
        "use_cache": False, "tie_word_embeddings": False, "bos_token_id": 151643, "eos_token_id": 151645,
    }  # fmt: skip
    if kind == "qwen3":
        return config | {"head_dim": head, "attention_bias": False}
    share = 3 * head // 16  # frames, rows and columns of a picture: 16, 24 and 24 of 64
    config["rope_parameters"] |= {"mrope_section": [head // 2 - 2 * share, share, share]}
    return config


def packed(shapes: Shapes) -> bool:
    """Whether its weights have fewer than eight bits, several in one number."""
    before = stem(shapes) or ""
    return shapes[f"{before}{_QUERY}"][1] != shapes[f"{before}{_TABLE}"][1]


def title(kind: str, width: int) -> str:
    """What a language model of that kind and width is called."""
    return KNOWN.get((kind, width), f"{NAMES.get(kind, kind)}, {width} wide")
