"""Schedules that place noise levels freely."""

import numpy as np
import pytest
from velatura_engine.samplers._levels import LEVELS, quantiles

TABLE = np.geomspace(0.03, 14.6, 1000)


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("count", [1, 2, 17])
def test_levels_fall_from_the_greatest_of_the_model_and_stay_within_it(name, count):
    levels = LEVELS[name](TABLE, count)
    assert len(levels) == count and levels[0] == pytest.approx(14.6) and (np.diff(levels) < 0).all()
    assert levels[-1] > 0.0299


def test_karras_is_even_in_the_seventh_root():
    assert np.ptp(np.diff(LEVELS["karras"](TABLE, 9) ** (1 / 7))) < 1e-9


def test_exponential_is_even_in_the_logarithm():
    assert np.ptp(np.diff(np.log(LEVELS["exponential"](TABLE, 9)))) < 1e-9


def test_beta_is_dense_at_both_ends():
    steps = -np.diff(np.log(LEVELS["beta"](TABLE, 20)))
    assert steps[0] < 0.6 * steps[9] and steps[-1] < 0.6 * steps[9]


# By mpmath 1.3: the roots of betainc(0.6, 0.6, 0, x, regularized=True) - share, at 30 digits.
KNOWN = {
    0.01: 0.000861238821542907, 0.05: 0.0125544568736114, 0.1: 0.0395844055887809, 0.25: 0.175680378652695,
    0.4: 0.362700990753214, 0.5: 0.5,
}  # fmt: skip


def test_quantiles_of_the_beta_distribution_are_the_known_ones():
    assert quantiles(np.array(list(KNOWN))) == pytest.approx(list(KNOWN.values()), abs=1e-7)
    assert quantiles(1 - np.array(list(KNOWN))) == pytest.approx([1 - x for x in KNOWN.values()], abs=1e-7)
    assert quantiles(np.array([0.0, 1.0])).tolist() == [0, 1]


def test_quantiles_of_shape_one_half_follow_the_arcsine_law():
    u = np.linspace(0, 1, 41)
    assert quantiles(u, 0.5) == pytest.approx(np.sin(np.pi * u / 2) ** 2, abs=1e-7)
