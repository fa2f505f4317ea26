"""Train the autoencoder on crops of periodic textures and depth renders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional as F

from ..architecture import build_vae
from ..device import device, dice, roomy
from .course import Course, follow
from .export import keep_noise, noise_kept
from .precision import mixed


def crops(pool: Tensor, batch: int, size: int, generator: torch.Generator) -> Tensor:
    """Random crops (batch, 3, size, size) in -1..1 of pictures (N, 3, H, W) uint8."""
    where = pool.device
    n = torch.randint(len(pool), (batch, 1, 1), generator=generator, device=where)
    y, x = torch.randint(pool.shape[-1] - size + 1, (2, batch, 1), generator=generator, device=where)
    reach = torch.arange(size, device=where)
    cut = pool.permute(0, 2, 3, 1)[n, (y + reach).unsqueeze(2), (x + reach).unsqueeze(1)]
    return cut.permute(0, 3, 1, 2).float() / 127.5 - 1


def gradients(x: Tensor) -> tuple[Tensor, Tensor]:
    """Forward differences along x and y."""
    return x[..., :, 1:] - x[..., :, :-1], x[..., 1:, :] - x[..., :-1, :]


class Loss(nn.Module):
    """Squared and absolute error of the picture, and absolute error of its gradients.

    The posterior's deviation is fixed, as the autoencoder has it, and a weak pull keeps the latents small. Gradients
    join late (``edges`` > 0): from the start they hold the decoder at flat pictures and the encoder never wakes.
    """

    PULL = 1e-4

    def __init__(self, vae: nn.Module) -> None:
        super().__init__()
        self.vae, self.noise = vae, noise_kept(vae).view(1, -1, 1, 1)

    def forward(self, x: Tensor, noise: Tensor, edges: float) -> Tensor:
        """x (B, 3, H, W) in -1..1, noise (B, 4, H/4, W/4), edges: their weight. Scalar loss."""
        mean = self.vae.quant_conv(self.vae.encoder(x))[:, :4]
        y = self.vae.decoder(self.vae.post_quant_conv(mean + self.noise * noise)).float()
        (ax, ay), (bx, by) = gradients(x), gradients(y)
        steep = F.l1_loss(bx, ax) + F.l1_loss(by, ay)
        return F.l1_loss(y, x) + F.mse_loss(y, x) + edges * steep + self.PULL * (mean.float() ** 2).mean()


NOISE = 0.08
"""The posterior's deviation, before latents are whitened."""


def train_vae(
    run: Path, pools: Sequence[Tensor], course: Course, *, seed: int = 0, start: AutoencoderKL | None = None
) -> None:
    """Train until the budget is used; the checkpoint ``vae.pt`` holds the average that is exported.

    ``pools``: pictures (N, 3, H, W) uint8 of one size each. Seven batches of ten are from the first. Without a
    checkpoint it begins from the autoencoder ``start``, or from random weights.
    """
    generator, plan = dice(seed), torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    vae, batch = build_vae(), roomy(8, 128)
    keep_noise(vae, torch.full((4,), NOISE))
    if start is not None:
        vae.load_state_dict(start.state_dict())
    vae.to(device())
    pools = [pool.to(device()) for pool in pools]
    loss_of = Loss(vae)

    def score(fraction: float) -> tuple[str, Tensor]:
        chance = float(torch.rand(1, generator=plan))
        x = crops(pools[0 if chance < 0.7 else int(chance * 1000) % len(pools)], batch, 64, generator)
        noise = torch.randn((batch, 4, 16, 16), generator=generator, device=generator.device)
        with mixed():
            return "vae", loss_of(x, noise, 0.5 * float(start is not None or fraction > 0.2))

    def reseed(step: int) -> None:
        generator.manual_seed(seed + step)
        plan.manual_seed(step)

    follow(course, run / "vae.pt", {"vae": vae}, score, reseed)
