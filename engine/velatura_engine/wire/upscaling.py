"""An Upscale message from outside, checked field by field."""

from __future__ import annotations

import math

from velatura.v1 import operations_pb2

from ..errors import Invalid
from ..request import Upscale
from .checks import catalog_name
from .sources import Sources, knob


def read_upscale(ask: operations_pb2.Upscale, sources: Sources, field: str) -> Upscale:
    """The enlarging that a message asks for. Raises Invalid or NotFound, naming the field."""
    factor = ask.factor if ask.HasField("factor") else 2.0
    if math.isnan(factor) or not 1 < factor <= 8:
        raise Invalid(f"{field}.factor", f"must be above 1 and at most 8, got {factor:g}", remedy="try 2")
    return Upscale(
        image=sources.source(ask.image, f"{field}.image"),
        upscaler=catalog_name(ask.upscaler, f"{field}.upscaler"),
        factor=factor,
        knobs={key: knob(key, value, f"{field}.knobs") for key, value in ask.knobs.items()},
        tile_x=ask.tile_x,
        tile_y=ask.tile_y,
    )
