"""Twelve named colours as boxes in HSV, far enough apart to be told from each other."""

from __future__ import annotations

import torch
from torch import Tensor

# name: (hue, saturation, value) as (low, high); hue in turns and may pass 1.
COLOURS: dict[str, tuple[tuple[float, float], ...]] = {
    "red": ((0.985, 1.012), (0.78, 0.95), (0.58, 0.82)),
    "orange": ((0.068, 0.09), (0.85, 1.0), (0.88, 1.0)),
    "yellow": ((0.138, 0.158), (0.75, 0.95), (0.88, 0.99)),
    "green": ((0.29, 0.38), (0.55, 0.85), (0.38, 0.65)),
    "cyan": ((0.485, 0.52), (0.6, 0.9), (0.65, 0.88)),
    "blue": ((0.59, 0.64), (0.7, 0.92), (0.55, 0.85)),
    "purple": ((0.75, 0.79), (0.5, 0.75), (0.48, 0.7)),
    "pink": ((0.92, 0.955), (0.32, 0.5), (0.92, 1.0)),
    "brown": ((0.05, 0.078), (0.52, 0.68), (0.32, 0.45)),
    "white": ((0.0, 1.0), (0.0, 0.035), (0.92, 1.0)),
    "grey": ((0.0, 1.0), (0.0, 0.06), (0.43, 0.57)),
    "black": ((0.0, 1.0), (0.0, 0.12), (0.07, 0.14)),
}


def colour_names() -> tuple[str, ...]:
    """The colours in label order."""
    return tuple(COLOURS)


def sample_colours(labels: Tensor, generator: torch.Generator) -> Tensor:
    """RGB in 0..1, (B, 3, 1, 1), drawn from the box of each label (B,)."""
    boxes = torch.tensor([COLOURS[name] for name in COLOURS])[labels]  # (B, 3, 2)
    hsv = boxes[..., 0] + (boxes[..., 1] - boxes[..., 0]) * torch.rand(labels.shape[0], 3, generator=generator)
    return hsv_to_rgb(hsv)[..., None, None]


def hsv_to_rgb(hsv: Tensor) -> Tensor:
    """(..., 3) to (..., 3); hue wraps."""
    h, s, v = hsv.unbind(-1)
    k = (torch.tensor([5.0, 3.0, 1.0]) + h.unsqueeze(-1) * 6) % 6
    return v.unsqueeze(-1) * (1 - s.unsqueeze(-1) * torch.minimum(k, 4 - k).clamp(0, 1))


def companion(base: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """A second tone that keeps the first colour's name: much paler, or darker for white, (B, 3, 1, 1).

    Black's companion is a dark grey and grey's a lighter grey, so that the named colour stays the only one.
    """
    names = colour_names()
    t = torch.rand(base.shape[0], 1, 1, 1, generator=generator)
    pale = base + (1 - base) * (0.62 + 0.2 * t)
    white = labels.view(-1, 1, 1, 1) == names.index("white")
    grey = labels.view(-1, 1, 1, 1) == names.index("grey")
    black = labels.view(-1, 1, 1, 1) == names.index("black")
    pale = torch.where(white, base * (0.72 + 0.08 * t), pale)
    pale = torch.where(grey, base * (1.35 + 0.15 * t), pale)
    return torch.where(black, base + 0.16 + 0.08 * t, pale)
