"""Score the shipped weights: prompt adherence, depth adherence and seams, each beside its reference."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import weights_path
from .data.families import family_a, family_b, material_names
from .data.materials import make_maps
from .data.palette import colour_names
from .data.renders import Painter, Render, disparity, texture_tiles
from .judge import load_depth_judge, load_judge, name, read_disparity, spearman
from .material import load_material
from .padding import periodic
from .sampling import Settings, load_depth_pipeline, load_pipeline, paint, paint_depth, vocabulary
from .seams import seam_percentiles
from .training.judges import accuracy, labelled
from .training.material import score_material, truth_of


@dataclass(frozen=True, slots=True)
class Wish:
    """A prompt and what it must show."""

    prompt: str
    material: str
    colour: str


def grid(count: int) -> list[Wish]:
    """Prompts over material x colour, every material and colour nearly equally often."""
    materials, colours = material_names(), colour_names()
    out = []
    for i in range(count):
        m = i % len(materials)
        colour = colours[(5 * m + i // len(materials) * 7) % len(colours)]
        out.append(Wish(f"{colour} {materials[m]}, seamless texture", materials[m], colour))
    return out


def score_prompts(
    settings: Settings, *, count: int = 256, weights: Path | None = None, seed: int = 1000
) -> dict[str, Any]:
    """Share of pictures whose material and colour the judge reads as asked, and its ceilings on real ones."""
    folder = weights or weights_path()
    wishes = grid(count)
    started = time.monotonic()
    images = paint(load_pipeline(folder / "texture"), [w.prompt for w in wishes], settings, seed=seed)
    seconds = time.monotonic() - started
    return judge_prompts(images, wishes, folder) | {"seconds_per_image": round(seconds / count, 3)}


def judge_prompts(images: Tensor, wishes: list[Wish], folder: Path) -> dict[str, Any]:
    """Compare what the judge reads with what was wished, in all and for each material and colour."""
    judge = load_judge(folder / "judge.safetensors", len(material_names()), len(colour_names()))
    seen = name(judge, images, material_names(), colour_names())
    right_m = [w.material == s for w, s in zip(wishes, seen.materials, strict=True)]
    right_c = [w.colour == s for w, s in zip(wishes, seen.colours, strict=True)]
    ceiling = accuracy(judge, labelled(family_a(), 512, 128, torch.Generator().manual_seed(77)))
    return {
        "material": sum(right_m) / len(wishes),
        "colour": sum(right_c) / len(wishes),
        "material_ceiling": ceiling[0],
        "colour_ceiling": ceiling[1],
        "by_material": _shares([w.material for w in wishes], right_m),
        "by_colour": _shares([w.colour for w in wishes], right_c),
    }


def _shares(keys: list[str], right: list[bool]) -> dict[str, float]:
    """Share of right answers for each key."""
    groups: dict[str, list[bool]] = {}
    for key, ok in zip(keys, right, strict=True):
        groups.setdefault(key, []).append(ok)
    return {k: round(sum(v) / len(v), 2) for k, v in groups.items()}


def score_depth(settings: Settings, *, count: int = 48, weights: Path | None = None, seed: int = 5) -> dict[str, float]:
    """Spearman of the depth judge's reading with the hint given, with another picture's hint, and its ceiling."""
    folder = weights or weights_path()
    generator = torch.Generator().manual_seed(seed)
    painter = Painter(*texture_tiles(512, generator), generator)  # as fine as those that the judge learned from
    prompts, hints, real = [], [], []
    while len(hints) < count:
        r = painter.render()
        hint = disparity(r.depth, r.mask)
        if float(hint.std()) < 0.05:  # a flat hint has no order to follow
            continue
        prompts.append(f"{r.labels.colour} {r.labels.material}")
        hints.append(hint)
        real.append(r.image)
    asked, truth = torch.stack(hints), torch.stack(real)
    images = paint_depth(load_depth_pipeline(folder / "texture", folder / "depth"), prompts, asked, settings, seed=seed)
    judge = load_depth_judge(folder / "depth_judge.safetensors")
    low = torch.nn.functional.avg_pool2d(asked.unsqueeze(1), 4).squeeze(1)
    read, ceiling = read_disparity(judge, images), read_disparity(judge, truth)
    return {
        "spearman": float(spearman(read, low).mean()),
        "spearman_shuffled": float(spearman(read, low.roll(1, 0)).mean()),
        "spearman_ceiling": float(spearman(ceiling, low).mean()),
    }


def walls(count: int, seed: int) -> list[Render]:
    """Renders of 128 pixels that show walls, slopes and corners of one texture and nothing behind."""
    generator = torch.Generator().manual_seed(seed)
    painter, found = Painter(*texture_tiles(512, generator), generator), list[Render]()
    while len(found) < count:
        r = painter.render()
        if r.shape == "wall" and bool(r.mask.all()):
            found.append(r)
    return found


def score_walls(settings: Settings, *, count: int = 48, weights: Path | None = None, seed: int = 6) -> dict[str, float]:
    """Share of pictures that follow ``walls`` and have material and colour as asked, as the judge reads them; the same
    of the renders themselves.
    """
    folder, seen = weights or weights_path(), walls(count, seed)
    hints, truth = torch.stack([disparity(r.depth, r.mask) for r in seen]), torch.stack([r.image for r in seen])
    prompts = [f"{r.labels.colour} {r.labels.material}" for r in seen]
    images = paint_depth(load_depth_pipeline(folder / "texture", folder / "depth"), prompts, hints, settings, seed=seed)
    names = material_names(), colour_names()
    judge = load_judge(folder / "judge.safetensors", *(len(some) for some in names))
    out = {}
    for key, found in (("", name(judge, images, *names)), ("_ceiling", name(judge, truth, *names))):
        out[f"material{key}"] = sum(r.labels.material == m for r, m in zip(seen, found.materials, strict=True)) / count
        out[f"colour{key}"] = sum(r.labels.colour == c for r, c in zip(seen, found.colours, strict=True)) / count
    return out


def score_seams(settings: Settings, *, count: int = 64, weights: Path | None = None) -> dict[str, Any]:
    """Seam percentiles along x and y of pictures tiled both ways, not at all, and along x only."""
    folder = weights or weights_path()
    pipe = load_pipeline(folder / "texture")
    prompts = [w.prompt for w in grid(count)]
    out: dict[str, Any] = {}
    for key, axes in (("tiled", "xy"), ("untiled", ""), ("x_only", "x")):
        images = paint(pipe, prompts, settings, seed=50, axes=axes)
        dice = torch.Generator().manual_seed(1)
        out[key] = {axis: {k: round(v, 3) for k, v in seam_percentiles(images, axis, dice).items()} for axis in "xy"}
    return out


def evaluate(weights: Path | None = None) -> dict[str, Any]:
    """Every score, with the settings that ship in vocabulary.json."""
    told = vocabulary(weights)
    settings = Settings(size=128, steps=told["steps"], guidance=told["guidance_scale"])
    return {
        "settings": {"size": settings.size, "steps": settings.steps, "guidance_scale": settings.guidance},
        "prompts": score_prompts(settings, weights=weights),
        "depth": score_depth(settings, weights=weights),
        "walls": score_walls(settings, weights=weights),
        "seams": score_seams(settings, weights=weights),
    }


def lines(scores: dict[str, Any]) -> list[str]:
    """The scores for reading."""
    p, d, w = scores["prompts"], scores["depth"], scores["walls"]
    out = [
        f"settings  {scores['settings']}",
        f"material  {p['material']:.1%}  (the judge on real pictures {p['material_ceiling']:.1%}; goal 80 %)",
        f"colour    {p['colour']:.1%}  (the judge on real pictures {p['colour_ceiling']:.1%}; goal 85 %)",
        f"depth     {d['spearman']:.2f}  (shuffled {d['spearman_shuffled']:.2f}, the judge on real pictures"
        f" {d['spearman_ceiling']:.2f}; goal 0.7)",
        f"walls     material {w['material']:.0%}, colour {w['colour']:.0%}  (the judge on real pictures"
        f" {w['material_ceiling']:.0%} and {w['colour_ceiling']:.0%})",
    ]
    for key, axes in scores["seams"].items():
        for axis, ranks in axes.items():
            out.append(f"seams     {key:8} {axis}  " + "  ".join(f"{k} {v:.2f}" for k, v in ranks.items()))
    weak = sorted(p["by_material"].items(), key=lambda kv: kv[1])[:6]
    return [*out, "weakest   " + ", ".join(f"{k} {v:.0%}" for k, v in weak)]


def evaluate_material(weights: Path | None = None) -> dict[str, Any]:
    """Scores of the material network on held-out programs, see `training.material.score_material`, and of its seams:
    percentiles of every map of 64 tiles that it reads as tiles.
    """
    net = load_material((weights or weights_path()) / "material.safetensors")
    picture, _ = truth_of(make_maps(64, 128, 99, family_b()))
    with torch.no_grad(), periodic(net):
        maps = net.maps(picture)
    dice = torch.Generator().manual_seed(1)
    seams: dict[str, Any] = {}
    for kind in ("albedo", "normal", "height", "roughness", "ao"):
        values = getattr(maps, kind)
        values = values if values.ndim == 4 else values.unsqueeze(1)
        ranks = {axis: seam_percentiles(values, axis, dice) for axis in "xy"}
        seams[kind] = {axis: {k: round(v, 3) for k, v in found.items()} for axis, found in ranks.items()}
    return score_material(net) | {"seams": seams}


def material_lines(scores: dict[str, Any]) -> list[str]:
    """Those scores for reading."""
    out = [
        f"normals   {scores['normal']:.2f} degrees off  (rules of thumb {scores['classical']:.2f}, flat"
        f" {scores['flat']:.2f}; from its height {scores['derived']:.2f}; goal 6)",
        f"relit     {scores['psnr']:.1f} dB under 4 lights  (rules of thumb {scores['psnr_classical']:.1f}; goal 28)",
        "off by    " + "  ".join(f"{k} {scores[k]:.3f}" for k in ("albedo", "roughness", "metallic", "ao")),
    ]
    for kind, axes in scores["seams"].items():
        for axis, ranks in axes.items():
            out.append(f"seams     {kind:9} {axis}  " + "  ".join(f"{k} {v:.2f}" for k, v in ranks.items()))
    for material, s in sorted(scores["by_material"].items(), key=lambda kv: -kv[1]["flat"]):
        share = s["normal"] / max(s["classical"], 1e-6)
        out.append(
            f"  {material:18} {s['normal']:5.2f}  classical {s['classical']:5.2f} ({share:.2f} x)"
            f"  flat {s['flat']:5.2f}  {s['psnr']:.1f} dB"
        )
    return out
