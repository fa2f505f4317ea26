"""Random models, tiny but in the true layouts: what loads them loads users' models.

`make_tiny(folder, layout)` writes a diffusers folder, `make_control(folder, base)` a depth ControlNet for it,
`make_single_file(path, base)` the weights of one of the `SINGLE` layouts with the original names, and
`make_vae(path, base)` its VAE alone. For IP-Adapters and their picture encoder see tiny_references.py.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, ControlNetModel, DDIMScheduler, T2IAdapter, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    DPTConfig,
    DPTForDepthEstimation,
)
from velatura_engine.models.single_file import CONFIGS

from .original_names import control_key, original_tensors, vae_key

FOUR = (32, 32, 32, 32)


@dataclass(frozen=True)
class Tiny:
    """What is different between layouts: UNet input channels, VAE widths, prediction, diffusers' pipeline, and which
    generation's text encoders it has: 0 spells every word, 1 and 2 have CLIP's vocabulary, 3 is SDXL, 4 its refiner.
    """

    channels: int = 4
    vae: tuple[int, ...] = FOUR
    prediction: str = "epsilon"
    pipeline: str = "StableDiffusionPipeline"
    generation: int = 1


XL = "StableDiffusionXLPipeline"
LAYOUTS = {
    "sd1": Tiny(),
    "sd1_inpaint": Tiny(9),
    "sd1_edit": Tiny(8, pipeline="StableDiffusionInstructPix2PixPipeline"),
    "sd2": Tiny(prediction="v_prediction", generation=2),
    "sd2_depth": Tiny(5, prediction="v_prediction", pipeline="StableDiffusionDepth2ImgPipeline", generation=0),
    "sdxl": Tiny(pipeline=XL, generation=3),
    "sdxl_inpaint": Tiny(9, pipeline="StableDiffusionXLInpaintPipeline", generation=3),
    "sdxl_refiner": Tiny(pipeline="StableDiffusionXLImg2ImgPipeline", generation=4),
    "starter": Tiny(vae=(16, 16, 32), prediction="v_prediction", generation=0),
}
SINGLE = tuple(name for name, tiny in LAYOUTS.items() if tiny.generation)
"""Layouts whose single files the engine reads, with CLIP's own vocabulary, which those files do not hold."""
FAMILIES = {name: {"starter": "sd1", "sd2": "sd1"}.get(name, name) for name in LAYOUTS}
"""The family that each layout is told to be of."""

TEXT = 32
XL_TEXT = (8, 16)
"""Widths of SDXL's two text encoders."""


def make_tiny(folder: Path, layout: str = "starter", seed: int = 0) -> Path:
    """Write a random pipeline of a layout as a diffusers folder of about 1 MB; returns the folder.

    Those with CLIP's vocabulary have 3 to 7 MB, nearly all of it the embeddings of 49408 words.
    """
    tiny = LAYOUTS[layout]
    torch.manual_seed(seed)
    parts = {
        "vae": _vae(tiny),
        "unet": _unet_xl(tiny) if tiny.generation > 2 else _unet(tiny),
        "scheduler": _scheduler(tiny.prediction, pure_noise=layout == "starter"),
    }
    parts |= _words_xl(tiny, folder / "words") if tiny.generation > 2 else _words(tiny, folder / "words")
    extras = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    if tiny.pipeline == "StableDiffusionDepth2ImgPipeline":
        extras = {"depth_estimator": None, "feature_extractor": None}
    elif tiny.generation > 2:
        extras = {"add_watermarker": False, "force_zeros_for_empty_prompt": tiny.generation == 3}
        if tiny.pipeline != XL:
            extras["requires_aesthetics_score"] = tiny.generation == 4
    pipeline = getattr(diffusers, tiny.pipeline)(**parts, **extras)
    pipeline.save_pretrained(folder, safe_serialization=True)
    for file in (folder / "words").iterdir():
        file.unlink()
    (folder / "words").rmdir()
    return folder


def make_control(folder: Path, base: Path, seed: int = 0) -> Path:
    """Write a random ControlNet for a folder made by `make_tiny`; its zero layers are filled, so that it acts."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    levels = len(json.loads((base / "vae" / "config.json").read_text())["block_out_channels"])
    control = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(16, 32, 96, 256)[:levels])
    hint = control.controlnet_cond_embedding.conv_out
    for layer in (*control.controlnet_down_blocks, control.controlnet_mid_block, hint):
        torch.nn.init.normal_(layer.weight, std=0.1)
    control.save_pretrained(folder)
    return folder


def make_control_file(path: Path, control: Path, *, prefix: str = "control_model.") -> Path:
    """Write the weights of a folder made by `make_control` for one of the `SINGLE` layouts, with the original names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = ControlNetModel.from_pretrained(control).state_dict()
    save_file({f"{prefix}{control_key(name)}": value.contiguous().clone() for name, value in state.items()}, path)
    return path


def make_t2i(folder: Path, base: Path, *, kind: str = "full_adapter", in_channels: int = 3, seed: int = 0) -> Path:
    """Write a random T2I-Adapter for a folder made by `make_tiny`; returns the folder."""
    torch.manual_seed(seed)
    widths = json.loads((base / "unet" / "config.json").read_text())["block_out_channels"]
    levels = len(json.loads((base / "vae" / "config.json").read_text())["block_out_channels"])
    channels = widths[:-1] if kind == "light_adapter" else widths
    adapter = T2IAdapter(
        in_channels=in_channels, channels=channels, num_res_blocks=1, downscale_factor=2 ** (levels - 1),
        adapter_type=kind,
    )  # fmt: skip
    adapter.save_pretrained(folder)
    return folder


def make_estimator(folder: Path, kind: str = "depth_anything", seed: int = 0) -> Path:
    """Write a random estimator of depth in the layout of transformers' DPT or Depth Anything; returns the folder."""
    torch.manual_seed(seed)
    neck = {"neck_hidden_sizes": [8, 16, 24, 24], "reassemble_hidden_size": 16, "fusion_hidden_size": 8}
    if kind == "dpt":
        layers = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32}
        config = DPTConfig(
            **layers, image_size=32, patch_size=8, backbone_out_indices=[0, 1, 2, 3], fusion_hidden_size=8,
            neck_hidden_sizes=[8, 16, 24, 24], is_hybrid=False, use_auxiliary_head=False,
        )  # fmt: skip
        model: Any = DPTForDepthEstimation(config)
    else:
        backbone = Dinov2Config(
            hidden_size=16, num_hidden_layers=4, num_attention_heads=2, image_size=28, patch_size=14,
            out_features=["stage1", "stage2", "stage3", "stage4"], reshape_hidden_states=False,
        )  # fmt: skip
        model = DepthAnythingForDepthEstimation(
            DepthAnythingConfig(backbone_config=backbone, patch_size=14, head_hidden_size=8, **neck)
        )
    for name, values in model.named_parameters():  # large enough to see the picture, and never below zero
        if values.ndim > 1:
            torch.nn.init.normal_(values, std=0.2)
        elif name.endswith(("head.4.bias", "head.conv3.bias")):
            torch.nn.init.constant_(values, 100)
    model.save_pretrained(folder)
    return folder


def make_single_file(path: Path, base: Path, **more: torch.Tensor) -> Path:
    """Write the weights of a folder of one of the `SINGLE` layouts as one file, original names; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous().clone() for name, value in (original_tensors(base) | more).items()}, path)
    return path


def make_vae(path: Path, base: Path, seed: int = 9) -> Path:
    """Write another random VAE of a folder's shape, as a folder or, where `path` ends so, a single file; its path."""
    torch.manual_seed(seed)
    vae = AutoencoderKL.from_config(AutoencoderKL.load_config(base / "vae"))
    if path.suffix != ".safetensors":
        vae.save_pretrained(path)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {vae_key(name, len(vae.config.block_out_channels)): value for name, value in vae.state_dict().items()}
    save_file({name: value.contiguous().clone() for name, value in tensors.items()}, path)
    return path


def _vae(tiny: Tiny) -> AutoencoderKL:
    full = len(tiny.vae) == 4
    return AutoencoderKL(
        block_out_channels=tiny.vae,
        down_block_types=("DownEncoderBlock2D",) * len(tiny.vae),
        up_block_types=("UpDecoderBlock2D",) * len(tiny.vae),
        layers_per_block=2 if full else 1,
        norm_num_groups=32 if full else 8,
        latent_channels=4,
        mid_block_add_attention=full,
        scaling_factor=0.13025 if tiny.generation > 2 else 0.18215,
        force_upcast=tiny.generation > 2,
    )


def _unet(tiny: Tiny) -> UNet2DConditionModel:
    deep, small = len(tiny.vae) - 1, len(tiny.vae) == 3
    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=tiny.channels,
        out_channels=4,
        block_out_channels=(16, 32, 32) if small else (32, 32, 64, 64),
        layers_per_block=1 if small else 2,
        norm_num_groups=8 if small else 32,
        cross_attention_dim=TEXT,
        attention_head_dim=(1, 1, 1, 1) if tiny.generation == 2 else 8,
        use_linear_projection=tiny.generation == 2,
        down_block_types=("CrossAttnDownBlock2D",) * deep + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * deep,
    )
    if tiny.generation == 2:
        # What single files of models that predict velocity are told by.
        torch.nn.init.normal_(unet.up_blocks[3].attentions[2].transformer_blocks[0].norm1.bias, std=0.2)
    return unet


def _unet_xl(tiny: Tiny) -> UNet2DConditionModel:
    refiner = tiny.generation == 4
    attention = (False, True, True) + (False,) * refiner
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=tiny.channels,
        out_channels=4,
        block_out_channels=(32, 32, 64, 64) if refiner else (32, 32, 64),
        layers_per_block=2,
        cross_attention_dim=XL_TEXT[1] if refiner else sum(XL_TEXT),
        attention_head_dim=(1,) * len(attention),
        use_linear_projection=True,
        transformer_layers_per_block=(1, 2, 2, 2) if refiner else (1, 1, 2),
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=XL_TEXT[1] + 256 * (5 if refiner else 6),
        down_block_types=tuple("CrossAttnDownBlock2D" if on else "DownBlock2D" for on in attention),
        up_block_types=tuple("CrossAttnUpBlock2D" if on else "UpBlock2D" for on in reversed(attention)),
    )


def _text_config(words: int, width: int, **more: object) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=words, hidden_size=width, intermediate_size=64, num_hidden_layers=2, num_attention_heads=1,
        max_position_embeddings=77, bos_token_id=words - 2, eos_token_id=words - 1, pad_token_id=words - 1,
        projection_dim=width, **more,
    )  # fmt: skip


def _words(tiny: Tiny, folder: Path) -> dict[str, object]:
    words = 49408 if tiny.generation else 514
    act = {"hidden_act": "gelu"} if tiny.generation == 2 else {}
    tokenizer = (
        _real_tokenizer(folder, pad="!" if tiny.generation == 2 else None) if words > 514 else _tokenizer(folder)
    )
    return {"text_encoder": CLIPTextModel(_text_config(words, TEXT, **act)), "tokenizer": tokenizer}


def _words_xl(tiny: Tiny, folder: Path) -> dict[str, object]:
    """Two text encoders and their tokenizers, of which a refiner has the second only."""
    first, second = XL_TEXT
    config = _text_config(49408, second, hidden_act="gelu")
    return {
        "text_encoder": None if tiny.generation == 4 else CLIPTextModel(_text_config(49408, first)),
        "tokenizer": None if tiny.generation == 4 else _real_tokenizer(folder),
        "text_encoder_2": CLIPTextModelWithProjection(config),
        "tokenizer_2": _real_tokenizer(folder, pad="!"),
    }


def _tokenizer(folder: Path) -> CLIPTokenizer:
    """CLIP's byte-level alphabet without merges: every word is spelled."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer.from_pretrained(folder, model_max_length=77)


def _real_tokenizer(folder: Path, pad: str | None = None) -> CLIPTokenizer:
    """CLIP's own vocabulary, as the engine ships it for single files, which hold none."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("vocab.json", "merges.txt"):
        packed = (CONFIGS / "sd1" / "tokenizer" / f"{name}.gz").read_bytes()
        (folder / name).write_bytes(gzip.decompress(packed))
    return CLIPTokenizer.from_pretrained(folder, model_max_length=77, **({"pad_token": pad} if pad else {}))


def _scheduler(prediction: str, pure_noise: bool) -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction,
        clip_sample=False, set_alpha_to_one=False, steps_offset=1, rescale_betas_zero_snr=pure_noise,
        timestep_spacing="trailing" if pure_noise else "leading",
    )  # fmt: skip
