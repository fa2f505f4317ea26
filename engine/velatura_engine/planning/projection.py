"""One projection: sizes of its textures, and views that fit together."""

from __future__ import annotations

from ..errors import Invalid
from ..plan import ProjectPlan
from ..request import Project, Target
from .sizes import Size, Sizes, check_view, size_of


def plan_projection(ask: Project, done: Sizes, field: str, step_id: str, hidden: bool) -> ProjectPlan:
    """What the machine will do. Raises Invalid where the pictures of a view do not lie over each other."""
    for number, view in enumerate(ask.views):
        check_view(view, done, f"{field}.views[{number}]")
    sizes = tuple(_texture_size(target, done, f"{field}.targets[{n}]") for n, target in enumerate(ask.targets))
    return ProjectPlan(
        step_id=step_id,
        hidden=hidden,
        targets=ask.targets,
        views=ask.views,
        max_angle=ask.max_angle,
        exponent=ask.exponent,
        edge_margin=ask.edge_margin,
        depth_tolerance=ask.depth_tolerance,
        bleed=ask.bleed,
        fill=ask.fill,
        outputs=sizes,
    )


def _texture_size(target: Target, done: Sizes, field: str) -> Size:
    if target.base is None:
        return target.size or (1024, 1024)
    base = size_of(target.base, done, f"{field}.base")
    if target.size not in (None, base):
        raise Invalid(f"{field}.base", f"is {base[0]} x {base[1]}, not the texture's size", remedy="leave the size out")
    return base
