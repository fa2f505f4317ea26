"""LCM + Euler."""

from functools import partial
from typing import Annotated, Any

from ..shelf import Range
from . import SAMPLERS
from ._schedule import SIGMAS


@SAMPLERS.part("lcm_euler", "LCM + Euler", schedules=SIGMAS, flow=True)
def build(
    config: dict, schedule: str, *,
    turn: Annotated[float, Range(0, 20, 0.5), "Noise level down to which all noise is fresh"] = 3.0,
) -> Any:  # fmt: skip
    """LCM's steps while structure is decided, then Euler's: small models paint regular patterns straighter so.

    Colours hold, which they do not where LCM goes all the way with a model that is not distilled for it.
    """
    from ._own.solvers import lcm_euler
    from ._own.walker import walker

    return walker(partial(lcm_euler, turn=turn), config, schedule)
