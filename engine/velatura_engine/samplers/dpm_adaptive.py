"""DPM adaptive."""

from functools import partial
from typing import Annotated, Any

from ..shelf import Range
from . import SAMPLERS
from ._schedule import SIGMAS


@SAMPLERS.part("dpm_adaptive", "DPM adaptive", schedules=SIGMAS, alone=True, flow=True)
def build(
    config: dict, schedule: str, *,
    tolerance: Annotated[float, Range(0.001, 1, 0.001), "Error allowed in a step, as a share of the values"] = 0.02,
) -> Any:  # fmt: skip
    """Chooses its own steps, as many as its error asks for and no more than given; one picture at a time.

    Lu et al., arXiv 2206.00927. The schedule says where it starts, also in the middle of a picture, and no more.
    """
    from ._own.adaptive import dpm_adaptive
    from ._own.walker import walker

    return walker(partial(dpm_adaptive, tolerance=tolerance), config, schedule, free=True)
