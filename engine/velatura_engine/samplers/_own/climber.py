"""The way back: from a picture to the noise that a model would have painted it from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from diffusers import EulerDiscreteScheduler

from .._schedule import scheduler
from .solvers import Draw, Walk
from .walker import Walker

SPACING = 7.0
"""Karras et al., arXiv 2206.00364, eq. 5."""


def climb(levels: Sequence[float], draw: Draw) -> Walk:
    """The ODE of every deterministic sampler, walked from the least noise to the most, by Heun's rule in sigma."""
    x = None
    for s, t in pairwise(levels):
        x, d = yield x, s
        eps = (x - d) / s
        ahead, d = yield x + (t - s) * eps, t
        x = x + (t - s) * (eps + (ahead - d) / t) / 2
    return x


def climber(config: Mapping[str, Any], timestep: float) -> Climber:
    """A scheduler that leads a pipeline for words from clean latents up to the noise of a training step; what comes out
    lies in the scale where noisy pixels are clean + sigma * noise."""
    made = scheduler(Climber, config, "normal")
    made.solver, made.order, made.free, made.goal = climb, 2, False, timestep
    return made


class Climber(Walker):
    """Walks up, to the level of the training step `goal`."""

    goal: float

    @property
    def top(self) -> float:
        """The level that it climbs to."""
        table = self._table
        return float(np.exp(np.interp(self.goal, np.arange(len(table)), np.log(table))))

    @property
    def bottom(self) -> float:
        """The level that a clean picture is taken for."""
        return float(self._table[0])

    def set_timesteps(self, num_inference_steps: int, device: Any = None, **_: Any) -> None:  # type: ignore[override]
        """Plan a run of so many steps."""
        EulerDiscreteScheduler.set_timesteps(self, num_inference_steps, device)
        low, high = self.bottom ** (1 / SPACING), max(self.top, self.bottom * 1.01) ** (1 / SPACING)
        self._levels = np.linspace(low, high, num_inference_steps + 1) ** SPACING
        self._walk = None
        stops = self._stops(self._levels)
        self.sigmas = torch.tensor([*stops, 0.0])
        self.timesteps = torch.tensor(self._steps(stops), dtype=torch.float32, device=device)
        self._course = self.timesteps

    def _steps(self, sigmas: Sequence[float]) -> list[float]:
        table = self._table
        steps = np.interp(np.log(sigmas), np.log(table), np.arange(len(table))).astype(np.float32)
        # As in Walker: of two at the same level each must be found by its number. Here they rise.
        for index in range(1, len(steps)):
            steps[index] = max(steps[index], np.nextafter(steps[index - 1], np.float32(np.inf)))
        return steps.tolist()
