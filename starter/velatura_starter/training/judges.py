"""Train the judges on family B, roughened so that they forgive a small model's softness."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.families import family_a, family_b, material_names
from ..data.fields import blur
from ..data.palette import colour_names
from ..data.renders import Painter, disparity, texture_tiles
from ..data.textures import Program, draw
from ..judge import DepthJudge, Judge, load_depth_judge, load_judge, read_disparity, spearman
from .clock import Budget, learning_rate, load, save, set_rate
from .precision import mixed

Log = Callable[[str], None]
Pictures = tuple[Tensor, Tensor, Tensor]


def labelled(
    programs: dict[str, tuple[Program, ...]], count: int, size: int, generator: torch.Generator, batch: int = 4
) -> Pictures:
    """Pictures (N, 3, H, W) uint8 with material and colour numbers (N,)."""
    pairs = [(m, (ps * 6)[k]) for k in range(6) for m, ps in programs.items()]
    names, colours = list(programs), colour_names()
    images, ms, cs = [], [], []
    for i in range(count // batch):
        material, program = pairs[i % len(pairs)]
        # A picture in two named colours has no one answer: draw until there is one.
        while (b := draw(program, material, batch=batch, size=size, generator=generator)).labels[0].second:
            pass
        images.append((b.image * 255).round().to(torch.uint8))
        ms += [names.index(material)] * batch
        cs += [colours.index(told.colour) for told in b.labels]
    return torch.cat(images), torch.tensor(ms), torch.tensor(cs)


def refresh(images: Tensor, m: Tensor, c: Tensor, generator: torch.Generator, batch: int = 4) -> None:
    """Draw a few new family B pictures over random old ones: sizes and attributes never run out."""
    names, colours = material_names(), colour_names()
    number = int(torch.randint(len(names), (1,), generator=generator))
    programs = family_b()[names[number]]
    program = programs[int(torch.randint(len(programs), (1,), generator=generator))]
    b = draw(program, names[number], batch=batch, size=128, generator=generator)
    if b.labels[0].second:
        return
    where = torch.randint(len(images), (batch,), generator=generator)
    images[where] = (b.image * 255).round().to(torch.uint8)
    m[where] = number
    c[where] = torch.tensor([colours.index(told.colour) for told in b.labels])


@torch.no_grad()
def round_trip(vae: AutoencoderKL, images: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) uint8 through the autoencoder."""
    out = []
    for x in images.split(16):
        with mixed():
            y = vae.decode(vae.encode(x.to(vae.device).float() / 127.5 - 1).latent_dist.mean).sample.float().cpu()
        out.append(((y + 1) * 127.5).round().clamp(0, 255).to(torch.uint8))
    return torch.cat(out)


def roughen(x: Tensor, generator: torch.Generator) -> Tensor:
    """Blur, noise and a little brightness and contrast on pictures (B, 3, H, W) in 0..1."""
    a, b, n, k = torch.rand(4, generator=generator).tolist()
    if a < 0.5:
        x = blur(x, 0.3 + 1.0 * b)
    if n < 0.5:
        x = x + torch.randn(x.shape, generator=generator) * 0.05 * k
    shape = (len(x), 1, 1, 1)
    gain = 0.92 + 0.16 * torch.rand(shape, generator=generator)
    shift = 0.06 * (torch.rand(shape, generator=generator) - 0.5)
    return ((x - 0.5) * gain + 0.5 + shift).clamp(0, 1)


def place(x: Tensor, generator: torch.Generator) -> Tensor:
    """Crops (B, 3, 96, 96) of tiles: rolled, flipped, turned and stretched by up to a quarter."""
    a, b, f, g, h, s = torch.rand(6, generator=generator).tolist()
    x = torch.roll(x, (int(a * x.shape[-2]), int(b * x.shape[-1])), (-2, -1))
    for chosen, axes in ((f, (-1,)), (g, (-2,))):
        x = x.flip(axes) if chosen < 0.5 else x
    x = x.transpose(-1, -2) if h < 0.3 else x
    side = int(77 + 51 * s)
    return F.interpolate(x[..., :side, :side], (96, 96), mode="bilinear", antialias=True)


def accuracy(judge: Judge, pictures: Pictures) -> tuple[float, float]:
    """Share of right materials and right colours."""
    judge.eval()
    with torch.no_grad():
        out = [judge(x.float() / 255) for x in pictures[0].split(64)]
    m, c = (torch.cat(o).argmax(1) for o in zip(*out, strict=True))
    judge.train()
    return float((m == pictures[1]).float().mean()), float((c == pictures[2]).float().mean())


def earlier_judge(start: Path) -> Judge:
    """The judge of a weights folder, its rows rearranged to the materials of today; all of them must be known there."""
    told = json.loads((start / "vocabulary.json").read_text(encoding="utf-8"))["materials"]
    judge = load_judge(start / "judge.safetensors", len(told), len(colour_names()))
    rows = [told.index(material) for material in material_names()]
    judge.material.weight, judge.material.bias = (
        nn.Parameter(values[rows]) for values in (judge.material.weight, judge.material.bias)
    )
    return judge.requires_grad_(True).train()


def train_judge(
    run: Path,
    vae: AutoencoderKL,
    out: Path,
    *,
    minutes: float,
    seed: int = 3,
    start: Path | None = None,
    log: Log = print,
) -> None:
    """Train the material and colour judge; a sixth of its pictures went through the autoencoder.

    It goes on from the judge of the weights folder ``start``, where that is given.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    if not (state := load(run / "judge_data.pt")):
        images, m, c = labelled(family_b(), 7680, 128, generator)
        soft = torch.arange(len(images)) % 6 == 0
        images[soft] = round_trip(vae, images[soft])
        state = {"images": images, "m": m, "c": c}
        save(run / "judge_data.pt", state)
    images, m, c = state["images"], state["m"], state["c"]
    real = labelled(family_a(), 512, 128, torch.Generator().manual_seed(seed + 1))
    judge = earlier_judge(start) if start else Judge(len(material_names()), len(colour_names()))
    budget, step = Budget(minutes * 60), 0
    optimizer = torch.optim.AdamW(judge.parameters(), 2e-3, weight_decay=0.05)
    while budget.fraction() < 1:
        refresh(images, m, c, generator)
        pick = torch.randint(len(images), (32,), generator=generator)
        x = roughen(place(images[pick].float() / 255, generator), generator)
        set_rate(optimizer, learning_rate(budget.fraction(), step, peak=1e-3 if start else 2e-3))
        with mixed():
            guess_m, guess_c = judge(x)
        loss_m, loss_c = F.cross_entropy(guess_m.float(), m[pick]), F.cross_entropy(guess_c.float(), c[pick])
        optimizer.zero_grad(set_to_none=True)
        (loss_m + loss_c).backward()
        optimizer.step()
        step += 1
        if step % 50 == 0:
            log(f"judge {step} {budget.used():.0f}s material {loss_m.item():.3f} colour {loss_c.item():.3f}")
    write(judge, out / "judge.safetensors")
    log(f"judge ceilings on family A: {accuracy(judge, real)}")


def scenes(count: int, family: dict[str, tuple[Program, ...]], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Renders (N, 3, 128, 128) uint8 and their disparity (N, 32, 32)."""
    painter = Painter(*texture_tiles(512, generator, family=family), generator)
    images, hints = [], []
    for _ in range(count):
        r = painter.render()
        images.append((r.image * 255).round().to(torch.uint8))
        hints.append(F.avg_pool2d(disparity(r.depth, r.mask)[None, None], 4)[0, 0])
    return torch.stack(images), torch.stack(hints)


def train_depth_judge(
    run: Path, out: Path, *, minutes: float, seed: int = 5, start: Path | None = None, log: Log = print
) -> None:
    """Train the depth judge on renders with family B textures; ``start`` as above."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    if not (state := load(run / "depth_judge_data.pt")):
        images, hints = scenes(1500, family_b(), generator)
        state = {"images": images, "hints": hints}
        save(run / "depth_judge_data.pt", state)
    images, hints = state["images"], state["hints"]
    real, truth = scenes(128, family_a(), torch.Generator().manual_seed(seed + 1))
    judge = load_depth_judge(start / "depth_judge.safetensors").requires_grad_(True) if start else DepthJudge()
    judge.train()
    budget, step = Budget(minutes * 60), 0
    optimizer = torch.optim.AdamW(judge.parameters(), 2e-3, weight_decay=0.05)
    while budget.fraction() < 1:
        pick = torch.randint(len(images), (32,), generator=generator)
        x, d = roughen(images[pick].float() / 255, generator), hints[pick]
        if step % 2:
            x, d = x.flip(-1), d.flip(-1)
        set_rate(optimizer, learning_rate(budget.fraction(), step, peak=1.5e-3 if start else 3e-3))
        with mixed():
            guess = judge(x)
        loss = F.l1_loss(guess.float(), d)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step += 1
        if step % 100 == 0:
            log(f"depth judge {step} {budget.used():.0f}s loss {float(loss):.4f}")
    judge.eval()
    right = spearman(read_disparity(judge, real.float() / 255), truth)
    varied = truth.flatten(1).std(1) > 1e-3
    log(f"depth judge ceiling on family A: Spearman {float(right[varied].mean()):.3f}")
    write(judge, out / "depth_judge.safetensors")


def write(model: nn.Module, path: Path) -> None:
    """Half-precision safetensors."""
    state = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    save_file({k: v.contiguous() for k, v in state.items()}, path)
