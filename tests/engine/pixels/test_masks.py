"""Masks grow outward, fill from what is around, and leave the rest alone."""

import numpy as np
import pytest
from velatura_engine.pixels.masks import fill, lay, surroundings, widen


def square(size: int = 64, low: int = 24, high: int = 40) -> np.ndarray:
    mask = np.zeros((size, size), np.float32)
    mask[low:high, low:high] = 1
    return mask


def test_growing_moves_the_edge_by_exactly_that_many_pixels():
    assert np.array_equal(widen(square(), 5, 0), square(low=19, high=45))


def test_feathering_keeps_the_inside_opaque_and_fades_outward():
    soft = widen(square(), 0, 8)
    assert soft[24:40, 24:40].min() == 1
    row = soft[32, 40:52]
    assert (np.diff(row) <= 0).all() and 0 < row[4] < 1 and row[-1] == 0


def test_pixels_outside_the_mask_keep_their_bytes():
    generator = np.random.default_rng(0)
    original = generator.integers(0, 256, (64, 64, 3), np.uint8)
    laid = lay(original, generator.random((64, 64, 3), np.float32), square())
    outside = square() == 0
    assert np.array_equal(laid[outside], original[outside])
    assert not np.array_equal(laid[~outside], original[~outside])


def test_a_half_mask_mixes_half_and_half():
    original = np.zeros((2, 2, 3), np.uint8)
    assert (lay(original, np.ones((2, 2, 3), np.float32), np.full((2, 2), 0.5, np.float32)) == 128).all()


def test_a_hole_in_one_colour_is_filled_with_that_colour():
    picture = np.full((64, 64, 3), (0.2, 0.5, 0.8), np.float32)
    picture[square() > 0] = 1
    assert np.allclose(surroundings(picture, square()), (0.2, 0.5, 0.8), atol=1e-4)


@pytest.mark.parametrize(("mode", "value"), [("neutral", 0.5), ("original", 0.25)])
def test_fill_modes_do_what_they_say(mode, value):
    picture = np.full((64, 64, 3), 0.25, np.float32)
    assert fill(picture, square(), mode, np.random.default_rng(0))[32, 32, 0] == pytest.approx(value)
