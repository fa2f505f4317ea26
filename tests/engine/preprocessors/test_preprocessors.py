"""What preprocessors make of pictures whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from velatura_engine.preprocessors import Given, preprocessor, preprocessors

SIDE = 48
POINTWISE = (
    "depth",
    "invert",
    "threshold",
    "gray",
    "inpaint",
    "depth_estimate",
    "hed",
    "pidinet",
    "lineart_realistic",
    "lineart_anime",
)
"""Those that look at one pixel at a time, and so know no edges, or whose annotator does so here."""
ANSWERS = ("mlsd", "openpose", "seg")
"""Kinds of annotators that answer otherwise than with a number for each pixel: see test_learned.py."""
PARTS = [part for part in preprocessors().parts() if part.available and part.annotator not in ANSWERS]


def noise(height: int = SIDE, width: int = SIDE + 16) -> np.ndarray:
    """A picture (H, W, 3) with edges of every steepness."""
    dice = np.random.default_rng(3)
    coarse = dice.random((height // 8, width // 8, 3), np.float32).repeat(8, 0).repeat(8, 1)
    return np.clip(coarse * 0.8 + dice.random((height, width, 3), np.float32) * 0.2, 0, 1)


def given(picture: np.ndarray, **more: object) -> Given:
    """Everything that any part reads, made of one picture."""
    z = (1 + 4 * picture[..., 0]).astype(np.float32)
    z[picture[..., 1] > 0.7] = 0
    near = np.where(z > 0, 1 / np.maximum(z, 1), 0).astype(np.float32)
    mask = (picture[..., 2] > 0.5).astype(np.float32)
    return Given(picture=picture, z=z, disparity=near, mask=mask, estimate=lambda p, **_: p.mean(axis=2), **more)  # type: ignore[arg-type]


def flat(value: float) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), value, np.float32)


def step(column: int) -> np.ndarray:
    """Black, and white from a column on."""
    picture = flat(0)
    picture[:, column:] = 1
    return picture


def make(name: str, what: Given | np.ndarray, **knobs: object) -> np.ndarray:
    part = preprocessor(name)
    return part.build(what if isinstance(what, Given) else Given(picture=what), **part.checked(knobs))


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.id)
@pytest.mark.parametrize("axes", [(True, True), (True, False), (False, True), (False, False)])
def test_every_hint_is_a_picture_of_numbers_as_large_as_what_it_is_made_of(part, axes):
    made = part.build(given(noise(), x=axes[0], y=axes[1]), **part.checked({}))
    assert made.shape == noise().shape and made.dtype == np.float32
    assert np.isfinite(made).all() and made.max() <= 1 and made.min() >= (-1 if part.reads == "masked" else 0)


@pytest.mark.parametrize("part", [part for part in PARTS if part.id != "shuffle"], ids=lambda part: part.id)
@pytest.mark.parametrize("rows, columns", [(5, 0), (0, 7), (13, 31)])
def test_a_rolled_tile_gives_the_rolled_hint_to_the_last_bit(part, rows, columns):
    picture, axes = noise(), {"x": bool(columns), "y": bool(rows)}
    moved = np.roll(picture, (rows, columns), (0, 1))
    knobs = part.checked({"detail": 4} if part.id == "tile" else {})
    wrapped, cut = part.build(given(picture, **axes), **knobs), part.build(given(picture), **knobs)
    assert np.array_equal(part.build(given(moved, **axes), **knobs), np.roll(wrapped, (rows, columns), (0, 1)))
    if part.id not in POINTWISE:
        assert not np.array_equal(part.build(given(moved), **knobs), np.roll(cut, (rows, columns), (0, 1)))


@pytest.mark.parametrize("blur", [0, 1, 2.5])
def test_a_step_gives_one_line_one_pixel_wide_where_it_lies(blur):
    edges = make("canny", step(20), blur=blur, low=20, high=100)[..., 0]
    assert np.array_equal(np.flatnonzero(edges.any(axis=0)), [19]) and edges[:, 19].all()
    across = make("canny", step(20).transpose(1, 0, 2).copy(), blur=blur, low=20, high=100)[..., 0]
    assert np.array_equal(across, edges.T)


def test_a_diagonal_edge_is_a_stair_without_a_gap_or_a_step_too_many():
    row, column = np.mgrid[:SIDE, :SIDE]
    edges = make("canny", np.repeat((column > row)[..., None], 3, 2).astype(np.float32), blur=0)[..., 0] > 0
    beside = (column == row) | (column == row + 1)
    assert np.array_equal(edges[4:-4], beside[4:-4])


def test_a_flat_picture_has_no_edges():
    for name in ("canny", "gradient", "scribble", "lineart"):
        assert not make(name, flat(0.7)).any()


def test_thresholds_are_of_the_slope_that_opencv_has():
    picture = np.full((SIDE, SIDE, 3), 100 / 255, np.float32)
    picture[:, 20:] = 140 / 255  # a step of 40 has a slope of 160
    assert make("canny", picture, blur=0, low=159, high=159).any()
    assert not make("canny", picture, blur=0, low=161, high=161).any()


def test_a_weak_edge_is_kept_where_it_joins_a_strong_one_and_only_there():
    picture = flat(0)
    picture[:24, 20:] = np.linspace(1, 0.15, 24, dtype=np.float32)[:, None, None]
    picture[30:, 20:36] = 0.15
    joined = make("canny", picture, blur=0, low=100, high=700)[..., 0]
    assert joined[:20, 19:21].any(axis=1).all() and not joined[33:].any()
    assert not make("canny", picture, blur=0, low=690, high=700)[13:20, 19:21].any()


def test_edges_join_across_an_edge_that_meets():
    picture = flat(0)
    picture[24:] = 0.5  # an edge along the middle, strong in one place at the right, cut through at the left
    picture[24:, 40:44] = 1
    picture[:, 10:14] = 0
    knobs = {"blur": 0, "low": 100, "high": 900}
    alone = make("canny", Given(picture=picture), **knobs)[20:28, :8]
    around = make("canny", Given(picture=picture, x=True), **knobs)[20:28, :8]
    assert not alone.any() and around.any()


def test_a_long_winding_edge_is_followed_in_little_time():
    from velatura_engine.preprocessors._filters import touching

    side = 513
    snake = np.ones((side, side), bool)
    snake[1::4] = snake[3::4] = False
    snake[1::4, -1] = snake[3::4, 0] = True
    strong = np.zeros_like(snake)
    strong[0, 0] = True
    assert np.array_equal(touching(snake, strong, Given()), snake)


def test_slope_edges_are_brightest_at_the_edge():
    soft = make("gradient", step(20))[..., 0]
    assert soft[:, 19:21].min() == soft.max() > 0.5 and soft[:, :5].max() < 0.01


@pytest.mark.parametrize(
    "name, knobs", [("blur", {"sigma": 7.5}), ("tile", {"detail": 8}), ("tile", {}), ("shuffle", {})]
)
def test_one_colour_stays_itself(name, knobs):
    picture = np.empty((SIDE, SIDE, 3), np.float32)
    picture[:] = 0.1, 0.437, 1
    assert np.array_equal(make(name, picture, **knobs), picture)


def test_a_blurred_point_is_the_gaussian():
    picture = flat(0)
    picture[24, 24] = 1
    made = make("blur", picture, sigma=3)[..., 0].astype(np.float64)
    away = np.arange(SIDE) - 24
    bell = np.where(np.abs(away) <= 9, np.exp(-(away**2) / 18.0), 0)
    bell /= bell.sum()
    assert np.allclose(made, np.outer(bell, bell), atol=1e-8)


def test_grey_has_the_weights_of_the_eye():
    colours = np.eye(3, dtype=np.float32)[None]
    assert np.allclose(make("gray", colours)[0, :, 0], [0.299, 0.587, 0.114], atol=1e-6)
    assert np.allclose(make("gray", flat(0.3)), 0.3)


def test_threshold_and_invert_are_what_they_say():
    ramp = np.repeat((np.arange(256, dtype=np.float32) / 255)[None, :, None], 3, 2)
    white = make("threshold", ramp, threshold=77)[0, :, 0]
    assert np.array_equal(white, np.arange(256) >= 77)
    assert np.array_equal(make("invert", make("invert", step(9))), step(9))


def test_shuffling_is_seeded_and_invents_no_colour():
    picture = noise()
    first, again, other = (make("shuffle", picture, seed=seed, size=32) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other) and not np.array_equal(first, picture)
    assert first.min() >= picture.min() and first.max() <= picture.max()


def test_a_shuffled_tile_meets_itself():
    row, column = np.mgrid[:SIDE, :SIDE] / SIDE
    smooth = np.stack([row, column, row * column], axis=2).astype(np.float32)
    made = make("shuffle", Given(picture=smooth, x=True, y=True), size=32, seed=5)
    for axis in (0, 1):
        jumps = np.abs(np.diff(made, axis=axis, append=np.take(made, [0], axis)))
        seam = np.take(jumps, -1, axis).max()
        assert seam <= np.take(jumps, range(SIDE - 1), axis).max()


def plane(normal: tuple[float, float, float], width: int, height: int, view: float, away: float = 5.0) -> np.ndarray:
    """Metric z (H, W) of a plane as a camera with that field of view along the longer side sees it."""
    footprint = 2 * np.tan(np.radians(view) / 2) / max(width, height)
    x, y = (np.arange(width) + 0.5 - width / 2) * footprint, (height / 2 - np.arange(height) - 0.5) * footprint
    # Points z (x, y, -1) with n . p = n . (0, 0, -away)
    return (-normal[2] * away / (normal[0] * x + normal[1] * y[:, None] - normal[2])).astype(np.float32)


@pytest.mark.parametrize("normal", [(0, 0, 1), (0.3, 0, 1), (0, 0.4, 1), (-0.2, 0.5, 0.8)])
@pytest.mark.parametrize("size", [(48, 48), (64, 40), (40, 64)])
def test_a_plane_has_its_normal_everywhere(normal, size):
    unit = np.array(normal) / np.linalg.norm(normal)
    z = plane(tuple(unit), *size, view=60)
    made = make("normal_from_depth", Given(z=z), field_of_view=60) * 2 - 1
    assert np.abs(made - unit).max() < 2e-4  # what float32 distances leave


def test_green_is_up():
    z = plane((0, 0.6, 0.8), 32, 32, view=50)
    assert (z[0] > z[-1]).all()  # a floor: far above, near below
    assert (make("normal_from_depth", Given(z=z))[..., 1] > 0.7).all()


def test_relative_depth_of_a_plane_has_one_normal_too():
    z = plane((0.3, 0.2, 0.9), 48, 48, view=50).astype(np.float64)
    ratio = z.max() / z.min()
    near = (1 / z - 1 / z.max()) / (1 / z.min() - 1 / z.max())
    made = make("normal_from_depth", Given(disparity=near.astype(np.float32)), relief=ratio)[1:-1, 1:-1]
    hit = near[1:-1, 1:-1] > 0
    assert np.ptp(made[hit], axis=0).max() < 1e-3


def test_what_lies_behind_does_not_bend_the_normals_of_an_edge():
    z = np.full((32, 32), 9, np.float32)
    z[8:24, 8:24] = 2
    z[:4] = 0
    made = make("normal_from_depth", Given(z=z))
    assert np.allclose(made, (0.5, 0.5, 1), atol=1e-6)


def test_depth_of_nothing_and_of_one_pixel_is_facing():
    lone = np.zeros((16, 16), np.float32)
    assert np.allclose(make("normal_from_depth", Given(z=lone)), (0.5, 0.5, 1))
    lone[5, 5] = 3
    assert np.allclose(make("normal_from_depth", Given(z=lone)), (0.5, 0.5, 1))


def test_lines_lie_where_surfaces_end_or_bend_and_not_on_planes():
    z = plane((0.3, 0.2, 0.9), 48, 48, view=50)
    assert not make("lineart_from_depth", Given(z=z)).any()
    z = np.minimum(plane((0.6, 0, 0.8), 48, 48, view=50), plane((-0.6, 0, 0.8), 48, 48, view=50))  # a ridge
    z[36:] = 0
    drawn = make("lineart_from_depth", Given(z=z))[..., 0] > 0
    assert drawn[8:28, 22:26].any(1).all() and drawn[34:37, 4:-4].any(0).all()
    drawn[:, 21:27] = drawn[34:37] = False
    assert not drawn.any()
    z = np.full((32, 32), 9, np.float32)
    z[8:24, 8:24] = 2
    drawn = make("lineart_from_depth", Given(z=z))[..., 0] > 0
    assert drawn[12:20, 6:9].any(1).all() and not drawn[10:21, 10:21].any() and not drawn[:6].any()


def test_repainted_pixels_are_minus_one():
    mask = np.zeros((SIDE, SIDE), np.float32)
    mask[4:9] = 1
    made = make("inpaint", Given(picture=step(20), mask=mask))
    assert (made[4:9] == -1).all() and np.array_equal(made[9:], step(20)[9:])


def test_what_is_farther_than_asked_is_black():
    part = preprocessor("depth_estimate")
    made = part.build(given(noise()), **part.checked({"background": 0.5}))
    assert ((made == 0) | (made >= 0.5)).all() and (made == 0).any()
