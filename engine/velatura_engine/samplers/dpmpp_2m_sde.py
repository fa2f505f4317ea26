"""DPM++ 2M SDE."""

from functools import partial
from typing import Any

from . import SAMPLERS
from ._schedule import SIGMAS, flows, scheduler


@SAMPLERS.part("dpmpp_2m_sde", "DPM++ 2M SDE", schedules=SIGMAS, flow=True)
def build(config: dict, schedule: str) -> Any:
    """DPM++ 2M with fresh noise each step (Lu et al., arXiv 2211.01095)."""
    if flows(config):
        from ._own.solvers import dpmpp_3m_sde
        from ._own.walker import walker

        # diffusers' throws the noise far in the last steps of shifted levels, which are many times as long as others.
        return walker(partial(dpmpp_3m_sde, depth=2), config, schedule)
    return scheduler("DPMSolverMultistepScheduler", config, schedule, algorithm_type="sde-dpmsolver++", solver_order=2)
