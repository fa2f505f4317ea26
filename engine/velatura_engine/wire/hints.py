"""Controls and preprocessors: what is asked of them from outside, checked, and what was made of it, told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from velatura.v1 import catalog_pb2, diffuse_pb2, knobs_pb2, operations_pb2

from ..errors import Invalid
from ..families import families
from ..models.annotators import WANTED
from ..models.controls import KINDS
from ..plan import ControlPlan, Preparation
from ..preprocessors import preprocessors
from ..request import Control, Preprocess, Resize, Tiling
from ..shelf import Part
from .checks import catalog_name, known, optional, part_of_run
from .sources import Sources, knob, set_knob

if TYPE_CHECKING:
    from ..models.index import ModelIndex

_RESIZES: dict[Resize, diffuse_pb2.ResizeMode] = {
    "stretch": diffuse_pb2.RESIZE_MODE_STRETCH,
    "fit": diffuse_pb2.RESIZE_MODE_FIT,
    "fill": diffuse_pb2.RESIZE_MODE_FILL,
}
_MODES: dict[int, Resize] = {
    diffuse_pb2.RESIZE_MODE_UNSPECIFIED: "stretch",
    diffuse_pb2.RESIZE_MODE_STRETCH: "stretch",
    diffuse_pb2.RESIZE_MODE_FIT: "fit",
    diffuse_pb2.RESIZE_MODE_FILL: "fill",
}


def control(ask: diffuse_pb2.Control, sources: Sources, field: str) -> Control:
    """The control that a message asks for. Raises Invalid, NotFound or Unsupported, naming the field."""
    start, end = part_of_run(ask, field)
    strength = optional(ask, "strength", f"{field}.strength", 0, 2)
    kind = catalog_name(ask.kind, f"{field}.kind")
    if kind is None:
        raise Invalid(f"{field}.kind", "is empty", remedy="say what the hint is, such as depth or canny")
    known(f"{field}.resize", ask.resize, diffuse_pb2.ResizeMode)
    name = catalog_name(ask.preprocessor, f"{field}.preprocessor")
    if name is None:
        for extra, given in (("knobs", len(ask.knobs)), ("depth", ask.HasField("depth"))):
            if given:
                why = "is for a preprocessor, and none is named"
                raise Invalid(f"{field}.{extra}", why, remedy="name one, or leave it out")
    wanted = name is None or ask.HasField("image")
    return Control(
        kind=kind,
        image=sources.source(ask.image, f"{field}.image") if wanted else None,
        model=catalog_name(ask.model, f"{field}.model"),
        strength=1.0 if strength is None else strength,
        start=start,
        end=end,
        preprocessor=name,
        knobs=_knobs(ask.knobs, field),
        depth=sources.depth(ask.depth, f"{field}.depth") if ask.HasField("depth") else None,
        mask=sources.mask(ask.mask, f"{field}.mask") if ask.HasField("mask") else None,
        resize=_MODES[ask.resize],
    )


def preprocess(ask: operations_pb2.Preprocess, sources: Sources, field: str) -> Preprocess:
    """The hint that a message asks for. Raises Invalid, NotFound or Unsupported, naming the field."""
    name = catalog_name(ask.preprocessor, f"{field}.preprocessor")
    if name is None:
        raise Invalid(f"{field}.preprocessor", "is empty", remedy="name one of: velatura list preprocessors")
    return Preprocess(
        preprocessor=name,
        image=sources.source(ask.image, f"{field}.image") if ask.HasField("image") else None,
        knobs=_knobs(ask.knobs, field),
        depth=sources.depth(ask.depth, f"{field}.depth") if ask.HasField("depth") else None,
        tiling=Tiling(x=ask.tile_x, y=ask.tile_y),
    )


def _knobs(given: Mapping[str, knobs_pb2.KnobValue], field: str) -> dict[str, object]:
    return {key: knob(key, value, f"{field}.knobs") for key, value in given.items()}


def resolve_control(message: diffuse_pb2.Control, plan: ControlPlan) -> None:
    """Fills the gaps of a control as it was asked for."""
    message.model, message.strength = plan.model.id, plan.strength
    message.start, message.end = plan.start, plan.end
    message.resize = _RESIZES[plan.resize]
    if isinstance(plan.image, Preparation):
        resolve(message, plan.image)


def resolve(message: diffuse_pb2.Control | operations_pb2.Preprocess, plan: Preparation) -> None:
    """Writes all knobs of a preprocessor."""
    for name, value in plan.knobs.items():
        set_knob(message.knobs[name], value)


def preprocessor_shelf(index: ModelIndex, write: Callable[[Part], catalog_pb2.Part]) -> catalog_pb2.Shelf:
    """Preprocessors for the catalog; those that ask a model are available where one is installed."""
    parts = []
    for part in preprocessors().parts():
        if part.annotator and not index.annotators(part.annotator):
            reason = f"its model is not installed; put into the models folder {WANTED[part.annotator]}"
            part = replace(part, available=False, reason=reason)
        parts.append(write(part))
    return catalog_pb2.Shelf(name="preprocessors", parts=parts)


def control_shelf(index: ModelIndex) -> catalog_pb2.Shelf:
    """Kinds of hints for the catalog; those are available that an installed model reads."""
    entries = [entry for entry in index.entries() if entry.kind in ("controlnet", "t2i")]
    led = [part.id for part in families().parts() if part.build().control_pipelines]
    there = {kind for entry in entries for kind in entry.reads or (entry.control_kind,)}
    parts = [
        catalog_pb2.Part(
            id=kind, title=kind.replace("_", " ").capitalize(), description=f"{shows}.", families=led,
            available=kind in there,
            reason="" if kind in there else "no model that reads it is installed; put one into the models folder",
        )
        for kind, (shows, _) in KINDS.items()
    ]  # fmt: skip
    return catalog_pb2.Shelf(name="controls", parts=parts)
