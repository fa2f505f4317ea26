"""TCD."""

from typing import Annotated, Any

from ..shelf import Range
from . import SAMPLERS
from ._schedule import STEPS, scheduler


@SAMPLERS.part("tcd", "TCD", schedules=STEPS)
def build(
    config: dict, schedule: str, *, eta: Annotated[float, Range(0, 1, 0.05), "Share of fresh noise"] = 0.3
) -> Any:
    """For models distilled to a few steps, whose detail grows with the steps (Zheng et al., arXiv 2402.19159)."""
    from ._own.tcd import Tcd

    # The grid it chooses its steps from: the finest, so that any number of steps can be asked for.
    made = scheduler(Tcd, config, schedule, original_inference_steps=config["num_train_timesteps"])
    made.eta = eta
    return made
