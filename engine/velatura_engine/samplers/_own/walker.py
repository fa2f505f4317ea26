"""A scheduler for diffusers' pipelines that goes where a solver leads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import hypot
from typing import Any

import numpy as np
import torch
from diffusers import EulerDiscreteScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteSchedulerOutput
from diffusers.utils.torch_utils import randn_tensor

from .._schedule import flows, scheduler
from .course import NOTHING_LEFT, Course, ahead, apart, check_alone, visited
from .solvers import Walk


def walker(
    solver: Callable[..., Walk], config: Mapping[str, Any], schedule: str, *, order: int = 1, free: bool = False
) -> Any:
    """A scheduler for a model that follows `solver`, which asks the model `order` times for each noise level.

    `free`: the solver finds out on its way which levels to visit. Raises Unsupported for an unknown schedule.
    """
    if flows(config):
        from .flow_walker import FlowWalker

        made = scheduler(FlowWalker, config, schedule)
    else:
        made = scheduler(Walker, config, schedule)
    made.solver, made.order, made.free = solver, order, free
    return made


class Walker(EulerDiscreteScheduler):
    """Of diffusers' Euler it keeps the model's facts and the noise levels; the steps are its solver's.

    Between steps pixels lie in the model's own scale, sqrt(1 - b**2) * clean + b * noise, so they need no scaling.
    """

    solver: Callable[..., Walk]
    order: int
    free: bool

    def set_timesteps(self, num_inference_steps: int, device: Any = None, **_: Any) -> None:  # type: ignore[override]
        """Plan a run from the greatest noise level of the schedule."""
        super().set_timesteps(num_inference_steps, device)
        self._levels = self.sigmas[:-1].double().numpy()
        if self.free:
            self._levels[-1] = self._table[0] if num_inference_steps > 1 else self._levels[0]
        self._walk: Walk | None = None
        stops = self._stops(self._levels)
        self.sigmas = torch.tensor([*stops, 0.0])
        self.timesteps = torch.tensor(self._steps(stops), dtype=torch.float32, device=device)
        if self.free:
            self.timesteps = self.timesteps.as_subclass(Course)
        self._course = self.timesteps

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Begin at that timestep. What is left is planned anew, in the very list that the pipeline already holds."""
        self._begin_index = begin_index
        stops = self._stops(self._levels[begin_index // self.order :])
        self.sigmas[begin_index:-1] = torch.tensor(stops)
        self._course[begin_index:] = torch.tensor(self._steps(stops)).to(self._course)

    @property
    def init_noise_sigma(self) -> float:  # type: ignore[override]
        """Spread of the noise to start from."""
        return 1.0

    def scale_model_input(self, sample: torch.Tensor, timestep: Any) -> torch.Tensor:
        """As they are."""
        return sample

    def add_noise(self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Clean pixels (B, ...) with as much noise as belongs to timesteps (B,) or (1,)."""
        steps = timesteps.detach().double().cpu().numpy()
        sigmas = np.exp(np.interp(steps, np.arange(len(self._table)), np.log(self._table)))
        sigmas = torch.from_numpy(np.where(steps < 0, 0.0, sigmas)).to(original_samples)
        sigmas = sigmas.reshape(-1, *[1] * (original_samples.ndim - 1))
        return (original_samples + sigmas * noise) / (1 + sigmas**2).sqrt()

    def step(  # type: ignore[override]
        self, model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, generator: Any = None,
        return_dict: bool = True,
    ) -> Any:  # fmt: skip
        """Noisy pixels (B, ...) and what the model says of them -> those that it is to see next."""
        if self._walk is None:
            self._set_out(timestep, len(sample))
        assert self._walk is not None
        self._shape, self._generator, self._device = sample.shape, generator, sample.device
        wide = torch.promote_types(sample.dtype, torch.float32)
        x = sample.to(wide) * hypot(1, self._sigma)
        denoised = self._denoised(model_output.to(wide), x)
        try:
            following, self._sigma = self._walk.send((x, denoised))
        except StopIteration as end:
            following, self._sigma = end.value, 0.0
        self._step_index += 1
        if self.free:
            self._foresee()
        following = (following / hypot(1, self._sigma)).to(sample.dtype)
        if not return_dict:
            return following, denoised.to(sample.dtype)
        return EulerDiscreteSchedulerOutput(prev_sample=following, pred_original_sample=denoised.to(sample.dtype))

    @property
    def _table(self) -> np.ndarray:
        """Noise levels of the training steps, rising."""
        shares = self.alphas_cumprod.double().numpy()
        return ((1 - shares) / shares) ** 0.5

    def _stops(self, levels: np.ndarray) -> list[float]:
        """Noise levels at which the model will be asked."""
        return levels.tolist() if self.free else visited(self.solver, levels.tolist())

    def _steps(self, sigmas: Sequence[float]) -> list[float]:
        table = self._table
        return apart(np.interp(np.log(sigmas), np.log(table), np.arange(len(table))).astype(np.float32))

    def _set_out(self, timestep: Any, pictures: int) -> None:
        if self.free:
            check_alone(pictures)
        if self._begin_index is None:
            self.set_begin_index(int((self._course == torch.as_tensor(timestep).to(self._course)).nonzero()[0]))
        self._start = self._step_index = self._begin_index
        self._walk = self.solver(self._levels[self._start // self.order :].tolist(), self._draw)
        _, self._sigma = next(self._walk)

    def _draw(self) -> torch.Tensor:
        # In single precision whatever the model's is, so that a seed means the same in all.
        return randn_tensor(self._shape, generator=self._generator, device=self._device, dtype=torch.float32)

    def _denoised(self, said: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        sigma = self._sigma
        kind = self.config["prediction_type"]
        if kind == "epsilon":
            return x - sigma * said
        if kind == "v_prediction":
            return x / (1 + sigma**2) - sigma / hypot(1, sigma) * said
        return said

    def _foresee(self) -> None:
        """Write the timestep that comes next where the pipeline will read it, and show how many there may be."""
        done, course = self._step_index, self._course
        if self._sigma == 0:
            course[done:] = NOTHING_LEFT
            self.timesteps = course[:done]
            return
        course[done] = self._steps([self._sigma])[0]
        left = ahead(done - self._start, self._levels[self._start], self._sigma, self._levels[-1], len(course))
        self.timesteps = course[: min(len(course), done + left)]
