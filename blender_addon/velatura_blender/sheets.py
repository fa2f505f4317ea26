"""Pictures made ready to be placed: as files, which Blender takes as they are, made beside its own thread."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from . import asking, exr, icons, looks
from .client import jobs_pb2, png
from .pace import Pieces, beside

APART = 16  # rows from one that is tried to the next


@dataclass(frozen=True)
class Sheet:
    """A picture of 1, 3 or 4 channels as a PNG file of 8 or 16 bits, or an OpenEXR file of floats, and a small copy for
    the history. `mark` is what `mark_of` says of a file of 8 bits, else "".

    Blender packs the images of a .blend as such files. Its own writer takes longer, on the thread that draws windows.
    On that thread it also reads the file when the picture is first looked at: one that is only stored in half the time.
    So a picture is deflated where that makes it less than half as long; paint has grain, and hardly shrinks.
    """

    channels: int
    file: bytes
    small: str
    mark: str = ""


def sheet(pixels: np.ndarray) -> Sheet:
    """Make pixels (H, W, 1, 3 or 4) ready, row 0 on top: uint8, or uint16."""
    height, width, channels = pixels.shape
    little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    raster = png.Raster(
        width=width, height=height, channels=channels, bits=8 * pixels.dtype.itemsize, data=little.tobytes()
    )
    file = png.encode(raster, level=_level(little))
    return Sheet(channels, file, icons.small(pixels), mark_of(file) if raster.bits == 8 else "")


def float_sheet(pixels: np.ndarray) -> Sheet:
    """Make linear pixels (H, W, 3 or 4) float32 ready as an OpenEXR file, row 0 on top."""
    fine = max(pixels.shape[0] // (2 * icons.SIDE), 1)
    return Sheet(pixels.shape[2], exr.encode(pixels), icons.small(looks.to_bytes(looks.srgb(pixels[::fine, ::fine]))))


def mark_of(file: bytes) -> str:
    """What tells whether a packed file is still the one that was made here."""
    return f"{zlib.crc32(file):08x} {len(file)}"


def _level(pixels: np.ndarray) -> int:
    """How a picture (H, W, C) is to be deflated, judged by some of its rows."""
    some = np.ascontiguousarray(pixels[::APART])
    return 1 if 2 * len(zlib.compress(some, 1)) < some.nbytes else 0


def sheets_in_turn(pictures: Sequence[Callable[[], np.ndarray]]) -> Pieces[list[Sheet]]:
    """Make the pictures of these functions ready, in a thread of their own. The functions may not touch Blender."""
    return beside([lambda picture=picture: sheet(picture()) for picture in pictures])


def painted_in_turn(artifacts: Sequence[jobs_pb2.Artifact]) -> Pieces[list[tuple[Sheet, str]]]:
    """The colours of pictures that came, made ready in a thread of their own, each with its recipe."""
    return beside([partial(_of, artifact) for artifact in artifacts])


def _of(artifact: jobs_pb2.Artifact) -> tuple[Sheet, str]:
    return sheet(asking.picture(artifact)[..., :3]), asking.recipe_of(artifact)
