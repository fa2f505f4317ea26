"""Train the autoencoder on crops of periodic textures and depth renders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..architecture import build_vae
from ..data.families import family_a
from ..data.textures import draw
from .clock import Average, Budget, learning_rate, load, save, set_rate
from .precision import mixed

Log = Callable[[str], None]


def texture_pool(count: int, size: int, generator: torch.Generator, batch: int = 4) -> Tensor:
    """About ``count`` pictures (N, 3, H, W) uint8, the materials in turn."""
    programs = [(m, p) for m, ps in family_a().items() for p in ps]
    out = []
    for i in range(count // batch):
        material, program = programs[i % len(programs)]
        image = draw(program, material, batch=batch, size=size, generator=generator).image
        out.append((image * 255).round().to(torch.uint8))
    return torch.cat(out)


def crops(pool: Tensor, batch: int, size: int, generator: torch.Generator) -> Tensor:
    """Random crops (B, 3, size, size) in -1..1."""
    pick = torch.randint(len(pool), (batch,), generator=generator).tolist()
    place = torch.randint(pool.shape[-1] - size + 1, (batch, 2), generator=generator).tolist()
    cut = [pool[i, :, y : y + size, x : x + size] for i, (y, x) in zip(pick, place, strict=True)]
    return torch.stack(cut).float() / 127.5 - 1


def gradients(x: Tensor) -> tuple[Tensor, Tensor]:
    """Forward differences along x and y."""
    return x[..., :, 1:] - x[..., :, :-1], x[..., 1:, :] - x[..., :-1, :]


class Loss(nn.Module):
    """Squared and absolute error of the picture, and absolute error of its gradients.

    The posterior's deviation is fixed (``NOISE``) and a weak pull keeps the latents small. Gradients join
    late (``edges`` > 0): from the start they hold the decoder at flat pictures and the encoder never wakes.
    """

    NOISE, PULL = 0.08, 1e-4

    def __init__(self, vae: nn.Module) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, x: Tensor, noise: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, 3, H, W) in -1..1, noise (B, 4, H/4, W/4), edges scalar weight: (loss, mean squared error)."""
        mean = self.vae.quant_conv(self.vae.encoder(x))[:, :4]
        y = self.vae.decoder(self.vae.post_quant_conv(mean + self.NOISE * noise)).float()
        (ax, ay), (bx, by) = gradients(x), gradients(y)
        steep = F.l1_loss(bx, ax) + F.l1_loss(by, ay)
        error = F.mse_loss(y, x)
        return F.l1_loss(y, x) + error + edges * steep + self.PULL * (mean.float() ** 2).mean(), error


def train_vae(
    run: Path, *, minutes: float, seed: int = 0, batch: int = 8, pictures: int = 4096, log: Log = print
) -> None:
    """Train until the budget is used; the checkpoint ``vae.pt`` holds the average that is exported."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    pool = texture_pool(pictures, 128, generator)
    vae = build_vae()
    optimizer = torch.optim.AdamW(vae.parameters(), 1e-3, betas=(0.9, 0.99), weight_decay=1e-3)
    average = Average({"vae": vae}, 0.998)
    budget, step = Budget(minutes * 60), 0
    if state := load(run / "vae.pt"):
        vae.load_state_dict(state["vae"])
        optimizer.load_state_dict(state["optimizer"])
        average.shadow, step = state["average"], state["step"]
        budget.spent = state["spent"]
        generator.manual_seed(seed + step)
    loss_of = Loss(vae)
    saved, fraction = budget.used(), budget.fraction()
    while fraction < 1:
        x = crops(pool, batch, 64, generator)
        noise = torch.randn((batch, 4, 16, 16), generator=generator)
        set_rate(optimizer, learning_rate(fraction, step, peak=1e-3))
        with mixed():
            loss, error = loss_of(x, noise, torch.tensor(0.5 * float(fraction > 0.2)))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        average.update({"vae": vae}, step)
        step, fraction = step + 1, budget.fraction()
        if step % 100 == 0:
            psnr = float(10 * torch.log10(4 / error))
            log(f"vae {step} {budget.used():.0f}s loss {float(loss):.4f} psnr {psnr:.1f}")
        if budget.used() - saved > 120 or fraction >= 1:
            saved = budget.used()
            state = {"vae": vae.state_dict(), "optimizer": optimizer.state_dict(), "average": average.shadow}
            save(run / "vae.pt", state | {"step": step, "spent": budget.used()})
