"""Painting several views of one scene so that they agree: in turn, each over what the ones before it show there; or
all together (`together.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from ..events import Artifact, Event, Preview, Warning
from ..pixels.masks import quantize
from ..pixels.picture import Picture, as_srgb, to_float
from ..plan import DiffusePlan, ViewsPlan
from ..request import Viewpoint
from ..textures import views
from ..textures.eyes import Eye, ViewArrays, eye
from .context import Context
from .diffuse import paint as paint_one
from .series import share
from .together import paint_together

EDGE = 1.5
"""Pixels beside depth edges and the border that are not carried over to other views: they mix two surfaces."""


def paint(plan: ViewsPlan, context: Context) -> list[Picture]:
    """Paint the views that have no picture; returns all as RGBA, alpha how much a pixel counts."""
    pictures = paint_together(plan, context) if plan.agreement.method == "together" else _in_turn(plan, context)
    for number, picture in enumerate(pictures):
        part = plan.parts[number]
        seed = part.seeds[0] if part is not None else 0
        context.emit(
            Artifact(step_id=plan.step_id, index=number, kind="image", picture=picture, seed=seed, hidden=plan.hidden)
        )
    return pictures


def _in_turn(plan: ViewsPlan, context: Context) -> list[Picture]:
    """Paint the views that have no picture, one after the other."""
    shown: dict[int, Picture] = {}
    eyes: dict[int, Eye] = {}
    for number, view in enumerate(plan.views):
        if view.color is not None:
            shown[number] = context.picture(view.color)
            eyes[number] = _eye(view, shown[number], context)
    painted = [number for number, part in enumerate(plan.parts) if part is not None]
    warned: set[Warning] = set()
    for turn, number in enumerate(painted):
        part, view = plan.parts[number], plan.views[number]
        assert part is not None
        with _as_view(context, plan, number, (turn, len(painted)), warned):
            picture = _paint(part, view, [*eyes.values()], plan, context)
        shown[number] = picture
        eyes[number] = _eye(view, picture, context)
    context.outputs.pop(ViewsPlan.SEEN, None)
    return [shown[number] for number in range(len(plan.views))]


def _paint(part: DiffusePlan, view: Viewpoint, earlier: list[Eye], plan: ViewsPlan, context: Context) -> Picture:
    """One view, over what the earlier ones show from there."""
    if not earlier:
        (picture,) = paint_one(part, context)
        return _with_counts(as_srgb(picture), np.ones((picture.height, picture.width), np.float32))
    blank = np.zeros((part.size[1], part.size[0], 3), np.float32)
    carried = views.carry(eye(_arrays(view, blank, context), 0), earlier, part.size, check=context.check)
    wanted = views.wanted(carried, plan.agreement.refine, plan.agreement.gain)
    start = views.start(carried)
    context.outputs[ViewsPlan.SEEN] = [Picture(start), Picture(wanted[..., None], "data")]
    (layer,) = paint_one(part, context)
    counts = views.counts(wanted, plan.agreement.refine)
    laid = np.where(counts > views.FLOOR, counts, 0)[..., None]
    return _with_counts(start * (1 - laid) + as_srgb(layer) * laid, counts)


def _with_counts(color: np.ndarray, counts: np.ndarray) -> Picture:
    return Picture(quantize(np.concatenate([color, counts[..., None]], axis=2), np.uint8))


def _eye(view: Viewpoint, picture: Picture, context: Context) -> Eye:
    color = as_srgb(picture)
    if picture.channels == 4:
        color = np.concatenate([color, to_float(picture.pixels[..., 3:])], axis=2)
    return eye(_arrays(view, color, context), EDGE)


def _arrays(view: Viewpoint, color: np.ndarray, context: Context) -> ViewArrays:
    return ViewArrays(
        world_to_camera=view.world_to_camera,
        camera_to_clip=view.camera_to_clip,
        color=color,
        depth=context.picture(view.depth.image).pixels[..., 0],
        weight=view.weight,
    )


@contextmanager
def _as_view(
    context: Context, plan: ViewsPlan, number: int, turn: tuple[int, int], warned: set[Warning]
) -> Iterator[None]:
    """While it lasts, glimpses are the view's, its own unfinished artifact is kept back, progress is its share, and
    nothing is warned of twice."""
    emit, stages = context.emit, context.stages

    def told(event: Event) -> None:
        if isinstance(event, Artifact) or (isinstance(event, Warning) and event in warned):
            return
        if isinstance(event, Warning):
            warned.add(event)
        emit(replace(event, index=number) if isinstance(event, Preview) else event)

    context.emit, context.stages = told, share(stages, plan.step_id, *turn)
    try:
        yield
    finally:
        context.emit, context.stages = emit, stages
