"""A small network that reads the material in latents, for the teacher's lesson: say it more plainly.

It learns from the programs that the model learns from (family A). The judge knows only others and has no part in it.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.families import material_names
from ..device import device, dice, roomy
from ..judge import Stage
from .clock import load
from .course import Course, follow
from .latents import Tiles
from .objective import pictured
from .together import rank_and_world


class Reader(nn.Module):
    """Names the material in latents (B, 4, h, w) of any size from 8: logits (B, materials)."""

    WIDTHS = (64, 112, 176)

    def __init__(self) -> None:
        super().__init__()
        a, b, c = self.WIDTHS
        self.body = nn.Sequential(Stage(4, a, 1), Stage(a, b, 2), Stage(b, c, 2))
        self.out = nn.Linear(2 * c + 1, len(material_names()))

    def forward(self, z: Tensor) -> Tensor:
        """z (B, 4, h, w): logits (B, materials). The mean is taken away: it is the colour."""
        plain = z - z.mean((2, 3), keepdim=True)
        # How strong the structure is still tells concrete from marble, but only beside what it looks like.
        contrast = plain.std((1, 2, 3), keepdim=True).clamp_min(1e-3)
        f = self.body(plain / contrast)
        return self.out(torch.cat([f.mean((2, 3)), f.std((2, 3)), contrast.flatten(1).log()], 1))


def worn(z: Tensor, generator: torch.Generator) -> Tensor:
    """Latents as a model expects them half-way: three batches in five blurred, all a little noisy.

    A wider blur than 1.5 latents leaves nothing of fine veins, and a reader that saw much of it gives up on marble.
    """
    where = z.device
    share, noise = torch.rand(2, generator=generator, device=where).tolist()
    if share < 0.6:
        reach = torch.arange(-4, 5.0, device=where)
        line = torch.exp(-0.5 * (reach / (0.25 + 1.25 * share / 0.6)) ** 2)
        kernel = (line / line.sum()).expand(z.shape[1], 1, -1)
        z = F.conv2d(F.pad(z, (4, 4, 0, 0), mode="circular"), kernel.unsqueeze(2), groups=z.shape[1])
        z = F.conv2d(F.pad(z, (0, 0, 4, 4), mode="circular"), kernel.unsqueeze(3), groups=z.shape[1])
    return z + 0.3 * noise**2 * torch.randn(z.shape, generator=generator, device=where)


def train_reader(run: Path, pools: tuple[Tiles, ...], course: Course, *, seed: int = 12, batch: int = 48) -> None:
    """Train until the budget is used; ``reader.pt`` holds its state and average."""
    rank, share = rank_and_world()
    generator = dice(seed + 1000 * rank)
    torch.manual_seed(seed)
    reader, turn = Reader().to(device()), 0

    def score(_: float) -> tuple[str, Tensor]:
        nonlocal turn
        pool = pools[turn % len(pools)]
        turn += 1
        side = pool.latents.shape[-1]
        count = roomy(1, 8) * batch * 16 // side // share
        n = torch.randint(len(pool.latents), (count,), generator=generator, device=generator.device)
        shift = torch.randint(side, (2,), generator=generator, device=generator.device).tolist()
        z = pool.latents[n].float().roll(shift, (-2, -1))
        logits = reader(worn(z, generator))
        return str(side), F.cross_entropy(logits, pool.materials[n], label_smoothing=0.05)

    follow(course, run / "reader.pt", {"reader": reader}, score)


def load_reader(run: Path) -> Reader:
    """The run's reader, resting. Raises FileNotFoundError where it is not trained."""
    if (state := load(run / "reader.pt")) is None:
        raise FileNotFoundError(f"{run / 'reader.pt'} is missing: train the reader first")
    reader = Reader().to(device())
    reader.load_state_dict(state["reader"])
    return reader.eval().requires_grad_(False)


def plainness(reader: Reader, z: Tensor, v: Tensor, t: Tensor, materials: Tensor) -> Tensor:
    """How unsure the reader is of the asked material in the picture that v (B, 4, h, w) of z at t expects.

    ``materials`` (B,) are numbers, -1 where none is asked. Returns nats, scalar; 0 where none is asked at all.
    """
    expected = pictured(z, v, t).float()
    return F.cross_entropy(reader(expected), materials, ignore_index=-1, reduction="sum") / len(materials)
