"""Train the UNet and the text encoder together on cached latents."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextModel

from ..architecture import TOKENS, build_text, build_unet
from ..data.captions import ATTRIBUTE_WORDS, SIZE_WORDS
from ..padding import periodic
from ..tokens import load_tokenizer
from .clock import Average, Budget, learning_rate, load, save, set_rate
from .latents import Scenes, Tiles
from .objective import Denoising, noised, spread_times
from .precision import mixed
from .together import average_gradients, rank_and_world

Log = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pools:
    """All the training latents: periodic tiles of three sizes, and renders; token numbers of their captions."""

    small: Tiles
    middle: Tiles
    large: Tiles
    scenes: Scenes


@dataclass(frozen=True, slots=True)
class Sample:
    """A batch: latents (B, 4, h, w), token numbers (B, T), and whether it repeats."""

    x: Tensor
    tokens: Tensor
    tiled: bool


class Feeder:
    """Draws batches from the pools: rolled tiles (periodic), crops and renders (not periodic)."""

    def __init__(self, pools: Pools, folder: Path, generator: torch.Generator, share: int = 1) -> None:
        """``share``: batches are divided by this; the kinds of batches come from a generator of their own."""
        self.pools, self.generator, self.share = pools, generator, share
        self.plan = torch.Generator().manual_seed(17)
        self.tokenizer = load_tokenizer(folder)
        self.tokens = {name: self.tokenize(getattr(pools, name).captions) for name in Pools.__slots__}
        self.empty = self.tokenize([[""]])[0, 0]
        self.weights = {name: favour(getattr(pools, name).captions) for name in Pools.__slots__}

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
        said[torch.rand(batch, generator=self.generator) < 0.1] = self.empty
        if pool == "scenes":
            return Sample(latents[n].float(), said, False)
        shifts = zip(self.integers(side, batch), self.integers(side, batch), strict=True)
        x = torch.stack([latents[i].roll(s, (-2, -1)) for i, s in zip(n, shifts, strict=True)]).float()
        return Sample(x if crop is None else x[..., :crop, :crop].contiguous(), said, crop is None)

    def next(self, fraction: float) -> Sample:
        """What to train on at this share of the budget: 64 px, where a sample costs a fourth; then 128; at last 256."""
        chance = float(torch.rand(1, generator=self.plan))
        if fraction < 0.6:
            return self.take("small", 48) if chance < 0.88 else self.take("middle", 48, 16)
        if fraction > 0.85 and chance < 0.25:
            return self.take("large", 8)
        chance = float(torch.rand(1, generator=self.plan))
        if chance < 0.8:
            return self.take("middle", 24)
        return self.take("scenes", 24) if chance < 0.92 else self.take("large", 24, 32)


def favour(captions: list[list[str]]) -> Tensor:
    """Sampling weights (N,): what is asked for most is shown most, plain materials and above all brick walls."""
    rare = {w for words in (*ATTRIBUTE_WORDS.values(), *SIZE_WORDS.values()) for w in words}
    weights = []
    for said in captions:
        special = any(f" {w} " in f" {c.replace(',', ' ')} " for c in said for w in rare)
        weights.append((0.3 if special else 1.0) * (3.0 if any("brick" in c for c in said) else 1.0))
    return torch.tensor(weights)


def twin(model: nn.Module) -> nn.Module:
    """A second module that shares every parameter: one is made periodic, each is compiled for itself."""
    return copy.deepcopy(model, {id(p): p for p in model.parameters()})


def load_parts(parts: dict[str, nn.Module], start: Path) -> None:
    """Fill the UNet and the text encoder from exported weights."""
    unet = UNet2DConditionModel.from_pretrained(start / "texture" / "unet", torch_dtype=torch.float32)
    text = CLIPTextModel.from_pretrained(start / "texture" / "text_encoder", dtype=torch.float32)
    parts["unet"].load_state_dict(unet.state_dict())
    parts["text"].load_state_dict(text.state_dict())


def train_unet(
    run: Path,
    pools: Pools,
    *,
    minutes: float,
    seed: int = 1,
    peak: float = 8e-4,
    start: Path | None = None,
    export: Callable[[Average], None] = lambda _: None,
    log: Log = print,
) -> None:
    """Train until the budget is used; ``unet.pt`` holds state and averages, ``export`` sees each checkpoint.

    Without a checkpoint it begins from the weights folder ``start``, or from random weights.
    """
    rank, world = rank_and_world()
    generator = torch.Generator().manual_seed(seed + 1000 * rank)
    torch.manual_seed(seed)
    feeder = Feeder(pools, run / "tokenizer", generator, world)
    unet, text = (
        build_unet(),
        build_text(len(feeder.tokenizer), feeder.tokenizer.bos_token_id, feeder.tokenizer.eos_token_id),
    )
    # Plain attention: on a CPU the fused kernel's forward costs more than every convolution here.
    unet.set_attn_processor(AttnProcessor())
    parts = {"unet": unet, "text": text}
    parameters = [p for m in parts.values() for p in m.parameters()]
    optimizer = torch.optim.AdamW(parameters, peak, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    average, budget, step = Average(parts, 0.9985), Budget(minutes * 60), 0
    if state := load(run / "unet.pt"):
        for name, part in parts.items():
            part.load_state_dict(state[name])
        optimizer.load_state_dict(state["optimizer"])
        average.shadow, step, budget.spent = state["average"], state["step"], state["spent"]
        generator.manual_seed(seed + 1000 * rank + step)
        feeder.plan.manual_seed(step)
    elif start:
        load_parts(parts, start)
        average = Average(parts, average.decay)
    with contextlib.ExitStack() as stack:
        around = twin(unet)
        stack.enter_context(periodic(around))
        losses = {True: Denoising(around), False: Denoising(unet)}
        saved, means, fraction = budget.used(), {}, budget.fraction()
        while fraction < 1:
            sample = feeder.next(fraction)
            set_rate(optimizer, learning_rate(fraction, step, peak=peak))
            loss = one_step(losses[sample.tiled], text, sample, generator)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            fraction = average_gradients(parameters, budget.fraction())
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            average.update(parts, step)
            step += 1
            key = f"{sample.x.shape[-1]}{'t' if sample.tiled else ''}"
            means[key] = 0.95 * means.get(key, loss.item()) + 0.05 * loss.item()
            if rank > 0:
                continue
            if step % 25 == 0:
                said = " ".join(f"{k}:{v:.4f}" for k, v in sorted(means.items()))
                log(f"unet {step} {budget.used():.0f}s {said}")
            if budget.used() - saved > 180 or fraction >= 1:
                saved = budget.used()
                state = {n: p.state_dict() for n, p in parts.items()} | {"optimizer": optimizer.state_dict()}
                save(run / "unet.pt", state | {"average": average.shadow, "step": step, "spent": budget.used()})
                export(average)


def one_step(loss_of: nn.Module, text: nn.Module, sample: Sample, generator: torch.Generator) -> Tensor:
    """Noise a batch and score the UNet's guess."""
    t = spread_times(len(sample.x), generator, 0.75)
    noise = torch.randn(sample.x.shape, generator=generator)
    z, v, weight = noised(sample.x, noise, t)
    with mixed():
        context = text(sample.tokens)[0]
        return loss_of(z, t, context, v, weight)
