"""Parts of pictures and growing ones, through the whole engine: old pixels stay, layers fit, recipes replay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contract.lab import SIDE, Lab, array, flat, noise, quick, ramp
from velatura import pixels, recipe, spec
from velatura.errors import Invalid
from velatura.v1 import jobs_pb2

SMALL = (40, 24, 8, 12)
"""Left, top, width, height of a small mask in a picture of 96 x 80."""
KINDS: dict[str, dict[str, Any]] = {
    "8 bits": {},
    "8 bits, soft": {"inpaint": {"feather": 6, "grow": 2}},
    "matched": {"inpaint": {"color_match": True}},
    "with context": {"inpaint": {"context": 8}},
    "with context, matched and soft": {"inpaint": {"context": 8, "feather": 4, "color_match": True}},
    "with context, tiled": {"inpaint": {"context": 8}, "tile": "x"},
    "a model that sees the mask": {"inpaint": {"context": 8}, "model": "tiny-nine"},
    "growing": {"outpaint": {"left": 16, "bottom": 32}},
    "growing, with context": {"outpaint": {"right": 16}, "inpaint": {"context": 8}},
    "growing, tiled": {"outpaint": {"right": 32}, "tile": "xy"},
}


def box_mask(width: int = 96, height: int = 80, box: tuple[int, int, int, int] = SMALL) -> np.ndarray:
    mask = np.zeros((height, width), np.float32)
    left, top, across, down = box
    mask[top : top + down, left : left + across] = 1
    return mask


def job(mask: np.ndarray | None = None, before: np.ndarray | None = None, **more: Any) -> jobs_pb2.JobSpec:
    """A small repainting; `inpaint` and `outpaint` are the builders' arguments."""
    before = noise(width=96, height=80) if before is None else before
    more = {"width": None, "height": None} | more
    for name, build in (("inpaint", spec.inpaint), ("outpaint", spec.outpaint)):
        if name in more:
            more[name] = build(**more[name])
    mask = None if mask is None else pixels.mask(mask)
    return quick(init=pixels.from_array(before), mask=mask, **more)


def paint(lab: Lab, *args: Any, **more: Any) -> np.ndarray:
    return array(lab.result(job(*args, **more)).images[0].data)


def laid(before: np.ndarray, layer: np.ndarray, offset: tuple[int, int]) -> np.ndarray:
    """A layer over a picture, as paint programs do it: straight alpha, 8 bits, rounded to nearest."""
    left, top = offset
    height, width = layer.shape[:2]
    after = before.astype(int)
    part = after[top : top + height, left : left + width]
    alpha = layer[..., 3:].astype(int)
    part[...] = np.rint((part * (255 - alpha) + layer[..., :3].astype(int) * alpha) / 255)
    return after.astype(np.uint8)


@pytest.mark.parametrize("case", KINDS)
def test_a_layer_laid_down_gives_the_whole_picture(lab, case):
    asked, before = KINDS[case], noise(width=96, height=80)
    mask = None if "outpaint" in asked else box_mask()
    whole = paint(lab, mask, **asked)
    result = lab.result(job(mask, **(asked | {"inpaint": asked.get("inpaint", {}) | {"layer": True}})))
    layer = array(result.images[0].data)
    margins = asked.get("outpaint", {})
    sides = [(margins.get(a, 0), margins.get(b, 0)) for a, b in (("top", "bottom"), ("left", "right"))]
    canvas = np.pad(before, (*sides, (0, 0)))
    assert layer.shape[2] == 4 and layer[..., 3].max() == 255
    assert np.array_equal(laid(canvas, layer, result.offsets[0]), whole)
    if "outpaint" not in asked:
        assert layer.shape[0] * layer.shape[1] < whole.shape[0] * whole.shape[1] / 2


def test_with_context_a_small_mask_in_a_large_picture_costs_little_and_changes_nothing_else(lab):
    before, mask = noise(width=512, height=384), box_mask(512, 384, (301, 77, 21, 13))
    planned = lab.engine.plan(job(mask, before, inpaint={"context": 16}))
    assert "only" in planned.explanation and "80 x 64" in planned.explanation
    after = paint(lab, mask, before, inpaint={"context": 16})
    assert np.array_equal(after[mask == 0], before[mask == 0])
    assert not np.array_equal(after[mask == 1], before[mask == 1])


def test_what_lies_beyond_the_context_has_no_influence(lab):
    mask, far = box_mask(512, 384, (301, 77, 21, 13)), noise(width=512, height=384)
    far[:, :200] = 0
    ours = paint(lab, mask, noise(width=512, height=384), inpaint={"context": 16})
    theirs = paint(lab, mask, far, inpaint={"context": 16})
    assert np.array_equal(ours[mask == 1], theirs[mask == 1])


def test_hints_are_cropped_with_the_picture(lab):
    mask = box_mask(128, 128, (16, 16, 32, 32))
    before, hint = noise(width=128, height=128), noise(width=128, height=128)
    other_far, other_near = hint.copy(), hint.copy()
    other_far[80:, 80:] = 0
    other_near[16:48, 16:48] = 0
    settings = {"inpaint": {"context": 8}, "model": "tiny"}

    def led(picture: np.ndarray) -> np.ndarray:
        control = {"kind": "depth", "image": pixels.from_array(picture)}
        return paint(lab, mask, before, controls=[control], **settings)

    assert np.array_equal(led(hint), led(other_far))
    assert not np.array_equal(led(hint), led(other_near))


def test_a_mask_of_an_earlier_step_is_cropped_when_it_is_there(lab):
    mask = box_mask()
    made = spec.diffuse("moss", init=flat(0, 96, 80), strength=0.0, steps=1, seed=1, id="made", hidden=True)
    made.steps[0].diffuse.init.image.CopyFrom(pixels.from_array((mask[..., None] * 255).repeat(3, 2).astype(np.uint8)))
    asked = job(mask, inpaint={"context": 8})
    asked.steps[0].diffuse.mask.image.CopyFrom(pixels.from_step("made"))
    later = array(lab.result(spec.job(made, asked)).images[-1].data)
    assert np.array_equal(later, paint(lab, mask, inpaint={"context": 8}))


@pytest.mark.parametrize("tile", ["", "x", "xy"])
@pytest.mark.parametrize("margins", [{"left": 16}, {"right": 7}, {"top": 16, "bottom": 16}, {"left": 9, "bottom": 23}])
def test_old_pixels_stay_where_a_canvas_grows(lab, margins, tile):
    if tile and any(side % 16 for side in margins.values()):
        pytest.skip("tiling needs multiples")
    before = noise(width=SIDE, height=SIDE, channels=4)
    after = paint(lab, None, before, outpaint=margins, tile=tile)
    left, top = margins.get("left", 0), margins.get("top", 0)
    assert after.shape[:2] == (SIDE + top + margins.get("bottom", 0), SIDE + left + margins.get("right", 0))
    assert np.array_equal(after[top : top + SIDE, left : left + SIDE], before)
    outside = np.ones(after.shape[:2], bool)
    outside[top : top + SIDE, left : left + SIDE] = False
    assert (after[outside][:, 3] == 255).all() and after[outside][:, :3].std() > 1


def test_mask_and_margins_are_painted_at_once(lab):
    before, mask = noise(width=96, height=80), box_mask()
    after = paint(lab, mask, outpaint={"left": 16})
    old = after[:, 16:]
    assert np.array_equal(old[mask == 0], before[mask == 0])
    assert not np.array_equal(old[mask == 1], before[mask == 1])


def test_a_depth_as_large_as_the_old_picture_lies_over_it(lab):
    before = noise()
    wide = np.pad(ramp(), ((0, 0), (16, 0)), mode="edge")

    def over(depth: np.ndarray) -> np.ndarray:
        return paint(lab, None, before, outpaint={"left": 16}, depth=pixels.depth_map(depth, near=1, far=5))

    assert np.array_equal(over(ramp()), over(wide))


@pytest.mark.parametrize(
    "asked",
    [
        {"inpaint": {"context": 8, "color_match": True, "layer": True}},
        {"outpaint": {"left": 16}, "inpaint": {"context": 0}},
        {"outpaint": {"top": 16, "right": 16}, "inpaint": {"color_match": False}, "strength": 0.6},
    ],
)
def test_the_recipe_replays_to_the_bit(lab, asked):
    first = lab.result(job(box_mask(), **asked))
    again = lab.result(recipe.replay(first.artifacts[0].recipe))
    assert np.array_equal(array(first.images[0].data), array(again.images[0].data))
    assert first.offsets == again.offsets


def test_a_growing_canvas_matches_unless_told_otherwise_and_says_so(lab):
    def matches(**more: Any) -> bool:
        return lab.result(job(None, outpaint={"left": 16}, **more)).resolved.steps[0].diffuse.inpaint.color_match

    assert matches() and not matches(inpaint={"color_match": False})
    resolved = lab.result(job(box_mask())).resolved.steps[0].diffuse.inpaint
    assert resolved.HasField("color_match") and not resolved.color_match


@pytest.mark.parametrize("fill", ["original", "surroundings", "neutral", "noise"])
def test_every_way_to_fill_serves_a_growing_canvas(lab, fill):
    before = noise()
    after = paint(lab, None, before, outpaint={"right": 16}, inpaint={"fill": fill}, strength=0.6)
    assert np.array_equal(after[:, :SIDE], before) and after[:, SIDE:].std() > 1


def test_a_size_that_the_grown_canvas_does_not_have_is_refused(lab):
    with pytest.raises(Invalid, match="outpaint makes it 112 x 80") as caught:
        lab.result(job(None, outpaint={"left": 16}, width=96))
    assert caught.value.field == "steps[0].diffuse.width"


def test_a_canvas_that_grows_beyond_what_is_allowed_is_refused(lab):
    with pytest.raises(Invalid) as caught:
        lab.result(job(None, outpaint={"left": 8192, "right": 8192, "top": 8192, "bottom": 8192}))
    assert caught.value.field == "steps[0].diffuse.width"
