"""DPM++ SDE."""

from functools import partial
from typing import Annotated, Any

from ..shelf import Range
from . import SAMPLERS
from ._schedule import SIGMAS


@SAMPLERS.part("dpmpp_sde", "DPM++ SDE", schedules=SIGMAS, flow=True, looks=2)
def build(
    config: dict, schedule: str, *, eta: Annotated[float, Range(0, 1, 0.05), "Share of fresh noise"] = 1.0
) -> Any:
    """Second order singlestep along a noisy path; two model calls a step (Lu et al., arXiv 2211.01095)."""
    from ._own.solvers import dpmpp_sde
    from ._own.walker import walker

    return walker(partial(dpmpp_sde, eta=eta), config, schedule, order=2)
