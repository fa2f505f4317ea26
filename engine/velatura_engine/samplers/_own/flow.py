"""Schedulers for models that lead along straight lines from noise to picture (flow matching, arXiv 2210.02747).

Noisy pixels are (1 - t) * clean + t * noise at a noise level t from 1 to 0, and the model says noise - clean. Where the
levels lie is the model's own affair: most shift them towards noise, some the more the larger the picture is. diffusers
knows that in one class only; here that class places the levels for all the others, and whoever leads them may begin in
the middle and hand in the generators that fresh noise comes from.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from diffusers import DEISMultistepScheduler, FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler
from diffusers import schedulers as solvers

from ...errors import Unsupported
from .. import SAMPLERS
from .._levels import LEVELS

TOP = 0.9995
"""The level that solvers which divide by 1 - t take for pure noise."""
BOTTOM = 1e-5
"""The level that solvers which divide by t take for no noise."""
FINE = 1000
"""Levels of the table that free schedules choose from."""

_SHIFTS = ("use_dynamic_shifting", "base_shift", "max_shift", "base_image_seq_len", "max_image_seq_len")

_MATCHES = {
    "EulerDiscreteScheduler": "FlowMatchEulerDiscreteScheduler",
    "HeunDiscreteScheduler": "FlowMatchHeunDiscreteScheduler",
    "LCMScheduler": "FlowMatchLCMScheduler",
}
"""What takes the place of diffusers' classes for noise."""
_BOTH = ("DPMSolverMultistepScheduler", "DEISMultistepScheduler", "UniPCMultistepScheduler")
"""Classes of diffusers that know both."""


class Flowing:
    """What all flow schedulers here have in common, laid over one of diffusers' classes.

    `share` is the part of the run that is walked, its end; `sources` are the generators of fresh noise.
    """

    share: float = 1.0
    sources: Any = None
    schedule: str = "normal"
    own: Any
    """The model's own scheduler, diffusers' FlowMatchEuler, which knows where levels lie."""
    timesteps: Any
    _step_index: Any
    _begin_index: Any

    def set_timesteps(
        self, num_inference_steps: int | None = None, device: Any = None, sigmas: Any = None, mu: float | None = None,
        **_: Any,
    ) -> None:  # fmt: skip
        """Plan a run: the levels that the model's own scheduler would take, or those of another schedule between."""
        count = len(sigmas) if num_inference_steps is None else num_inference_steps
        levels = self._levels(count, sigmas, mu)
        # As diffusers' pipelines that start from a picture count.
        levels = levels[int(max(count - min(count * self.share, count), 0)) :]
        self._begin(levels, device, mu)

    def _levels(self, count: int, sigmas: Any, mu: float | None) -> np.ndarray:
        """Falling levels of `count` steps."""
        own = self.own
        if count == 1 and own.config["shift_terminal"]:
            return np.ones(1)  # diffusers would stretch nothing to a length
        if self.schedule in ("sgm_uniform", "simple"):
            sigmas = np.linspace(1.0, 1 / count, count)
        own.set_timesteps(count, sigmas=sigmas, mu=mu)
        levels = own.sigmas[:-1].double().numpy()
        if self.schedule not in LEVELS:
            return levels
        own.set_timesteps(FINE, mu=mu)
        table = own.sigmas[:-1].double().numpy()[::-1]
        return LEVELS[self.schedule](table, count)

    def _begin(self, levels: np.ndarray, device: Any, mu: float | None) -> None:
        plan = super().set_timesteps  # type: ignore[misc]
        # Only to clear what was there; those that take levels insist on the shift too.
        plan(len(levels), device, **({"mu": mu} if "sigmas" in inspect.signature(plan).parameters else {}))
        kind: Any = type(self)
        if not issubclass(kind, FlowMatchEulerDiscreteScheduler | FlowMatchHeunDiscreteScheduler):
            levels = np.minimum(levels, TOP)
        self.num_inference_steps = len(levels)
        stops = torch.tensor(levels, dtype=torch.float32)
        if issubclass(kind, FlowMatchHeunDiscreteScheduler):
            stops = torch.cat([stops[:1], stops[1:].repeat_interleave(2)])
        self.sigmas = torch.cat([stops, torch.tensor([BOTTOM if issubclass(kind, DEISMultistepScheduler) else 0.0])])
        self.timesteps = (stops * self.own.config["num_train_timesteps"]).to(device)
        self._step_index = self._begin_index = None

    def _init_step_index(self, timestep: Any) -> None:
        self._step_index = self._begin_index or 0

    def _sigma_to_alpha_sigma_t(self, sigma: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return 1 - sigma, sigma

    def denoised(self, model_output: torch.Tensor, timestep: Any, sample: torch.Tensor) -> torch.Tensor:
        """Clean pixels as the model sees them below the noise."""
        level = torch.as_tensor(timestep).to(sample) / self.own.config["num_train_timesteps"]
        return sample - level * model_output.to(sample)

    def noised(self, clean: torch.Tensor, noise: torch.Tensor, timestep: Any) -> torch.Tensor:
        """Clean pixels (B, ...) with as much noise as belongs to a timestep."""
        level = torch.as_tensor(timestep).to(clean) / self.own.config["num_train_timesteps"]
        return (1 - level) * clean + level * noise

    def step(self, model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, **more: Any) -> Any:
        """As diffusers', with the generators at hand: pipelines of these models do not hand them over."""
        if more.get("generator") is None and "generator" in inspect.signature(super().step).parameters:  # type: ignore[misc]
            more["generator"] = self.sources
        return super().step(model_output, timestep, sample, **more)  # type: ignore[misc]


def flow_scheduler(kind: str | type, config: Mapping[str, Any], schedule: str, **settings: Any) -> Any:
    """A new scheduler for a flow model: diffusers' class of that name, or what takes its place, or a class of ours.

    Raises Unsupported for one that has no place here.
    """
    if kind == "EulerAncestralDiscreteScheduler":
        from .flow_walker import euler_ancestral
        from .walker import walker

        return walker(euler_ancestral, config, schedule)
    base: Any = getattr(solvers, _MATCHES.get(kind, kind)) if isinstance(kind, str) else kind
    if not issubclass(base, Flowing) and base.__name__ not in (*_MATCHES.values(), *_BOTH):
        raise Unsupported(
            "this sampler counts noise, and the model flows along straight lines", field="sampler",
            remedy=f"choose one of: {', '.join(part.id for part in SAMPLERS.parts() if part.flow)}",
        )  # fmt: skip
    known = inspect.signature(base.__init__).parameters
    facts = {"num_train_timesteps": config.get("num_train_timesteps", 1000)}
    if "prediction_type" in known:
        facts["prediction_type"] = "flow_prediction"
    facts |= settings
    made: Any = _class(base)(**{key: value for key, value in facts.items() if key in known})
    usual = inspect.signature(FlowMatchEulerDiscreteScheduler.__init__).parameters
    made.own = FlowMatchEulerDiscreteScheduler(**{key: config[key] for key in usual if key in config})
    made.schedule = schedule
    # Pipelines read these from the scheduler's config, whichever it is, to find out how far to shift.
    made.register_to_config(**{key: made.own.config[key] for key in _SHIFTS})
    return made


def _class(base: type) -> type:
    if issubclass(base, Flowing):
        return base
    return type(base.__name__, (Flowing, base), {"__module__": base.__module__})
