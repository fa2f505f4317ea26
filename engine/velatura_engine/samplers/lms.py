"""LMS."""

from typing import Any

from . import SAMPLERS
from ._schedule import SIGMAS


@SAMPLERS.part("lms", "LMS", schedules=SIGMAS, flow=True)
def build(config: dict, schedule: str) -> Any:
    """Linear multistep of fourth order; one model call a step (Zhang and Chen, arXiv 2204.13902)."""
    from ._own.solvers import lms
    from ._own.walker import walker

    # diffusers' needs scipy.
    return walker(lms, config, schedule)
