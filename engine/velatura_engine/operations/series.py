"""Painting several pictures of one step, each by itself, since they say different things."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from ..events import Artifact, Event, Preview, Stage, Warning
from ..pixels.picture import Picture
from ..plan import SeriesPlan
from .context import Context
from .diffuse import paint as paint_one


def paint(plan: SeriesPlan, context: Context) -> list[Picture]:
    """Run the paintings one after the other; to the outside they are one step with all their pictures."""
    pictures: list[Picture] = []
    warned: set[Warning] = set()
    for number, part in enumerate(plan.parts):
        with _as_part(context, plan, number, warned):
            pictures += paint_one(part, context)
    return pictures


@contextmanager
def _as_part(context: Context, plan: SeriesPlan, number: int, warned: set[Warning]) -> Iterator[None]:
    """While it lasts, pictures count from where this painting's begin, progress is its share, and nothing is warned of
    twice."""
    emit, stages = context.emit, context.stages

    def shifted(event: Event) -> None:
        if isinstance(event, Warning):
            if event in warned:
                return
            warned.add(event)
        if isinstance(event, Artifact | Preview):
            event = replace(event, index=event.index + number)
        emit(event)

    context.emit, context.stages = shifted, share(stages, plan.step_id, number, len(plan.parts))
    try:
        yield
    finally:
        context.emit, context.stages = emit, stages


def share(stages: Sequence[Stage], step_id: str, number: int, count: int) -> list[Stage]:
    """The stages as painting `number` of `count` sees them: its own are an equal part of the step's, and all that is
    done is behind it."""
    own = [stage for stage in stages if stage.name.startswith(f"{step_id}:")]
    before = list(stages[: stages.index(own[0])]) if own else []
    small = [replace(stage, weight=stage.weight / count) for stage in own]
    if number == 0:
        return [*before, *small]
    done = sum(stage.weight for stage in before) + sum(stage.weight for stage in small) * number
    return [Stage(name="", weight=done), *small]
