"""Fewer triangles: as many as are allowed, where they are needed, without cracks."""

import numpy as np
import pytest
from engine.textures.test_relief import LENS, NORMAL, ball, plane, sides
from velatura_engine.textures.relief import relief
from velatura_engine.textures.thinning import thinned


def area(surface):
    """Of the triangles' places in the picture, 0..1."""
    corners = surface.uvs[surface.triangles].astype(np.float64)
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2


def hanging(surface):
    """Vertices that lie on another triangle's side without being its corner: where a crack would open."""
    found, places = 0, np.rint(surface.uvs * [192, 128]).astype(int)  # whole numbers: doubled pixels
    for triangle in places[surface.triangles]:
        for one, other in zip(triangle, np.roll(triangle, -1, 0), strict=True):
            way, there = other - one, places - one
            along, across = there @ way, there[:, 0] * way[1] - there[:, 1] * way[0]
            found += int(((across == 0) & (along > 0) & (along < way @ way)).sum())
    return found


def test_a_plane_needs_next_to_nothing_and_stays_exact():
    surface = relief(plane(), LENS, most=5000)
    assert len(surface.triangles) <= 700  # of 11970
    assert np.abs(surface.positions @ NORMAL + 5).max() < 2e-6
    corners = {(0, 0), (95, 0), (0, 63), (95, 63)}
    pixels = np.floor(surface.uvs * [96, 64]).astype(int)
    assert corners <= set(map(tuple, pixels.tolist()))  # it still reaches the picture's corners
    assert area(surface).sum() == pytest.approx(95 / 96 * 63 / 64)


@pytest.mark.parametrize("most", [400, 2000, 4000])
def test_the_budget_is_kept_and_used(most):
    surface = relief(ball(6.0), LENS, most=most)
    assert 0.3 * most < len(surface.triangles) <= most
    assert (sides(surface) > 0).all() and (area(surface) > 0).all()


def test_more_triangles_are_nearer_to_the_truth():
    """How far the middles of triangles on the ball lie inside it."""
    off = []
    for most in (500, 2000, 8000):
        surface = relief(ball(), LENS, most=most)
        middles = surface.positions[surface.triangles].mean(1)
        off.append(float((1 - np.linalg.norm(middles - [0, 0, -4], axis=1)).mean()))
    assert off[0] > off[1] > off[2] > 0 and off[1] < 0.005


def test_no_crack_opens():
    z = ball(6.0)
    surface = relief(z, LENS, jump=10, most=1500)
    assert hanging(surface) == 0
    assert area(surface).sum() == pytest.approx(95 / 96 * 63 / 64)  # all of the picture, once


def test_nothing_goes_across_a_jump():
    surface = relief(ball(6.0), LENS, jump=0.1, most=3000)
    behind = np.abs(surface.positions[:, 2] - -6) < 1e-6
    assert behind.any() and not behind.all()
    assert (behind[surface.triangles].all(1) | ~behind[surface.triangles].any(1)).all()


def test_a_hole_stays_one():
    z = np.full((65, 65), 2, np.float32)
    z[30:35, 30:35] = 0
    triangles = thinned(z, 0.05, 1000)
    rows, columns = np.divmod(triangles, 65)
    inside = (rows >= 30) & (rows < 35) & (columns >= 30) & (columns < 35)
    assert not inside.any() and 100 < len(triangles) < 1000
    a, b = (np.stack([rows[:, n] - rows[:, 0], columns[:, n] - columns[:, 0]], 1) for n in (1, 2))
    assert np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / 2 == 64 * 64 - 6 * 6


@pytest.mark.parametrize("shape", [(2, 2), (2, 90), (3, 3), (5, 7), (130, 4), (65, 65)])
def test_pictures_of_all_shapes_are_thinned(shape):
    dice = np.random.default_rng(5)
    z = dice.uniform(1, 1.01, shape).astype(np.float32)
    for most in (2, 7, 50):
        triangles = thinned(z, 0.5, most)
        assert 1 <= len(triangles) <= most and triangles.max() < z.size
