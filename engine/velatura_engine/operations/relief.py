"""A picture's mesh: one plan -> one file."""

from __future__ import annotations

import numpy as np

from ..errors import Invalid
from ..events import Artifact
from ..pixels.depth import hit
from ..pixels.picture import Picture, as_single, as_srgb, to_bytes
from ..plan import Preparation, ReliefPlan
from ..preprocessors import Given
from ..textures import mesh_files
from ..textures.relief import relief
from .context import Context
from .hints import prepare


def make_mesh(plan: ReliefPlan, context: Context) -> list[Picture]:
    """Run one; emits its file with the numbers of vertices and triangles. There is no picture for later steps."""
    context.stage(f"{plan.step_id}:relief")
    picture = as_srgb(context.picture(plan.image))
    z = _distance(plan, picture, context)
    context.check()
    surface = relief(z, plan.camera_to_clip, plan.world_to_camera, jump=plan.jump, most=plan.max_triangles)
    if not len(surface.triangles):
        raise Invalid(
            "relief.jump", "no triangle is left: the depth has holes or jumps everywhere",
            remedy="allow a larger jump or more triangles, or send another depth",
        )  # fmt: skip
    context.check()
    content = mesh_files.WRITERS[plan.format](surface, to_bytes(picture))
    context.progress(1, 1)
    scores = {"vertices": float(len(surface.positions)), "triangles": float(len(surface.triangles))}
    context.emit(
        Artifact(step_id=plan.step_id, index=0, kind="file", file=content, name=plan.format, scores=scores,
                 hidden=plan.hidden)
    )  # fmt: skip
    return []


def _distance(plan: ReliefPlan, picture: np.ndarray, context: Context) -> np.ndarray:
    """Metres along the camera's axis (H, W) float32, 0 where nothing is.

    Relative depth d, near 1, becomes 1 / distance: even steps of it from `relief` times `nearest` to `nearest`.
    """
    depth = plan.depth
    if isinstance(depth, Preparation):
        near = prepare(depth, Given(picture=picture), context)[..., 0]
        return _spread(near, plan)  # also the farthest, whose estimate is 0
    if depth.metric:
        z = context.picture(depth.image).pixels[..., 0]
        valid = hit(z)
    else:
        near = as_single(context.picture(depth.image))
        z, valid = _spread(near, plan), near > 0
    if depth.validity is not None:
        valid &= as_single(context.picture(depth.validity)) > 0.5
    return np.where(valid, z, 0).astype(np.float32)


def _spread(near: np.ndarray, plan: ReliefPlan) -> np.ndarray:
    """Metres of relative depth."""
    return (plan.nearest / (near.astype(np.float64) * (1 - 1 / plan.relief) + 1 / plan.relief)).astype(np.float32)
