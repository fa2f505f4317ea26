"""Draw captioned texture samples: program, attribute, light, labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .fields import Canvas, blur, cloud, grain, ramp, voronoi
from .palette import colour_names, companion, sample_colours
from .surface import Paint, Surface, brighten, over

Program = Callable[[Canvas, Paint], Surface]

TWO_TONED = ("checkerboard", "polka dots", "stripes", "plaid")
ATTRIBUTES = ("worn", "cracked", "mossy", "wet", "dirty")
SIZES = ("small", "normal", "large")


@dataclass(frozen=True, slots=True)
class Labels:
    """What a sample shows: names, or None where nothing is said."""

    material: str
    colour: str
    second: str | None
    size: str
    attribute: str | None


@dataclass(frozen=True, slots=True)
class Batch:
    """image and albedo (B, 3, H, W) in 0..1; height, roughness, metallic, ao (B, H, W) in 0..1; one label each."""

    image: Tensor
    surface: Surface
    ao: Tensor
    labels: tuple[Labels, ...]


def ambient_occlusion(height: Tensor, relief: float) -> Tensor:
    """How open a point lies, (B, H, W) in 0..1: below its blurred surroundings means darker."""
    depth = (blur(height, 4.0) - height).clamp_min(0) * relief
    return (1 - 0.22 * depth).clamp(0.25, 1)


def light(surface: Surface, strength: Tensor) -> Tensor:
    """Albedo under soft light from the upper left, (B, 3, H, W); strength (B, 1, 1) in 0..1."""
    h = blur(surface.height, 0.6) * surface.relief
    dx = (torch.roll(h, -1, -1) - torch.roll(h, 1, -1)) / 2
    dy = (torch.roll(h, -1, -2) - torch.roll(h, 1, -2)) / 2
    slope = (dx + dy) / torch.sqrt(1 + dx**2 + dy**2)
    shade = 1 + strength * (0.38 * slope).clamp(-0.45, 0.4)
    glint = strength * ramp(0.35, 0.9, slope) * (1 - surface.roughness) * 0.35
    ao = 1 - strength * (1 - ambient_occlusion(surface.height, surface.relief))
    return brighten(surface.albedo, shade * ao) + (glint * 0.6).unsqueeze(1) * (0.25 + surface.albedo)


def apply_attribute(c: Canvas, s: Surface, name: str) -> Surface:
    """Wear, cracks, moss, water or dirt on top of any surface; covers less than a third of it."""
    a, h, r = s.albedo, s.height, s.roughness
    if name == "worn":
        t = ramp(0.3, 1.7, cloud(c, 26, 1.2) + 0.5 * grain(c)) * 0.6
        dull = a.mean(1, keepdim=True) * 0.6 + 0.3
        return Surface(over(a, dull, t), h, (r + 0.3 * t).clamp(0, 1), s.metallic, s.relief)
    if name == "cracked":
        u, v = c.uv()
        n = c.count(52)
        vor = voronoi(c, u + 0.03 * cloud(c, 30, 1.5), v + 0.03 * cloud(c, 30, 1.5), n, n, 1.0)
        t = (1 - ramp(0.3, 1.3, vor.border())) * ramp(-0.9, -0.2, cloud(c, 60))
        return Surface(over(a, a * 0.15, t), h * (1 - 0.7 * t), r, s.metallic, s.relief)
    if name == "mossy":
        field = cloud(c, 36, 1.4) + 0.8 * (0.5 - h)
        t = ramp(0.75, 1.05, field)
        moss = brighten(torch.tensor([0.22, 0.36, 0.08]).view(1, 3, 1, 1), 1 + 0.3 * cloud(c, 5, 1.0))
        return Surface(over(a, moss, t), h, mix_scalar(r, 1.0, t), s.metallic * (1 - t), s.relief)
    if name == "wet":
        t = ramp(-1.2, 1.2, cloud(c, 44, 1.9))
        return Surface(over(a, a * 0.62, t), h, r * (1 - 0.85 * t), s.metallic, s.relief)
    t = ramp(0.2, 1.4, cloud(c, 34, 1.2) + 0.4 * (0.5 - h)) * 0.75
    mud = torch.tensor([0.25, 0.19, 0.12]).view(1, 3, 1, 1)
    return Surface(over(a, mud, t), h, mix_scalar(r, 0.95, t), s.metallic * (1 - t), s.relief)


def mix_scalar(a: Tensor, b: float, t: Tensor) -> Tensor:
    """Blend a map towards a constant."""
    return a + (b - a) * t


def draw_size(generator: torch.Generator) -> tuple[str, float]:
    """A size word and the feature scale it stands for."""
    x, y = torch.rand(2, generator=generator).tolist()
    if x < 0.14:
        return "small", 0.52 + 0.12 * y
    if x < 0.28:
        return "large", 1.7 + 0.5 * y
    return "normal", 0.85 + 0.35 * y


def draw(
    program: Program,
    material: str,
    *,
    batch: int,
    size: int,
    generator: torch.Generator,
    plain: bool = False,
    colours: Tensor | None = None,
) -> Batch:
    """Draw one batch of a material; ``plain`` leaves out sizes, attributes and second colours."""
    size_name, scale = ("normal", 1.0) if plain else draw_size(generator)
    c = Canvas(batch, size, scale, generator)
    names = colour_names()
    labels = torch.randint(len(names), (batch,), generator=generator) if colours is None else colours
    base = sample_colours(labels, generator)
    two = not plain and material in TWO_TONED and c.chance(0.3)
    other = (labels + torch.randint(1, len(names), (batch,), generator=generator)) % len(names)
    second = sample_colours(other, generator) if two else companion(base, labels, generator)
    surface = program(c, Paint(base, second))
    attribute = None
    if not plain and material != "water" and c.chance(0.3):
        attribute = ATTRIBUTES[int(c.rand(1) * len(ATTRIBUTES))]
        surface = apply_attribute(c, surface, attribute)
    image = light(surface, c.uniform(0.7, 1.0)).clamp(0, 1)
    told = tuple(
        Labels(material, names[int(a)], names[int(b)] if two else None, size_name, attribute)
        for a, b in zip(labels, other, strict=True)
    )
    return Batch(image, surface, ambient_occlusion(surface.height, surface.relief), told)
