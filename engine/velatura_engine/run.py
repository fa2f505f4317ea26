"""Plan -> events: one short loop that knows neither families nor tasks."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch

import torch

from .events import Done, Event, Started
from .models.entry import ModelEntry
from .operations import diffuse, material, preprocess, project, relief, series, upscale, views
from .operations.context import Context
from .pixels.picture import Picture
from .plan import (
    DiffusePlan,
    MaterialPlan,
    Plan,
    PreprocessPlan,
    ProjectPlan,
    ReliefPlan,
    SeriesPlan,
    UpscalePlan,
    ViewsPlan,
)
from .runtime.models import Models
from .textures.memory import Memory


@singledispatch
def perform(step: object, context: Context) -> list[Picture]:
    """Do one step; returns its pictures for later steps."""
    raise NotImplementedError(type(step))


perform.register(DiffusePlan, diffuse.paint)
perform.register(SeriesPlan, series.paint)
perform.register(ViewsPlan, views.paint)
perform.register(ProjectPlan, project.project)
perform.register(UpscalePlan, upscale.enlarge)
perform.register(PreprocessPlan, preprocess.preprocess)
perform.register(MaterialPlan, material.make_maps)
perform.register(ReliefPlan, relief.make_mesh)


class Runner:
    """Runs jobs on one device, one after the other, keeping the last models in memory."""

    def __init__(self, *, device: str = "auto", dtype: str = "auto", threads: int = 0) -> None:
        """`device`: auto, cpu, cuda, cuda:1, mps. `dtype`: auto, fp32, bf16, fp16. `threads`: 0 leaves torch's own."""
        if threads:
            torch.set_num_threads(threads)
        # Denormal numbers near the end of a run cost CPUs more than all the rest.
        torch.set_flush_denormal(True)
        self.models = Models(device=device, dtype=dtype)
        self.memory = Memory()

    @property
    def device(self) -> str:
        """What it runs on, in words."""
        return self.models.describe()

    @property
    def resident(self) -> str:
        """Id of the model that was used last, or nothing."""
        return self.models.resident

    def run(self, plan: Plan, check: Callable[[], None], emit: Callable[[Event], None]) -> None:
        """Run a job to its end, emitting its events. `check` is called at least once a step and raises to stop it."""
        context = Context(
            models=self.models, stages=plan.stages, emit=emit, check=check, preview=plan.preview, memory=self.memory
        )
        emit(Started(stages=plan.stages, device=self.device))
        for warning in plan.warnings:
            emit(warning)
        for step in plan.steps:
            check()
            context.outputs[step.step_id] = perform(step, context)
        context.close()
        emit(Done(timings=context.timings, peak_memory=self.models.peak_memory()))

    def warm(self, entry: ModelEntry) -> None:
        """Load a model before anybody asks for it."""
        if entry.pipeline:
            self.models.generic(entry)
        else:
            self.models.checkpoint(entry)
