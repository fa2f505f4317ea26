"""Views that are painted all at once through the whole engine: they agree, keep what is there, and replay."""

from __future__ import annotations

import numpy as np
import pytest
from contract.lab import SIDE
from contract.test_views import STEPS, TURNS, around, ball
from velatura import errors, pixels, spec
from velatura.v1 import diffuse_pb2, geometry_pb2


def together(lab, views, **more):
    """The pictures of views, and the job's result."""
    job = spec.diffuse(more.pop("prompt", "moss"), views=views, **(STEPS | more))
    job.steps[0].diffuse.agreement.method = "together"
    result = lab.result(job)
    return [pixels.to_array(artifact.image) for artifact in result.artifacts], result


@pytest.fixture(scope="module")
def painted(lab):
    return together(lab, [ball(degrees=turn) for turn in TURNS])


def apart(first: np.ndarray, second: np.ndarray, turned: float, lead: float = -1.0) -> tuple[float, float]:
    """How far two views of the ball, the second from so many degrees on, differ where both see it, and how far they
    would if the second saw it upside down; of 255. Looked at is where the first faces it more by a cosine of `lead`."""
    rows, columns = np.mgrid[:SIDE, :SIDE].reshape(2, -1)
    x, y = ((columns + 0.5) / SIDE * 2 - 1) * 1.2, (1 - (rows + 0.5) / SIDE * 2) * 1.2
    front = np.sqrt(np.maximum(1 - x**2 - y**2, 0))
    there = np.stack([x, y, front - 3, np.ones_like(x)], 1) @ (around(0)[0] @ np.linalg.inv(around(turned)[0])).T
    both = (front > 0.4) & (there[:, 2] > -2.6) & (there[:, 2] + 3 - front > lead)
    column = ((there[both, 0] / 1.2 + 1) / 2 * SIDE - 0.5).round().astype(int)
    row = ((1 - there[both, 1] / 1.2) / 2 * SIDE - 0.5).round().astype(int)
    here = second[rows[both], columns[both], :3].astype(int)
    wrong = first[row[::-1], column[::-1], :3]
    return np.abs(here - first[row, column, :3]).mean(), np.abs(here - wrong).mean()


def test_views_show_the_same_where_they_see_the_same(painted):
    (first, second, _), result = painted
    near, far = apart(first, second, TURNS[1])
    assert near < 0.4 * far
    assert [artifact.seed for artifact in result.artifacts] == [5, 6, 7]


def test_a_copy_counts_the_less_the_better_another_view_sees_the_place(painted):
    (first, second, third), _ = painted
    middle = SIDE // 2
    assert first[middle, middle, 3] > 240 and second[middle, middle, 3] > 240
    east, west = int(middle * (1 + 0.7 / 1.2)), int(middle * (1 - 0.7 / 1.2))
    assert first[middle, east, 3] < 50 and second[middle, west, 3] < 50  # each is seen better by the other
    assert first[middle, west, 3] == 255 and (third[middle, west:east, 3] > 200).all()  # nobody else sees that well


def test_the_resolved_job_says_how_and_paints_the_same_again(lab, painted):
    pictures, result = painted
    agreement = result.resolved.steps[0].diffuse.agreement
    assert (agreement.method, agreement.every) == ("together", 1)
    for picture, artifact in zip(pictures, lab.result(result.resolved).artifacts, strict=True):
        np.testing.assert_array_equal(pixels.to_array(artifact.image), picture)


def test_views_that_have_a_picture_stay_and_the_others_agree_with_them(lab, painted):
    pictures, _ = painted
    dark = pictures[0].copy()
    dark[..., :3] //= 4
    (first, second), _ = together(lab, [ball(pixels.from_array(dark)), ball(degrees=TURNS[1])], seed=90)
    np.testing.assert_array_equal(first, dark)
    near, _ = apart(dark, second, TURNS[1], lead=0.3)
    before, _ = apart(dark, pictures[1], TURNS[1], lead=0.3)
    assert near < 0.2 * before


def test_each_view_has_words_and_hints_of_its_own(lab, painted):
    words = [ball(degrees=turn, prompt=said) for turn, said in zip(TURNS, ("front", "", "back"), strict=True)]
    said, _ = together(lab, words)
    assert not np.array_equal(said[0], painted[0][0])
    half = ball()
    depth = pixels.to_array(half.depth.image)[..., 0].copy()
    depth[:, : SIDE // 2] = np.inf
    half.depth.CopyFrom(pixels.depth_map(depth))
    far = [ball(degrees=180.0), half]  # they see nothing of each other
    whole = [ball(degrees=180.0), ball()]
    (back, cut), (again, full) = (together(lab, views)[0] for views in (far, whole))
    assert np.array_equal(back, again) and not np.array_equal(cut, full)


@pytest.mark.parametrize("prompt", ["(moss:1.4) on stone", "[moss:stone:0.5]"])
def test_prompts_that_are_weighted_or_change_lead_all_views_alike(lab, prompt):
    pictures, _ = together(lab, [ball(degrees=turn) for turn in TURNS[:2]], prompt=prompt)
    near, far = apart(*pictures, TURNS[1])
    assert near < 0.5 * far


def test_what_cannot_be_painted_together_is_refused_by_name(lab):
    views = [ball(), ball(degrees=TURNS[1], prompt="side")]
    with pytest.raises(errors.Unsupported, match="words of their own"):
        together(lab, views, prompt="[moss:stone:0.5]")
    with pytest.raises(errors.Unsupported, match="cannot paint views together"):
        together(lab, [ball(), ball(degrees=TURNS[1])], model="tiny-five")
    with pytest.raises(errors.Unsupported, match="one picture alone"):
        together(lab, [ball(), ball(degrees=TURNS[1])], sampler="dpm_adaptive")
    small = geometry_pb2.View(camera=ball().camera, depth=pixels.depth_map(np.full((32, 32), 3, np.float32)))
    with pytest.raises(errors.Invalid, match="all are of one size"):
        together(lab, [ball(), small])
    job = spec.diffuse("moss", views=[ball()], **STEPS)
    job.steps[0].diffuse.agreement.CopyFrom(diffuse_pb2.Agreement(method="together", every=101))
    with pytest.raises(errors.Invalid, match=r"must be between 1 and 100"):
        lab.result(job)


def test_sizes_that_the_model_cannot_count_agree_too(lab):
    side = SIDE - 6
    views = []
    for turn in TURNS[:2]:
        view = ball(degrees=turn)
        depth = pixels.to_array(view.depth.image)[..., 0]
        number = ((np.arange(side) + 0.5) / side * SIDE).astype(int)
        view.depth.CopyFrom(pixels.depth_map(np.ascontiguousarray(depth[number][:, number])))
        views.append(view)
    pictures, _ = together(lab, views)
    assert all(picture.shape == (side, side, 4) for picture in pictures)
    spread = [picture[np.linspace(0, side - 1, SIDE).round().astype(int)] for picture in pictures]
    spread = [picture[:, np.linspace(0, side - 1, SIDE).round().astype(int)] for picture in spread]
    near, far = apart(*spread, TURNS[1])
    assert near < 0.6 * far
