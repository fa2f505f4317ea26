"""DPM fast."""

from typing import Any

from . import SAMPLERS
from ._schedule import SIGMAS


@SAMPLERS.part("dpm_fast", "DPM fast", schedules=SIGMAS, flow=True)
def build(config: dict, schedule: str) -> Any:
    """Third order singlestep; one model call a step, in threes (Lu et al., arXiv 2206.00927)."""
    from ._own.solvers import dpm_fast
    from ._own.walker import walker

    return walker(dpm_fast, config, schedule)
