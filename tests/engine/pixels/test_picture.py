"""Colours are converted there and back without loss."""

import numpy as np
import pytest
from velatura_engine.pixels.picture import linear_to_srgb, srgb_to_linear


def test_linear_light_and_srgb_are_each_others_inverse():
    values = np.linspace(0, 1, 1001, dtype=np.float32)
    assert np.allclose(srgb_to_linear(linear_to_srgb(values)), values, atol=1e-5)


def test_middle_grey_is_a_fifth_of_the_light():
    assert float(srgb_to_linear(np.float32(0.5))) == pytest.approx(0.21404, abs=1e-5)
