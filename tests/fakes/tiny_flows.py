"""Random models of transformer families, a few hundred kB each, in the true layouts of diffusers' folders.

`make_flow(folder, family)` writes one of `FLOWS`. Their tokenizers spell: T5's has letters, Qwen's bytes.
"""

from __future__ import annotations

import json
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
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3Model,
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


def make_flow(folder: Path, family: str, *, seed: int = 0, kind: str = "", **settings: Any) -> Path:
    """Write a random pipeline of a family as a diffusers folder; returns the folder.

    `kind` is another of its pipelines. `settings` go to the denoiser, those named `pipeline_…` to the pipeline, and
    `shift…` and the like to the scheduler.
    """
    torch.manual_seed(seed)
    usual, build = FLOWS[family]
    plan = {name: settings.pop(name) for name in list(settings) if "shift" in name}
    own = {name[9:]: settings.pop(name) for name in list(settings) if name.startswith("pipeline_")}
    words = folder.with_name(f"{folder.name}-words")
    parts = build(words, **settings)
    scheduler = FlowMatchEulerDiscreteScheduler(**(SHIFTS[family] | plan))
    pipeline = getattr(diffusers, kind or usual)(**parts, scheduler=scheduler, **own)
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
        T5Config(vocab_size=len(scores), d_model=WIDTH, d_kv=8, d_ff=16, num_layers=2, num_heads=2,
                 feed_forward_proj="gated-gelu")
    )  # fmt: skip
    return {"encoder": encoder, "words": words}


def qwen_words() -> Qwen2Tokenizer:
    """Qwen's bytes without merges, with the words that part a chat."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    vocabulary = {letter: number for number, letter in enumerate(bytes_to_unicode().values())}
    vocabulary |= {
        word: len(vocabulary) + number for number, word in enumerate(("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    }
    words = Qwen2Tokenizer(
        vocab=vocabulary, merges=[], model_max_length=4096, additional_special_tokens=["<|im_start|>", "<|im_end|>"]
    )
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


def _flux(words: Path, **more: Any) -> dict[str, Any]:
    two = t5()
    denoiser = diffusers.FluxTransformer2DModel(
        **({"in_channels": 64, "num_layers": 1, "num_single_layers": 1, "attention_head_dim": 16,
            "num_attention_heads": 1, "joint_attention_dim": 16, "pooled_projection_dim": 8,
            "guidance_embeds": True, "axes_dims_rope": (4, 6, 6)} | more)
    )  # fmt: skip
    return {
        "transformer": denoiser, "vae": vae(), "text_encoder": clip(8, False),
        "tokenizer": spelling_tokenizer(words / "1"), "text_encoder_2": two["encoder"], "tokenizer_2": two["words"],
    }  # fmt: skip


def _flux2(words: Path, **more: Any) -> dict[str, Any]:
    denoiser = diffusers.Flux2Transformer2DModel(
        **({"in_channels": 128, "num_layers": 1, "num_single_layers": 1, "attention_head_dim": 16,
            "num_attention_heads": 1, "joint_attention_dim": 24, "timestep_guidance_channels": 16,
            "axes_dims_rope": (4, 4, 4, 4), "guidance_embeds": False} | more)
    )  # fmt: skip
    coder = diffusers.AutoencoderKLFlux2(
        block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4, latent_channels=32,
    )  # fmt: skip
    torch.nn.init.normal_(coder.bn.running_mean)
    torch.nn.init.uniform_(coder.bn.running_var, 0.5, 2)
    # Layers 9, 18 and 27 are listened to.
    return {"transformer": denoiser, "vae": coder, "text_encoder": qwen3(8, 28, head=True), "tokenizer": qwen_words()}


def _z_image(words: Path, **more: Any) -> dict[str, Any]:
    denoiser = diffusers.ZImageTransformer2DModel(
        **({"dim": 16, "n_layers": 1, "n_refiner_layers": 1, "n_heads": 1, "n_kv_heads": 1, "cap_feat_dim": WIDTH,
            "axes_dims": [4, 6, 6], "axes_lens": [640, 64, 64]} | more)
    )  # fmt: skip
    for pad in (denoiser.x_pad_token, denoiser.cap_pad_token):
        torch.nn.init.normal_(pad)
    return {"transformer": denoiser, "vae": vae(), "text_encoder": qwen3(WIDTH, 3), "tokenizer": qwen_words()}


def _qwen_image(words: Path, **more: Any) -> dict[str, Any]:
    denoiser = diffusers.QwenImageTransformer2DModel(
        **({"in_channels": 64, "out_channels": 16, "num_layers": 1, "attention_head_dim": 16,
            "num_attention_heads": 1, "joint_attention_dim": WIDTH, "axes_dims_rope": (4, 6, 6)} | more)
    )  # fmt: skip
    coder = diffusers.AutoencoderKLQwenImage(base_dim=4, z_dim=16, num_res_blocks=1)
    return {"transformer": denoiser, "vae": coder, "text_encoder": qwen_eyes(), "tokenizer": qwen_words()}


def qwen3(size: int, layers: int, head: bool = False) -> Any:
    """A language model of Qwen's third kind."""
    config = Qwen3Config(
        vocab_size=259, hidden_size=size, intermediate_size=size, num_hidden_layers=layers, num_attention_heads=1,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=4096, bos_token_id=256, eos_token_id=256,
        tie_word_embeddings=True,
    )  # fmt: skip
    return (Qwen3ForCausalLM if head else Qwen3Model)(config)


def qwen_eyes() -> Any:
    """A vision-language model of Qwen 2.5."""
    text = {
        "vocab_size": 262, "hidden_size": WIDTH, "intermediate_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 1, "num_key_value_heads": 1, "max_position_embeddings": 4096,
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0},
        "bos_token_id": 256, "eos_token_id": 256,
    }  # fmt: skip
    eyes = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 1, "out_hidden_size": WIDTH,
            "fullatt_block_indexes": [0], "patch_size": 14}  # fmt: skip
    return Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(text_config=text, vision_config=eyes))


FLOWS: dict[str, tuple[str, Callable[..., dict[str, Any]]]] = {
    "sd3": ("StableDiffusion3Pipeline", _sd3),
    "flux": ("FluxPipeline", _flux),
    "flux2": ("Flux2KleinPipeline", _flux2),
    "z_image": ("ZImagePipeline", _z_image),
    "qwen_image": ("QwenImagePipeline", _qwen_image),
}
"""Pipeline and parts of each family."""
SHIFTS: dict[str, dict[str, Any]] = {
    "sd3": {"shift": 3.0},
    "flux": {"shift": 3.0, "use_dynamic_shifting": True},
    "flux2": {"shift": 3.0, "use_dynamic_shifting": True},
    "z_image": {"shift": 3.0},
    "qwen_image": {
        "use_dynamic_shifting": True,
        "base_shift": 0.5,
        "max_shift": 0.9,
        "max_image_seq_len": 8192,
        "shift_terminal": 0.02,
    },
}
"""How their schedulers shift."""


def make_pixart(folder: Path, seed: int = 0) -> Path:
    """Write a random PixArt-Sigma, which no family knows; returns the folder."""
    torch.manual_seed(seed)
    three = t5()
    denoiser = diffusers.PixArtTransformer2DModel(
        num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=8, num_layers=1, sample_size=32,
        patch_size=2, cross_attention_dim=16, caption_channels=WIDTH, use_additional_conditions=False,
    )  # fmt: skip
    pipeline = diffusers.PixArtSigmaPipeline(
        tokenizer=three["words"], text_encoder=three["encoder"], vae=vae(4), transformer=denoiser,
        scheduler=diffusers.DPMSolverMultistepScheduler(),
    )  # fmt: skip
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def make_chroma(folder: Path, seed: int = 0) -> Path:
    """Write a random Chroma for starting from pictures, which no family knows; returns the folder."""
    torch.manual_seed(seed)
    three = t5()
    denoiser = diffusers.ChromaTransformer2DModel(
        in_channels=64, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=1,
        joint_attention_dim=16, axes_dims_rope=(4, 6, 6), approximator_num_channels=64,
        approximator_hidden_dim=16, approximator_layers=1,
    )  # fmt: skip
    pipeline = diffusers.ChromaImg2ImgPipeline(
        tokenizer=three["words"], text_encoder=three["encoder"], vae=vae(), transformer=denoiser,
        scheduler=FlowMatchEulerDiscreteScheduler(),
    )  # fmt: skip
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def make_modular(folder: Path, base: Path) -> Path:
    """Write a folder made by `make_flow` as modular blocks whose list points to the network; returns the folder."""
    pipeline = diffusers.ModularPipeline.from_pretrained(str(base), local_files_only=True)
    pipeline.load_components(dtype=torch.float32)
    pipeline.save_pretrained(str(folder), overwrite_modular_index=True)
    index = folder / "modular_model_index.json"
    index.write_text(index.read_text().replace(json.dumps(str(folder)), json.dumps("nobody/nowhere")))
    return folder
