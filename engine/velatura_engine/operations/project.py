"""Painting pictures onto meshes: one plan -> one texture for each surface."""

from __future__ import annotations

import numpy as np

from ..events import Artifact
from ..pixels.picture import Picture, as_single, as_srgb, to_float
from ..plan import ProjectPlan
from ..request import Target, View
from ..textures.eyes import ViewArrays
from ..textures.projection import project as project_mesh
from .context import Context


def project(plan: ProjectPlan, context: Context) -> list[Picture]:
    """Run one projection; emits an artifact with its scores for every target, and returns the textures."""
    context.stage(f"{plan.step_id}:project")
    context.memory.begin()
    views = [_view(view, context) for view in plan.views]
    textures = []
    for index, target in enumerate(plan.targets):
        texture = _paint(target, index, views, plan, context)
        context.progress(index + 1, len(plan.targets))
        textures.append(texture)
    return textures


def _paint(target: Target, index: int, views: list[ViewArrays], plan: ProjectPlan, context: Context) -> Picture:
    base = None if target.base is None else as_srgb(context.picture(target.base))
    painted = project_mesh(
        target.mesh, views, plan.outputs[index], max_angle=plan.max_angle, exponent=plan.exponent, bleed=plan.bleed,
        edge_margin=plan.edge_margin, depth_tolerance=plan.depth_tolerance, base=base, fill=plan.fill,
        check=context.check, memory=context.memory,
    )  # fmt: skip
    picture = Picture(painted.rgba)
    context.emit(
        Artifact(step_id=plan.step_id, index=index, kind="texture", picture=picture, name=target.id,
                 scores=painted.scores, hidden=plan.hidden)
    )  # fmt: skip
    return picture


def _view(view: View, context: Context) -> ViewArrays:
    picture = context.picture(view.color)
    color = as_srgb(picture)
    if picture.channels == 4:
        color = np.concatenate([color, to_float(picture.pixels[..., 3:])], axis=2)
    return ViewArrays(
        world_to_camera=view.world_to_camera,
        camera_to_clip=view.camera_to_clip,
        color=color,
        depth=context.picture(view.depth).pixels[..., 0],
        mask=None if view.mask is None else as_single(context.picture(view.mask)),
        weight=view.weight,
    )
