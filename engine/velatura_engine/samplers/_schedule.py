"""What all samplers share: from a model's scheduler config and a schedule's name to a diffusers scheduler."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from ..errors import Unsupported
from ._levels import LEVELS

STEPS = ("normal", "sgm_uniform", "simple")
"""Schedules of samplers that walk along the training steps. `normal` is the model's own; the others are trailing."""

SIGMAS = (*STEPS, *LEVELS)
"""Schedules of samplers that place their noise levels freely."""

FLOW = "flow_prediction"
"""What models say that lead along straight lines from noise to picture."""

_MODEL = (
    "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "prediction_type",
    "timestep_spacing", "steps_offset", "rescale_betas_zero_snr",
)  # fmt: skip
"""Facts of the model in a scheduler's config; all else belongs to the sampler it was saved with."""


def scheduler(kind: str | type, config: Mapping[str, Any], schedule: str, **settings: Any) -> Any:
    """A new scheduler for a model: of diffusers' class of that name, or of a class of ours.

    Raises Unsupported for a schedule it cannot follow.
    """
    import diffusers

    if flows(config):
        return _flowing(kind, config, schedule, settings)
    made: type = getattr(diffusers, kind) if isinstance(kind, str) else kind
    known = inspect.signature(made.__init__).parameters
    able = SIGMAS if "use_karras_sigmas" in known else STEPS
    if schedule not in able:
        raise Unsupported(
            f"this sampler cannot follow the schedule {schedule!r}", field="schedule",
            remedy=f"choose one of: {', '.join(able)}",
        )  # fmt: skip
    made = _from_the_first_step(made)
    facts = {key: config[key] for key in _MODEL if config.get(key) is not None}
    if facts.get("rescale_betas_zero_snr") and "rescale_betas_zero_snr" not in known:
        facts["trained_betas"] = _zero_snr_betas(facts)
    if schedule in LEVELS:
        made, facts["use_karras_sigmas"] = _at_levels(made, schedule), True
    elif schedule != "normal":
        facts["timestep_spacing"] = "trailing"
    facts |= settings
    return made(**{key: value for key, value in facts.items() if key in known})


def flows(config: Mapping[str, Any]) -> bool:
    """Whether a scheduler's config is that of a model which predicts flow."""
    return config.get("prediction_type") == FLOW


def _flowing(kind: str | type, config: Mapping[str, Any], schedule: str, settings: Mapping[str, Any]) -> Any:
    from ._own.flow import flow_scheduler

    if schedule not in SIGMAS:
        raise Unsupported(
            f"this sampler cannot follow the schedule {schedule!r}", field="schedule",
            remedy=f"choose one of: {', '.join(SIGMAS)}",
        )  # fmt: skip
    return flow_scheduler(kind, config, schedule, **settings)


def _at_levels(kind: type, schedule: str) -> type:
    """The same scheduler, that asks `_levels.py` where diffusers would place Karras' noise levels.

    Some of diffusers' classes place them between the ends of another schedule, not of the model's, and its beta
    schedule needs scipy.
    """

    def _convert_to_karras(self: Any, in_sigmas: Any, num_inference_steps: int) -> Any:
        shares = self.alphas_cumprod.double().numpy()
        return LEVELS[schedule](((1 - shares) / shares) ** 0.5, num_inference_steps)

    return type(kind.__name__, (kind,), {"_convert_to_karras": _convert_to_karras, "__module__": kind.__module__})


def _from_the_first_step(kind: type) -> type:
    """The same scheduler, that starts at its first step even where rounding makes that step equal the second.

    Noise levels crowd near pure noise, and training steps are whole numbers: diffusers then begins at the second of
    the equal ones, and runs past the end of its own list.
    """
    if not hasattr(kind, "_init_step_index"):
        return kind

    def _init_step_index(self: Any, timestep: Any) -> None:
        kind._init_step_index(self, timestep)  # type: ignore[attr-defined]
        if self.begin_index is None and timestep == self.timesteps[0]:
            self._step_index = 0

    return type(kind.__name__, (kind,), {"_init_step_index": _init_step_index, "__module__": kind.__module__})


def _zero_snr_betas(facts: Mapping[str, Any]) -> list[float]:
    """Betas whose last step is (almost) pure noise, for samplers that cannot make them on their own.

    Lin et al., arXiv 2305.08891, algorithm 1; the last share of signal is kept at 2**-24, as diffusers' Euler does,
    so that its noise level stays finite.
    """
    import torch

    count, low, high = facts["num_train_timesteps"], facts["beta_start"], facts["beta_end"]
    if facts.get("beta_schedule") == "scaled_linear":
        betas = torch.linspace(low**0.5, high**0.5, count, dtype=torch.float64) ** 2
    else:
        betas = torch.linspace(low, high, count, dtype=torch.float64)
    roots = torch.cumprod(1 - betas, 0).sqrt()
    roots = (roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])
    shares = roots**2
    shares[-1] = 2**-24
    alphas = torch.cat([shares[:1], shares[1:] / shares[:-1]])
    return (1 - alphas).tolist()
