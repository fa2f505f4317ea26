"""Colours go to Lab and back, and painted pixels come to those around them."""

import numpy as np
import pytest
from contract.borders import boundary_ratio, ring_difference
from velatura_engine.pixels.colour import from_lab, match, to_lab

MASK = np.zeros((96, 96), np.float32)
MASK[32:64, 32:64] = 1
INSIDE = MASK > 0


def texture() -> np.ndarray:
    """Grey noise (96, 96, 3) in 0.4..0.6."""
    return 0.4 + 0.2 * np.random.default_rng(0).random((96, 96, 1), np.float32).repeat(3, 2)


def shifted(picture: np.ndarray, *by: float) -> np.ndarray:
    return from_lab(to_lab(picture) + np.array(by, np.float32))


def laid(painted: np.ndarray, original: np.ndarray) -> np.ndarray:
    return np.where(INSIDE[..., None], painted, original)


@pytest.mark.parametrize(
    ("srgb", "lab"), [((1, 1, 1), (100, 0, 0)), ((1, 0, 0), (53.24, 80.09, 67.2)), ((0, 0, 1), (32.3, 79.19, -107.86))]
)
def test_known_colours_have_their_known_lab(srgb, lab):
    assert to_lab(np.array(srgb, np.float32)) == pytest.approx(np.array(lab), abs=0.1)


def test_lab_and_back_is_the_same_colour():
    colours = np.random.default_rng(1).random((500, 3), np.float32)
    assert from_lab(to_lab(colours)) == pytest.approx(colours, abs=1e-4)


def test_a_picture_that_drifted_comes_back_to_the_ring_around_it():
    original = texture()
    drifted = shifted(original, 8, 4, -3)
    assert ring_difference(laid(drifted, original), INSIDE, 16) > 8
    matched = laid(match(drifted, original, MASK), original)
    assert ring_difference(matched, INSIDE, 16) <= 3
    assert boundary_ratio(matched, INSIDE) == pytest.approx(boundary_ratio(original, INSIDE), abs=0.15)


def test_a_drift_inside_alone_is_taken_back_too():
    original = texture()
    drifted = laid(shifted(original, 8, 0, 0), original)
    before, after = (ring_difference(laid(p, original), INSIDE, 16) for p in (drifted, match(drifted, original, MASK)))
    assert after < 0.7 * before


def test_an_object_of_quite_another_colour_keeps_it():
    original = np.full((96, 96, 3), (0.2, 0.6, 0.2), np.float32)
    red = laid(np.full_like(original, (0.8, 0.1, 0.1)), original)
    assert match(red, original, MASK) == pytest.approx(red, abs=1e-4)


def test_what_fits_already_is_left_as_it_is():
    original = texture()
    assert match(original, original, MASK) == pytest.approx(original, abs=1e-6)


def test_a_mask_of_everything_or_nothing_has_no_ring_to_match():
    original, painted = texture(), 1 - texture()
    for mask in (np.ones_like(MASK), np.zeros_like(MASK)):
        assert np.array_equal(match(painted, original, mask), painted)
