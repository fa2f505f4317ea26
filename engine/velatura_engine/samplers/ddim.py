"""DDIM."""

from typing import Any

from . import SAMPLERS
from ._schedule import STEPS, scheduler


@SAMPLERS.part("ddim", "DDIM", schedules=STEPS)
def build(config: dict, schedule: str) -> Any:
    """Deterministic; exact for models trained to pure noise (Song et al., arXiv 2010.02502)."""
    return scheduler("DDIMScheduler", config, schedule, clip_sample=False)
