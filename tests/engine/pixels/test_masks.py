"""Masks grow outward, fill from what is around, and leave the rest alone."""

import numpy as np
import pytest
from velatura_engine.pixels.masks import lay, quantize, reach, widen


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
    painted = quantize(generator.random((64, 64, 3), np.float32), np.uint8)
    laid = lay(original, painted, quantize(square(), np.uint8))
    outside = square() == 0
    assert np.array_equal(laid[outside], original[outside])
    assert not np.array_equal(laid[~outside], original[~outside])


@pytest.mark.parametrize(("kind", "half"), [(np.uint8, 128), (np.uint16, 32768), (np.float32, 0.5)])
def test_a_half_mask_mixes_half_and_half(kind, half):
    top, alpha = quantize(np.ones((2, 2, 3)), kind), quantize(np.full((2, 2), 0.5), kind)
    assert (lay(np.zeros((2, 2, 3), kind), top, alpha) == half).all()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_laying_is_the_plain_formula_rounded_to_nearest(kind):
    dice, most = np.random.default_rng(0), np.iinfo(kind).max
    old, new = (dice.integers(0, most, (64, 64, 3), kind, endpoint=True) for _ in range(2))
    alpha = dice.integers(0, most, (64, 64), kind, endpoint=True)
    share = alpha[..., None] / np.longdouble(most)
    assert np.array_equal(lay(old, new, alpha), np.rint(old * (1 - share) + new * share).astype(kind))


def test_floats_beyond_one_are_laid_as_they_are():
    old, new = np.full((1, 2, 3), 4.0, np.float32), np.full((1, 2, 3), 2.0, np.float32)
    assert np.array_equal(lay(old, new, np.array([[0.0, 0.5]], np.float32))[0, :, 0], [4.0, 3.0])


@pytest.mark.parametrize(("grow", "feather"), [(0, 0), (3, 0), (0, 1), (0, 5), (4, 8), (9, 31)])
def test_a_mask_never_becomes_more_than_its_reach(grow, feather):
    wide = widen(square(160, 70, 80), grow, feather)
    far = square(160, 70 - reach(grow, feather), 80 + reach(grow, feather))
    assert not wide[far == 0].any()


def test_a_mask_grows_across_edges_that_wrap():
    mask = np.zeros((32, 32), np.float32)
    mask[:, :4] = 1
    wide = widen(mask, 5, 0, (True, False))
    assert (wide.max(0) > 0).nonzero()[0].tolist() == [*range(9), *range(27, 32)]
    rolled = widen(np.roll(mask, 7, 1), 3, 6, (True, True))
    assert np.array_equal(rolled, np.roll(widen(mask, 3, 6, (True, True)), 7, 1))
