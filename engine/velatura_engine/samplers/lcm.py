"""LCM."""

from typing import Any

from . import SAMPLERS
from ._schedule import STEPS, scheduler


@SAMPLERS.part("lcm", "LCM", schedules=STEPS)
def build(config: dict, schedule: str) -> Any:
    """For models distilled to a few steps (Luo et al., arXiv 2310.04378)."""
    return scheduler("LCMScheduler", config, schedule)
