"""Random models of Flux.2 klein, Z-Image and Qwen-Image as other programs have them: a denoiser, and single files of a
language model and an autoencoder beside it.

Their vocabulary is the true one, which the engine ships; only the widths are tiny.
"""

from __future__ import annotations

import re
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, AutoencoderKLFlux2, AutoencoderKLQwenImage, FlowMatchEulerDiscreteScheduler
from safetensors.torch import load_file, save_file
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3Model,
)
from velatura_engine.runtime.load import unpack_words

from .loose_flows import SCALES
from .original_flows import make_file
from .original_names import vae_key
from .tiny_flows import SHIFTS

WIDTHS = {"flux2": 8, "z_image": 16, "qwen_image": 8}
"""Of the language models."""
FILES = {
    "flux2": ("qwen_3_8b", "flux2-vae"), "z_image": ("qwen_3_4b", "ae"),
    "qwen_image": ("qwen_2.5_vl_7b", "qwen_image_vae"),
}  # fmt: skip
"""What those of text encoder and autoencoder are called."""
INSIDE = {"flux2": "qwen3_8b", "z_image": "qwen3_4b", "qwen_image": "qwen25_7b"}
ROPE: dict[str, Any] = {"rope_type": "default", "rope_theta": 1e6}
_WAN = {"norm1": "residual.0", "conv1": "residual.2", "norm2": "residual.3", "conv2": "residual.6",
        "conv_shortcut": "shortcut"}  # fmt: skip


def make_whole(folder: Path, family: str, *, seed: int = 0) -> Any:
    """Write a random model as a folder of diffusers; returns its pipeline, to compare with."""
    torch.manual_seed(seed)
    of, build = {
        "flux2": (diffusers.Flux2KleinPipeline, _flux2), "z_image": (diffusers.ZImagePipeline, _z_image),
        "qwen_image": (diffusers.QwenImagePipeline, _qwen_image),
    }[family]  # fmt: skip
    parts = build() | {"tokenizer": words(), "scheduler": FlowMatchEulerDiscreteScheduler(**SHIFTS[family])}
    for part in parts.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    pipeline = of(**parts, **({"is_distilled": True} if family == "flux2" else {}))
    pipeline.save_pretrained(folder, safe_serialization=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def make_loose(home: Path, whole: Path, family: str, name: str = "tuned") -> Path:
    """Write the parts of a whole model into the folders of a models folder, in their original names; returns it."""
    make_file(home / "diffusion_models" / f"{name}.safetensors", whole, family)
    text, vae = FILES[family]
    _save(home / "text_encoders" / f"{text}.safetensors", text_of(whole))
    _save(home / "vae" / f"{vae}.safetensors", vae_of(whole, family))
    return home


def make_one(path: Path, whole: Path, family: str) -> Path:
    """Write all parts of a whole model as one file; returns the path."""
    make_file(path, whole, family, prefix="model.diffusion_model.")
    tensors = load_file(path)
    tensors |= {f"text_encoders.{INSIDE[family]}.transformer.{name}": value for name, value in text_of(whole).items()}
    tensors |= {f"first_stage_model.{name}": value for name, value in vae_of(whole, family).items()}
    _save(path, tensors)
    return path


def text_of(whole: Path) -> dict[str, torch.Tensor]:
    """The language model's tensors as its authors' files have them, with what speaks and what sees."""
    found = {}
    for name, value in load_file(whole / "text_encoder" / "model.safetensors").items():
        bare = re.sub(r"^(model\.)?(language_model\.)?", "", name)
        found[bare if bare.startswith(("visual.", "lm_head.")) else f"model.{bare}"] = value
    return found


def vae_of(whole: Path, family: str) -> dict[str, torch.Tensor]:
    """The autoencoder's tensors in its authors' names."""
    tensors = load_file(whole / "vae" / "diffusion_pytorch_model.safetensors")
    if family == "qwen_image":
        return {wan_key(name): value for name, value in tensors.items()}
    inside = {"quant_conv": "encoder.quant_conv", "post_quant_conv": "decoder.post_quant_conv"}
    found = {}
    for name, value in tensors.items():
        layer, _, kind = name.rpartition(".")
        new = f"{inside[layer]}.{kind}" if layer in inside else name if layer == "bn" else vae_key(name, 4)
        found[new] = value[..., None, None].clone() if ".mid.attn_1." in new and value.ndim == 2 else value
    return found


def wan_key(name: str) -> str:
    """diffusers' name of a tensor of Qwen-Image's autoencoder -> Wan's."""
    for new, old in (("post_quant_conv.", "conv2."), ("quant_conv.", "conv1.")):
        if name.startswith(new):
            return old + name.removeprefix(new)
    side, rest = name.split(".", 1)
    for new, old in (("conv_in.", "conv1."), ("norm_out.", "head.0."), ("conv_out.", "head.2."),
                     ("mid_block.attentions.0.", "middle.1.")):  # fmt: skip
        if rest.startswith(new):
            return f"{side}.{old}{rest.removeprefix(new)}"
    if match := re.match(r"mid_block\.resnets\.(\d)\.(\w+)\.(.*)", rest):
        return f"{side}.middle.{2 * int(match[1])}.{_WAN[match[2]]}.{match[3]}"
    if match := re.match(r"down_blocks\.(\d+)\.(\w+)\.(.*)", rest):
        return f"{side}.downsamples.{match[1]}.{_WAN.get(match[2], match[2])}.{match[3]}"
    if match := re.match(r"up_blocks\.(\d)\.resnets\.(\d)\.(\w+)\.(.*)", rest):
        return f"{side}.upsamples.{4 * int(match[1]) + int(match[2])}.{_WAN[match[3]]}.{match[4]}"
    match = re.match(r"up_blocks\.(\d)\.upsamplers\.0\.(.*)", rest)
    assert match is not None, name
    return f"{side}.upsamples.{4 * int(match[1]) + 3}.{match[2]}"


@cache
def words() -> Qwen2Tokenizer:
    """Qwen's vocabulary, as the engine ships it."""
    with tempfile.TemporaryDirectory() as folder:
        unpack_words("qwen", "tokenizer", Path(folder))
        return Qwen2Tokenizer.from_pretrained(folder)


def qwen3(width: int, layers: int, *, speaks: bool = False) -> Any:
    """A language model of Qwen's third kind, with two heads and one pair of keys and values."""
    config = Qwen3Config(
        vocab_size=151936, hidden_size=width, intermediate_size=12, num_hidden_layers=layers, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, rope_parameters=dict(ROPE), tie_word_embeddings=True,
    )  # fmt: skip
    return (Qwen3ForCausalLM if speaks else Qwen3Model)(config)


def _flux2() -> dict[str, Any]:
    denoiser = diffusers.Flux2Transformer2DModel(
        in_channels=128, num_layers=2, num_single_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=3 * WIDTHS["flux2"], timestep_guidance_channels=16, axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )  # fmt: skip
    coder = AutoencoderKLFlux2(
        block_out_channels=(32,) * 4, decoder_block_out_channels=(32, 32, 64, 64), latent_channels=32,
    )  # fmt: skip
    torch.nn.init.normal_(coder.bn.running_mean)
    torch.nn.init.uniform_(coder.bn.running_var, 0.5, 2)
    return {"transformer": denoiser, "vae": coder, "text_encoder": qwen3(WIDTHS["flux2"], 28, speaks=True)}


def _z_image() -> dict[str, Any]:
    denoiser = diffusers.ZImageTransformer2DModel(
        dim=32, n_layers=2, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=WIDTHS["z_image"],
        axes_dims=[4, 6, 6], axes_lens=[1536, 64, 64],
    )  # fmt: skip
    for pad in (denoiser.x_pad_token, denoiser.cap_pad_token):
        torch.nn.init.normal_(pad)
    scale, shift = SCALES["flux"]
    coder = AutoencoderKL(
        block_out_channels=(32,) * 4, down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=2, latent_channels=16, scaling_factor=scale,
        shift_factor=shift, use_quant_conv=False, use_post_quant_conv=False,
    )  # fmt: skip
    return {"transformer": denoiser, "vae": coder, "text_encoder": qwen3(WIDTHS["z_image"], 3)}


def _qwen_image() -> dict[str, Any]:
    width = WIDTHS["qwen_image"]
    denoiser = diffusers.QwenImageTransformer2DModel(
        in_channels=64, out_channels=16, num_layers=2, attention_head_dim=16, num_attention_heads=1,
        joint_attention_dim=width, axes_dims_rope=(4, 6, 6),
    )  # fmt: skip
    text = {
        "vocab_size": 152064, "hidden_size": width, "intermediate_size": 12, "num_hidden_layers": 2,
        "num_attention_heads": 1, "num_key_value_heads": 1, "rms_norm_eps": 1e-6,
        "rope_parameters": ROPE | {"mrope_section": [2, 1, 1]},
    }  # fmt: skip
    eyes = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 1, "out_hidden_size": width,
            "fullatt_block_indexes": [0], "patch_size": 14}  # fmt: skip
    reader = Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(text_config=text, vision_config=eyes))
    coder = AutoencoderKLQwenImage(base_dim=4, z_dim=16)
    return {"transformer": denoiser, "vae": coder, "text_encoder": reader}


def _save(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous().clone() for name, value in tensors.items()}, path)
