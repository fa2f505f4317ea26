"""Pictures to latents and back, for every kind of autoencoder: what each makes is (B, C, h, w) to the rest of us."""

from __future__ import annotations

from typing import Any

import torch


def encode(vae: Any, pictures: torch.Tensor) -> torch.Tensor:
    """Pictures (B, 3, H, W) in -1..1 -> latents (B, C, h, w), the distribution's mode: the same every time."""
    if of_films(vae):
        return vae.encode(pictures[:, :, None], return_dict=False)[0].mode()[:, :, 0]
    encoded = vae.encode(pictures, return_dict=False)[0].mode()
    return fold(encoded) if folds(vae) else encoded


def decode(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Latents (B, C, h, w) -> pictures (B, 3, H, W) in -1..1."""
    if of_films(vae):
        return vae.decode(latents[:, :, None], return_dict=False)[0][:, :, 0]
    return vae.decode(unfold(latents) if folds(vae) else latents, return_dict=False)[0]


def of_films(vae: Any) -> bool:
    """Whether it is made for films, of which a picture is the first frame."""
    return hasattr(vae.config, "temperal_downsample")


def folds(vae: Any) -> bool:
    """Whether its latents are normed four by four, as one of four times as many channels."""
    return hasattr(vae, "bn")


def fold(latents: torch.Tensor) -> torch.Tensor:
    """(B, C, h, w) -> (B, 4 C, h / 2, w / 2)."""
    return latents.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).permute(0, 1, 3, 5, 2, 4).flatten(1, 3)


def unfold(latents: torch.Tensor) -> torch.Tensor:
    """(B, 4 C, h / 2, w / 2) -> (B, C, h, w)."""
    return latents.unflatten(1, (-1, 2, 2)).permute(0, 1, 4, 2, 5, 3).flatten(4, 5).flatten(2, 3)
