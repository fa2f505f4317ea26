"""Euler."""

from typing import Any

from . import SAMPLERS
from ._schedule import SIGMAS, scheduler


@SAMPLERS.part("euler", "Euler", schedules=SIGMAS, flow=True)
def build(config: dict, schedule: str) -> Any:
    """First order, deterministic; quick and dependable (Karras et al., arXiv 2206.00364, algorithm 2)."""
    return scheduler("EulerDiscreteScheduler", config, schedule)
