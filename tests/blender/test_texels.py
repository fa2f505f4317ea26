"""Textures as arrays: faces drawn exactly, padding, sizes, and what is written down."""

import numpy as np
import pytest
from velatura_blender import texels

DICE = np.random.default_rng(3)


def inside(corners, width, height):
    """How often each texel's centre lies in one of the triangles, one by one and half-open, wherever they wrap."""
    found = np.zeros((height, width), int)
    for triangle in corners:
        low, high = np.floor(triangle.min(0)).astype(int), np.ceil(triangle.max(0)).astype(int)
        for y in range(low[1], high[1]):
            for x in range(low[0], high[0]):
                signs = [
                    (b[0] - a[0]) * (y + 0.5 - a[1]) - (b[1] - a[1]) * (x + 0.5 - a[0])
                    for a, b in zip(triangle, np.roll(triangle, -1, 0), strict=True)
                ]
                found[y % height, x % width] += all(each > 0 for each in signs) or all(each < 0 for each in signs)
    return found


def test_a_texel_is_drawn_where_its_centre_lies_in_a_face():
    corners = DICE.uniform(-8, 30, (40, 3, 2))
    for triangle in corners:
        assert np.array_equal(texels.drawn(triangle[None], 24, 16), inside(triangle[None], 24, 16) > 0)
    assert np.array_equal(texels.drawn(corners, 24, 16), inside(corners, 24, 16) > 0)


def test_faces_are_counted_at_each_texel():
    corners = DICE.uniform(0, 16, (40, 3, 2))
    assert np.array_equal(texels.counted(corners, 24, 16), inside(corners, 24, 16))


def test_faces_that_touch_share_no_texel_and_leave_none_out(monkeypatch):
    monkeypatch.setattr(texels, "AT_ONCE", 50)  # many portions
    points = np.stack(np.meshgrid(np.linspace(0, 32, 9), np.linspace(0, 32, 9)), -1)
    points[1:-1, 1:-1] += DICE.integers(-3, 4, (7, 7, 2)) / 2  # also exactly through centres
    quads = np.stack([points[:-1, :-1], points[:-1, 1:], points[1:, 1:], points[1:, :-1]], 2).reshape(-1, 4, 2)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    alone = sum(texels.drawn(triangle[None], 32, 32).astype(int) for triangle in triangles)
    assert (alone == 1).all() and texels.drawn(triangles, 32, 32).all()


def test_faces_of_a_repeating_texture_come_once_for_each_repeat():
    uvs = np.array([[[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]], [[2.5, -0.5], [3.5, -0.5], [2.5, 0.4]]])
    moved, which = texels.in_square(uvs)
    assert which.tolist() == [0, 1, 1, 1, 1]
    np.testing.assert_allclose(moved[0], uvs[0])
    drawn = np.zeros((16, 16), bool)
    for triangle in texels.corners_of(moved[1:], 16, 16):
        canvas = np.zeros((48, 48), bool)
        canvas |= texels.drawn(triangle[None] + 16, 48, 48)
        drawn |= canvas[16:32, 16:32]
    assert np.array_equal(drawn, texels.drawn(texels.corners_of(uvs[1:], 16, 16), 16, 16))
    with pytest.raises(ValueError, match="too often"):
        texels.in_square(np.array([[[0, 0], [90, 0], [0, 90.0]]]))


def test_padding_goes_a_few_texels_past_islands_and_what_stays_wins():
    known = np.zeros((24, 24), bool)
    known[4:10, 4:20], known[14:20, 4:20] = True, True
    values = np.zeros((24, 24), np.uint8)
    values[4:10, 4:20] = 200
    found = texels.padded(values, known, 3)
    assert np.array_equal(found[known], values[known])
    assert (found[10:12, 6:18] == 200).all() and not found[12:14, 6:18].any()  # the gap is shared
    assert (found[1:4, 6:18] == 200).all() and not found[0].any()


def test_colours_beside_islands_are_those_of_the_nearest():
    pixels, known = np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16), bool)
    pixels[4:8], known[4:8] = (10, 20, 30), True
    assert (texels.filled(pixels, known) == (10, 20, 30)).all()


def test_smaller_pictures_are_means_and_the_same_size_is_the_same():
    pixels = DICE.integers(0, 255, (32, 48, 3), np.uint8)
    assert np.array_equal(texels.resized(pixels, 48, 32), pixels)
    halved = pixels.reshape(16, 2, 24, 2, 3).mean((1, 3))
    assert np.abs(texels.resized(pixels, 24, 16) - halved).max() <= 1
    assert texels.resized(pixels[..., 0], 96, 8).shape == (8, 96)


def test_pictures_are_read_between_texels_and_across_their_edges():
    pixels = DICE.integers(0, 255, (8, 8, 1), np.uint8)
    np.testing.assert_array_equal(texels.sampled(pixels, np.array([[2.5, 3.5]]))[0], pixels[3, 2])
    found = texels.sampled(pixels, np.array([[8.0, 0.5]]))[0, 0]
    assert found == (pixels[0, 7, 0].astype(float) + pixels[0, 0, 0]) / 2


def test_arrays_written_down_come_back():
    given = {"a": DICE.integers(0, 255, (7, 9), np.uint8), "b": DICE.random((5, 11)) > 0.5}
    back = texels.read(texels.write(**given))
    assert all(np.array_equal(back[name], given[name]) and back[name].dtype == given[name].dtype for name in given)
