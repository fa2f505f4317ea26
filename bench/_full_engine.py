"""The fake engine in a process of its own, whose results are as large and as hard to pack as painted ones.

Prints its address, and ends when its input does. The token is "secret".
"""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "client"))

import numpy as np
from velatura.testing import FakeEngine, Script, painter
from velatura.v1 import jobs_pb2, pixels_pb2

SURFACE = 317  # vertices a side of the mesh that is made of a picture: 199,712 triangles
GRAIN, COARSE = 12, 8  # levels, pixels: spots with grain, about as hard to pack as a picture of a surface


@lru_cache(maxsize=8)
def picture(width: int, height: int, seed: int = 0, channels: int = 3) -> bytes:
    """Spots and grain, 8 bits, packed; alpha 255."""
    dice = np.random.default_rng(seed)
    spots = dice.integers(GRAIN, 256 - GRAIN, (height // COARSE + 1, width // COARSE + 1, channels), np.uint8)
    made = spots.repeat(COARSE, 0).repeat(COARSE, 1)[:height, :width]
    made = made + dice.integers(0, GRAIN, made.shape, np.uint8)
    made[..., 3:] = 255
    return made.tobytes()


def pack(artifact: jobs_pb2.Artifact, output: jobs_pb2.OutputSettings) -> None:
    """Four channels as they are asked for, raw, of 8 or 16 bits; other formats as the fake engine packs them."""
    image, deep = artifact.image, output.format == pixels_pb2.PIXEL_FORMAT_RGBA16
    if not artifact.HasField("image") or not deep:
        _pack(artifact, output)
        return
    levels = np.frombuffer(picture(image.width, image.height, artifact.seed, 4), np.uint8)
    image.data, image.format = (levels.astype("<u2") * 257).tobytes(), output.format


def surface(side: int) -> bytes:
    """A bulging square of `side` vertices a side as the PLY file that the engine writes."""
    x, y = np.meshgrid(np.linspace(-1, 1, side), np.linspace(1, -1, side))
    vertices = np.zeros(side * side, np.dtype([("where", "<f4", 5), ("color", "u1", 3)]))
    vertices["where"] = np.stack([x, y, -2 - x * y, (1 + x) / 2, (1 + y) / 2], -1).reshape(-1, 5)
    row, column = (each.ravel() for each in np.mgrid[: side - 1, : side - 1])
    first = row * side + column
    corners = np.concatenate(
        [np.stack([first, first + side, first + side + 1], 1), np.stack([first, first + side + 1, first + 1], 1)]
    )
    faces = np.zeros(len(corners), np.dtype([("count", "u1"), ("corners", "<i4", 3)]))
    faces["count"], faces["corners"] = 3, corners
    head = painter.QUAD[: painter.QUAD.index(b"end_header\n") + len(b"end_header\n")]
    head = head.replace(b"vertex 4", b"vertex %d" % len(vertices)).replace(b"face 2", b"face %d" % len(faces))
    return head + vertices.tobytes() + faces.tobytes()


_pack = painter.pack


def main() -> None:
    """Serve until nobody listens any more."""
    painter.picture, painter.pack, painter.QUAD = picture, pack, surface(SURFACE)
    with FakeEngine(token="secret", script=Script(steps=2, delay=0.05)) as engine:
        print(engine.address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
