"""Euler a."""

from typing import Any

from . import SAMPLERS
from ._schedule import STEPS, scheduler


@SAMPLERS.part("euler_a", "Euler a", schedules=STEPS, flow=True)
def build(config: dict, schedule: str) -> Any:
    """Euler with fresh noise each step: livelier, never settles."""
    return scheduler("EulerAncestralDiscreteScheduler", config, schedule)
