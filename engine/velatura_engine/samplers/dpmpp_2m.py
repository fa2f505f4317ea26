"""DPM++ 2M."""

from typing import Annotated, Any

from ..shelf import Range
from . import SAMPLERS
from ._schedule import SIGMAS, scheduler


@SAMPLERS.part("dpmpp_2m", "DPM++ 2M", schedules=SIGMAS, flow=True)
def build(config: dict, schedule: str, *, order: Annotated[int, Range(1, 3, 1)] = 2) -> Any:
    """Second order multistep; good pictures in few steps (Lu et al., arXiv 2211.01095)."""
    return scheduler("DPMSolverMultistepScheduler", config, schedule, algorithm_type="dpmsolver++", solver_order=order)
