"""LCM."""

from typing import Any

from . import SAMPLERS
from ._schedule import STEPS, scheduler


@SAMPLERS.part("lcm", "LCM", schedules=STEPS, flow=True)
def build(config: dict, schedule: str) -> Any:
    """For models distilled to a few steps (Luo et al., arXiv 2310.04378)."""
    # The grid it chooses its steps from: the finest, so that any number of steps can be asked for.
    return scheduler("LCMScheduler", config, schedule, original_inference_steps=config["num_train_timesteps"])
