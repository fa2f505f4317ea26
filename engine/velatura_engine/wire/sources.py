"""Pictures, masks, depth and numbers from outside, checked and decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from velatura.v1 import knobs_pb2, pixels_pb2

from ..errors import Invalid
from ..pixels.depth import hit
from ..pixels.picture import Picture, as_single
from ..request import Depth, Output, Source
from .checks import catalog_name, known, optional, text
from .images import content_of, decode

if TYPE_CHECKING:
    from ..server.limits import Limits

MIN_SIDE = 16
"""Of anything that is painted, pixels."""


@dataclass(slots=True)
class Sources:
    """Reads pictures under the engine's limits; `held` counts the bytes of what it has decoded for one job."""

    limits: Limits
    blob: Callable[[str], bytes]
    held: int = 0

    def source(self, message: pixels_pb2.Image, field: str, *, finite: bool = True) -> Source:
        """A picture, decoded, or the output of an earlier step that is meant."""
        if message.WhichOneof("source") == "output":
            return Output(text(message.output.step_id, f"{field}.output.step_id", 64), message.output.index)
        content = content_of(message, self.blob, field=field, max_inline=self.limits.max_inline_bytes)
        limits = self.limits
        picture = decode(message, content, field=field, max_side=limits.max_side, max_pixels=limits.max_pixels)
        self.hold(picture.pixels, field)
        floats = np.issubdtype(picture.pixels.dtype, np.floating)
        if finite and floats and not np.isfinite(picture.pixels).all():
            raise Invalid(field, "has pixels that are not numbers, or infinite", remedy="send finite numbers")
        return picture

    def numbers(self, message: pixels_pb2.Image, field: str, *, finite: bool = True) -> Source:
        """A picture of plain numbers, never converted as colours are."""
        source = self.source(message, field, finite=finite)
        return Picture(source.pixels, "data") if isinstance(source, Picture) else source

    def mask(self, message: pixels_pb2.Mask, field: str) -> Source:
        """A mask (H, W, 1), 0..1."""
        source = self.numbers(message.image, f"{field}.image")
        if isinstance(source, Picture):
            return Picture(np.clip(as_single(source), 0, 1)[..., None], "data")
        return source

    def depth(self, ask: pixels_pb2.DepthMap, field: str) -> Depth:
        """Depth with what is said of it."""
        known(f"{field}.encoding", ask.encoding, pixels_pb2.DepthEncoding)
        metric = ask.encoding != pixels_pb2.DEPTH_ENCODING_DISPARITY
        image = self.numbers(ask.image, f"{field}.image", finite=False)
        if isinstance(image, Picture):
            self._check_depth(image, metric, f"{field}.image")
        near = optional(ask, "near", f"{field}.near", 1e-6, 1e9)
        far = optional(ask, "far", f"{field}.far", 1e-6, 1e9)
        if near is not None and far is not None and near >= far:
            raise Invalid(f"{field}.near", f"{near:g} is not before {field}.far {far:g}", remedy="swap them")
        if not metric and (near is not None or far is not None):
            raise Invalid(f"{field}.{'far' if near is None else 'near'}", "is in metres, and disparity has none",
                          remedy="leave near and far out, or send metric depth")  # fmt: skip
        return Depth(
            image=image, metric=metric, near=near, far=far,
            validity=self.mask(ask.validity, f"{field}.validity") if ask.HasField("validity") else None,
            strength=optional(ask, "strength", f"{field}.strength", 0, 2),
            model=catalog_name(ask.model, f"{field}.model"),
        )  # fmt: skip

    def _check_depth(self, image: Picture, metric: bool, field: str) -> None:
        values = image.pixels[..., 0]
        if np.isnan(values).any():
            raise Invalid(field, f"has {int(np.isnan(values).sum())} pixels that are not numbers",
                          remedy="send 0 or infinity where nothing was hit")  # fmt: skip
        if metric and values.dtype != np.float32:
            raise Invalid(field, "metric depth must be float numbers in metres",
                          remedy="send PIXEL_FORMAT_R32F, or set encoding to DEPTH_ENCODING_DISPARITY")  # fmt: skip
        if metric and not hit(values).any():
            raise Invalid(
                field, "no pixel holds a surface", remedy="point the camera at something, distances in metres"
            )
        if not metric and values.dtype == np.float32 and not 0 <= values.min() <= values.max() <= 1:
            raise Invalid(field, f"disparity reaches from {values.min():g} to {values.max():g}, not within 0 to 1",
                          remedy="divide by its largest value: near is 1, nothing is 0")  # fmt: skip

    def buffer(self, message: pixels_pb2.Buffer, field: str, kind: type, shape: tuple[int, ...]) -> np.ndarray:
        """Numbers (N, *shape) of a type, from little-endian bytes."""
        content = content_of(message, self.blob, field=field, max_inline=self.limits.max_inline_bytes)
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        if not content or len(content) % size:
            raise Invalid(field, f"has {len(content)} bytes, not a multiple of {size}", remedy="check type and count")
        values = np.frombuffer(content, np.dtype(kind).newbyteorder("<")).reshape(-1, *shape)
        self.hold(values, field)
        if np.issubdtype(kind, np.floating) and not np.isfinite(values).all():
            raise Invalid(field, "holds values that are not numbers", remedy="send finite numbers")
        return values

    def hold(self, values: np.ndarray, field: str) -> None:
        """Raises Invalid where all that the job brings is more than the engine keeps for one job."""
        self.held += values.nbytes
        if self.held > self.limits.max_job_bytes:
            raise Invalid(
                field, f"makes the job's pictures and meshes more than {self.limits.max_job_bytes} bytes together",
                remedy="send fewer or smaller ones",
            )  # fmt: skip


def set_knob(message: knobs_pb2.KnobValue, value: object) -> None:
    """Writes the value of a knob by its type."""
    kinds = {bool: "flag", int: "integer", float: "number", str: "text"}
    setattr(message, kinds[type(value)], value)


def knob(name: str, value: knobs_pb2.KnobValue, field: str) -> object:
    """The value of a knob, of whichever type it was sent."""
    text(name, field, 64)
    kind = value.WhichOneof("value")
    if kind is None:
        raise Invalid(f"{field}[{name}]", "has no value", remedy="set one, or leave the knob out")
    return getattr(value, kind)
