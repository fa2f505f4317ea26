"""Short ways to say parts of a painting: hints, references, directions, adapters, repainting. `spec` has them too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .v1 import diffuse_pb2, pixels_pb2


def reference(
    image: pixels_pb2.Image,
    role: str = "",
    strength: float | None = None,
    *,
    start: float | None = None,
    end: float | None = None,
    mask: pixels_pb2.Mask | None = None,
    model: str = "",
) -> diffuse_pb2.Reference:
    """A picture to take after, for `references`. `role`: "content" (all of it, the default), "style" or "face".

    `strength`: 0 to 2, default 1. `start`, `end`: the part of the run in which it counts, 0 to 1. `mask`: where it
    counts. `model`: the adapter that reads it.
    """
    asked = diffuse_pb2.Reference(image=image, role=role, mask=mask, model=model)
    set_fields(asked, strength=strength, start=start, end=end)
    return asked


def direction(
    source: str | Iterable[str],
    target: str | Iterable[str],
    strength: float | None = None,
    *,
    keep_layout: float | None = None,
) -> diffuse_pb2.Direction:
    """A change from one thing to another, for `directions`: from what the phrases of `source` say to what those of
    `target` do. `strength`: -4 to 4, default 1. `keep_layout`: part of the run in which things stay where they are.
    """
    sides = ([side] if isinstance(side, str) else list(side) for side in (source, target))
    asked = diffuse_pb2.Direction(**dict(zip(("source", "target"), sides, strict=True)))
    set_fields(asked, strength=strength, keep_layout=keep_layout)
    return asked


def inpaint(
    *,
    fill: str = "",
    grow: int | None = None,
    feather: int | None = None,
    context: int | None = None,
    color_match: bool | None = None,
    layer: bool = False,
) -> diffuse_pb2.InpaintSettings:
    """How repainted pixels meet the ones that stay, for `diffuse(inpaint=...)`; lengths in pixels.

    `fill`: "original", "surroundings", "neutral" or "noise". `context`: paint only the mask and this much around it.
    `layer`: give the new pixels alone, RGBA, with their offset. Raises ValueError for another fill.
    """
    settings = diffuse_pb2.InpaintSettings(fill=f"FILL_MODE_{fill.upper()}" if fill else None)
    if layer:
        settings.result = diffuse_pb2.INPAINT_RESULT_LAYER
    set_fields(settings, grow=grow, feather=feather, context=context, color_match=color_match)
    return settings


def outpaint(*, left: int = 0, top: int = 0, right: int = 0, bottom: int = 0) -> diffuse_pb2.Outpaint:
    """Canvas to add on each side of the init, pixels, for `diffuse(outpaint=...)`."""
    return diffuse_pb2.Outpaint(left=left, top=top, right=right, bottom=bottom)


def adapter(
    model: str,
    weight: float | None = None,
    text_weight: float | None = None,
    *,
    block_weights: Mapping[str, float] | None = None,
    force: bool | None = None,
) -> diffuse_pb2.Adapter:
    """A LoRA or hypernetwork for `diffuse`, by its id. Weights from -4 to 4, the text encoder's as
    `weight` where it is left out; `block_weights` by BASE, IN00 to IN11, M00, OUT00 to OUT11. `force`: also on another
    base.
    """
    message = diffuse_pb2.Adapter(model=model, block_weights=block_weights or {})
    set_fields(message, weight=weight, text_weight=text_weight, force=force or None)
    return message


def control(
    kind: str,
    image: pixels_pb2.Image | None = None,
    *,
    preprocessor: str = "",
    knobs: Mapping[str, bool | int | float | str] | None = None,
    depth: pixels_pb2.DepthMap | None = None,
    model: str = "",
    strength: float | None = None,
    start: float | None = None,
    end: float | None = None,
    mask: pixels_pb2.Mask | None = None,
    resize: str = "",
) -> diffuse_pb2.Control:
    """A hint to follow, for `diffuse`: `image` as it is, or what a preprocessor makes of it, or of `depth`.

    Without an `image` a preprocessor takes the picture to start from. `start` and `end` are parts of the run, 0 to 1.
    `mask` says where it counts. `resize`: "stretch" (default), "fit" or "fill".
    """
    hint = diffuse_pb2.Control(kind=kind, image=image, preprocessor=preprocessor, depth=depth, model=model, mask=mask)
    set_fields(hint, strength=strength, start=start, end=end)
    set_knobs(hint.knobs, knobs)
    if resize:
        hint.MergeFrom(diffuse_pb2.Control(resize=f"RESIZE_MODE_{resize.upper()}"))
    return hint


def set_fields(message: Any, **fields: Any) -> None:
    """Set those fields of a message that were given: neither None nor empty."""
    for name, value in fields.items():
        if value is not None and value != "":
            setattr(message, name, value)


def set_knobs(target: Any, values: Mapping[str, bool | int | float | str] | None) -> None:
    """Write knobs down in the field of their type."""
    kinds = {bool: "flag", int: "integer", float: "number", str: "text"}
    for name, value in (values or {}).items():
        setattr(target[name], kinds[type(value)], value)
