"""Several views of one scene: a painting for each that is not there yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import Invalid, Unsupported
from ..families import family
from ..plan import DiffusePlan, ViewsPlan
from ..request import Diffuse, Inpaint, Output, Request, Viewpoint
from ..samplers import sampler
from . import pairing, series
from .painting import Painting
from .sizes import Size, Sizes, check_depth, ratio, size_of

if TYPE_CHECKING:
    from ..models.index import ModelIndex


def plan_views(
    ask: Diffuse,
    index: ModelIndex,
    done: Sizes,
    field: str,
    step_id: str,
    hidden: bool,
    draw_seed: Callable[[], int],
    request: Request,
) -> ViewsPlan:
    """A painting for each view without a picture; seeds count on by views. Raises Invalid, NotFound, Unsupported."""
    if ask.width or ask.height:
        raise Invalid(f"{field}.width", f"goes with no {field}.views: each is as large as its depth",
                      remedy="leave width and height out")  # fmt: skip
    where = f"{field}.model"
    model = index.get(ask.model, field=where) if ask.model else index.default(field=where)
    # Five-channel models follow depth at full strength, and know no other.
    strength = None if family(model.family).depth_channel else model.view_depth
    first = draw_seed() if ask.seed is None else ask.seed
    ask = series.settled(ask, index, field, first)
    together = ask.agreement.method == "together"
    shown = any(view.color is not None for view in ask.views) and not together
    parts: list[DiffusePlan | None] = []
    sizes: list[Size] = []
    for number, view in enumerate(ask.views):
        size = _size(view, done, f"{field}.views[{number}]")
        sizes.append(size)
        if view.color is not None:
            parts.append(None)
            continue
        alone = _alone(ask, view, (first + number) % 2**64, shown, strength)
        there = {**done, ViewsPlan.SEEN: (size, size)}
        painting = Painting(alone, index, there, field, request.max_pixels)
        parts.append(painting.plan(step_id, hidden, draw_seed))
        shown = not together
    if together:
        _check_together([part for part in parts if part is not None], ask, field)
    canvas = max((part.canvas for part in parts if part is not None), key=lambda side: side[0] * side[1])
    pairing.check_area(canvas, len(parts), request.max_pixels, field=f"{field}.views[0].depth")
    return ViewsPlan(
        step_id=step_id, hidden=hidden, views=ask.views, parts=tuple(parts), seed=first, agreement=ask.agreement,
        outputs=tuple(sizes),
    )  # fmt: skip


def _check_together(parts: Sequence[DiffusePlan], ask: Diffuse, field: str) -> None:
    """Raises Invalid or Unsupported where the views cannot go through the model at once."""
    first, method = parts[0], f"{field}.agreement.method"
    kind = family(first.model.family)
    unfit = first.model.pipeline or kind.flow is not None or kind.depth_channel or kind.hint_channel
    if unfit:
        raise Unsupported(
            f"{first.model.title} cannot paint views together yet: only models that take noise away step by step can",
            field=method, remedy='say "sequence", or choose another model',
        )  # fmt: skip
    if sampler(first.sampler).alone:
        raise Unsupported(f"{sampler(first.sampler).title} chooses its steps for one picture alone",
                          field=method, remedy='say "sequence", or choose another sampler')  # fmt: skip
    for part, number in zip(parts, (n for n, view in enumerate(ask.views) if view.color is None), strict=True):
        if part.size != first.size:
            told = f"is {part.size[0]} x {part.size[1]} pixels, another view {first.size[0]} x {first.size[1]}"
            raise Invalid(f"{field}.views[{number}].depth", f"{told}: painted together all are of one size",
                          remedy='send depth of one size, or say "sequence" in agreement.method')  # fmt: skip


def _size(view: Viewpoint, done: Sizes, field: str) -> Size:
    """As large as its depth, or as its picture where it has one. Raises Invalid where those do not fit."""
    check_depth(view.depth, done, f"{field}.depth")
    depth = size_of(view.depth.image, done, f"{field}.depth.image")
    if view.color is None:
        return depth
    color = size_of(view.color, done, f"{field}.color")
    if ratio(color) != ratio(depth):
        told = f"{color[0]} x {color[1]} has another shape than the depth's {depth[0]} x {depth[1]}"
        raise Invalid(f"{field}.color", told,
                      remedy="send picture and depth of the same aspect")  # fmt: skip
    return color


def _alone(ask: Diffuse, view: Viewpoint, seed: int, over: bool, strength: float | None) -> Diffuse:
    """One view's painting; `over` what is seen from it. `strength` of depth where none is said."""
    depth = replace(view.depth, strength=strength) if view.depth.strength is None else view.depth
    words = f"{ask.prompt}, {view.words}" if view.words else ask.prompt
    alone = replace(
        ask, prompt=words, depth=depth, seed=seed, count=1, views=(), controls=tuple(ask.controls)
    )  # fmt: skip
    if not over:
        return alone
    return replace(
        alone, init=Output(ViewsPlan.SEEN, 0), mask=Output(ViewsPlan.SEEN, 1), strength=1.0,
        inpaint=Inpaint(fill="original", color_match=ask.agreement.color_match, layer=True),
    )  # fmt: skip
