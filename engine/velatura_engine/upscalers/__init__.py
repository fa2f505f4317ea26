"""The shelf of upscalers: one file each, a kernel that stands between pixels; those of learned models will stand here.

A part's `build(**knobs)` gives a function (pixels (H, W, C) float32, factor, tile_x, tile_y) -> larger pixels.
"""

from __future__ import annotations

from ..shelf import Part, Shelf

UPSCALERS = Shelf("upscaler", __name__)


def upscalers() -> Shelf:
    """The shelf itself."""
    return UPSCALERS


def upscaler(name: str, *, field: str = "") -> Part:
    """The upscaler of that name. Raises NotFound."""
    return UPSCALERS.get(name, field=field)
