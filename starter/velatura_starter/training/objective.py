"""The diffusion objective: noising, targets and weights, in the papers' symbols."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..architecture import build_scheduler
from ..device import device


@cache
def picture_shares() -> Tensor:
    """The squared share of the picture at each of the 1000 times, (1000,), where the networks are."""
    return build_scheduler().alphas_cumprod.to(device())


def spread_times(batch: int, generator: torch.Generator, bend: float = 1.0) -> Tensor:
    """Integer times 0..999, one in each of ``batch`` equal slices: less variance than independent draws.

    ``bend`` < 1 moves them towards noise, where a picture's structure is decided.
    """
    where = generator.device
    u = (torch.arange(batch, device=where) + torch.rand(batch, generator=generator, device=where)) / batch
    return (u**bend * 1000).long().clamp_max(999)[torch.randperm(batch, generator=generator, device=where)]


def noised(x: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(z_t, v, weight): z_t = a x + s n, v = a n - s x (Salimans & Ho), and ``weights_at`` the times, (B,)."""
    abar = picture_shares()[t]
    a, s = abar.sqrt().view(-1, 1, 1, 1), (1 - abar).sqrt().view(-1, 1, 1, 1)
    return a * x + s * noise, a * noise - s * x, weights_at(t)


def weights_at(t: Tensor) -> Tensor:
    """min(SNR + 1, 6) / (SNR + 1) at times (B,): min-SNR-5 in spirit (Hang et al., arXiv 2303.09556).

    But 1 rather than 0 at zero SNR, where the first sampling step decides colour.
    """
    abar = picture_shares()[t]
    snr = abar / (1 - abar)
    return (snr + 1).clamp_max(6) / (snr + 1)


def predict(
    unet: nn.Module,
    z: Tensor,
    t: Tensor,
    context: Tensor,
    controlnet: nn.Module | None = None,
    hint: Tensor | None = None,
) -> Tensor:
    """The UNet's v (B, 4, h, w) for z of that shape, t (B,), context (B, T, D); a ControlNet joins with its hint."""
    extra = {}
    if controlnet is not None:
        down, mid = controlnet(z, t, context, hint, return_dict=False)
        extra = {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}
    return unet(z, t, context, return_dict=False, **extra)[0]


def pictured(z: Tensor, v: Tensor, t: Tensor) -> Tensor:
    """The picture (B, 4, h, w) that an answer v expects under the noise of z at times t (B,)."""
    abar = picture_shares()[t].view(-1, 1, 1, 1)
    return abar.sqrt() * z - (1 - abar).sqrt() * v


def weighted_error(answer: Tensor, v: Tensor, weight: Tensor) -> Tensor:
    """Squared error of answers (B, 4, h, w), each times its weight (B,): scalar."""
    return (F.mse_loss(answer, v, reduction="none").mean((1, 2, 3)) * weight).mean()


class Denoising(nn.Module):
    """Weighted squared error of the UNet's v; a ControlNet joins when a hint is given."""

    def __init__(self, unet: nn.Module, controlnet: nn.Module | None = None) -> None:
        super().__init__()
        self.unet, self.controlnet = unet, controlnet

    def forward(
        self, z: Tensor, t: Tensor, context: Tensor, v: Tensor, weight: Tensor, hint: Tensor | None = None
    ) -> Tensor:
        """z, v (B, 4, h, w); t, weight (B,); context (B, T, D); hint (B, 3, 4h, 4w) in 0..1: scalar loss."""
        out = predict(self.unet, z, t, context, self.controlnet, hint)
        return weighted_error(out.float(), v.float(), weight)
