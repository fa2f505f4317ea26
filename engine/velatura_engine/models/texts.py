"""Text encoders that come as single files, told by their tensors: CLIP-L, CLIP-G, T5 XXL and language models.

A file holds no config; its shapes tell one. What they do not tell is as the encoders' authors have it, and so is the
vocabulary, which is bundled: an encoder of another one is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..errors import Unsupported
from . import language_models, single_file
from .language_models import LanguageModel

Shapes = Mapping[str, tuple[int, ...]]
TextKind = Literal["clip", "t5"] | LanguageModel

CLIP_WORDS, T5_WORDS = 49408, 32128
"""Tokens of the bundled vocabularies, with T5's unused ones."""
_WORDS = {"clip": (CLIP_WORDS,), "t5": (T5_WORDS,)}
PREFIX = "text_model."
_CLIP = f"{PREFIX}embeddings.token_embedding.weight"
_T5 = ("shared.weight", "encoder.embed_tokens.weight")
_GATED = "encoder.block.0.layer.1.DenseReluDense.wi_0.weight"
_BUCKETS = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"


def text_kind(shapes: Shapes) -> TextKind | None:
    """What kind of text encoder a file is alone; None for others."""
    if _CLIP in shapes:
        return "clip"
    if _GATED in shapes and any(name in shapes for name in _T5):
        return "t5"
    return language_models.kind_of(shapes)


def text_facts(shapes: Shapes, name: str) -> dict[str, Any]:
    """Fields of an entry: the encoder's width and that of a whole prompt's vector. Raises Unsupported for another
    vocabulary, and for files that lack tensors.
    """
    kind = text_kind(shapes)
    try:
        config = _config(kind, shapes)
    except LookupError as gap:
        raise Unsupported(
            f"{name} lacks tensors that such a text encoder has, such as {gap}", reason="NOT_A_WHOLE_MODEL",
            remedy="get the file again",
        ) from None  # fmt: skip
    if config["vocab_size"] not in _WORDS.get(kind or "", language_models.WORDS):
        raise Unsupported(
            f"{name} is a text encoder with a vocabulary of {config['vocab_size']}, which this engine does not have",
            reason="UNSUPPORTED_LAYOUT", remedy="get the model as a folder of diffusers, with its tokenizer",
        )  # fmt: skip
    if kind in language_models.HEARD and language_models.packed(shapes):
        raise Unsupported(
            f"{name} has its weights in fewer than eight bits", reason="UNSUPPORTED_LAYOUT",
            remedy="get it in sixteen or eight bits",
        )  # fmt: skip
    width = config["d_model"] if kind == "t5" else config["hidden_size"]
    return {
        "kind": "text_encoder", "family": "", "variant": kind, "text_widths": (width,),
        "cross_attention_dim": config["projection_dim"] if kind == "clip" and _projection(shapes) else 0,
        "description": f"Reads prompts for denoisers that come alone ({_name(kind)}, {width} wide).",
    }  # fmt: skip


def _config(kind: TextKind | None, shapes: Shapes) -> dict[str, Any]:
    if kind == "clip":
        return clip_config(shapes, projects=True)
    return language_models.config_of(shapes, kind) if kind in ("qwen3", "qwen2_5") else t5_config(shapes)


def _name(kind: TextKind | None) -> str:
    return language_models.NAMES.get(str(kind), str(kind).upper())


def clip_config(shapes: Shapes, *, large: bool = False, projects: bool = False) -> dict[str, Any]:
    """The config of a CLIP text encoder; `large`: OpenCLIP's, which has another activation. `projects`: it makes one
    vector of a prompt too, as wide as its projection, or as itself where it has none. Raises LookupError.
    """
    bare = {name.removeprefix(PREFIX): shape for name, shape in shapes.items()}
    usual = single_file.bundled("sdxl", "text_encoder_2") if large else single_file.bundled("sd1", "text_encoder")
    config = usual | single_file.text_config(bare, usual)
    projection = _projection(shapes)
    if projects and projection:
        config["projection_dim"] = projection
    return config


def t5_config(shapes: Shapes) -> dict[str, Any]:
    """The config of T5 1.1's encoder. Raises LookupError."""
    tokens, width = next(shapes[name] for name in _T5 if name in shapes)
    buckets, heads = shapes[_BUCKETS]
    layers = {name.split(".")[2] for name in shapes if name.startswith("encoder.block.")}
    return {
        "architectures": ["T5EncoderModel"], "model_type": "t5", "vocab_size": tokens, "d_model": width,
        "d_kv": shapes["encoder.block.0.layer.0.SelfAttention.q.weight"][0] // heads, "d_ff": shapes[_GATED][0],
        "num_layers": len(layers), "num_heads": heads, "relative_attention_num_buckets": buckets,
        "relative_attention_max_distance": 128, "feed_forward_proj": "gated-gelu", "layer_norm_epsilon": 1e-6,
        "is_encoder_decoder": False, "use_cache": False, "tie_word_embeddings": False, "dropout_rate": 0.1,
    }  # fmt: skip


def _projection(shapes: Shapes) -> int:
    return shapes.get("text_projection.weight", (0,))[0]
