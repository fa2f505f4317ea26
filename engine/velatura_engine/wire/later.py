"""What the contract has and this engine does not act on yet: refused by name, never left out in silence."""

from __future__ import annotations

from velatura.v1 import geometry_pb2, pixels_pb2

from ..errors import Unsupported


def refuse_in_view(ask: geometry_pb2.View, field: str) -> None:
    """Raises Unsupported naming the first field of a projection's view that has no effect there."""
    if ask.HasField("normal"):
        raise _not_yet(f"{field}.normal", "leave it out: surfaces have the directions of their meshes")
    if ask.prompt:
        raise _not_yet(f"{field}.prompt", "leave it out: a projection lays down a picture that is there")
    depth: pixels_pb2.DepthMap = ask.depth
    for name in ("near", "far", "strength", "validity"):
        if depth.HasField(name):
            raise _not_yet(f"{field}.depth.{name}", "leave it out; where nothing was hit, send 0 or infinity")
    if depth.model:
        raise _not_yet(f"{field}.depth.model", "leave it out: no model reads this depth")


def _not_yet(field: str, remedy: str) -> Unsupported:
    return Unsupported(f"{field} has no effect here yet", field=field, reason="UNIMPLEMENTED_FIELD", remedy=remedy)
