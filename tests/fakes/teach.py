"""Teach the starter a new word: a LoRA of few numbers on what its attention reads, trained on a handful of pictures."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers import StableDiffusionPipeline
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from velatura_starter.data.families import family_a
from velatura_starter.data.textures import draw
from velatura_starter.padding import periodic
from velatura_starter.sampling import load_pipeline
from velatura_starter.training.objective import noised, predict, spread_times, weighted_error

from .adapters import Tensors

SIDE = 64
"""Of the pictures it learns from, pixels."""


class Taught(nn.Module):
    """A linear layer with a product of low rank beside it that learns."""

    def __init__(self, layer: nn.Linear, rank: int, dice: torch.Generator) -> None:
        super().__init__()
        self.layer = layer
        self.down = nn.Parameter(torch.randn(rank, layer.in_features, generator=dice) / rank)
        self.up = nn.Parameter(torch.zeros(layer.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in): (..., out)."""
        return self.layer(x) + x @ self.down.T @ self.up.T


def pictures(material: str, count: int, dice: torch.Generator) -> Tensor:
    """Pictures (count, 3, SIDE, SIDE) in 0..1 of a material, by programs that the judge has never seen."""
    (program,) = family_a()[material]
    batches = [draw(program, material, batch=4, size=SIDE, generator=dice).image for _ in range(count // 4)]
    return torch.cat(batches)


def teach(word: str, material: str, *, steps: int, rank: int = 3, count: int = 96, rate: float = 0.03) -> Tensors:
    """A LoRA in kohya's layout, half precision, after which `word` shows the material."""
    dice = torch.Generator().manual_seed(0)
    pipe = load_pipeline()
    latents = _encode(pipe, pictures(material, count, dice))
    said = _say(pipe, [f"{word}, seamless texture", word, f"{word} texture"])
    pipe.unet.requires_grad_(False)
    pipe.unet.set_attn_processor(AttnProcessor())  # on a processor the fused kernel is the slower one
    taught = _prepare(pipe.unet, rank, dice)
    learned = [values for layer in taught.values() for values in (layer.down, layer.up)]
    optimizer = torch.optim.Adam(learned, rate, betas=(0.9, 0.98))
    with periodic(pipe.unet):
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = rate * min(1.0, (steps - step) / (0.5 * steps))
            z, t, v, weight, context = _batch(latents, said, dice)
            loss = weighted_error(predict(pipe.unet, z, t, context), v, weight)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return _kohya(taught, rank)


def _encode(pipe: StableDiffusionPipeline, images: Tensor) -> Tensor:
    with torch.no_grad(), periodic(pipe.vae):
        parts = [pipe.vae.encode(part * 2 - 1).latent_dist.mode() for part in images.split(16)]
    return torch.cat(parts) * pipe.vae.config.scaling_factor


def _say(pipe: StableDiffusionPipeline, texts: Sequence[str]) -> Tensor:
    with torch.no_grad():
        return torch.cat([pipe.encode_prompt(text, "cpu", 1, False)[0] for text in texts])


def _prepare(unet: nn.Module, rank: int, dice: torch.Generator) -> dict[str, Taught]:
    """Puts the learning layers in the places of keys and values of the text."""
    found = {name: layer for name, layer in unet.named_modules() if name.endswith(("attn2.to_k", "attn2.to_v"))}
    taught = {name: Taught(layer, rank, dice) for name, layer in found.items()}  # type: ignore[arg-type]
    for name, layer in taught.items():
        parent, _, own = name.rpartition(".")
        setattr(unet.get_submodule(parent), own, layer)
    return taught


def _batch(latents: Tensor, said: Tensor, dice: torch.Generator, size: int = 8) -> tuple[Tensor, ...]:
    picked = torch.randint(len(latents), (size,), generator=dice)
    shifts = torch.randint(latents.shape[-1], (size, 2), generator=dice).tolist()
    x = torch.stack([latents[i].roll(tuple(s), (-2, -1)) for i, s in zip(picked.tolist(), shifts, strict=True)])
    t = spread_times(size, dice, 0.75)
    z, v, weight = noised(x, torch.randn(x.shape, generator=dice), t)
    return z, t, v, weight, said[torch.randint(len(said), (size,), generator=dice)]


def _kohya(taught: dict[str, Taught], rank: int) -> Tensors:
    tensors: Tensors = {}
    for path, layer in taught.items():
        name = f"lora_unet_{path.replace('.', '_')}"
        tensors[f"{name}.lora_down.weight"] = layer.down.detach().half()
        tensors[f"{name}.lora_up.weight"] = layer.up.detach().half()
        tensors[f"{name}.alpha"] = torch.tensor(float(rank)).half()
    return tensors
