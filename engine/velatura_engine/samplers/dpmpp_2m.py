"""DPM++ 2M."""

from typing import Any

from . import SAMPLERS
from ._schedule import SIGMAS, scheduler


@SAMPLERS.part("dpmpp_2m", "DPM++ 2M", schedules=SIGMAS)
def build(config: dict, schedule: str) -> Any:
    """Second order multistep; good pictures in few steps (Lu et al., arXiv 2211.01095)."""
    return scheduler("DPMSolverMultistepScheduler", config, schedule, algorithm_type="dpmsolver++", solver_order=2)
