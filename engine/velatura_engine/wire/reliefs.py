"""A Relief message from outside, checked field by field, and how it is told what was made of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from velatura.v1 import geometry_pb2, jobs_pb2, operations_pb2

from ..errors import Invalid, NotFound
from ..events import Artifact
from ..plan import Preparation, ReliefPlan
from ..request import Depth, Relief
from .checks import known, matrix, optional, text
from .sources import Sources

FORMATS = ("glb", "ply")
MOST = 16 * 2**20
"""Triangles of one mesh."""
_KNOBS = {"field_of_view": (1, 170), "nearest": (1e-3, 1e6), "relief": (1.01, 1000), "jump": (1e-3, 1e6)}


def read_relief(ask: operations_pb2.Relief, sources: Sources, field: str) -> Relief:
    """The mesh that a message asks for. Raises Invalid, NotFound or Unsupported, naming the field."""
    text(ask.format, f"{field}.format", 16)
    if ask.format and ask.format not in FORMATS:
        raise NotFound("file format", ask.format, known=FORMATS, field=f"{field}.format", remedy="use glb or ply")
    given = {name: optional(ask, name, f"{field}.{name}", *span) for name, span in _KNOBS.items()}
    most = optional(ask, "max_triangles", f"{field}.max_triangles", 2, MOST)
    depth = _depth(ask, sources, field) if ask.HasField("depth") else None
    metric = depth is not None and depth.metric
    for name in ("nearest", "relief"):
        if metric and given[name] is not None:
            raise Invalid(f"{field}.{name}", "is for relative depth, and this one is in metres", remedy="leave it out")
    world_to_camera, camera_to_clip = _camera(ask, field) if ask.HasField("camera") else (None, None)
    return Relief(
        image=sources.source(ask.image, f"{field}.image"),
        depth=depth,
        world_to_camera=world_to_camera,
        camera_to_clip=camera_to_clip,
        format=ask.format or FORMATS[0],
        max_triangles=None if most is None else int(most),
        **{name: value for name, value in given.items() if value is not None},
    )


def _depth(ask: operations_pb2.Relief, sources: Sources, field: str) -> Depth:
    """The depth, of which nothing may be said that has no meaning for a mesh."""
    for name in ("near", "far", "strength"):
        if ask.depth.HasField(name):
            raise Invalid(f"{field}.depth.{name}", "has no effect on a mesh", remedy="leave it out")
    if ask.depth.model:
        raise Invalid(f"{field}.depth.model", "no model reads a mesh's depth", remedy="leave it out")
    return sources.depth(ask.depth, f"{field}.depth")


def _camera(ask: operations_pb2.Relief, field: str) -> tuple[np.ndarray, np.ndarray]:
    if ask.HasField("field_of_view"):
        raise Invalid(f"{field}.field_of_view", "is told by the camera", remedy="leave one of the two out")
    known(f"{field}.camera.projection", ask.camera.projection, geometry_pb2.ProjectionType)
    pose = matrix(ask.camera.world_to_camera, f"{field}.camera.world_to_camera")
    clip = matrix(ask.camera.camera_to_clip, f"{field}.camera.camera_to_clip")
    if abs(clip[0, 0] * clip[1, 1] - clip[0, 1] * clip[1, 0]) < 1e-9:
        raise Invalid(f"{field}.camera.camera_to_clip", "shows no pixel apart from others", remedy="send another")
    return pose, clip


def resolve(message: operations_pb2.Relief, plan: ReliefPlan) -> None:
    """Fills the gaps of what was asked for."""
    message.format, message.jump = plan.format, plan.jump
    if not message.HasField("camera"):
        message.field_of_view = plan.field_of_view
    if isinstance(plan.depth, Preparation) or not plan.depth.metric:
        message.nearest, message.relief = plan.nearest, plan.relief


def file(made: Artifact, recipe: jobs_pb2.Recipe, put_blob: Callable[[bytes], str] | None) -> jobs_pb2.Artifact:
    """A file as it travels: inside the message, or with `put_blob` in the blob store."""
    told = jobs_pb2.Artifact(
        step_id=made.step_id, index=made.index, kind=made.kind, name=made.name, recipe=recipe, scores=dict(made.scores)
    )
    if put_blob is None:
        told.file = made.file
    else:
        told.blob_id = put_blob(made.file)
    return told
