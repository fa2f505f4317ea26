"""DPM++ 3M SDE."""

from functools import partial
from typing import Annotated, Any

from ..shelf import Range
from . import SAMPLERS
from ._schedule import SIGMAS


@SAMPLERS.part("dpmpp_3m_sde", "DPM++ 3M SDE", schedules=SIGMAS, flow=True)
def build(
    config: dict, schedule: str, *, eta: Annotated[float, Range(0, 1, 0.05), "Share of fresh noise"] = 1.0
) -> Any:
    """Third order multistep along a noisy path; wants thirty steps or more (Lu et al., arXiv 2211.01095)."""
    from ._own.solvers import dpmpp_3m_sde
    from ._own.walker import walker

    return walker(partial(dpmpp_3m_sde, eta=eta), config, schedule)
