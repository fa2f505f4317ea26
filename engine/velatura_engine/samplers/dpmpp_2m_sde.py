"""DPM++ 2M SDE."""

from typing import Any

from . import SAMPLERS
from ._schedule import SIGMAS, scheduler


@SAMPLERS.part("dpmpp_2m_sde", "DPM++ 2M SDE", schedules=SIGMAS)
def build(config: dict, schedule: str) -> Any:
    """DPM++ 2M with fresh noise each step (Lu et al., arXiv 2211.01095)."""
    return scheduler("DPMSolverMultistepScheduler", config, schedule, algorithm_type="sde-dpmsolver++", solver_order=2)
