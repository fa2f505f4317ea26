"""Several views of one scene through the whole engine: painted in turn, kept, blended, and replayed."""

from __future__ import annotations

import numpy as np
import pytest
from contract.lab import SIDE
from velatura import errors, pixels, spec
from velatura.v1 import geometry_pb2

TURNS = (0.0, 50.0, 180.0)
"""Degrees around a ball: the second sees half of what the first does, the third nothing of it."""
STEPS = {"steps": 3, "seed": 5}


def around(degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """An orthographic camera 3 m from the middle, z up: world to camera, and to clip."""
    turn = np.radians(degrees)
    back = np.array([np.sin(turn), -np.cos(turn), 0])
    pose = np.eye(4)
    pose[:3, :3] = np.stack([np.cross((0, 0, 1), back), (0, 0, 1), back])
    pose[2, 3] = -3
    clip = np.diag([1 / 1.2, 1 / 1.2, -2 / 5.9, 1.0])
    clip[2, 3] = -6.1 / 5.9
    return pose, clip


def ball(color=None, degrees: float = 0.0, **more) -> geometry_pb2.View:
    """A look at a ball of 1 m."""
    x, y = np.meshgrid(((np.arange(SIDE) + 0.5) / SIDE * 2 - 1) * 1.2, (1 - (np.arange(SIDE) + 0.5) / SIDE * 2) * 1.2)
    bulge = 1 - x**2 - y**2
    depth = np.where(bulge > 0, 3 - np.sqrt(np.maximum(bulge, 0)), np.inf).astype(np.float32)
    lens = spec.camera(*(matrix.ravel().tolist() for matrix in around(degrees)), orthographic=True)
    return geometry_pb2.View(camera=lens, depth=pixels.depth_map(depth), color=color, **more)


@pytest.fixture(scope="module")
def painted(lab):
    """Three views, and the job's result."""
    result = lab.result(spec.diffuse("moss", views=[ball(degrees=turn) for turn in TURNS], **STEPS))
    return [pixels.to_array(artifact.image) for artifact in result.artifacts], result


def test_there_is_a_picture_for_each_view_that_says_what_it_painted_itself(painted):
    pictures, result = painted
    assert [artifact.index for artifact in result.artifacts] == [0, 1, 2]
    assert [artifact.seed for artifact in result.artifacts] == [5, 6, 7]
    assert all(picture.shape == (SIDE, SIDE, 4) for picture in pictures)
    shares = [(picture[SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4, 3] > 128).mean() for picture in pictures]
    assert shares[0] == 1 and shares[1] < 0.6 and shares[2] > 0.9


def test_a_later_view_shows_what_an_earlier_one_painted(painted):
    (first, second, _), _ = painted
    kept = second[..., 3] < 20
    rows, columns = np.nonzero(kept)
    x, y = ((columns + 0.5) / SIDE * 2 - 1) * 1.2, (1 - (rows + 0.5) / SIDE * 2) * 1.2
    places = np.stack([x, y, np.sqrt(1 - x**2 - y**2) - 3, np.ones_like(x)], 1)
    there = places @ (around(0)[0] @ np.linalg.inv(around(TURNS[1])[0])).T
    column = ((there[:, 0] / 1.2 + 1) / 2 * SIDE - 0.5).round().astype(int)
    row = ((1 - there[:, 1] / 1.2) / 2 * SIDE - 0.5).round().astype(int)
    near = np.abs(second[rows, columns, :3].astype(int) - first[row, column, :3]).mean(1)
    far = np.abs(second[rows, columns, :3].astype(int) - first[row[::-1], column[::-1], :3]).mean(1)
    assert kept.sum() > 200 and np.median(near) < 0.5 * np.median(far)


def test_the_resolved_job_paints_the_same_again(lab, painted):
    pictures, result = painted
    again = lab.result(result.resolved)
    for picture, artifact in zip(pictures, again.artifacts, strict=True):
        np.testing.assert_array_equal(pixels.to_array(artifact.image), picture)
    asked = result.resolved.steps[0].diffuse
    assert asked.agreement.method == "sequence" and asked.views[0].depth.model == "tiny-depth"
    assert not asked.HasField("depth") and not asked.HasField("init") and asked.seed == 5


def test_views_that_have_a_picture_stay_and_only_the_others_are_painted(lab, painted):
    pictures, _ = painted
    shown = [pixels.from_array(picture) for picture in pictures]
    views = [ball(shown[0]), ball(degrees=TURNS[1]), ball(shown[2], TURNS[2])]
    result = lab.result(spec.diffuse("moss", views=views, steps=3, seed=90))
    again = [pixels.to_array(artifact.image) for artifact in result.artifacts]
    np.testing.assert_array_equal(again[0], pictures[0])
    np.testing.assert_array_equal(again[2], pictures[2])
    new = again[1][..., 3] > 128
    assert new.any() and np.abs(again[1][new].astype(int) - pictures[1][new]).mean() > 1


def test_hints_are_made_of_each_views_depth_and_words_are_the_views_own(lab, painted):
    pictures, _ = painted
    words = [ball(degrees=turn, prompt=said) for turn, said in zip(TURNS, ("front", "", "back"), strict=True)]
    other = lab.result(spec.diffuse("moss", views=words, **STEPS))
    first = pixels.to_array(other.artifacts[0].image)
    assert not np.array_equal(first, pictures[0])
    control = spec.control("canny", preprocessor="normal_from_depth")
    hinted = lab.result(spec.diffuse("moss", views=[ball()], controls=[control], **STEPS))
    assert not np.array_equal(pixels.to_array(hinted.artifacts[0].image), pictures[0])


def test_views_and_their_projection_are_one_job_whose_texture_is_full(lab):
    square = np.array([(-1, 0, -1), (1, 0, -1), (1, 0, 1), (-1, 0, 1)], "<f4") * 0.5
    uvs = np.array([[(0, 0), (1, 0), (1, 1)], [(0, 0), (1, 1), (0, 1)]], "<f4")
    target = geometry_pb2.ProjectionTarget(
        id="wall", mesh=spec.mesh(square, np.array([0, 1, 2, 0, 2, 3], "<u4"), uvs), width=64, height=64
    )
    depth = np.full((SIDE, SIDE), np.inf, np.float32)
    depth[14:50, 14:32] = 3.0  # the left half alone
    lens = spec.camera(*(matrix.ravel().tolist() for matrix in around(0)), orthographic=True)
    views = [geometry_pb2.View(camera=lens, depth=pixels.depth_map(depth))]
    shown = [geometry_pb2.View(camera=lens, depth=views[0].depth, color=pixels.from_step("views"))]
    job = spec.job(
        spec.diffuse("moss", views=views, id="views", hidden=True, **STEPS), spec.project([target], shown, fill=True)
    )
    (artifact,) = lab.result(job).artifacts
    texture = pixels.to_array(artifact.image)
    assert 0.3 < artifact.scores["coverage"] < 0.6
    left, right = texture[:, 4:28], texture[:, 36:]
    assert (left[..., 3] == 255).all() and (right[..., 3] == 0).all() and right[..., :3].std() > 0


def test_a_job_of_views_can_be_stopped_and_told_about_before(lab):
    views = [ball(degrees=turn) for turn in TURNS]
    job = lab.engine.generate(spec.diffuse("moss", views=views, steps=1000, seed=1))
    job.cancel()
    with pytest.raises(errors.Cancelled):
        job.result(60)
    with pytest.raises(errors.Invalid, match="each is as large as its depth"):
        lab.result(spec.diffuse("moss", views=views, width=64))
