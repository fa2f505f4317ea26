"""UniPC."""

from typing import Any

from . import SAMPLERS
from ._schedule import SIGMAS, scheduler


@SAMPLERS.part("unipc", "UniPC", schedules=SIGMAS, flow=True)
def build(config: dict, schedule: str) -> Any:
    """Predictor and corrector of second order (Zhao et al., arXiv 2302.04867)."""
    return scheduler("UniPCMultistepScheduler", config, schedule)
