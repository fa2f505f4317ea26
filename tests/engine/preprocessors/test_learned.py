"""What preprocessors make of the answers of models that have learned it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from velatura_engine.preprocessors import Given, preprocessor
from velatura_engine.preprocessors._ade20k import COLOURS
from velatura_engine.preprocessors._drawing import COLOURS as JOINTS
from velatura_engine.preprocessors._drawing import openpose_joints, skeletons

PICTURE = np.random.default_rng(0).random((64, 96, 3), np.float32)


def make(name: str, estimate: Any, picture: np.ndarray = PICTURE, *, find: Any = None, x: bool = False, **knobs: Any):
    part = preprocessor(name)
    given = Given(picture=picture, estimate=estimate, find=find, x=x)
    return part.build(given, **part.checked(knobs))


def test_areas_have_the_colours_of_ade20k_one_for_each_class():
    classes = np.arange(150).reshape(10, 15)
    made = make("segmentation", lambda picture: classes, PICTURE[:10, :15])
    assert made.dtype == np.float32 and np.array_equal(np.rint(made * 255), COLOURS[classes])
    # Of the first classes wall is grey, sky is cyan, a tree is green; ADE20K gives one colour twice.
    assert [tuple(COLOURS[number]) for number in (0, 2, 4)] == [(120, 120, 120), (6, 230, 230), (4, 200, 3)]
    assert len({tuple(colour) for colour in COLOURS}) == 149


def test_a_straight_line_is_drawn_from_end_to_end_and_weak_or_short_ones_are_not():
    lines = np.array([[10, 20, 80, 20, 0.9], [5, 5, 5, 60, 0.05], [50, 50, 52, 50, 0.9]], np.float32)
    made = make("mlsd", lambda picture, side: lines)[..., 0]
    assert made[20, 10:81].all() and made.sum() == 71
    assert make("mlsd", lambda picture, side: lines, confidence=0.01, length=0).sum() > made.sum()
    far = np.array([[-1e9, 30, 1e9, 30, 1], [np.inf, 0, 0, 0, 0]], np.float32)[:1]
    assert make("mlsd", lambda picture, side: far).shape == PICTURE.shape
    assert not make("mlsd", lambda picture, side: lines[:0]).any()


def standing(x: float, y: float) -> np.ndarray:
    """A person of COCO's 17 joints around a point, all of them sure."""
    dice = np.random.default_rng(1)
    places = dice.uniform(-8, 8, (17, 2)) + np.array([x, y])
    return np.concatenate([places, np.ones((17, 1))], 1).astype(np.float32)


def test_a_neck_lies_between_the_shoulders_and_is_as_sure_as_the_less_sure():
    person = standing(40, 30)[None]
    person[0, 5, 2], person[0, 6, 2] = 0.4, 0.9
    found = openpose_joints(person)[0]
    assert np.allclose(found[1, :2], (person[0, 5, :2] + person[0, 6, :2]) / 2) and found[1, 2] == np.float32(0.4)
    # Right before left: shoulders, then eyes and ears last.
    for openpose, coco in ((0, 0), (2, 6), (5, 5), (8, 12), (13, 15), (14, 2), (15, 1), (16, 4), (17, 3)):
        assert np.array_equal(found[openpose], person[0, coco])


def test_joints_are_discs_of_their_colours_and_limbs_are_darker_between_them():
    person = np.zeros((1, 18, 3), np.float32)
    person[0, 1], person[0, 2] = (20, 30, 1), (70, 30, 1)  # neck and right shoulder
    made = skeletons(person, (64, 96), 0.3, 3.0)
    assert np.allclose(made[30, 20], JOINTS[1]) and np.allclose(made[30, 70], JOINTS[2])
    assert np.allclose(made[30, 45], JOINTS[0] * 0.6) and not made[40].any()
    disc = (made[:, 50:] == JOINTS[2]).all(axis=2).sum()
    assert abs(disc - np.pi * 9) < 4
    person[0, 2, 2] = 0.2
    alone = skeletons(person, (64, 96), 0.3, 3.0)
    assert not alone[30, 45].any() and not alone[30, 70].any() and np.allclose(alone[30, 20], JOINTS[1])


def test_people_who_are_sure_are_looked_at_and_without_a_finder_the_whole_picture():
    seen = []

    def estimate(picture, boxes):
        seen.append(boxes)
        return np.stack([standing(*(box[:2] + box[2:] / 2)) for box in boxes]) if len(boxes) else np.zeros((0, 17, 3))

    found = np.array([[10, 10, 20, 40, 0.9], [60, 10, 20, 40, 0.2]], np.float32)
    one = make("openpose", estimate, find=lambda picture: found)
    both = make("openpose", estimate, find=lambda picture: found, people=0.1)
    alone, none = make("openpose", estimate), make("openpose", estimate, find=lambda picture: found[:0])
    assert [boxes.tolist() for boxes in seen] == [
        found[:1, :4].tolist(), found[:, :4].tolist(), [[0, 0, 96, 64]], [],
    ]  # fmt: skip
    assert one[:, :48].any() and not one[:, 52:].any() and both[:, 52:].any() and alone.any() and not none.any()


def test_normals_of_a_slope_lean_as_depth_says():
    ramp = np.tile(np.linspace(0.1, 1, 96, dtype=np.float32), (64, 1))
    made = make("normal_estimate", lambda picture: ramp)
    assert (made[4:-4, 4:-4, 0] < 0.45).all(), "nearer at the right: it faces left"
    facing = make("normal_estimate", lambda picture: np.full((64, 96), 0.5, np.float32))
    assert np.allclose(facing, (0.5, 0.5, 1.0), atol=1e-6)
    cut = make("normal_estimate", lambda picture: ramp, background=0.5)
    assert np.allclose(cut[:, :20], (0.5, 0.5, 1.0)) and np.array_equal(cut[:, 60:], made[:, 60:])


@pytest.mark.parametrize("name", ["hed", "pidinet", "lineart_realistic", "lineart_anime"])
def test_a_network_is_shown_what_lies_beyond_edges_that_meet(name):
    seen = []

    def estimate(picture, side):
        seen.append(picture)
        assert side == 512
        return picture.mean(axis=2)

    plain, tile = make(name, estimate), make(name, estimate, x=True)
    assert np.array_equal(plain, tile) and [one.shape[:2] for one in seen] == [(64, 96), (64, 96 + 128)]
    assert np.array_equal(seen[1][:, :64], PICTURE[:, -64:])


@pytest.mark.parametrize("name", ["hed", "pidinet"])
def test_levels_make_soft_edges_hard_enough_to_hide_nothing(name):
    ramp = np.tile(np.linspace(0, 1, 96, dtype=np.float32), (64, 1))
    made = make(name, lambda picture, side: ramp, levels=2)[..., 0]
    assert set(np.unique(made)) == {0, 0.5, 1} and not made[:, :30].any()
