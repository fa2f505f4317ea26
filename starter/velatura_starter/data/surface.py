"""What a material program returns, and the paint it is given."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .fields import Canvas, mix


@dataclass(frozen=True, slots=True)
class Surface:
    """Maps of a batch of pictures.

    albedo (B, 3, H, W) in 0..1 display-referred; height (B, H, W) in 0..1; roughness and metallic
    (B, H, W) in 0..1; relief: depth of the height range in pixels (how strongly light models it).
    """

    albedo: Tensor
    height: Tensor
    roughness: Tensor
    metallic: Tensor
    relief: float = 3.0


@dataclass(frozen=True, slots=True)
class Paint:
    """The colours asked for, each (B, 3, 1, 1): the caption's colour and its companion."""

    base: Tensor
    second: Tensor

    def shade(self, value: Tensor) -> Tensor:
        """The base colour times a brightness map (B, H, W); lightness above 1 goes towards white."""
        return brighten(self.base, value)

    def blend(self, t: Tensor) -> Tensor:
        """From base (t = 0) to the companion (t = 1), t (B, H, W)."""
        return mix(self.base, self.second, t.unsqueeze(1))


def brighten(rgb: Tensor, value: Tensor) -> Tensor:
    """Scale a colour (B, 3, ., .) by (B, H, W); what would exceed 1 turns paler instead of clipping."""
    out = rgb * value.unsqueeze(1)
    over = (out - 1).clamp_min(0).sum(dim=1, keepdim=True)
    return (out + 0.3 * over).clamp(0, 1)


def over(under: Tensor, top: Tensor, t: Tensor) -> Tensor:
    """Lay colour ``top`` over ``under`` where t (B, H, W) is 1."""
    return mix(under, top, t.unsqueeze(1))


def neutral(c: Canvas, low: float, high: float) -> Tensor:
    """A nearly grey colour for each picture, (B, 3, 1, 1)."""
    tint = 1 + 0.06 * (c.rand(c.batch, 3, 1, 1) - 0.5)
    return ((low + (high - low) * c.rand(c.batch, 1, 1, 1)) * tint).clamp(0, 1)


def finish(
    albedo: Tensor, height: Tensor, roughness: Tensor | float, metallic: Tensor | float = 0.0, relief: float = 3.0
) -> Surface:
    """Normalise the height to 0..1 and expand constants to maps."""
    low, high = height.amin((1, 2), keepdim=True), height.amax((1, 2), keepdim=True)
    h = (height - low) / (high - low).clamp_min(1e-6)
    full = [torch.as_tensor(x, dtype=h.dtype).expand_as(h).clamp(0, 1) for x in (roughness, metallic)]
    return Surface(albedo.clamp(0, 1).expand(-1, -1, *h.shape[1:]), h, full[0], full[1], relief)
