"""The noise that a picture would have been painted from: DDIM inversion (Song et al., arXiv 2010.02502, 4.3)."""

from __future__ import annotations

from collections.abc import Callable
from math import hypot
from typing import Any

import torch

from ..conditioning.steering import Conditioning
from ..runtime.models import Loaded
from ..runtime.seams import Moment, observe
from ..samplers._own.climber import climber


def invert(
    model: Loaded, start: torch.Tensor, conditioning: Conditioning, *, timestep: float, steps: int, factor: int,
    after: Callable[[Moment], None],
) -> torch.Tensor:  # fmt: skip
    """Noise (B, C, h, w) that leads the model from the level of `timestep` to the clean latents `start`, by the words
    of `conditioning`, unguided; `after` is called at every evaluation, of which there are two a step.
    """
    scheduler = climber(model.scheduler_config, timestep)

    def climbed(moment: Moment) -> None:
        # What the prompt says at the end of a painting is heard first.
        conditioning.go_to(1 - moment.done / moment.total)
        after(moment)

    observe(scheduler, climbed)
    conditioning.go_to(1.0)
    height, width = (side * factor for side in start.shape[-2:])
    pipeline: Any = model.pipeline("txt2img", scheduler, [])
    with conditioning.steering(model.denoiser, []):
        noisy = pipeline(
            **conditioning.arguments, width=width, height=height, num_inference_steps=steps, guidance_scale=1.0,
            latents=start / hypot(1, scheduler.bottom), output_type="latent",
        ).images  # fmt: skip
    conditioning.go_to(0.0)
    return (noisy - start) / scheduler.top
