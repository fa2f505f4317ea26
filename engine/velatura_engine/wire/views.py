"""The views of a painting from outside, and back into the resolved job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from velatura.v1 import diffuse_pb2, geometry_pb2, pixels_pb2

from ..errors import Invalid, Unsupported
from ..request import Agreement, Viewpoint
from .checks import how_many, matrix, optional, text
from .sources import Sources

if TYPE_CHECKING:
    from ..plan import ViewsPlan

METHODS = ("sequence", "together")
PROJECTIONS = (geometry_pb2.PROJECTION_TYPE_PERSPECTIVE, geometry_pb2.PROJECTION_TYPE_ORTHOGRAPHIC)

_NOT_WITH_VIEWS = {
    "init": "each view starts from what the others show",
    "mask": "what is painted follows from what the others show",
    "outpaint": "views keep their size",
    "depth": "each view has its own",
    "windows": "views are painted whole",
    "tiling": "views of a scene have edges that do not meet",
    "variation": "views are painted over each other",
}


def read_views(ask: diffuse_pb2.Diffuse, sources: Sources, field: str) -> tuple[Viewpoint, ...]:
    """The views that a message asks for. Raises Invalid or Unsupported, naming the field."""
    how_many(len(ask.views), f"{field}.views", 0, 32)
    if not ask.views:
        if ask.HasField("agreement"):
            raise Invalid(f"{field}.agreement", f"is about {field}.views, and there are none", remedy="leave it out")
        return ()
    for name, why in _NOT_WITH_VIEWS.items():
        if ask.HasField(name):
            raise Invalid(f"{field}.{name}", f"goes with no {field}.views: {why}", remedy="leave one of them out")
    if ask.count > 1:
        raise Invalid(
            f"{field}.count", f"goes with no {field}.views: there is one picture a view", remedy="leave it out"
        )
    _check_controls(ask, field)
    views = tuple(_view(view, sources, f"{field}.views[{number}]") for number, view in enumerate(ask.views))
    if all(view.color is not None for view in views):
        raise Invalid(f"{field}.views", "all have a picture already, nothing is to be painted",
                      remedy="leave the color of one out")  # fmt: skip
    return views


def _check_controls(ask: diffuse_pb2.Diffuse, field: str) -> None:
    """Hints lie over one view only, unless they are made of each view's own depth."""
    for number, control in enumerate(ask.controls):
        for name in ("image", "depth", "mask"):
            if control.HasField(name):
                raise Invalid(f"{field}.controls[{number}].{name}", "would lie over every view alike",
                              remedy="name a preprocessor that reads depth, such as normal_from_depth")  # fmt: skip


def _view(ask: geometry_pb2.View, sources: Sources, field: str) -> Viewpoint:
    for name in ("mask", "normal"):
        if ask.HasField(name):
            raise Unsupported(f"{field}.{name} has no effect here yet", field=f"{field}.{name}",
                              reason="UNIMPLEMENTED_FIELD", remedy="leave it out")  # fmt: skip
    if not ask.HasField("depth") or ask.depth.encoding == pixels_pb2.DEPTH_ENCODING_DISPARITY:
        raise Invalid(f"{field}.depth", "must be metric depth: it tells where things are",
                      remedy="send z in metres as PIXEL_FORMAT_R32F")  # fmt: skip
    if ask.camera.projection not in PROJECTIONS:
        raise Invalid(f"{field}.camera.projection", "is not given", remedy="say perspective or orthographic")
    weight = optional(ask, "weight", f"{field}.weight", 1e-6, 1e6)
    return Viewpoint(
        world_to_camera=matrix(ask.camera.world_to_camera, f"{field}.camera.world_to_camera"),
        camera_to_clip=matrix(ask.camera.camera_to_clip, f"{field}.camera.camera_to_clip"),
        depth=sources.depth(ask.depth, f"{field}.depth"),
        color=sources.source(ask.color, f"{field}.color") if ask.HasField("color") else None,
        words=text(ask.prompt, f"{field}.prompt", sources.limits.max_prompt_bytes).strip(),
        weight=1.0 if weight is None else weight,
    )


def read_agreement(ask: diffuse_pb2.Agreement, field: str) -> Agreement:
    """How views are made to agree. Raises NotFound or Invalid."""
    if ask.method and ask.method not in METHODS:
        raise Unsupported(f"{field}.method {ask.method!r} is not known here", field=f"{field}.method",
                          remedy=f"choose one of: {', '.join(METHODS)}", suggestions=METHODS)  # fmt: skip
    defaults = Agreement()
    refine = optional(ask, "refine", f"{field}.refine", 0, 1)
    gain = optional(ask, "gain", f"{field}.gain", 0, 1)
    every = optional(ask, "every", f"{field}.every", 1, 100)
    return Agreement(
        method=ask.method or defaults.method,
        refine=defaults.refine if refine is None else refine,
        gain=defaults.gain if gain is None else gain,
        color_match=ask.color_match if ask.HasField("color_match") else defaults.color_match,
        every=defaults.every if every is None else int(every),
    )


def resolve(message: diffuse_pb2.Diffuse, plan: ViewsPlan) -> None:
    """Move what was resolved of the first painted view's depth to all of them, and say how they agree."""
    message.seed = plan.seed
    model, strength = message.depth.model, message.depth.strength
    said = message.depth.HasField("strength")
    for name in ("depth", "init", "inpaint"):
        message.ClearField(name)
    for name in ("width", "height"):
        message.ClearField(name)  # each view has its depth's
    for view in message.views:
        view.depth.model = model
        if said and not view.depth.HasField("strength"):
            view.depth.strength = strength
    agreement = plan.agreement
    for name in ("method", "refine", "gain", "color_match", "every"):
        setattr(message.agreement, name, getattr(agreement, name))
