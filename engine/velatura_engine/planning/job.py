"""From what the artist asked to what the machine will do: every gap of a request is filled, step after step."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..events import Stage
from ..models.entry import ModelEntry
from ..plan import DiffusePlan, Plan, Preparation, PreprocessPlan, StepPlan
from ..request import Diffuse, Preprocess, Request
from . import pairing
from .controls import plan_preprocess
from .painting import Painting
from .projection import plan_projection
from .sizes import Size

if TYPE_CHECKING:
    from ..models.index import ModelIndex


def make(request: Request, index: ModelIndex, draw_seed: Callable[[], int] = lambda: secrets.randbelow(2**32)) -> Plan:
    """Fill every gap of a request from the models at hand. Raises Invalid, NotFound or Unsupported."""
    done: dict[str, tuple[Size, ...]] = {}
    steps: list[StepPlan] = []
    for number, step in enumerate(request.steps):
        field = f"steps[{number}]"
        if isinstance(step.operation, Diffuse):
            planned = Painting(step.operation, index, done, f"{field}.diffuse").plan(step.id, step.hidden, draw_seed)
            pairing.check_area(planned.canvas, len(planned.seeds), request.max_pixels, field=f"{field}.diffuse")
        elif isinstance(step.operation, Preprocess):
            planned = plan_preprocess(step.operation, index, done, f"{field}.preprocess", step.id, step.hidden)
        else:
            planned = plan_projection(step.operation, done, f"{field}.project", step.id, step.hidden)
            pairing.check_texels(planned.outputs, request.max_texels, field=f"{field}.project")
        done[step.id] = planned.outputs
        steps.append(planned)
    entries = {entry.id: entry for step in steps for entry in _entries(step)}
    return Plan(
        steps=tuple(steps),
        stages=_stages(steps),
        warnings=(),
        preview=request.preview,
        time_limit=request.time_limit,
        models=tuple((name, index.sha256(name)) for name in entries),
    )


def _entries(step: StepPlan) -> list[ModelEntry]:
    """Every model that takes part in a step."""
    if isinstance(step, PreprocessPlan):
        return _annotators(step.preparation)
    if not isinstance(step, DiffusePlan):
        return []
    prepared = [entry for control in step.controls for entry in _annotators(control.image)]
    seen = [entry for one in step.references if one.strength for entry in (one.model, one.encoder)]
    return [step.model, *(control.model for control in step.controls), *prepared, *seen]


def _annotators(hint: object) -> list[ModelEntry]:
    return [hint.annotator] if isinstance(hint, Preparation) and hint.annotator is not None else []


def _stages(steps: list[StepPlan]) -> tuple[Stage, ...]:
    """Stages with their share of the time, from rough costs in megapixels of work."""
    costs: list[tuple[str, float]] = [("load", 0.1)] if any(isinstance(step, DiffusePlan) for step in steps) else []
    for step in steps:
        if isinstance(step, DiffusePlan):
            area = step.canvas[0] * step.canvas[1] / 2**20 * len(step.seeds)
            costs.append((f"{step.step_id}:diffuse", area * step.steps * step.strength + 0.01))
            costs.append((f"{step.step_id}:decode", area * 2))
        elif isinstance(step, PreprocessPlan):
            area = sum(width * height for width, height in step.outputs) / 2**20
            costs.append((f"{step.step_id}:preprocess", area + 0.01))
        else:
            texels = sum(width * height for width, height in step.outputs) / 2**20
            costs.append((f"{step.step_id}:project", texels * len(step.views) * 2))
    total = sum(cost for _, cost in costs)
    return tuple(Stage(name=name, weight=cost / total) for name, cost in costs)
