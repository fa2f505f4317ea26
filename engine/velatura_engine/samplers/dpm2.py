"""DPM2."""

from typing import Any

from . import SAMPLERS
from ._schedule import SIGMAS


@SAMPLERS.part("dpm2", "DPM2", schedules=SIGMAS, flow=True, looks=2)
def build(config: dict, schedule: str) -> Any:
    """Second order singlestep; two model calls a step (Lu et al., arXiv 2206.00927)."""
    from ._own.solvers import dpm2
    from ._own.walker import walker

    # diffusers' warns of a future NumPy, takes most of a second to make, and blends its half steps at another noise.
    return walker(dpm2, config, schedule, order=2)
