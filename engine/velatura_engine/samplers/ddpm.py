"""DDPM."""

from typing import Any

from . import SAMPLERS
from ._schedule import STEPS, scheduler


@SAMPLERS.part("ddpm", "DDPM", schedules=STEPS)
def build(config: dict, schedule: str) -> Any:
    """The ancestral sampler of training; wants many steps (Ho et al., arXiv 2006.11239)."""
    return scheduler("DDPMScheduler", config, schedule, clip_sample=False)
