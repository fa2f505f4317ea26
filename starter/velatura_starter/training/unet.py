"""Train the UNet and the text encoder together on cached latents."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextModel

from ..architecture import TOKENS, build_unet
from ..data.captions import ATTRIBUTE_WORDS, NOUNS, SIZE_WORDS
from ..padding import periodic
from ..tokens import load_tokenizer
from .course import Course, follow
from .export import blank_text
from .latents import Scenes, Tiles
from .objective import Denoising, noised, spread_times
from .precision import mixed
from .together import rank_and_world

SHOWN_MORE = {
    "marble": 5.0, "water": 4.0, "basket weave": 4.0, "wood grain": 4.0, "grass": 3.0, "stripes": 3.0,
    "square tiles": 3.0, "planks": 2.0, "hexagon tiles": 1.5, "cobblestone": 1.5, "roof tiles": 1.5, "brick": 1.5,
}  # fmt: skip
"""Materials that a small network learns last, and the one that is asked for first."""


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

    def __init__(self, pools: Pools, folder: Path, seed: int) -> None:
        """Each process draws its share of a batch, and other samples; all agree which kind of batch comes next."""
        self.rank, self.share = rank_and_world()
        self.pools, self.seed = pools, seed
        self.generator = torch.Generator().manual_seed(seed + 1000 * self.rank)
        self.plan = torch.Generator().manual_seed(17)
        self.tokenizer = load_tokenizer(folder)
        self.tokens = {name: self.tokenize(getattr(pools, name).captions) for name in Pools.__slots__}
        self.empty = self.tokenize([[""]])[0, 0]
        self.weights = {name: favour(getattr(pools, name).captions) for name in Pools.__slots__}

    def reseed(self, step: int) -> None:
        """Draw other samples from ``step`` on."""
        self.generator.manual_seed(self.seed + 1000 * self.rank + step)
        self.plan.manual_seed(step)

    def noised(self, x: Tensor, bend: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(z_t, t, v, weight) of a batch at spread times; see ``objective``."""
        t = spread_times(len(x), self.generator, bend)
        z, v, weight = noised(x, torch.randn(x.shape, generator=self.generator), t)
        return z, t, v, weight

    def tokenize(self, captions: list[list[str]]) -> Tensor:
        """Token numbers (N, captions each, T)."""
        flat = [c for cs in captions for c in cs]
        ids = self.tokenizer(flat, padding="max_length", truncation=True, max_length=TOKENS, return_tensors="pt")
        return ids.input_ids.view(len(captions), -1, TOKENS)

    def integers(self, high: int, count: int) -> list[int]:
        """Uniform whole numbers."""
        return torch.randint(high, (count,), generator=self.generator).tolist()

    def take(self, pool: str, batch: int, crop: int | None = None) -> Sample:
        """A batch of one pool; every latent is rolled, then cut to ``crop`` if that is given."""
        batch //= self.share
        latents, tokens = getattr(self.pools, pool).latents, self.tokens[pool]
        n = torch.multinomial(self.weights[pool], batch, generator=self.generator).tolist()
        side = latents.shape[-1]
        said = tokens[n, self.integers(tokens.shape[1], batch)]
        unsaid = torch.rand(batch, generator=self.generator) < 0.1
        said[unsaid] = self.empty
        if pool == "scenes":
            return Sample(latents[n].float(), said, False, torch.full((batch,), -1))
        materials = getattr(self.pools, pool).materials[n].masked_fill(unsaid, -1)
        shifts = zip(self.integers(side, batch), self.integers(side, batch), strict=True)
        x = torch.stack([latents[i].roll(s, (-2, -1)) for i, s in zip(n, shifts, strict=True)]).float()
        return Sample(x if crop is None else x[..., :crop, :crop].contiguous(), said, crop is None, materials)

    def next(self, fraction: float) -> Sample:
        """What to train on at this share of the budget: 64 px, where a sample costs a fourth; then 128; at last 256."""
        chance = float(torch.rand(1, generator=self.plan))
        if fraction < 0.4:
            return self.take("small", 32) if chance < 0.88 else self.take("middle", 32, 16)
        if fraction > 0.92 and chance < 0.25:
            return self.take("large", 4)
        chance = float(torch.rand(1, generator=self.plan))
        if chance < 0.8:
            return self.take("middle", 16)
        return self.take("scenes", 16) if chance < 0.92 else self.take("large", 16, 32)


def favour(captions: list[list[str]]) -> Tensor:
    """Sampling weights (N,): plain materials before worn and small ones, and some materials before others."""
    rare = {w for words in (*ATTRIBUTE_WORDS.values(), *SIZE_WORDS.values()) for w in words}
    weights = []
    for said in captions:
        special = any(f" {w} " in f" {c.replace(',', ' ')} " for c in said for w in rare)
        more = [times for material, times in SHOWN_MORE.items() if any(n in c for n in plain(material) for c in said)]
        weights.append((0.3 if special else 1.0) * max(more, default=1.0))
    return torch.tensor(weights)


def plain(material: str) -> list[str]:
    """The names of a material that leave no doubt: the plain one, and others of two words."""
    return [material, *(n for n in NOUNS[material] if " " in n and "{c}" not in n)]


def twin(model: nn.Module) -> nn.Module:
    """A second module that shares every parameter: one is made periodic, the other is not."""
    return copy.deepcopy(model, {id(p): p for p in model.parameters()})


@contextlib.contextmanager
def both_ways(unet: nn.Module) -> Iterator[dict[bool, nn.Module]]:
    """The UNet and its periodic twin inside the block, by whether the batch repeats."""
    # Plain attention: on a CPU the fused kernel's forward costs more than every convolution here.
    unet.set_attn_processor(AttnProcessor())  # type: ignore[operator]
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
    with both_ways(parts["unet"]) as unets:
        losses = {tiled: Denoising(unet) for tiled, unet in unets.items()}

        def score(fraction: float) -> tuple[str, Tensor]:
            sample = feeder.next(fraction)
            z, t, v, weight = feeder.noised(sample.x, 0.75)
            with mixed():
                return sample.kind, losses[sample.tiled](z, t, parts["text"](sample.tokens)[0], v, weight)

        follow(course, run / "unet.pt", parts, score, feeder.reseed)
