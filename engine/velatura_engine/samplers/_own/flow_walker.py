"""A scheduler that leads pipelines of flow models along a solver: `walker.py` for models without a table of noise."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from diffusers import EulerDiscreteScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteSchedulerOutput
from diffusers.utils.torch_utils import randn_tensor

from .course import NOTHING_LEFT, Course, ahead, apart, check_alone, visited
from .flow import TOP, Flowing
from .solvers import Draw, Walk, ancestral


class FlowWalker(Flowing, EulerDiscreteScheduler):  # type: ignore[misc]
    """Leads a pipeline along a solver of `_own`, which counts noise as sigma = t / (1 - t) beside clean pixels."""

    solver: Any
    order: int
    free: bool
    _plan: Any = None

    def _begin(self, levels: np.ndarray, device: Any, mu: float | None) -> None:
        levels = np.minimum(levels, TOP)
        self._stops = (levels / (1 - levels)).tolist()
        stops = self._stops if self.free else visited(self.solver, self._stops)
        self.num_inference_steps = len(levels)
        self.timesteps = torch.tensor(self._steps(stops), dtype=torch.float32, device=device)
        self.sigmas = torch.cat([self.timesteps.cpu() / self.own.config["num_train_timesteps"], torch.zeros(1)])
        if self.free:
            self.timesteps = self.timesteps.as_subclass(Course)
        self._plan = self.timesteps
        self._walk: Any = None
        self._step_index = self._begin_index = None

    def _steps(self, sigmas: list[float]) -> list[float]:
        train = self.own.config["num_train_timesteps"]
        return apart(np.array([train * sigma / (1 + sigma) for sigma in sigmas], np.float32))

    def scale_model_input(self, sample: torch.Tensor, timestep: Any) -> torch.Tensor:
        """As they are."""
        return sample

    def step(  # type: ignore[override]
        self, model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, **more: Any
    ) -> Any:
        """Noisy pixels (B, ...) and what the model says of them -> those that it is to see next."""
        if self._walk is None:
            self._set_out(len(sample))
        self._shape, self._device = sample.shape, sample.device
        wide = torch.promote_types(sample.dtype, torch.float32)
        x = sample.to(wide)
        sigma = self._sigma
        denoised = x - sigma / (1 + sigma) * model_output.to(wide)
        try:
            walk: Any = self._walk
            following, self._sigma = walk.send((x * (1 + sigma), denoised))
        except StopIteration as end:
            following, self._sigma = end.value, 0.0
        self._step_index += 1
        if self.free:
            self._foresee()
        following = (following / (1 + self._sigma)).to(sample.dtype)
        if not more.get("return_dict", True):
            return (following,)
        return EulerDiscreteSchedulerOutput(prev_sample=following, pred_original_sample=denoised.to(sample.dtype))

    def _set_out(self, pictures: int) -> None:
        if self.free:
            check_alone(pictures)
        self._step_index = 0
        self._walk = self.solver(self._stops, self._draw)
        _, self._sigma = next(self._walk)

    def _draw(self) -> torch.Tensor:
        return randn_tensor(self._shape, generator=self.sources, device=self._device, dtype=torch.float32)

    def _foresee(self) -> None:
        """Write the timestep that comes next where the pipeline will read it, and show how many there may be."""
        done, plan = self._step_index, self._plan
        if self._sigma == 0:
            plan[done:] = NOTHING_LEFT
            self.timesteps = plan[:done]
            return
        plan[done] = self._steps([self._sigma])[0]
        left = ahead(done, self._stops[0], self._sigma, self._stops[-1], len(plan))
        self.timesteps = plan[: min(len(plan), done + left)]


def euler_ancestral(levels: Sequence[float], draw: Draw, *, eta: float = 1.0) -> Walk:
    """Euler's method down past each level, and up again with fresh noise (Karras' scale; `solvers.ancestral`)."""
    x: Any = None
    for s, t in pairwise(levels):
        x, d = yield x, s
        down, up = ancestral(s, t, eta)
        x = d + down / s * (x - d) + up * draw()
    _, d = yield x, levels[-1]
    return d
