"""A Project message from outside, checked field by field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from velatura.v1 import geometry_pb2, operations_pb2, pixels_pb2

from ..errors import Invalid
from ..request import Mesh, Project, Target, View
from .checks import distinct, how_many, matrix, optional, text
from .later import refuse_in_view
from .sources import MIN_SIDE, Sources

_PROJECTIONS = (geometry_pb2.PROJECTION_TYPE_PERSPECTIVE, geometry_pb2.PROJECTION_TYPE_ORTHOGRAPHIC)


@dataclass(frozen=True, slots=True)
class ProjectionReader:
    """Reads projections; their pictures and meshes' numbers are read by `sources`."""

    sources: Sources

    def project(self, ask: operations_pb2.Project, field: str) -> Project:
        """The projection that a message asks for. Raises Invalid or Unsupported, naming the field."""
        how_many(len(ask.targets), f"{field}.targets", 1, 256)
        how_many(len(ask.views), f"{field}.views", 1, 32)
        targets = tuple(self._target(t, f"{field}.targets[{n}]") for n, t in enumerate(ask.targets))
        distinct([target.id for target in targets], f"{field}.targets")
        views = tuple(self._view(v, f"{field}.views[{n}]") for n, v in enumerate(ask.views))
        defaults = Project(targets=targets, views=views)

        def number(name: str, low: float, high: float) -> float:
            value = optional(ask, name, f"{field}.{name}", low, high)
            return getattr(defaults, name) if value is None else value

        return Project(
            targets=defaults.targets,
            views=defaults.views,
            max_angle=number("max_angle", 0, 90),
            exponent=number("exponent", 0, 32),
            edge_margin=number("edge_margin", 0, 64),
            depth_tolerance=number("depth_tolerance", 0, 1),
            bleed=int(number("bleed", 0, 256)),
            fill=ask.fill,
        )

    def _target(self, ask: geometry_pb2.ProjectionTarget, field: str) -> Target:
        text(ask.id, f"{field}.id", 256)
        if not ask.id:
            raise Invalid(f"{field}.id", "is empty", remedy="name the surface")
        width, height = (optional(ask, side, f"{field}.{side}", MIN_SIDE, 8192) for side in ("width", "height"))
        size = None if width is None and height is None else (int(width or height or 0), int(height or width or 0))
        base = self.sources.source(ask.base, f"{field}.base") if ask.HasField("base") else None
        return Target(id=ask.id, mesh=self._mesh(ask.mesh, f"{field}.mesh"), size=size, base=base)

    def _mesh(self, ask: geometry_pb2.Mesh, field: str) -> Mesh:
        positions = self.sources.buffer(ask.positions, f"{field}.positions", np.float32, (3,))
        triangles = self.sources.buffer(ask.triangles, f"{field}.triangles", np.uint32, (3,))
        uvs = self.sources.buffer(ask.uvs, f"{field}.uvs", np.float32, (3, 2))
        if len(triangles) != len(uvs):
            raise Invalid(f"{field}.uvs", f"hold {len(uvs)} triangles, the mesh has {len(triangles)}",
                          remedy="send u and v of all three corners of every triangle")  # fmt: skip
        if len(triangles) and int(triangles.max()) >= len(positions):
            raise Invalid(f"{field}.triangles", f"name vertex {int(triangles.max())} of {len(positions)}",
                          remedy="count vertices from 0")  # fmt: skip
        return Mesh(positions=positions, triangles=triangles, uvs=uvs)

    def _view(self, ask: geometry_pb2.View, field: str) -> View:
        refuse_in_view(ask, field)
        weight = optional(ask, "weight", f"{field}.weight", 1e-6, 1e6)
        if not ask.HasField("depth") or ask.depth.encoding == pixels_pb2.DEPTH_ENCODING_DISPARITY:
            raise Invalid(f"{field}.depth", "must be metric depth: it tells what hides what",
                          remedy="send z in metres as PIXEL_FORMAT_R32F")  # fmt: skip
        if ask.camera.projection not in _PROJECTIONS:
            raise Invalid(f"{field}.camera.projection", "is not given", remedy="say perspective or orthographic")
        return View(
            world_to_camera=matrix(ask.camera.world_to_camera, f"{field}.camera.world_to_camera"),
            camera_to_clip=matrix(ask.camera.camera_to_clip, f"{field}.camera.camera_to_clip"),
            color=self.sources.source(ask.color, f"{field}.color"),
            depth=self.sources.depth(ask.depth, f"{field}.depth").image,
            mask=self.sources.mask(ask.mask, f"{field}.mask") if ask.HasField("mask") else None,
            weight=1.0 if weight is None else weight,
        )
