"""Metric depth becomes the disparity that models were trained on."""

import numpy as np
import pytest
from velatura_engine.pixels.depth import FLOOR, disparity, hit


def test_a_tilted_plane_follows_the_closed_form():
    z = np.tile(np.linspace(2.0, 8.0, 601), (4, 1)).astype(np.float32)
    low, high = np.percentile(z, (1, 99))
    expected = FLOOR + (1 - FLOOR) * np.clip((1 / z - 1 / high) / (1 / low - 1 / high), 0, 1)
    assert np.abs(disparity(z) - expected).max() <= 1 / 255


def test_background_is_zero_and_the_farthest_surface_stays_apart_from_it():
    z = np.array([[1.0, 4.0, np.inf, 0.0, 1e10, -1.0]], np.float32)
    values = disparity(z)[0]
    assert list(values[2:]) == [0, 0, 0, 0]
    assert values[0] == pytest.approx(1.0) and values[1] == pytest.approx(FLOOR)


def test_a_plane_that_faces_the_camera_is_flat_and_finite():
    values = disparity(np.full((8, 8), 3.0, np.float32))
    assert np.isfinite(values).all() and np.ptp(values) == 0 and values[0, 0] > FLOOR


def test_nothing_in_sight_is_all_background():
    assert not disparity(np.full((3, 3), np.inf, np.float32)).any()


def test_given_limits_take_the_place_of_percentiles():
    z = np.array([[1.0, 2.0, 4.0]], np.float32)
    assert disparity(z, near=1.0, far=4.0)[0, 1] == pytest.approx(FLOOR + (1 - FLOOR) * (0.5 - 0.25) / 0.75)


def test_pixels_declared_empty_do_not_count():
    z = np.array([[1.0, 2.0, 4.0]], np.float32)
    assert disparity(z, np.array([[False, True, True]]))[0, 0] == 0
    assert hit(z, far=3.0).tolist() == [[True, True, False]]
