"""Random models, tiny but in the true layouts: what loads them loads users' models.

`make_tiny(folder, layout)` writes a diffusers folder, `make_control(folder, layout)` a depth ControlNet for it, and
`make_single_file(path)` the weights of one of the `FIRST` layouts with the original names. For IP-Adapters and their
picture encoder see tiny_references.py.
"""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    StableDiffusionDepth2ImgPipeline,
    StableDiffusionPipeline,
    T2IAdapter,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    DPTConfig,
    DPTForDepthEstimation,
)
from velatura_engine.runtime.load import CONFIGS

LAYOUTS = {
    # name: (UNet input channels, VAE widths, prediction)
    "sd1": (4, (32, 32, 32, 32), "epsilon"),
    "sd1_inpaint": (9, (32, 32, 32, 32), "epsilon"),
    "sd2_depth": (5, (32, 32, 32, 32), "v_prediction"),
    "starter": (4, (16, 16, 32), "v_prediction"),
}
FIRST = ("sd1", "sd1_inpaint")
"""Layouts whose single files the engine reads, with CLIP's own vocabulary, which those files do not hold."""

TEXT = 32


def make_tiny(folder: Path, layout: str = "starter", seed: int = 0) -> Path:
    """Write a random pipeline of a layout as a diffusers folder of about 1 MB; returns the folder."""
    channels, widths, prediction = LAYOUTS[layout]
    torch.manual_seed(seed)
    parts = {
        "vae": _vae(widths, attention=layout != "starter"),
        "unet": _unet(channels, levels=4 if layout != "starter" else 3),
        "text_encoder": _text_encoder(49408 if layout in FIRST else 514),
        "tokenizer": _real_tokenizer(folder / "words") if layout in FIRST else _tokenizer(folder / "words"),
        "scheduler": _scheduler(prediction, pure_noise=layout == "starter"),
    }
    if layout == "sd2_depth":
        pipeline = StableDiffusionDepth2ImgPipeline(**parts, depth_estimator=None, feature_extractor=None)
    else:
        pipeline = StableDiffusionPipeline(
            **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )
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
    """Write the weights of a folder made by `make_control` for one of the `FIRST` layouts, with the original names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = ControlNetModel.from_pretrained(control).state_dict()
    save_file({f"{prefix}{_control_key(name)}": value.contiguous().clone() for name, value in state.items()}, path)
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


def make_single_file(path: Path, base: Path) -> Path:
    """Write the weights of a folder of one of the `FIRST` layouts as one file, original names; returns the path."""
    pipeline = StableDiffusionPipeline.from_pretrained(base)
    tensors = {f"model.diffusion_model.{_unet_key(name)}": value for name, value in pipeline.unet.state_dict().items()}
    for name, value in pipeline.vae.state_dict().items():
        old = _vae_key(name, len(pipeline.vae.config.block_out_channels))
        attention = ".mid.attn_1." in old and value.ndim == 2
        tensors[f"first_stage_model.{old}"] = value[..., None, None] if attention else value
    for name, value in pipeline.text_encoder.state_dict().items():
        name = name if name.startswith("text_model.") else f"text_model.{name}"
        tensors[f"cond_stage_model.transformer.{name}"] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous().clone() for name, value in tensors.items()}, path)
    return path


def _vae(widths: tuple[int, ...], attention: bool) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=widths,
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        layers_per_block=2 if attention else 1,
        norm_num_groups=32 if attention else 8,
        latent_channels=4,
        mid_block_add_attention=attention,
        scaling_factor=0.18215,
    )


def _unet(channels: int, levels: int) -> UNet2DConditionModel:
    deep, small = levels - 1, levels == 3
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=channels,
        out_channels=4,
        block_out_channels=(16, 32, 32) if small else (32, 32, 64, 64),
        layers_per_block=1 if small else 2,
        norm_num_groups=8 if small else 32,
        cross_attention_dim=TEXT,
        attention_head_dim=8,
        down_block_types=("CrossAttnDownBlock2D",) * deep + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * deep,
    )


def _text_encoder(words: int) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=words, hidden_size=TEXT, intermediate_size=64, num_hidden_layers=2, num_attention_heads=1,
            max_position_embeddings=77, bos_token_id=words - 2, eos_token_id=words - 1, pad_token_id=words - 1,
            projection_dim=TEXT,
        )
    )  # fmt: skip


def _tokenizer(folder: Path) -> CLIPTokenizer:
    """CLIP's byte-level alphabet without merges: every word is spelled."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer.from_pretrained(folder, model_max_length=77)


def _real_tokenizer(folder: Path) -> CLIPTokenizer:
    """CLIP's own vocabulary, as the engine ships it for single files, which hold none."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("vocab.json", "merges.txt"):
        packed = (CONFIGS / "sd1" / "tokenizer" / f"{name}.gz").read_bytes()
        (folder / name).write_bytes(gzip.decompress(packed))
    return CLIPTokenizer.from_pretrained(folder, model_max_length=77)


def _scheduler(prediction: str, pure_noise: bool) -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction,
        clip_sample=False, set_alpha_to_one=False, steps_offset=1, rescale_betas_zero_snr=pure_noise,
        timestep_spacing="trailing" if pure_noise else "leading",
    )  # fmt: skip


_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection",
}  # fmt: skip


def _control_key(name: str) -> str:
    """diffusers' name of a ControlNet tensor -> the name that ControlNet's authors gave it."""
    parts = name.split(".")
    if parts[0] == "controlnet_cond_embedding":  # conv_in, blocks.0 to 5, conv_out: layers with one between each two
        number = {"conv_in": 0, "conv_out": 14}.get(parts[1])
        return f"input_hint_block.{2 * int(parts[2]) + 2 if number is None else number}.{parts[-1]}"
    if parts[0] == "controlnet_down_blocks":
        return f"zero_convs.{parts[1]}.0.{parts[2]}"
    if parts[0] == "controlnet_mid_block":
        return f"middle_block_out.0.{parts[1]}"
    return _unet_key(name)


def _unet_key(name: str) -> str:
    """diffusers' name of a UNet tensor -> CompVis' name, for four rows of two layers."""
    for new, old in (
        ("time_embedding.linear_1", "time_embed.0"), ("time_embedding.linear_2", "time_embed.2"),
        ("conv_in", "input_blocks.0.0"), ("conv_norm_out", "out.0"), ("conv_out", "out.2"),
    ):  # fmt: skip
        if name.startswith(f"{new}."):
            return old + name[len(new) :]
    part, rest = _place(name)
    layer, _, tail = rest.partition(".")
    return f"{part}.{_RESNET.get(layer, layer)}.{tail}" if layer in _RESNET else f"{part}.{rest}"


def _place(name: str) -> tuple[str, str]:
    """Where a tensor of a block stands in CompVis' list of blocks, and what remains of its name."""
    if match := re.match(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", name):
        kind, number, rest = match.groups()
        return f"middle_block.{int(number) * 2 if kind == 'resnets' else 1}", rest
    match = re.match(r"(down|up)_blocks\.(\d)\.(\w+)\.(\d)\.(.*)", name)
    assert match is not None, name
    side, kind, rest = match.group(1, 3, 5)
    row, number = int(match.group(2)), int(match.group(4))
    if side == "down":
        if kind == "downsamplers":
            return f"input_blocks.{3 * row + 3}.0", rest.replace("conv.", "op.")
        return f"input_blocks.{3 * row + number + 1}.{int(kind == 'attentions')}", rest
    if kind == "upsamplers":
        # The last row of layers carries the upsampler, behind its attention where it has one.
        return f"output_blocks.{3 * row + 2}.{1 if row == 0 else 2}", rest
    return f"output_blocks.{3 * row + number}.{int(kind == 'attentions')}", rest


def _vae_key(name: str, levels: int) -> str:
    """diffusers' name of a VAE tensor -> CompVis' name."""
    name = name.replace("mid_block.resnets.0", "mid.block_1").replace("mid_block.resnets.1", "mid.block_2")
    name = name.replace("mid_block.attentions.0", "mid.attn_1").replace("conv_norm_out", "norm_out")
    name = re.sub(r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{levels - 1 - int(m[1])}.block.{m[2]}", name)
    name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample", name)
    name = name.replace("conv_shortcut", "nin_shortcut")
    for new, old in (("group_norm", "norm"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out")):
        name = name.replace(f"attn_1.{new}", f"attn_1.{old}")
    return name
