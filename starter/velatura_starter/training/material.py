"""Teach the material network on pictures whose surfaces are known, on whatever device there is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..classical import estimate
from ..data.families import family_b, material_names
from ..data.fields import blur
from ..data.materials import Pool, Programs, make_maps
from ..data.surface import Surface
from ..data.textures import ambient_occlusion
from ..data.textures import light as light_surface
from ..material import STRIDE, Maps, MaterialNet, Reader, light, load_material, slopes, to_normal
from ..padding import periodic
from .clock import Average, learning_rate, set_rate
from .course import clip
from .judges import write

SOFT = 0.6
"""Light models the surface blurred by this many pixels (`data.textures.light`), and so its normals are meant."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """Pictures (B, 3, H, W) in 0..1, the maps they show, and whether their edges meet."""

    picture: Tensor
    truth: Maps
    tiled: bool


def truth_of(pool: Pool) -> tuple[Tensor, Maps]:
    """Pictures in 0..1 and their maps, as float32."""
    unit = {k: pool[k].float() / 255 for k in ("picture", "albedo", "roughness", "metallic", "ao")}
    height = blur(pool["height"].float() * pool["relief"].view(-1, 1, 1), SOFT)
    told = Maps(unit["albedo"], height, to_normal(slopes(height)), unit["roughness"], unit["metallic"], unit["ao"])
    return unit["picture"], told


def _relit(pool: Pool, dice: torch.Generator) -> Pool:
    """Some surfaces deeper or flatter than they were, some in another's colours, under light of another strength.

    Without this the network learns by heart how deep a material is, and what is bright or dark is high or low.
    """
    count, device = len(pool["relief"]), pool["relief"].device
    rolls = torch.rand(4, count, generator=dice, device=device)
    relief = pool["relief"] * torch.where(rolls[0] < 0.5, 0.5 * 3.2 ** rolls[1], 1.0)
    swapped = (rolls[2] < 0.2).view(-1, 1, 1, 1)
    albedo = pool["albedo"].float() / 255
    albedo = torch.where(swapped, albedo.roll(1, 0), albedo)
    height = pool["height"].float() * relief.view(-1, 1, 1)
    roughness, metallic = pool["roughness"].float() / 255, pool["metallic"].float() / 255
    surface = Surface(albedo, height, roughness, metallic, relief=1.0)
    picture = light_surface(surface, (0.5 + 0.5 * rolls[3]).view(-1, 1, 1)).clamp(0, 1)
    lit = {"picture": picture, "albedo": albedo, "ao": ambient_occlusion(height, 1.0)}
    return pool | {k: (v * 255).round().to(torch.uint8) for k, v in lit.items()} | {"relief": relief}


def _zoomed(picture: Tensor, truth: Maps, side: int, start: tuple[int, int], crop: int) -> tuple[Tensor, Maps]:
    """A crop whose edges do not meet, from the tile drawn ``side`` pixels large; slopes stay what they were."""
    scale = side / picture.shape[-1]
    height = truth.height * scale
    normal = truth.normal
    parts = [
        picture,
        truth.albedo,
        normal,
        *(m.unsqueeze(1) for m in (height, truth.roughness, truth.metallic, truth.ao)),
    ]
    stack = F.interpolate(torch.cat(parts, 1), (side, side), mode="bilinear", antialias=True)
    y, x = start
    stack = stack[..., y : y + crop, x : x + crop].contiguous()
    picture, albedo, normal, rest = stack.split([3, 3, 3, 4], 1)
    height, *others = rest.unbind(1)
    return picture, Maps(albedo, height, F.normalize(normal, dim=1), *others)


def lesson(pool: Pool, batch: int, crop: int, dice: torch.Generator) -> Lesson:
    """Some of a pool's pictures, rolled, mirrored along the light, lit anew, and worn as photographs are.

    A third of the lessons are crops without meeting edges, larger or smaller than drawn.
    """
    device, count, size = pool["relief"].device, len(pool["relief"]), pool["height"].shape[-1]
    picks = torch.randint(count, (batch,), generator=dice, device=device)
    tiled, mirror, relight, zoom, *place = torch.rand(8, generator=dice, device=device).tolist()
    chosen = {k: v[picks] for k, v in pool.items()}
    picture, truth = truth_of(_relit(chosen, dice) if relight < 0.6 else chosen)
    shift = (int(place[0] * size), int(place[1] * size))
    fields = [picture, *(getattr(truth, name) for name in Maps.__slots__)]
    fields = [torch.roll(f, shift, (-2, -1)) for f in fields]
    if mirror < 0.5:  # along the light's own diagonal, which it leaves where it is
        fields = [f.transpose(-1, -2) for f in fields]
        fields[3] = torch.stack([-fields[3][:, 1], -fields[3][:, 0], fields[3][:, 2]], 1)
    picture, truth = fields[0], Maps(*fields[1:])
    whole = size == crop and tiled < 0.65
    if not whole:
        side = int(size * 0.8 * 2.5**zoom)
        side = max(crop, side)
        start = int(place[2] * (side - crop + 1)), int(place[3] * (side - crop + 1))
        picture, truth = _zoomed(picture, truth, side, start, crop)
    return Lesson(_worn(picture, dice, whole), truth, whole)


def _worn(picture: Tensor, dice: torch.Generator, tiled: bool) -> Tensor:
    """A little gain for each colour, and on some pictures slight blur or noise, (B, 3, H, W)."""
    device, b = picture.device, len(picture)
    rolls = torch.rand(4, b, 1, 1, 1, generator=dice, device=device)
    if tiled:
        picture = torch.where(rolls[0] < 0.25, blur(picture, 0.7), picture)
    noise = torch.randn(picture.shape, generator=dice, device=device) * 0.03 * rolls[1]
    picture = picture + torch.where(rolls[2] < 0.3, noise, 0.0)
    return (picture * (0.94 + 0.12 * rolls[3])).clamp(0, 1)


def distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean distance of unit vectors (B, 3, H, W): nearly the mean angle in radians, and smooth where they agree."""
    return ((a - b).square().sum(1) + 1e-5).sqrt().mean()


def loss_of(raw: Mapping[str, Tensor], seen: Lesson) -> dict[str, Tensor]:
    """Parts of the loss, each weighed already."""
    truth = seen.truth
    height = raw["height"][:, 0]
    derived = to_normal(slopes(height, "xy" if seen.tiled else ""))
    parts = {"normal": distance(to_normal(raw["slope"]), truth.normal)}
    parts["derived"] = 0.7 * distance(derived, truth.normal)
    high, true = height, truth.height
    parts["height"] = height.new_zeros(())
    for _ in range(3):  # hills as well as grains: height has no zero of its own
        high, true = (F.avg_pool2d(x.unsqueeze(1), 2)[:, 0] for x in (high, true))
        parts["height"] = parts["height"] + 0.02 * (_level(high) - _level(true)).abs().mean()
    parts["albedo"] = 1.5 * F.l1_loss(seen.picture + raw["albedo"], truth.albedo)
    for name, weight in (("roughness", 0.3), ("ao", 0.5)):
        parts[name] = weight * F.l1_loss(raw[name][:, 0].sigmoid(), getattr(truth, name))
    parts["metallic"] = 0.05 * F.binary_cross_entropy_with_logits(raw["metallic"][:, 0], truth.metallic)
    return parts


def _level(height: Tensor) -> Tensor:
    return height - height.mean((1, 2), keepdim=True)


def _half(device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 where a graphics processor multiplies it; on others it is slower or coarser."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()


def train_material(
    pool: Pool,
    *,
    seconds: float,
    device: torch.device | str,
    out: Path,
    log: Callable[[str], None] = print,
    batch: int = 64,
    crop: int = 128,
    peak: float = 3e-3,
    steps: int = 0,
    warmup: int = 50,
    seed: int = 11,
    start: Path | None = None,
) -> MaterialNet:
    """Train on a pool of `make_maps` that lies on ``device`` and write ``out``/material.safetensors, float16.

    The rate falls over ``seconds``, or over ``steps`` where there are any. The running average is what is written and
    returned. ``start`` is a weights file to go on from, instead of from nothing.
    """
    device = torch.device(device)
    if crop % STRIDE or crop > pool["height"].shape[-1]:
        raise ValueError(f"crops must be multiples of {STRIDE} px and fit the pictures, got {crop}")
    torch.manual_seed(seed)
    dice = torch.Generator(device).manual_seed(seed)
    net = MaterialNet()
    if start:
        net.load_state_dict(load_material(start).net.state_dict())
    net = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(net.parameters(), peak, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    average, step, started = Average({"net": net}, 0.998), 0, time.monotonic()
    while (fraction := step / steps if steps else (time.monotonic() - started) / seconds) < 1:
        set_rate(optimizer, learning_rate(fraction, step, peak=peak, warmup=warmup, floor=0.005))
        seen = lesson(pool, batch, crop, dice)
        with _half(device), periodic(net, axes="xy" if seen.tiled else ""):
            raw = net(seen.picture.contiguous(memory_format=torch.channels_last))
        parts = loss_of(raw, seen)
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(parts.values())).sum().backward()
        clip(list(net.parameters()))
        optimizer.step()
        average.update({"net": net}, step)
        step += 1
        if step % 50 == 0:
            said = " ".join(f"{k}:{v.item():.4f}" for k, v in parts.items())
            log(f"material {step} {time.monotonic() - started:.0f}s {said}")
    net.load_state_dict(average.of("net"))
    out.mkdir(parents=True, exist_ok=True)
    write(net.to("cpu"), out / "material.safetensors")
    log(f"material: {step} steps of {batch}")
    return net.to(device).eval().requires_grad_(False)


def angle(a: Tensor, b: Tensor) -> Tensor:
    """Mean angle of unit vectors (B, 3, H, W) for each picture, degrees, (B,)."""
    # By the chord: the cosine of small angles has too few digits.
    half = (a - b).norm(dim=1) / 2
    return torch.rad2deg(2 * torch.asin(half.clamp(0, 1))).mean((1, 2))


CORNERS = ((-1.0, 1.0), (1.0, 1.0), (1.0, -1.0), (-1.0, -1.0))


def relit_error(a: Maps, b: Maps) -> Tensor:
    """Mean squared difference of two materials under light from four corners, for each picture, (B,)."""
    return torch.stack([(light(a, c) - light(b, c)).square().mean((1, 2, 3)) for c in CORNERS]).mean(0)


@torch.no_grad()
def score_material(
    net: Reader, *, count: int = 768, size: int = 128, seed: int = 4321, programs: Programs | None = None
) -> dict[str, Any]:
    """How well the network reads pictures of held-out programs (family B unless others are given), with no training.

    Degrees of normal error: of the network (``normal``), of normals derived from its height (``derived``), of both's
    mean (``both``), of rules of thumb (``classical``) and of no relief at all (``flat``), in all and by material;
    ``psnr`` of pictures lit from four corners, dB, of the network and of rules of thumb; and mean absolute errors.
    """
    device = next(net.parameters()).device
    pool = make_maps(count, size, seed, family_b() if programs is None else programs)
    rows: dict[str, list[Tensor]] = {}
    for part in zip(*(pool[k].split(16) for k in pool), strict=True):
        picture, truth = truth_of({k: v.to(device) for k, v in zip(pool, part, strict=True)})
        with periodic(net):
            seen = net.maps(picture)
        rules = estimate(picture)
        derived = to_normal(slopes(seen.height))
        flat = to_normal(torch.zeros_like(picture[:, :2]))
        both = F.normalize(seen.normal + derived, dim=1)
        ways = {"normal": seen.normal, "derived": derived, "both": both, "classical": rules.normal, "flat": flat}
        row = {name: angle(normal, truth.normal) for name, normal in ways.items()}
        row |= {"apart": angle(derived, seen.normal)}
        row |= {"light": relit_error(seen, truth), "light_classical": relit_error(rules, truth)}
        for name in ("albedo", "roughness", "metallic", "ao"):
            row[name] = (getattr(seen, name) - getattr(truth, name)).abs().flatten(1).mean(1)
        for key, value in row.items():
            rows.setdefault(key, []).append(value.cpu())
    told = {key: torch.cat(values) for key, values in rows.items()}
    degrees = ("normal", "derived", "both", "apart", "classical", "flat")
    by = {}
    for number in pool["material"].unique().tolist():
        mine = pool["material"] == number
        by[material_names()[number]] = {k: round(float(told[k][mine].mean()), 2) for k in degrees} | {
            "psnr": round(_decibels(told["light"][mine]), 1)
        }
    out: dict[str, Any] = {k: round(float(told[k].mean()), 2) for k in degrees}
    out |= {"psnr": round(_decibels(told["light"]), 2), "psnr_classical": round(_decibels(told["light_classical"]), 2)}
    out |= {k: round(float(told[k].mean()), 4) for k in ("albedo", "roughness", "metallic", "ao")}
    return out | {"by_material": by}


def _decibels(error: Tensor) -> float:
    """Mean PSNR of pictures by their mean squared errors (B,)."""
    return float((-10 * torch.log10(error.clamp_min(1e-8))).mean())
