"""Encode the training pictures once: latents, captions and what padding they need."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from ..device import device, roomy
from ..padding import periodic
from .clock import load, save
from .drawing import VIEWS, Chunk, read
from .precision import mixed


@dataclass(frozen=True, slots=True)
class Tiles:
    """Periodic latents (N, 4, h, w) half precision; tokens (N, captions, T); materials' numbers and weights (N,)."""

    latents: Tensor
    tokens: Tensor
    materials: Tensor
    weights: Tensor


@dataclass(frozen=True, slots=True)
class Scenes:
    """Render latents (N, 4, h, w), hints (N, 4h, 4w) uint8 disparity, tokens (N, captions, T), weights (N,)."""

    latents: Tensor
    hints: Tensor
    tokens: Tensor
    weights: Tensor


@torch.no_grad()
def encode(vae: AutoencoderKL, images: Tensor, axes: str) -> Tensor:
    """Mean latents of pictures (N, 3, H, W) uint8, unscaled, half precision."""
    out = []
    with periodic(vae, axes=axes), mixed():
        for x in images.split(max(1, roomy(8, 256) * 128**2 // images.shape[-1] ** 2)):
            x = x.to(device()).float() / 127.5 - 1
            out.append(vae.quant_conv(vae.encoder(x)).chunk(2, dim=1)[0].half())
    return torch.cat(out)


def encode_chunks(vae: AutoencoderKL, run: Path, chunks: list[Chunk]) -> Tiles | Scenes:
    """The latents of chunks of one kind, from the run's cache if they were encoded before."""
    scenes = chunks[0].kind in VIEWS
    shape, file = (Scenes if scenes else Tiles), run / f"{chunks[0].kind}.pt"
    if state := load(file):
        return shape(**state)
    told = read(run, chunks)
    told["latents"] = encode(vae, told.pop("images"), "" if scenes else "xy")
    told["tokens"] = told["tokens"].long()
    made = shape(**{name: told[name].to(device()) for name in (f.name for f in fields(shape))})
    save(file, {f.name: getattr(made, f.name) for f in fields(shape)})
    return made
