"""Pictures in the making by the network that learns: what it must answer well is what it meets when it paints."""

from __future__ import annotations

import torch
from torch import Tensor

from ..architecture import build_scheduler
from ..device import device
from .objective import picture_shares
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
        self.times = scheduler.timesteps.to(device())
        self.alphas = torch.cat([picture_shares()[self.times], torch.ones(1, device=device())])
        self.feeder = feeder
        sample = feeder.take("middle", batch)
        self.tokens, self.materials = sample.tokens, sample.materials
        self.step = torch.arange(batch, device=device()) * self.END // batch
        a, s = self.shares(self.step)
        self.z = a * sample.x + s * feeder.noise(sample.x.shape)

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
        # As many as there are, though few begin: to ask how many would let a card wait.
        fresh = self.feeder.take("middle", len(z))
        # The old tensors may be part of a loss that is yet to be followed back, so they are left as they are.
        self.z = torch.where(over.view(-1, 1, 1, 1), self.feeder.noise(z.shape), z)
        self.tokens = torch.where(over.unsqueeze(1), fresh.tokens, self.tokens)
        self.materials = torch.where(over, fresh.materials, self.materials)
        self.step = step.masked_fill(over, 0)
