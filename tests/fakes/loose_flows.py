"""Random models of Stable Diffusion 3 and Flux.1 as other programs have them: a denoiser, and single files beside it.

Their vocabularies are the true ones, which the engine ships; only the widths are tiny.
"""

from __future__ import annotations

import gzip
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler
from safetensors.torch import load_file, save_file
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)
from velatura_engine.models.single_file import CONFIGS

from .original_flows import make_file
from .original_names import vae_key
from .tiny_models import _real_tokenizer as clip_tokenizer

WIDTHS = {"clip_l": 8, "clip_g": 12, "t5": 24}
SCALES = {"sd3": (1.5305, 0.0609), "flux": (0.3611, 0.1159)}
SCHEDULES: dict[str, dict[str, Any]] = {
    "sd3": {"shift": 3.0},
    "flux": {"shift": 3.0, "use_dynamic_shifting": True},
    "schnell": {"shift": 1.0},
}


def make_whole(folder: Path, kind: str, *, seed: int = 0) -> Any:
    """Write a random "sd3", "flux" or "schnell" as a folder of diffusers; returns its pipeline, to compare with."""
    torch.manual_seed(seed)
    family = "flux" if kind == "schnell" else kind
    scale, shift = SCALES[family]
    vae = AutoencoderKL(
        block_out_channels=(32,) * 4, down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=2, latent_channels=16, scaling_factor=scale,
        shift_factor=shift, use_quant_conv=False, use_post_quant_conv=False,
    )  # fmt: skip
    parts: dict[str, Any] = {"vae": vae, "scheduler": FlowMatchEulerDiscreteScheduler(**SCHEDULES[kind])}
    texts = {"clip_l": _clip("clip_l", projected=family == "sd3"), "t5": _t5()}
    if family == "sd3":
        texts = {"clip_l": texts["clip_l"], "clip_g": _clip("clip_g", projected=True), "t5": texts["t5"]}
        texts["clip_l"].text_projection.weight.data = torch.eye(WIDTHS["clip_l"])
    for number, (role, encoder) in enumerate(texts.items()):
        end = f"_{number + 1}" if number else ""
        parts[f"text_encoder{end}"] = encoder
        parts[f"tokenizer{end}"] = _words(role)
    parts["transformer"] = _sd3() if family == "sd3" else _flux(guided=kind == "flux")
    of = diffusers.StableDiffusion3Pipeline if family == "sd3" else diffusers.FluxPipeline
    for part in parts.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    pipeline = of(**parts)
    pipeline.save_pretrained(folder, safe_serialization=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def make_loose(home: Path, whole: Path, family: str, name: str = "tuned") -> Path:
    """Write the parts of a whole model into the folders of a models folder, in their original names; returns it."""
    make_file(home / "diffusion_models" / f"{name}.safetensors", whole, family)
    for role, tensors in texts_of(whole).items():
        _save(home / "text_encoders" / f"{'t5xxl_fp16' if role == 't5' else role}.safetensors", tensors)
    _save(home / "vae" / ("ae.safetensors" if family == "flux" else "sd3_vae.safetensors"), vae_of(whole))
    return home


def make_one(path: Path, whole: Path, family: str) -> Path:
    """Write all parts of a whole model as one file, as some are passed around; returns the path."""
    make_file(path, whole, family, prefix="model.diffusion_model.")
    tensors = load_file(path)
    for role, texts in texts_of(whole).items():
        prefix = f"text_encoders.{'t5xxl' if role == 't5' else role}.transformer."
        tensors |= {f"{prefix}{name}": value for name, value in texts.items()}
    tensors |= {f"first_stage_model.{name}": value for name, value in vae_of(whole).items()}
    save_file(tensors, path)
    return path


def texts_of(whole: Path) -> dict[str, dict[str, torch.Tensor]]:
    """The text encoders' tensors by what they are, as their files have them."""
    found = {}
    for folder in sorted(whole.glob("text_encoder*")):
        tensors = load_file(folder / "model.safetensors")
        if "shared.weight" in tensors or "encoder.embed_tokens.weight" in tensors:
            found["t5"] = {name: value for name, value in tensors.items() if name != "encoder.embed_tokens.weight"}
            continue
        role = "clip_l" if folder.name == "text_encoder" else "clip_g"
        found[role] = {
            name if name.startswith("text_") else f"text_model.{name}": value for name, value in tensors.items()
        }
    # A projection that is not heard, as files of CLIP-L may hold one.
    found["clip_l"]["text_projection.weight"] = torch.full((WIDTHS["clip_l"],) * 2, 3.0)
    return found


def vae_of(whole: Path) -> dict[str, torch.Tensor]:
    """The autoencoder's tensors in its authors' names."""
    tensors = load_file(whole / "vae" / "diffusion_pytorch_model.safetensors")
    named = {vae_key(name, 4): value for name, value in tensors.items()}
    return {
        name: value[..., None, None].clone() if ".mid.attn_1." in name and value.ndim == 2 else value
        for name, value in named.items()
    }  # fmt: skip


@cache
def _words(role: str) -> Any:
    """The vocabulary of a text encoder, as the engine ships it."""
    with tempfile.TemporaryDirectory() as folder:
        if role != "t5":
            return clip_tokenizer(Path(folder), pad="!" if role == "clip_g" else None)
        packed = (CONFIGS / "t5" / "tokenizer" / "tokenizer.json.gz").read_bytes()
        (Path(folder) / "tokenizer.json").write_bytes(gzip.decompress(packed))
        return T5TokenizerFast.from_pretrained(folder, model_max_length=512)


def _save(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)


def _clip(role: str, *, projected: bool) -> Any:
    config = CLIPTextConfig(
        vocab_size=49408, hidden_size=WIDTHS[role], intermediate_size=16, num_hidden_layers=3, num_attention_heads=1,
        max_position_embeddings=77, bos_token_id=49406, eos_token_id=49407, pad_token_id=1,
        projection_dim=WIDTHS[role], hidden_act="gelu" if role == "clip_g" else "quick_gelu",
    )  # fmt: skip
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def _t5() -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(vocab_size=32128, d_model=WIDTHS["t5"], d_kv=8, d_ff=16, num_layers=2, num_heads=2,
                 feed_forward_proj="gated-gelu")
    )  # fmt: skip


def _sd3() -> Any:
    return diffusers.SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=16, num_layers=3, attention_head_dim=8, num_attention_heads=2,
        joint_attention_dim=WIDTHS["t5"], caption_projection_dim=16,
        pooled_projection_dim=WIDTHS["clip_l"] + WIDTHS["clip_g"], out_channels=16, pos_embed_max_size=24,
        qk_norm="rms_norm", dual_attention_layers=(0,),
    )  # fmt: skip


def _flux(*, guided: bool) -> Any:
    return diffusers.FluxTransformer2DModel(
        in_channels=64, num_layers=2, num_single_layers=2, attention_head_dim=16, num_attention_heads=1,
        joint_attention_dim=WIDTHS["t5"], pooled_projection_dim=WIDTHS["clip_l"], guidance_embeds=guided,
        axes_dims_rope=(4, 6, 6),
    )  # fmt: skip
