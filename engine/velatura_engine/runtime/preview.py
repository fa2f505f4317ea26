"""Glimpses of an unfinished picture: a linear map from latents to colour, fitted to whatever VAE is at hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

Finer = Callable[[torch.Tensor], torch.Tensor]
"""What parts latents (B, C, h, w) that hold several places each."""


class PreviewMap:
    """Latents (B, C, h, w), or `finer` ones made of them, -> small sRGB pictures, by one matrix of (C + 1, 3)."""

    def __init__(self, matrix: torch.Tensor, finer: Finer | None = None) -> None:
        self.matrix, self._finer = matrix, finer

    def picture(self, latents: torch.Tensor, longest: int) -> np.ndarray:
        """One picture's latents (C, h, w) -> (h', w', 3) uint8, its longest side at most `longest` pixels."""
        latents = latents if self._finer is None else self._finer(latents[None])[0]
        flat = latents.detach().float().cpu().flatten(1).T  # (h w, C)
        colour = torch.cat([flat, torch.ones_like(flat[:, :1])], dim=1) @ self.matrix
        small = colour.T.unflatten(1, latents.shape[-2:])[None]  # (1, 3, h, w)
        scale = longest / max(small.shape[-2:])
        size = [max(1, round(side * scale)) for side in small.shape[-2:]]
        small = F.interpolate(small, size=size, mode="bilinear", antialias=scale < 1)
        return (small[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy()


@torch.no_grad()
def fit(
    encode: Callable[[torch.Tensor], torch.Tensor], factor: int, device: torch.device, dtype: torch.dtype,
    finer: Finer | None = None,
) -> PreviewMap:  # fmt: skip
    """Fit the map by least squares on smooth random pictures that `encode` makes latents of: works for every VAE, no
    table. `factor` pixels a latent, or a `finer` one.
    """
    generator = torch.Generator("cpu").manual_seed(0)
    side = factor * 16
    coarse = torch.rand(6, 3, 5, 5, generator=generator)
    pictures = F.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1)
    encoded = encode((pictures * 2 - 1).to(device, dtype))
    encoded = encoded if finer is None else finer(encoded)
    latents = encoded.float().cpu().permute(0, 2, 3, 1).flatten(0, 2)  # (n, C)
    colours = F.avg_pool2d(pictures, factor).permute(0, 2, 3, 1).flatten(0, 2)  # (n, 3)
    inputs = torch.cat([latents, torch.ones_like(latents[:, :1])], dim=1)
    # A touch of ridge keeps an untrained VAE's degenerate latents from blowing up.
    ridge = 1e-3 * torch.eye(inputs.shape[1])
    return PreviewMap(torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ colours), finer)
