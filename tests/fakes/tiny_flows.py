"""Random models of transformer families, a few hundred kB each, in the true layouts of diffusers' folders.

`make_flow(folder, family)` writes one of `FLOWS`. Their tokenizers spell: T5's has letters, Qwen's bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Qwen2Tokenizer,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

from .tiny_models import _tokenizer as spelling_tokenizer

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,()!?-"
WIDTH = 16
"""Of most text encoders and denoisers."""
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_flow(folder: Path, family: str, *, seed: int = 0, **settings: Any) -> Path:
    """Write a random pipeline of a family as a diffusers folder; returns the folder.

    `settings` go to the denoiser, those named `pipeline_…` to the pipeline, and `shift…` and the like to the scheduler.
    """
    torch.manual_seed(seed)
    kind, build = FLOWS[family]
    plan = {name: settings.pop(name) for name in list(settings) if "shift" in name}
    own = {name[9:]: settings.pop(name) for name in list(settings) if name.startswith("pipeline_")}
    words = folder.with_name(f"{folder.name}-words")
    parts = build(words, **settings)
    scheduler = FlowMatchEulerDiscreteScheduler(**(SHIFTS[family] | plan))
    pipeline = getattr(diffusers, kind)(**parts, scheduler=scheduler, **own)
    pipeline.save_pretrained(folder, safe_serialization=True)
    shutil.rmtree(words, ignore_errors=True)
    return folder


def vae(channels: int = 16, **more: Any) -> AutoencoderKL:
    """A VAE of eight pixels a latent."""
    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=1, norm_num_groups=4, latent_channels=channels,
        scaling_factor=1.5, shift_factor=0.06, use_quant_conv=False, use_post_quant_conv=False, **more,
    )  # fmt: skip


def clip(width: int, projected: bool) -> Any:
    """A CLIP text encoder of two layers that spells."""
    config = CLIPTextConfig(
        vocab_size=514, hidden_size=width, intermediate_size=16, num_hidden_layers=2, num_attention_heads=1,
        max_position_embeddings=77, bos_token_id=512, eos_token_id=513, pad_token_id=513, projection_dim=width,
    )  # fmt: skip
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def t5() -> dict[str, Any]:
    """T5's encoder, and a tokenizer that knows letters."""
    scores = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *((letter, -3.0) for letter in LETTERS)]
    words = T5TokenizerFast(vocab=scores, extra_ids=0, model_max_length=512)
    encoder = T5EncoderModel(
        T5Config(vocab_size=len(scores), d_model=WIDTH, d_kv=8, d_ff=16, num_layers=2, num_heads=2, feed_forward_proj="gated-gelu")
    )  # fmt: skip
    return {"encoder": encoder, "words": words}


def qwen_words() -> Qwen2Tokenizer:
    """Qwen's bytes without merges, with the words that part a chat."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    vocabulary = {letter: number for number, letter in enumerate(bytes_to_unicode().values())}
    vocabulary |= {word: len(vocabulary) + number for number, word in enumerate(("<|endoftext|>", "<|im_start|>", "<|im_end|>"))}
    words = Qwen2Tokenizer(vocab=vocabulary, merges=[], model_max_length=4096, additional_special_tokens=["<|im_start|>", "<|im_end|>"])
    words.chat_template = CHAT
    return words


def _sd3(words: Path, t5_too: bool = True, **more: Any) -> dict[str, Any]:
    three = t5() if t5_too else {"encoder": None, "words": None}
    denoiser = diffusers.SD3Transformer2DModel(
        **({"sample_size": 8, "patch_size": 2, "in_channels": 16, "num_layers": 2, "attention_head_dim": 8,
            "num_attention_heads": 2, "joint_attention_dim": 16, "caption_projection_dim": 16,
            "pooled_projection_dim": 16, "out_channels": 16, "pos_embed_max_size": 24, "qk_norm": "rms_norm"} | more)
    )  # fmt: skip
    return {
        "transformer": denoiser, "vae": vae(),
        "text_encoder": clip(8, True), "tokenizer": spelling_tokenizer(words / "1"),
        "text_encoder_2": clip(8, True), "tokenizer_2": spelling_tokenizer(words / "2"),
        "text_encoder_3": three["encoder"], "tokenizer_3": three["words"],
    }  # fmt: skip


FLOWS: dict[str, tuple[str, Callable[..., dict[str, Any]]]] = {
    "sd3": ("StableDiffusion3Pipeline", _sd3),
}
"""Pipeline and parts of each family."""
SHIFTS: dict[str, dict[str, Any]] = {
    "sd3": {"shift": 3.0},
}
"""How their schedulers shift."""
