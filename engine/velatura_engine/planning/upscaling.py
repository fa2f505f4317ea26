"""One enlarging: its upscaler, the knobs of that, and the size that comes out."""

from __future__ import annotations

from ..errors import Invalid, NotFound
from ..plan import UpscalePlan
from ..request import Request, Upscale
from ..shelf import Part
from ..upscalers import upscalers
from .sizes import Sizes, size_of

DEFAULT = "lanczos"


def plan_upscale(ask: Upscale, done: Sizes, request: Request, field: str, step_id: str, hidden: bool) -> UpscalePlan:
    """What the machine will do. Raises Invalid where the result is too large, NotFound for an unknown upscaler."""
    width, height = size_of(ask.image, done, f"{field}.image")
    size = round(width * ask.factor), round(height * ask.factor)
    within = request.max_side is None or max(size) <= request.max_side
    if not within or (request.max_texels is not None and size[0] * size[1] > request.max_texels):
        raise Invalid(
            f"{field}.factor", f"{width} x {height} pixels would become {size[0]} x {size[1]}, which is too large",
            remedy="choose a smaller factor",
        )  # fmt: skip
    part = _upscaler(ask.upscaler or DEFAULT, f"{field}.upscaler")
    return UpscalePlan(
        step_id=step_id,
        hidden=hidden,
        image=ask.image,
        upscaler=part.id,
        factor=ask.factor,
        knobs=part.checked(ask.knobs, field=f"{field}.knobs"),
        tile_x=ask.tile_x,
        tile_y=ask.tile_y,
        outputs=(size,),
    )


def _upscaler(name: str, field: str) -> Part:
    shelf = upscalers()
    known = [part.id for part in shelf.parts()]
    if name not in known:
        raise NotFound(
            "upscaler", name, field=field,
            remedy=f"use one of: {', '.join(known)}; models that enlarge, such as ESRGAN, cannot be used yet",
        )  # fmt: skip
    return shelf.get(name)
