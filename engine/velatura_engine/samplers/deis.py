"""DEIS."""

from typing import Any

from . import SAMPLERS
from ._schedule import SIGMAS, scheduler


@SAMPLERS.part("deis", "DEIS", schedules=SIGMAS, flow=True)
def build(config: dict, schedule: str) -> Any:
    """Exponential integrator of second order (Zhang and Chen, arXiv 2204.13902)."""
    return scheduler("DEISMultistepScheduler", config, schedule)
