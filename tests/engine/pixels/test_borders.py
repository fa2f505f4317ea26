"""A picture that repeats is cut where its border is seen least."""

import numpy as np
from velatura_engine.pixels.borders import quietest, shifted
from velatura_engine.pixels.picture import Picture
from velatura_engine.request import Tiling


def striped(dark: int) -> np.ndarray:
    """(48, 64, 3) float32: noise, one dark row, and one bright column at 5."""
    found = np.random.default_rng(1).uniform(0.4, 0.6, (48, 64, 3)).astype(np.float32)
    found[dark] -= 0.3
    found[:, 5] += 0.3
    return found


def test_the_border_keeps_away_from_lines_that_run_along_it():
    picture = striped(20)
    for axis, line, length in ((0, 20, 48), (1, 5, 64)):
        away = (quietest(picture.mean(2), axis, 4) - line) % length
        assert 4 < away < length - 4


def test_it_is_the_same_place_of_the_picture_however_it_was_cut_before():
    picture = striped(20)
    tiling = Tiling(x=True, y=True, keep=4)
    one = shifted(Picture(picture), tiling).pixels
    other = shifted(Picture(np.roll(picture, (7, 31), (0, 1))), tiling).pixels
    np.testing.assert_array_equal(one, other)


def test_only_axes_that_tile_are_shifted_and_nothing_but_places_changes():
    picture = striped(0)
    found = shifted(Picture(picture), Tiling(y=True, keep=4)).pixels
    start = quietest(picture.mean(2), 0, 4)
    np.testing.assert_array_equal(found, np.roll(picture, -start, 0))
    whole = np.uint8(picture.clip(0, 1) * 255)
    assert shifted(Picture(whole), Tiling(x=True, keep=4)).pixels.dtype == np.uint8
