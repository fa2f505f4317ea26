"""Pictures in the making by the network that learns: what it must answer well is what it meets when it paints."""

from __future__ import annotations

import torch
from torch import Tensor

from ..architecture import build_scheduler
from .unet import Feeder


class Walks:
    """A batch of periodic pictures, each at its own step of DDIM (Song et al., arXiv 2010.02502).

    ``z`` (B, 4, 32, 32) at times ``t`` (B,), asked for by ``tokens`` (B, T), of ``materials`` (B,) or -1 if unsaid.
    """

    STEPS = 20
    """Of a whole picture, as many as the model is sampled with."""
    END = 15
    """After so many another picture begins: the last steps change no structure."""

    def __init__(self, feeder: Feeder, batch: int) -> None:
        """The first pictures are those of the feeder, noised, and evenly spread over the steps."""
        scheduler = build_scheduler()
        scheduler.set_timesteps(self.STEPS)
        self.times = scheduler.timesteps
        self.alphas = torch.cat([scheduler.alphas_cumprod[self.times], torch.ones(1)])
        self.feeder = feeder
        sample = feeder.take("middle", batch)
        self.tokens, self.materials = sample.tokens, sample.materials
        self.step = torch.arange(len(sample.x)) * self.END // len(sample.x)
        a, s = self.shares(self.step)
        self.z = a * sample.x + s * torch.randn(sample.x.shape, generator=feeder.generator)

    @property
    def t(self) -> Tensor:
        """The time of each, (B,)."""
        return self.times[self.step]

    def shares(self, step: Tensor) -> tuple[Tensor, Tensor]:
        """How much of z is picture and how much is noise at these steps, (B, 1, 1, 1) each."""
        alphas = self.alphas[step].view(-1, 1, 1, 1)
        return alphas.sqrt(), (1 - alphas).sqrt()

    def advance(self, v: Tensor) -> None:
        """One step by the answers v (B, 4, 32, 32); for those that have come to their end others begin, from noise."""
        (a, s), (next_a, next_s) = self.shares(self.step), self.shares(self.step + 1)
        z, step = next_a * (a * self.z - s * v) + next_s * (s * self.z + a * v), self.step + 1
        over = step >= self.END
        # The old tensors may be part of a loss that is yet to be followed back, so they are left as they are.
        tokens, materials = self.tokens.clone(), self.materials.clone()
        if count := int(over.sum()):
            fresh = self.feeder.take("middle", count * self.feeder.share)
            z[over] = torch.randn(fresh.x.shape, generator=self.feeder.generator)
            tokens[over], materials[over], step[over] = fresh.tokens, fresh.materials, 0
        self.z, self.step, self.tokens, self.materials = z, step, tokens, materials
