"""A hole is filled from what is around it: smoothly, and with the structure mirrored at its border."""

import numpy as np
import pytest
from velatura_engine.pixels.fills import fill, spread, surroundings


def square(size: int = 64, low: int = 24, high: int = 40) -> np.ndarray:
    mask = np.zeros((size, size), np.float32)
    mask[low:high, low:high] = 1
    return mask


def test_a_hole_in_one_colour_is_filled_with_that_colour():
    picture = np.full((64, 64, 3), (0.2, 0.5, 0.8), np.float32)
    picture[square() > 0] = 1
    assert np.allclose(surroundings(picture, square()), (0.2, 0.5, 0.8), atol=1e-4)


def test_what_was_inside_leaves_no_trace():
    picture = np.random.default_rng(0).random((64, 64, 3), np.float32)
    other = picture.copy()
    other[square() > 0] = 1
    assert np.array_equal(surroundings(picture, square())[24:40, 24:40], surroundings(other, square())[24:40, 24:40])


def test_structure_goes_on_inside():
    stripes = np.tile((np.arange(64)[:, None, None] // 4 % 2).astype(np.float32), (1, 64, 3))
    filled = surroundings(stripes, square(64, 24, 56))
    assert filled[24:56, 24:56].std() > 0.8 * stripes.std()


@pytest.mark.parametrize("size", [(64, 64), (61, 83), (600, 300)])
def test_a_new_margin_is_the_picture_mirrored(size):
    height, width = size
    picture = np.random.default_rng(0).random((height, width, 3), np.float32)
    mask = np.zeros((height, width), np.float32)
    mask[:, -8:] = 1
    filled = surroundings(picture, mask)
    step = -(-max(size) // 256)
    if step == 1:
        assert filled[:, -8:] == pytest.approx(picture[:, -10:-18:-1], abs=1e-5)
    assert filled[:, -8:].std() > 0.15


def test_a_plane_is_carried_on_exactly():
    x = np.linspace(0, 1, 65, dtype=np.float32)
    plane = np.tile(x[None, :, None], (65, 1, 1))
    known = square(65, 20, 45) == 0
    assert spread(np.where(known[..., None], plane, 9), known) == pytest.approx(plane, abs=0.02)


def test_across_edges_that_wrap_the_other_side_counts():
    values = np.zeros((8, 64, 1), np.float32)
    values[:, 32:48] = 1
    known = np.zeros((8, 64), bool)
    known[:, 16:48] = True
    assert spread(values, known)[:, 0] == pytest.approx(0, abs=1e-6)
    met = spread(values, known, (True, False))
    assert met[0, 0] == pytest.approx(0.5, abs=0.05) and 0 < met[0, 8] < met[0, 56] < 1


def test_filling_commutes_with_rolling_where_both_axes_wrap():
    picture = np.random.default_rng(0).random((64, 64, 3), np.float32)
    rolled = surroundings(np.roll(picture, (16, 32), (0, 1)), np.roll(square(), (16, 32), (0, 1)), (True, True))
    assert rolled == pytest.approx(np.roll(surroundings(picture, square(), (True, True)), (16, 32), (0, 1)), abs=1e-5)


def test_nothing_known_is_grey():
    assert (surroundings(np.ones((8, 8, 3), np.float32), np.ones((8, 8), np.float32)) == 0.5).all()


@pytest.mark.parametrize(("mode", "value"), [("neutral", 0.5), ("original", 0.25)])
def test_fill_modes_do_what_they_say(mode, value):
    picture = np.full((64, 64, 3), 0.25, np.float32)
    assert fill(picture, square(), mode, np.random.default_rng(0))[32, 32, 0] == pytest.approx(value)
