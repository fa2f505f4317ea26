"""Encode the training pictures once: latents, captions and what padding they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from ..data.captions import Writer
from ..data.families import family_a, material_names
from ..data.renders import Painter, disparity, texture_tiles
from ..data.textures import draw
from ..padding import periodic
from .clock import load, save
from .precision import mixed


@dataclass(frozen=True, slots=True)
class Tiles:
    """Periodic latents (N, 4, h, w) half precision, a list of captions for each, their materials' numbers (N,)."""

    latents: Tensor
    captions: list[list[str]]
    materials: Tensor


@dataclass(frozen=True, slots=True)
class Scenes:
    """Render latents (N, 4, 32, 32), hints (N, 128, 128) uint8 disparity, captions."""

    latents: Tensor
    hints: Tensor
    captions: list[list[str]]


@torch.no_grad()
def encode(vae: AutoencoderKL, images: Tensor, axes: str) -> Tensor:
    """Mean latents of pictures (B, 3, H, W) in 0..1, unscaled, half precision."""
    with periodic(vae, axes=axes), mixed():
        mean = vae.quant_conv(vae.encoder(images * 2 - 1)).chunk(2, dim=1)[0]
    return mean.half()


def make_tiles(vae: AutoencoderKL, count: int, size: int, batch: int, generator: torch.Generator) -> Tiles:
    """Textures of every program in turn, with three captions each."""
    writer = Writer(generator)
    programs = [(m, p) for m, ps in family_a().items() for p in ps]
    latents, captions, materials = [], [], []
    for i in range(count // batch):
        material, program = programs[i % len(programs)]
        b = draw(program, material, batch=batch, size=size, generator=generator)
        latents.append(encode(vae, b.image, "xy"))
        captions += [[writer.texture(told) for _ in range(3)] for told in b.labels]
        materials += [material_names().index(material)] * batch
    return Tiles(torch.cat(latents), captions, torch.tensor(materials))


def make_scenes(vae: AutoencoderKL, count: int, generator: torch.Generator) -> Scenes:
    """Depth renders with two captions each."""
    writer = Writer(generator)
    painter = Painter(*texture_tiles(512, generator), generator)
    latents, hints, captions, pile = [], [], [], []
    for i in range(count):
        r = painter.render()
        pile.append(r.image)
        hints.append((disparity(r.depth, r.mask) * 255).round().to(torch.uint8))
        captions.append([writer.render(r.shape, r.labels, r.floor) for _ in range(2)])
        if len(pile) == 8 or i == count - 1:
            latents.append(encode(vae, torch.stack(pile), ""))
            pile = []
    return Scenes(torch.cat(latents), torch.stack(hints), captions)


def cached_tiles(path: Path, make: Callable[[], Tiles]) -> Tiles:
    """Tiles from the cache file, made first if it is missing."""
    if state := load(path):
        return Tiles(state["latents"], state["captions"], state["materials"])
    tiles = make()
    save(path, {"latents": tiles.latents, "captions": tiles.captions, "materials": tiles.materials})
    return tiles


def cached_scenes(path: Path, make: Callable[[], Scenes]) -> Scenes:
    """Scenes from the cache file, made first if it is missing."""
    if state := load(path):
        return Scenes(state["latents"], state["hints"], state["captions"])
    s = make()
    save(path, {"latents": s.latents, "hints": s.hints, "captions": s.captions})
    return s
