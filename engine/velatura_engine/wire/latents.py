"""What a message says of a painting's noise and of windows to paint it through, checked field by field."""

from __future__ import annotations

from velatura.v1 import diffuse_pb2

from ..errors import Invalid
from ..request import Variation, Windows
from .checks import optional


def variation(ask: diffuse_pb2.Diffuse, field: str) -> Variation | None:
    """The variation that is asked for, if any. Raises Invalid."""
    if not ask.HasField("variation"):
        return None
    message, field = ask.variation, f"{field}.variation"
    sides = [optional(message, name, f"{field}.{name}", 16, 8192) for name in ("seed_width", "seed_height")]
    width, height = (None if side is None else int(side) for side in sides)
    return Variation(
        subseed=message.subseed if message.HasField("subseed") else None,
        strength=optional(message, "strength", f"{field}.strength", 0, 1) or 0.0,
        seed_width=width,
        seed_height=height,
    )


def windows(ask: diffuse_pb2.Diffuse, field: str) -> Windows | None:
    """The windows that are asked for, if any. Raises Invalid."""
    if not ask.HasField("windows"):
        return None
    size = optional(ask.windows, "size", f"{field}.windows.size", 64, 4096)
    overlap = optional(ask.windows, "overlap", f"{field}.windows.overlap", 0, 2048)
    return Windows(size=None if size is None else int(size), overlap=None if overlap is None else int(overlap))


def vae_tile(ask: diffuse_pb2.Diffuse, field: str) -> int | None:
    """Side of what the autoencoder is to see at once, pixels, 0 for everything. Raises Invalid."""
    side = optional(ask, "vae_tile", f"{field}.vae_tile", 0, 4096)
    if side is not None and 0 < side < 64:
        raise Invalid(f"{field}.vae_tile", f"must be 0 or 64 to 4096, got {side:g}", remedy="leave it out")
    return None if side is None else int(side)


def band(ask: diffuse_pb2.Diffuse, name: str, field: str) -> int | None:
    """Width of the band along the init's edges to "mend" or to "keep", if asked for. Raises Invalid."""
    where = f"{field}.tiling.{name}"
    width = optional(ask.tiling, name, where, 8 if name == "mend" else 1, 4096)
    if width is None:
        return None
    if not ask.HasField("init"):
        raise Invalid(where, f"needs {field}.init: there is nothing to {name}", remedy="send init too")
    if name == "keep" and ask.tiling.HasField("mend"):
        raise Invalid(where, f"{field}.tiling.mend paints what is to be kept", remedy="leave one of them out")
    if not (ask.tiling.x or ask.tiling.y):
        raise Invalid(where, "says no edges", remedy="set tiling.x, tiling.y or both")
    if ask.HasField("mask"):
        raise Invalid(where, f"makes a mask of its own, and {field}.mask is another", remedy="leave one of them out")
    return int(width)
