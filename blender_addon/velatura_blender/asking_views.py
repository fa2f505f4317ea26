"""Jobs that texture whole objects from several views. No bpy here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import asking
from .client import geometry_pb2, jobs_pb2, pixels, pixels_pb2, spec

VIEWS, TEXTURES = "views", "textures"
"""Names of a job's steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A view: its camera, metric depth (H, W) with infinity for nothing, mask (H, W) of what is to be textured.

    `color` (H, W, 4) uint8 is what it shows already, whose alpha says how much a pixel counts; None is to be painted.
    """

    camera: geometry_pb2.Camera
    depth: np.ndarray
    mask: np.ndarray
    color: np.ndarray | None = None
    words: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Blending:
    """How views become a texture: `sharpness` is the power of the cosine that views are weighed by."""

    sharpness: float = 4.0
    steepest: float = 85.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Painting:
    """How views come to agree: `refine` is how far what a later one sees better is painted again, `method` "sequence"
    or "together"; `depth` how strongly each follows its depth, None as the model likes it."""

    refine: float = 0.4
    method: str = "sequence"
    depth: float | None = None


def texture(
    wish: asking.Wish,
    sights: Sequence[Sight],
    targets: Sequence[geometry_pb2.ProjectionTarget],
    blending: Blending,
    painting: Painting | None = None,
) -> jobs_pb2.JobSpec:
    """Paint the sights that show nothing yet so that they agree with the others, and lay all onto the targets."""
    said = wish.said()
    said["width"] = said["height"] = None  # each has its depth's
    how = painting or Painting()
    views = [
        geometry_pb2.View(
            camera=sight.camera, depth=pixels.depth_map(sight.depth), prompt=sight.words, color=_color(sight)
        )
        for sight in sights
    ]
    for view in views:
        if how.depth is not None:
            view.depth.strength = how.depth
    job = spec.diffuse(**said, views=views, id=VIEWS)
    agreement = job.steps[0].diffuse.agreement
    agreement.method, agreement.refine = how.method, how.refine
    shown = [pixels.from_step(VIEWS, number) for number in range(len(sights))]
    return _job(job, _projection(sights, shown, targets, blending))


def blend(
    sights: Sequence[Sight], targets: Sequence[geometry_pb2.ProjectionTarget], blending: Blending
) -> jobs_pb2.JobSpec:
    """Lay sights that are all painted onto the targets; nothing is painted anew."""
    return _job(_projection(sights, [_color(sight) for sight in sights], targets, blending))


def _job(*parts: jobs_pb2.JobSpec) -> jobs_pb2.JobSpec:
    return spec.job(*parts, output=pixels_pb2.PIXEL_FORMAT_RGBA8, labels=asking.LABELS)


def _projection(
    sights: Sequence[Sight],
    shown: Sequence[pixels_pb2.Image | None],
    targets: Sequence[geometry_pb2.ProjectionTarget],
    blending: Blending,
) -> jobs_pb2.JobSpec:
    views = [
        geometry_pb2.View(
            camera=sight.camera, color=color, depth=pixels.depth_map(sight.depth), mask=pixels.mask(sight.mask),
            weight=sight.weight,
        )
        for sight, color in zip(sights, shown, strict=True)
    ]  # fmt: skip
    return spec.project(
        targets, views, max_angle=blending.steepest, exponent=blending.sharpness, fill=True, id=TEXTURES
    )


def _color(sight: Sight) -> pixels_pb2.Image | None:
    return None if sight.color is None else pixels.from_array(sight.color)


def target(name: str, positions: np.ndarray, triangles: np.ndarray, uvs: np.ndarray, side: int):
    """A surface without a present look, `side` texels square."""
    mesh = spec.mesh(positions.astype("<f4"), triangles.astype("<u4"), uvs.astype("<f4"))
    return geometry_pb2.ProjectionTarget(id=name, mesh=mesh, width=side, height=side)
