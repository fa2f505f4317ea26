"""The two places where the engine reaches into a diffusers pipeline: its scheduler's step, and its denoiser's call.

Every pipeline calls `scheduler.step` once per model evaluation, also those without callbacks or `interrupt`; so
progress, previews, cancelling and blending hang there. What the denoiser is fed is changed by a forward pre-hook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True, slots=True)
class Moment:
    """One call of `step`: how many are done of how many, the noise level reached, and the latents.

    `next_timestep` is None after the last call. `denoised` is the model's present guess of the clean latents, where
    the scheduler tells it, else the latents themselves.
    """

    done: int
    total: int
    next_timestep: torch.Tensor | None
    latents: torch.Tensor
    denoised: torch.Tensor


Observer = Callable[[Moment], torch.Tensor | None]


def observe(scheduler: Any, observer: Observer) -> None:
    """Call `observer` after each `step` of a scheduler that belongs to one job alone.

    What the observer returns, if anything, takes the place of the latents. An exception it raises ends the run.
    """
    original = scheduler.step
    state = _Counter()

    @wraps(original)  # pipelines look at the signature to see whether it takes `eta` and `generator`
    def step(model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        wants_dict = kwargs.pop("return_dict", True)
        result = original(model_output, timestep, sample, *args, return_dict=True, **kwargs)
        done, total, following = state.count(scheduler, timestep)
        if hasattr(scheduler, "denoised"):  # one of a flow model's
            guess = scheduler.denoised(model_output, timestep, sample)
        else:
            guess = _denoised(scheduler, result)
        moment = Moment(done, total, following, result.prev_sample, guess)
        changed = observer(moment)
        if changed is not None:
            result.prev_sample = changed
        return result if wants_dict else (result.prev_sample,)

    scheduler.step = step


class _Counter:
    """Counts calls against the scheduler's own list of timesteps, of which img2img uses only the tail."""

    def __init__(self) -> None:
        self.done = 0
        self.first = 0

    def count(self, scheduler: Any, timestep: Any) -> tuple[int, int, torch.Tensor | None]:
        timesteps = scheduler.timesteps
        if self.done == 0:
            matches = (timesteps == torch.as_tensor(timestep).to(timesteps)).nonzero()
            self.first = int(matches[0]) if len(matches) else 0
        self.done += 1
        index = self.first + self.done
        following = timesteps[index] if index < len(timesteps) else None
        return self.done, len(timesteps) - self.first, following


def _denoised(scheduler: Any, result: Any) -> torch.Tensor:
    guess = getattr(result, "pred_original_sample", None)
    if guess is None and getattr(scheduler, "model_outputs", None) and _predicts_clean(scheduler):
        guess = scheduler.model_outputs[-1]
    return result.prev_sample if guess is None else guess


def _predicts_clean(scheduler: Any) -> bool:
    # Multistep solvers keep their converted outputs; only the "++" and x0 variants convert to clean latents.
    config = scheduler.config
    return "++" in str(config.get("algorithm_type", "")) or bool(config.get("predict_x0", False))


@contextmanager
def steer(
    denoiser: nn.Module,
    change: Callable[[tuple, dict], tuple[tuple, dict] | None],
    finish: Callable[[Any], Any] | None = None,
) -> Iterator[None]:
    """Let `change` rewrite the denoiser's arguments before each call inside the block, and `finish` what it answers.

    The seam for prompts that change during a run: those rewrite `encoder_hidden_states` call by call.
    """
    handles = [denoiser.register_forward_pre_hook(lambda _, args, kwargs: change(args, kwargs), with_kwargs=True)]
    if finish is not None:
        handles.append(denoiser.register_forward_hook(lambda _, __, output: finish(output)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def hide(stack: ExitStack, module: nn.Module, forward: Callable) -> None:
    """Set another `forward` before the one that the module has now, until the stack is left."""
    before = vars(module).get("forward")
    module.forward = forward

    def bring_back() -> None:
        del module.forward
        if before is not None:
            module.forward = before

    stack.callback(bring_back)
