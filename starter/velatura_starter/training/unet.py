"""Train the UNet and the text encoder together on cached latents."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel

from ..architecture import build_unet
from ..device import device, dice, roomy
from ..padding import periodic
from .course import Course, follow
from .drawing import tokenize
from .export import attend_plainly, blank_text
from .latents import Scenes, Tiles
from .objective import Denoising, noised, spread_times
from .precision import mixed
from .together import rank_and_world


@dataclass(frozen=True, slots=True)
class Pools:
    """All the training latents: periodic tiles of three sizes, and renders; token numbers of their captions."""

    small: Tiles
    middle: Tiles
    large: Tiles
    scenes: Scenes


@dataclass(frozen=True, slots=True)
class Sample:
    """A batch: latents (B, 4, h, w), token numbers (B, T), whether it repeats, and materials (B,) or -1 if unsaid."""

    x: Tensor
    tokens: Tensor
    tiled: bool
    materials: Tensor

    @property
    def kind(self) -> str:
        """Its size and whether it repeats, for the log."""
        return f"{self.x.shape[-1]}{'t' if self.tiled else ''}"


class Feeder:
    """Draws batches from the pools: rolled tiles (periodic), crops and renders (not periodic)."""

    def __init__(self, pools: Pools | None, folder: Path, seed: int) -> None:
        """Each process draws its share of a batch, and other samples; all agree which kind of batch comes next.

        Without pools it lends its dice to whoever draws from others.
        """
        self.rank, self.share = rank_and_world()
        self.pools, self.seed = pools, seed
        self.generator = dice(seed + 1000 * self.rank)
        self.plan = torch.Generator().manual_seed(17)
        self.empty = tokenize(folder, [[""]])[0, 0].to(device())

    def reseed(self, step: int) -> None:
        """Draw other samples from ``step`` on."""
        self.generator.manual_seed(self.seed + 1000 * self.rank + step)
        self.plan.manual_seed(step)

    def size(self, batch: int) -> int:
        """What this process draws of a batch that is ``batch`` on a processor and sixteen times that on a card."""
        return batch * roomy(1, 16) // self.share

    def chance(self) -> float:
        """Uniform in 0..1, the same in all processes."""
        return float(torch.rand(1, generator=self.plan))

    def noise(self, shape: Sequence[int]) -> Tensor:
        """Normal numbers."""
        return torch.randn(tuple(shape), generator=self.generator, device=self.generator.device)

    def noised(self, x: Tensor, bend: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(z_t, t, v, weight) of a batch at spread times; see ``objective``."""
        t = spread_times(len(x), self.generator, bend)
        z, v, weight = noised(x, self.noise(x.shape), t)
        return z, t, v, weight

    def integers(self, high: int, count: int) -> Tensor:
        """Uniform whole numbers, (count,)."""
        return torch.randint(high, (count,), generator=self.generator, device=self.generator.device)

    def pick(self, told: Tiles | Scenes, batch: int, silence: float) -> tuple[Tensor, Tensor, Tensor]:
        """Numbers of ``batch`` samples, a caption of each or with the chance ``silence`` none, and where none is."""
        n = torch.multinomial(told.weights, batch, replacement=True, generator=self.generator)
        said = told.tokens[n, self.integers(told.tokens.shape[1], batch)]
        unsaid = torch.rand(batch, generator=self.generator, device=n.device) < silence
        return n, torch.where(unsaid.unsqueeze(1), self.empty, said), unsaid

    def take(self, pool: str, batch: int, crop: int | None = None) -> Sample:
        """``batch`` samples of one pool; every latent is rolled, then cut to ``crop`` if that is given."""
        told = getattr(self.pools, pool)
        n, said, unsaid = self.pick(told, batch, 0.1)
        if pool == "scenes":
            return Sample(told.latents[n].float(), said, False, torch.full_like(n, -1))
        side = told.latents.shape[-1]
        x = rolled(told.latents[n], self.integers(side, batch), self.integers(side, batch)).float()
        materials = told.materials[n].masked_fill(unsaid, -1)
        return Sample(x if crop is None else x[..., :crop, :crop].contiguous(), said, crop is None, materials)

    def next(self, fraction: float) -> Sample:
        """What to train on at this share of the budget: 64 px, where a sample costs a fourth; then 128, then 256 too.

        A card has time for more of the large ones.
        """
        chance = self.chance()
        if fraction < roomy(40, 10) / 100:
            small = chance < 0.88
            return self.take("small", self.size(32)) if small else self.take("middle", self.size(32), 16)
        if fraction > roomy(92, 50) / 100 and chance < 0.25:
            return self.take("large", self.size(4))
        chance = self.chance()
        if chance < 0.8:
            return self.take("middle", self.size(16))
        return self.take("scenes", self.size(16)) if chance < 0.92 else self.take("large", self.size(16), 32)


def rolled(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Each of (B, C, H, W) rolled by its own numbers (B,) along its last two axes."""
    rows = (torch.arange(x.shape[-2], device=x.device) - down.unsqueeze(1)) % x.shape[-2]
    columns = (torch.arange(x.shape[-1], device=x.device) - right.unsqueeze(1)) % x.shape[-1]
    pictures = torch.arange(len(x), device=x.device).view(-1, 1, 1)
    return x.permute(0, 2, 3, 1)[pictures, rows.unsqueeze(2), columns.unsqueeze(1)].permute(0, 3, 1, 2)


def twin(model: nn.Module) -> nn.Module:
    """A second module that shares every parameter: one is made periodic, the other is not."""
    return copy.deepcopy(model, {id(p): p for p in model.parameters()})


@contextlib.contextmanager
def both_ways(unet: nn.Module) -> Iterator[dict[bool, nn.Module]]:
    """The UNet and its periodic twin inside the block, by whether the batch repeats."""
    attend_plainly(unet)
    around = twin(unet)
    with periodic(around):
        yield {True: around, False: unet}


def load_parts(parts: dict[str, nn.Module], start: Path) -> None:
    """Fill the UNet and the text encoder from exported weights."""
    unet = UNet2DConditionModel.from_pretrained(start / "texture" / "unet", torch_dtype=torch.float32)
    text = CLIPTextModel.from_pretrained(start / "texture" / "text_encoder", dtype=torch.float32)
    parts["unet"].load_state_dict(unet.state_dict())
    parts["text"].load_state_dict(text.state_dict())


def train_unet(run: Path, pools: Pools, course: Course, *, seed: int = 1, start: Path | None = None) -> None:
    """Train until the budget is used; ``unet.pt`` holds state and averages.

    Without a checkpoint it begins from the weights folder ``start``, or from random weights.
    """
    feeder = Feeder(pools, run / "tokenizer", seed)
    torch.manual_seed(seed)
    parts = {"unet": build_unet(), "text": blank_text(run)}
    if start:
        load_parts(parts, start)
    parts = {name: part.to(device()) for name, part in parts.items()}
    with both_ways(parts["unet"]) as unets:
        losses = {tiled: Denoising(unet) for tiled, unet in unets.items()}

        def score(fraction: float) -> tuple[str, Tensor]:
            sample = feeder.next(fraction)
            z, t, v, weight = feeder.noised(sample.x, 0.75)
            with mixed():
                return sample.kind, losses[sample.tiled](z, t, parts["text"](sample.tokens)[0], v, weight)

        follow(course, run / "unet.pt", parts, score, feeder.reseed)
