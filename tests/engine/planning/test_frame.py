"""The part of a picture that is painted holds what changes, its context, and the model's multiples."""

import numpy as np
import pytest
from velatura_engine.planning.frame import Rules, frame, grown, unsettled
from velatura_engine.request import Inpaint, Outpaint

NONE = Outpaint()
RULES = Rules(multiple=16, native=64, pixels=None, wrap=(False, False))


def mask(width: int, height: int, box: tuple[int, int, int, int]) -> np.ndarray:
    values = np.zeros((height, width), np.float32)
    left, top, across, down = box
    values[top : top + down, left : left + across] = 1
    return values


def holds(box, inner) -> bool:
    return (
        box[0] <= inner[0] and box[1] <= inner[1]
        and box[0] + box[2] >= inner[0] + inner[2] and box[1] + box[3] >= inner[1] + inner[3]
    )  # fmt: skip


def test_without_context_the_whole_picture_is_painted_as_it_is():
    found = frame((100, 60), mask(100, 60, (10, 10, 5, 5)), NONE, Inpaint(), RULES)
    assert (found.box, found.size, found.canvas) == ((0, 0, 100, 60), (100, 60), (112, 64))
    assert found.layer == (10, 10, 5, 5)


@pytest.mark.parametrize("seed", range(40))
def test_a_crop_holds_mask_and_context_lies_inside_and_never_loses_pixels(seed):
    dice = np.random.default_rng(seed)
    width, height = (int(side) for side in dice.integers(16, 400, 2))
    left, top = int(dice.integers(width)), int(dice.integers(height))
    box = left, top, int(dice.integers(1, width - left + 1)), int(dice.integers(1, height - top + 1))
    context = int(dice.integers(0, 100))
    found = frame((width, height), mask(width, height, box), NONE, Inpaint(context=context), RULES)
    around = max(0, left - context), max(0, top - context)
    end = min(width, left + box[2] + context), min(height, top + box[3] + context)
    assert holds(found.box, (*around, end[0] - around[0], end[1] - around[1]))
    assert holds((0, 0, width, height), found.box)
    assert all(painted >= own for painted, own in zip(found.size, found.box[2:], strict=True))
    assert all(side % 16 == 0 and side >= painted for side, painted in zip(found.canvas, found.size, strict=True))
    # The same scale along both axes, but for what rounding to pixels does.
    across, down = (painted / own for painted, own in zip(found.size, found.box[2:], strict=True))
    assert across == pytest.approx(down, rel=1.5 / min(found.box[2:]))


def test_a_small_crop_is_painted_near_the_native_area():
    found = frame((512, 512), mask(512, 512, (200, 200, 8, 8)), NONE, Inpaint(context=8), RULES)
    assert found.box[2:] == (24, 24) and found.canvas == (64, 64) == found.size


def test_a_crop_is_scaled_down_only_to_what_is_allowed():
    asked = mask(512, 512, (100, 100, 300, 300)), NONE, Inpaint(context=0)
    assert frame((512, 512), *asked, RULES).canvas == (304, 304)
    strict = Rules(multiple=16, native=64, pixels=128 * 128, wrap=(False, False))
    found = frame((512, 512), *asked, strict)
    assert found.size == found.canvas == (128, 128) and holds(found.box, (100, 100, 300, 300))


def test_grow_and_feather_widen_what_can_change():
    found = frame((100, 100), mask(100, 100, (40, 40, 10, 10)), NONE, Inpaint(grow=4, feather=8), RULES)
    assert holds(found.layer, (28, 28, 34, 34)) and found.layer[2] < 60


def test_an_axis_that_tiles_is_painted_over_its_whole_length():
    rules = Rules(multiple=16, native=64, pixels=None, wrap=(True, False))
    found = frame((128, 128), mask(128, 128, (40, 40, 8, 8)), NONE, Inpaint(context=4), rules)
    assert (found.box[0], found.box[2], found.size[0]) == (0, 128, 128) and found.box[3] == 16


def test_a_mask_that_grows_across_a_tiling_edge_changes_both_sides():
    rules = Rules(multiple=16, native=64, pixels=None, wrap=(True, False))
    found = frame((128, 128), mask(128, 128, (0, 40, 8, 8)), NONE, Inpaint(grow=4), rules)
    assert found.layer == (0, 36, 128, 16)


def test_new_margins_are_painted_with_an_eighth_of_the_side():
    margins = Outpaint(right=64)
    found = frame((64, 64), None, margins, Inpaint(context=0), RULES)
    assert grown((64, 64), margins) == found.whole == (128, 64)
    assert found.layer == (64, 0, 64, 64) and holds(found.box, (48, 0, 80, 64))


def test_margins_and_mask_are_painted_together():
    found = frame((64, 64), mask(64, 64, (0, 0, 4, 4)), Outpaint(right=64, top=16), Inpaint(), RULES)
    assert found.whole == (128, 80) and found.layer == (0, 0, 128, 80)


def test_an_empty_mask_frames_the_whole_picture():
    assert frame((64, 48), np.zeros((48, 64), np.float32), NONE, Inpaint(context=0), RULES).layer == (0, 0, 64, 48)


def test_a_mask_still_to_be_made_may_be_as_large_as_the_picture():
    found = unsettled((40, 40), NONE, Inpaint(context=8), RULES)
    assert not found.settled and found.canvas == (64, 64) and found.layer == (0, 0, 40, 40)
