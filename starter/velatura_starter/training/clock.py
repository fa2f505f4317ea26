"""A training stage's budget in wall-clock time, its learning rate and its checkpoint file."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..device import device


@dataclass(slots=True)
class Budget:
    """Seconds a stage may use, counted over restarts: ``spent`` comes from the checkpoint."""

    seconds: float
    spent: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def used(self) -> float:
        """Seconds used up to now."""
        return self.spent + time.monotonic() - self.started

    def fraction(self) -> float:
        """Share of the budget used, 0..1."""
        return min(self.used() / self.seconds, 1.0)


def learning_rate(fraction: float, step: int, *, peak: float, warmup: int = 100, floor: float = 0.02) -> float:
    """Linear warm-up in steps, then a cosine over the budget's fraction down to ``floor * peak``."""
    cosine = floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * fraction))
    return peak * cosine * min(1.0, (step + 1) / warmup)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Write a learning rate into every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate


class Average:
    """Exponential moving average of parameters; the decay warms up with the steps."""

    def __init__(self, parts: Mapping[str, nn.Module], decay: float = 0.999) -> None:
        self.decay = decay
        self.shadow = {
            f"{part}.{name}": p.detach().clone() for part, m in parts.items() for name, p in m.named_parameters()
        }

    @torch.no_grad()
    def update(self, parts: Mapping[str, nn.Module], step: int) -> None:
        """Move the average towards the present values."""
        decay = min(self.decay, (1 + step) / (10 + step))
        keys = [f"{part}.{name}" for part, m in parts.items() for name, _ in m.named_parameters()]
        now = [p for m in parts.values() for p in m.parameters()]
        torch._foreach_lerp_([self.shadow[k] for k in keys], now, 1 - decay)

    def of(self, part: str) -> dict[str, Tensor]:
        """The averaged parameters of one part, by their names in the module."""
        start = part + "."
        return {k[len(start) :]: v for k, v in self.shadow.items() if k.startswith(start)}


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint so that a kill in the middle leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(dict(state), part)
    os.replace(part, path)


def load(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint, or None where there is none."""
    return torch.load(path, weights_only=True, map_location=device()) if path.exists() else None
