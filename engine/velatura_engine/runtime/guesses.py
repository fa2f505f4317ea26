"""The scheduler's seam from its other side: what the model guesses at may be changed before the sampler goes by it.

Every sampler makes of the model's answer a guess of the clean picture, and goes towards that. The guess is affine in
the answer, whatever the sampler, so the answer can be made to say another guess; samplers that remember answers
remember the changed ones.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from math import sqrt
from typing import Any

import torch

Change = Callable[[torch.Tensor, float], torch.Tensor]
"""Clean latents (B, C, h, w) as the model guesses them, and the share of the run that is done -> those to go by."""


def amend(scheduler: Any, change: Change) -> None:
    """Let `change` see and rewrite the guess at each `step` of a scheduler that belongs to one job alone."""
    original, calls = scheduler.step, iter(range(1 << 30))

    @wraps(original)
    def step(model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        done, total = next(calls), max(len(scheduler.timesteps), 1)
        of_sample, of_answer = _shares(scheduler, timestep)
        guess = of_sample * sample.float() + of_answer * model_output.float()
        better = change(guess, min(done / total, 1.0))
        answer = model_output.float() + (better - guess) / of_answer
        return original(answer.to(model_output.dtype), timestep, sample, *args, **kwargs)

    scheduler.step = step


def _shares(scheduler: Any, timestep: Any) -> tuple[float, float]:
    """What sample and answer are multiplied by to give the guess.

    The denoiser always sees sqrt(1 - b^2) * clean + b * noise. Samplers that keep clean + sigma * noise scale it for
    that, and their sigma follows from the scale; the others have that of their timestep.
    """
    scale = float(scheduler.scale_model_input(torch.ones(1, dtype=torch.float64), timestep))
    sigma = sqrt(1 / scale**2 - 1) if scale < 1 - 1e-9 else _sigma(scheduler, float(timestep))
    sigma = min(max(sigma, 1e-4), 1e6)
    clean, noise = 1 / sqrt(1 + sigma**2), sigma / sqrt(1 + sigma**2)
    kind = scheduler.config["prediction_type"]
    if kind == "epsilon":
        return scale / clean, -noise / clean
    if kind == "v_prediction":
        return clean * scale, -noise
    return 0.0, 1.0


def _sigma(scheduler: Any, timestep: float) -> float:
    """The noise level of a training step, or of a place between two."""
    below = min(max(int(timestep), 0), len(scheduler.alphas_cumprod) - 1)
    above = min(below + 1, len(scheduler.alphas_cumprod) - 1)
    low, high = (
        0.5 * (torch.log1p(-share) - torch.log(share))
        for share in scheduler.alphas_cumprod[[below, above]].double().cpu().clamp(1e-9, 1 - 1e-9)
    )
    part = min(max(timestep - below, 0.0), 1.0)
    return float(torch.exp(low + part * (high - low)))
