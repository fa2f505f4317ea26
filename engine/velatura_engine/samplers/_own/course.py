"""What schedulers that go where a solver leads them have in common: the course of timesteps that a pipeline walks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import log

import numpy as np
import torch

from ...errors import Unsupported
from .solvers import Walk

NOTHING_LEFT = -1.0
"""Stands for the timesteps after the last one of a walk that ended early; it means no noise."""


class Course(torch.Tensor):
    """Timesteps (n,) to be walked as long as there are any: it is written on while a pipeline goes along it."""

    def __iter__(self) -> Iterator[torch.Tensor]:
        for step in self.as_subclass(torch.Tensor).unbind():
            if step < 0:
                return
            yield step


def visited(solver: Callable[..., Walk], levels: Sequence[float]) -> list[float]:
    """Noise levels at which a solver asks the model: found by walking once without a picture."""
    walk, stops = solver(levels, lambda: 0.0), []
    try:
        stops.append(next(walk)[1])
        while True:
            stops.append(walk.send((0.0, 0.0))[1])
    except StopIteration:
        return stops


def apart(steps: np.ndarray) -> list[float]:
    """Falling timesteps, float32, no two the same: whoever knows a step by its number must find the right one of two at
    the same noise level, so they are a hair apart.
    """
    for index in range(len(steps) - 1, 0, -1):
        steps[index - 1] = max(steps[index - 1], np.nextafter(steps[index], np.float32(np.inf)))
    return steps.tolist()


def ahead(calls: int, first: float, now: float, last: float, most: int) -> int:
    """How many calls are likely to come where `calls` have led from one noise level to another; `most` where nothing
    tells."""
    way = log(first / now)
    return max(1, round(calls * log(now / last) / way + 1)) if way else most


def check_alone(pictures: int) -> None:
    """Raises Unsupported where a solver that chooses its steps has several pictures to choose them for."""
    if pictures > 1:
        raise Unsupported(
            "this sampler chooses its steps for one picture, and cannot paint several at once",
            field="sampling.sampler", remedy="ask for one picture at a time, or choose another sampler",
        )  # fmt: skip
