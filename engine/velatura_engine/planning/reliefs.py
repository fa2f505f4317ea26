"""A mesh of a picture: its depth, given or estimated, and the camera that saw it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import Invalid, Unsupported
from ..plan import Preparation, ReliefPlan
from ..request import Depth, Preprocess, Relief
from .controls import plan_preprocess
from .sizes import Size, Sizes, check_depth, ratio, size_of

if TYPE_CHECKING:
    from ..models.index import ModelIndex

ESTIMATOR = "depth_estimate"
MOST = 4 * 2**20
"""Pixels of a depth map, each of which may become a vertex."""


def plan_relief(ask: Relief, index: ModelIndex, done: Sizes, field: str, step_id: str, hidden: bool) -> ReliefPlan:
    """What the machine will do. Raises Invalid where picture and depth do not fit or are too large or too small for a
    mesh, Unsupported where there is no depth and no model that estimates it.
    """
    picture = size_of(ask.image, done, f"{field}.image")
    depth, size = _depth(ask, picture, index, done, field)
    where = f"{field}.depth.image" if ask.depth else f"{field}.image"
    if size[0] * size[1] > MOST:
        raise Invalid(where, f"is {size[0]} x {size[1]} pixels; a mesh is made of at most {MOST} in all",
                      remedy="send a smaller depth map; the picture may stay as large as it is")  # fmt: skip
    if min(size) < 2:
        raise Invalid(where, f"is {size[0]} x {size[1]} pixels; a mesh needs 2 a side", remedy="send a larger one")
    clip = pinhole(*size, ask.field_of_view) if ask.camera_to_clip is None else ask.camera_to_clip
    return ReliefPlan(
        step_id=step_id, hidden=hidden, image=ask.image, depth=depth, size=size, camera_to_clip=clip,
        world_to_camera=ask.world_to_camera, format=ask.format, field_of_view=ask.field_of_view,
        nearest=ask.nearest, relief=ask.relief, jump=ask.jump, max_triangles=ask.max_triangles,
    )  # fmt: skip


def _depth(ask: Relief, picture: Size, index: ModelIndex, done: Sizes, field: str) -> tuple[Depth | Preparation, Size]:
    if ask.depth is None:
        estimate = Preprocess(preprocessor=ESTIMATOR, image=ask.image)
        try:
            planned = plan_preprocess(estimate, index, done, field, "", True)
        except Unsupported as trouble:
            trouble.field = f"{field}.depth"
            trouble.remedy = trouble.remedy.partition("; or ")[0] + "; or send the picture's depth"
            raise
        return planned.preparation, planned.outputs[0]
    check_depth(ask.depth, done, f"{field}.depth")
    size = size_of(ask.depth.image, done, f"{field}.depth.image")
    if ratio(size) != ratio(picture):
        raise Invalid(
            f"{field}.depth.image",
            f"is {size[0]} x {size[1]} pixels, of another shape than the picture's {picture[0]} x {picture[1]}",
            remedy="send picture and depth of the same aspect",
        )
    return ask.depth, size


def pinhole(width: int, height: int, field_of_view: float) -> np.ndarray:
    """Camera space to clip space (4, 4) of a camera with square pixels; `field_of_view` along the longer side, degrees.

    Its planes, which play no part here, are at 0.1 and 1000 m.
    """
    focal = max(width, height) / np.tan(np.radians(field_of_view) / 2)
    near, far = 0.1, 1000.0
    return np.array([
        [focal / width, 0, 0, 0],
        [0, focal / height, 0, 0],
        [0, 0, (far + near) / (near - far), 2 * far * near / (near - far)],
        [0, 0, -1, 0],
    ])  # fmt: skip
