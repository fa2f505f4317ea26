"""Heun."""

from typing import Any

from . import SAMPLERS
from ._schedule import SIGMAS, flows, scheduler


@SAMPLERS.part("heun", "Heun", schedules=SIGMAS, flow=True, looks=2)
def build(config: dict, schedule: str) -> Any:
    """Second order, two model calls a step (Karras et al., arXiv 2206.00364, algorithm 1)."""
    if flows(config):
        return scheduler("HeunDiscreteScheduler", config, schedule)
    from ._own.solvers import heun
    from ._own.walker import walker

    return walker(heun, config, schedule, order=2)
