"""Sets of tiles that fit beside each other in any order: each a seamless picture, all with the same edge.

    engine.generate(tiles.tile_set("mossy cobblestone", 4, size=256, seed=7))

A first tile is painted seamless. All of the set are that one with everything but a band along its edges painted over;
as the edges of the first meet, so do those of any two. In terms of tilings: Wang tiles with one colour for each axis.
"""

from __future__ import annotations

from typing import Any

from . import pixels, spec
from .v1 import jobs_pb2

PART = 16
"""A band is this part of the shorter side where it is not given, at least `LEAST` pixels."""
LEAST = 4


def tile_set(
    prompt: str,
    count: int = 4,
    *,
    size: int | tuple[int, int] = 512,
    band: int | None = None,
    seed: int | None = None,
    tile: str = "xy",
    strength: float = 0.8,
    id: str = "tiles",
    **more: Any,
) -> jobs_pb2.JobSpec:
    """`count` tiles of `size` pixels square or (width, height) that share a band of `band` pixels along the edges which
    meet: "x" left and right, "y" top and bottom, "xy" both. `more` as in `spec.diffuse`.

    `strength`: how much they differ, 0 to 1; below 1 rows and the like go on from one to the next. Seeds count on from
    `seed`; more tiles of the same seed, words and size fit beside those that are there.
    """
    width, height = (size, size) if isinstance(size, int) else size
    words = {"tile": tile, "seed": seed, **more}
    first = spec.diffuse(prompt, width=width, height=height, id=f"{id}-first", hidden=True, **words)
    whole = spec.diffuse(
        prompt, init=pixels.from_step(f"{id}-first"), strength=strength, count=count, id=id,
        inpaint=spec.inpaint(color_match=True), **words,
    )  # fmt: skip
    whole.steps[0].diffuse.tiling.keep = max(min(width, height) // PART, LEAST) if band is None else band
    return spec.job(first, whole)
