"""From what the artist asked to what the machine will do: every gap of a request is filled, step after step."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..events import Stage, Warning
from ..models.entry import ModelEntry
from ..plan import (
    DiffusePlan,
    MaterialPlan,
    Plan,
    Preparation,
    PreprocessPlan,
    ProjectPlan,
    ReliefPlan,
    StepPlan,
    UpscalePlan,
    paintings,
)  # fmt: skip
from ..request import Diffuse, Material, Preprocess, Relief, Request, Upscale
from . import latents, pairing, series
from .controls import plan_preprocess
from .materials import plan_material
from .projection import plan_projection
from .reliefs import plan_relief
from .sizes import Size
from .upscaling import plan_upscale
from .views import plan_views

if TYPE_CHECKING:
    from ..models.index import ModelIndex


def make(request: Request, index: ModelIndex, draw_seed: Callable[[], int] = lambda: secrets.randbelow(2**32)) -> Plan:
    """Fill every gap of a request from the models at hand. Raises Invalid, NotFound or Unsupported."""
    done: dict[str, tuple[Size, ...]] = {}
    steps: list[StepPlan] = []
    for number, step in enumerate(request.steps):
        field = f"steps[{number}]"
        if isinstance(step.operation, Diffuse) and step.operation.views:
            planned = plan_views(
                step.operation, index, done, f"{field}.diffuse", step.id, step.hidden, draw_seed, request
            )
        elif isinstance(step.operation, Diffuse):
            planned = series.plan(
                step.operation, index, done, f"{field}.diffuse", step.id, step.hidden, draw_seed, request.max_pixels
            )
            for size in (paintings(planned)[0].canvas, planned.outputs[0]):
                pairing.check_area(size, len(planned.outputs), request.max_pixels, field=f"{field}.diffuse")
            for part in paintings(planned):
                latents.check_noise(part, request.max_pixels, f"{field}.diffuse")
        elif isinstance(step.operation, Upscale):
            planned = plan_upscale(step.operation, done, request, f"{field}.upscale", step.id, step.hidden)
        elif isinstance(step.operation, Preprocess):
            planned = plan_preprocess(step.operation, index, done, f"{field}.preprocess", step.id, step.hidden)
        elif isinstance(step.operation, Material):
            planned = plan_material(step.operation, index, done, request, f"{field}.material", step.id, step.hidden)
        elif isinstance(step.operation, Relief):
            planned = plan_relief(step.operation, index, done, f"{field}.relief", step.id, step.hidden)
        else:
            planned = plan_projection(step.operation, done, f"{field}.project", step.id, step.hidden)
            pairing.check_texels(planned.outputs, request.max_texels, field=f"{field}.project")
        done[step.id] = planned.outputs
        steps.append(planned)
    entries = {entry.id: entry for step in steps for entry in _entries(step)}
    return Plan(
        steps=tuple(steps),
        stages=_stages(steps),
        warnings=tuple(dict.fromkeys(warning for step in steps for warning in _warnings(step))),
        preview=request.preview,
        time_limit=request.time_limit,
        models=tuple((name, index.sha256(name)) for name in entries),
    )


def _warnings(step: StepPlan) -> Iterator[Warning]:
    """What the artist should know of a step before it begins."""
    for part in (step,) if isinstance(step, MaterialPlan) else paintings(step):
        yield from part.warnings


def _entries(step: StepPlan) -> list[ModelEntry]:
    """The models that take part in a step."""
    if isinstance(step, PreprocessPlan):
        return _annotators(step.preparation)
    if isinstance(step, ReliefPlan):
        return _annotators(step.depth)
    if isinstance(step, MaterialPlan):
        return [entry for entry in (step.model, step.beside) if entry is not None]
    return [entry for part in paintings(step) for entry in _used(part)]


def _used(part: DiffusePlan) -> list[ModelEntry]:
    seen = [entry for one in part.references if one.strength for entry in (one.model, one.encoder)]
    prepared = [entry for control in part.controls for entry in _annotators(control.image)]
    worn = [one.model for one in (*part.controls, *part.adapters)]
    return [part.model, *([part.vae] if part.vae else []), *worn, *prepared, *part.embeddings, *seen]


def _annotators(hint: object) -> list[ModelEntry]:
    asked = (hint.annotator, hint.helper) if isinstance(hint, Preparation) else ()
    return [entry for entry in asked if entry is not None]


def _stages(steps: list[StepPlan]) -> tuple[Stage, ...]:
    """Stages with their share of the time, from rough costs in megapixels of work."""
    costs: list[tuple[str, float]] = [("load", 0.1)] if any(paintings(step) for step in steps) else []
    for step in steps:
        if parts := paintings(step):
            first, count = parts[0], len(step.outputs)
            area = first.canvas[0] * first.canvas[1] / 2**20 * count
            costs.append((f"{step.step_id}:diffuse", area * first.steps * first.strength + 0.01))
            costs.append((f"{step.step_id}:decode", area * 2))
        elif isinstance(step, PreprocessPlan):
            area = sum(width * height for width, height in step.outputs) / 2**20
            costs.append((f"{step.step_id}:preprocess", area + 0.01))
        elif isinstance(step, MaterialPlan):
            width, height = step.outputs[0]
            costs.append((f"{step.step_id}:material", width * height / 2**20 * 4 + 0.01))
        elif isinstance(step, UpscalePlan):
            width, height = step.outputs[0]
            costs.append((f"{step.step_id}:upscale", width * height / 2**20 * 0.2))
        elif isinstance(step, ReliefPlan):
            costs.append((f"{step.step_id}:relief", step.size[0] * step.size[1] / 2**20 + 0.01))
        elif isinstance(step, ProjectPlan):
            texels = sum(width * height for width, height in step.outputs) / 2**20
            costs.append((f"{step.step_id}:project", texels * len(step.views) * 2))
    total = sum(cost for _, cost in costs)
    return tuple(Stage(name=name, weight=cost / total) for name, cost in costs)
