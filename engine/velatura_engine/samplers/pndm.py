"""PLMS."""

from typing import Any

from . import SAMPLERS
from ._schedule import STEPS, scheduler


@SAMPLERS.part("pndm", "PLMS", schedules=STEPS)
def build(config: dict, schedule: str) -> Any:
    """Linear multistep, the first default of Stable Diffusion (Liu et al., arXiv 2202.09778)."""
    return scheduler("PNDMScheduler", config, schedule, skip_prk_steps=True)
