"""DPM2 a."""

from functools import partial
from typing import Annotated, Any

from ..shelf import Range
from . import SAMPLERS
from ._schedule import SIGMAS


@SAMPLERS.part("dpm2_a", "DPM2 a", schedules=SIGMAS, flow=True, looks=2)
def build(
    config: dict, schedule: str, *, eta: Annotated[float, Range(0, 1, 0.05), "Share of fresh noise"] = 1.0
) -> Any:
    """DPM2 with fresh noise each step; two model calls a step (Lu et al., arXiv 2206.00927)."""
    from ._own.solvers import dpm2
    from ._own.walker import walker

    return walker(partial(dpm2, eta=eta), config, schedule, order=2)
