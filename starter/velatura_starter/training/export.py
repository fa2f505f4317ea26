"""Write trained parts as a diffusers pipeline folder in half precision, and whiten the autoencoder."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, ControlNetModel, StableDiffusionPipeline
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextModel

from ..architecture import build_controlnet, build_scheduler, build_text, build_unet, build_vae
from ..device import device
from ..padding import periodic
from ..tokens import load_tokenizer
from .clock import Average, load
from .precision import mixed


@torch.no_grad()
def latent_moments(vae: AutoencoderKL, images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each latent channel, (4,) each, over pictures (N, 3, H, W) in 0..1."""
    with periodic(vae), mixed():
        parts = [vae.quant_conv(vae.encoder(x * 2 - 1))[:, :4].float() for x in images.to(vae.device).split(16)]
    z = torch.cat(parts)
    return z.mean((0, 2, 3)), z.std((0, 2, 3))


@torch.no_grad()
def keep_noise(vae: AutoencoderKL, deviation: Tensor) -> None:
    """Fix the posterior's deviation, (4,) for the latent channels, whatever the picture."""
    vae.quant_conv.weight[4:] = 0
    vae.quant_conv.bias[4:] = 2 * torch.log(deviation)


def noise_kept(vae: nn.Module) -> Tensor:
    """The posterior's deviation that was fixed, (4,)."""
    return (vae.quant_conv.bias[4:].detach() / 2).exp()


@torch.no_grad()
def whiten(vae: AutoencoderKL, mean: Tensor, deviation: Tensor) -> None:
    """Fold z -> (z - mean) / deviation into the two 1x1 convolutions, so that scaling_factor is 1.

    Zero padding of latents then means "the average latent".
    """
    q, p = vae.quant_conv, vae.post_quant_conv
    q.weight[:4] /= deviation.view(-1, 1, 1, 1)
    q.bias[:4] = (q.bias[:4] - mean) / deviation
    keep_noise(vae, noise_kept(vae) / deviation)
    p.bias += p.weight[:, :, 0, 0] @ mean
    p.weight *= deviation.view(1, -1, 1, 1)
    vae.register_to_config(scaling_factor=1.0)


def load_vae(path: Path) -> AutoencoderKL:
    """The whitened autoencoder of a run."""
    vae = build_vae()
    vae.register_to_config(scaling_factor=1.0)
    vae.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    return vae.to(device()).eval().requires_grad_(False)


def blank_text(run: Path) -> CLIPTextModel:
    """An untrained text encoder for the run's tokenizer."""
    words = load_tokenizer(run / "tokenizer")
    return build_text(len(words), words.bos_token_id, words.eos_token_id)


def averaged(model: nn.Module, average: Average, part: str) -> nn.Module:
    """Put the averaged parameters into a fresh model."""
    model.load_state_dict(average.of(part), strict=False)
    return model.eval().requires_grad_(False)


def frozen(file: Path, part: str, model: nn.Module) -> nn.Module:
    """``model`` with the averages of one part of a checkpoint, without gradients, attending plainly where it can.

    Raises FileNotFoundError where the stage that makes the checkpoint has not been run.
    """
    if (state := load(file)) is None:
        raise FileNotFoundError(f"{file} is missing: train its stage first")
    average = Average({})
    average.shadow = state["average"]
    model = averaged(model, average, part).to(device())
    if hasattr(model, "set_attn_processor"):
        attend_plainly(model)
    return model


def attend_plainly(model: nn.Module) -> None:
    """Plain attention on a processor: there the fused kernel's forward costs more than every convolution here."""
    if device().type == "cpu":
        model.set_attn_processor(AttnProcessor())  # type: ignore[operator]


def export_texture(run: Path, unet: nn.Module, text: nn.Module, folder: Path) -> None:
    """Write the pipeline folder: vae, unet, text_encoder, tokenizer, scheduler; float16 safetensors.

    The networks stay as they are: copies are halved, since whoever trains may still ask them.
    """
    unet, text = copy.deepcopy(unet), copy.deepcopy(text)
    pipeline = StableDiffusionPipeline(
        vae=load_vae(run / "vae_white.pt"),
        text_encoder=text,  # type: ignore[arg-type]
        tokenizer=load_tokenizer(run / "tokenizer"),
        unet=unet,  # type: ignore[arg-type]
        scheduler=build_scheduler(),
        safety_checker=None,  # type: ignore[arg-type]
        feature_extractor=None,  # type: ignore[arg-type]
        requires_safety_checker=False,
    )
    pipeline.to(torch.float16).save_pretrained(folder, safe_serialization=True)
    # transformers 5 writes tokenizer.json alone; older readers want the vocabulary and merges too.
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(run / "tokenizer" / name, folder / "tokenizer" / name)
    # transformers loads in the type its config names: name float32, as diffusers' parts load by default.
    path = folder / "text_encoder" / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"dtype": "float32"}
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def export_depth(average: Average, folder: Path) -> None:
    """Write the ControlNet folder, float16 safetensors."""
    control: ControlNetModel = averaged(build_controlnet(build_unet()), average, "controlnet")  # type: ignore[assignment]
    control.to(torch.float16).save_pretrained(folder, safe_serialization=True)
