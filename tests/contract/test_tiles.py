"""Sets of tiles: every one seamless, all with the same edge, so that any two fit beside each other."""

from __future__ import annotations

import numpy as np
import pytest
from contract.lab import SIDE, Lab, array, flat, noise
from velatura import errors, pixels, recipe, spec, tiles

BAND = 6


def paint(lab: Lab, count: int = 3, **more: object) -> list[np.ndarray]:
    """The tiles (H, W, 3) of a small set."""
    asked = {"size": SIDE, "band": BAND, "seed": 5, "steps": 2, "strength": 1.0} | more
    result = lab.result(tiles.tile_set("moss", count, **asked))  # type: ignore[arg-type]
    return [array(image.data)[..., :3] for image in result.images]


def ring(tile: str) -> np.ndarray:
    """Pixels (SIDE, SIDE) of the band that all share."""
    found = np.zeros((SIDE, SIDE), bool)
    if "x" in tile:
        found[:, :BAND] = found[:, -BAND:] = True
    if "y" in tile:
        found[:BAND] = found[-BAND:] = True
    return found


@pytest.mark.parametrize("tile", ["x", "y", "xy"])
def test_tiles_have_the_same_band_to_the_bit_and_differ_inside(lab, tile: str):
    found = paint(lab, tile=tile)
    assert len(found) == 3
    for number, other in enumerate(found[1:]):
        assert np.array_equal(found[0][ring(tile)], other[ring(tile)])
        inside = (found[number] != other).any(2)
        inner = slice(2 * BAND, -2 * BAND)
        assert inside[inner, inner].mean() > 0.9


def test_more_tiles_of_the_same_seed_belong_to_the_same_set(lab):
    two, three = paint(lab, 2), paint(lab, 3)
    assert all(np.abs(a.astype(int) - b).max() <= 1 for a, b in zip(two, three, strict=False))
    assert np.array_equal(two[0][ring("xy")], three[2][ring("xy")])


def test_the_band_is_the_first_tiles_own_wherever_it_is_cut(lab):
    """Every pixel of the band is found in what was given, at one and the same shift."""
    given = noise()
    job = spec.diffuse("moss", init=pixels.from_array(given), strength=1.0, tile="xy", steps=2, seed=1)
    job.steps[0].diffuse.tiling.keep = BAND
    found = array(lab.result(job).images[0].data)[..., :3]
    corner = found[:BAND, :BAND]
    at = next(
        (down, right)
        for down in range(SIDE)
        for right in range(SIDE)
        if np.array_equal(np.roll(given, (-down, -right), (0, 1))[:BAND, :BAND], corner)
    )
    rolled = np.roll(given, (-at[0], -at[1]), (0, 1))
    assert np.array_equal(found[ring("xy")], rolled[ring("xy")])


def test_a_tile_is_painted_again_from_its_recipe(lab):
    result = lab.result(tiles.tile_set("moss", 2, size=SIDE, band=BAND, seed=5, steps=2))
    again = lab.result(recipe.replay(result.artifacts[1].recipe))
    assert all(np.array_equal(array(a.data), array(b.data)) for a, b in zip(again.images, result.images, strict=True))


WRONG = {
    "no init": ({"init": None}, "keep"),
    "no edges": ({"tile": ""}, "keep"),
    "a mask too": ({"mask": pixels.mask(np.ones((SIDE, SIDE), np.float32))}, "keep"),
    "mended too": ({"mend": 8}, "keep"),
    "too wide": ({"keep": SIDE // 4}, "keep"),
    "nothing": ({"keep": 0}, "keep"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_makes_no_sense_is_refused_with_the_field(lab, wrong: str):
    more = {"init": flat(), "tile": "xy", "keep": BAND} | WRONG[wrong][0]
    keep = more.pop("keep")
    job = spec.diffuse("moss", width=SIDE, height=SIDE, steps=2, **more)  # type: ignore[arg-type]
    job.steps[0].diffuse.tiling.keep = keep
    with pytest.raises(errors.Invalid) as caught:
        lab.result(job)
    assert caught.value.field == f"steps[0].diffuse.tiling.{WRONG[wrong][1]}"


def test_the_default_band_suits_the_size():
    keep = lambda **more: tiles.tile_set("moss", **more).steps[1].diffuse.tiling.keep  # noqa: E731
    assert (keep(size=64), keep(size=512), keep(size=(512, 256)), keep(size=64, band=9)) == (4, 32, 16, 9)
