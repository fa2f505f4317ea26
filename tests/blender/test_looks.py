"""What images show, reckoned from their numbers."""

import numpy as np
import pytest
from velatura_blender import looks

ROWS = 2 * looks.BAND + 3


def as_rgba(values, channels):
    """(H, W, C) as four channels, by their meaning: grey, grey and alpha, colours, colours and alpha."""
    colors = values[..., :3] if channels >= 3 else values[..., :1].repeat(3, 2)
    alpha = values[..., -1:] if channels in (2, 4) else np.full((*values.shape[:2], 1), 255, np.uint8)
    return np.concatenate([colors, alpha], 2)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_bytes_come_back_as_they_were_row_0_on_top(channels):
    known = np.random.default_rng(0).integers(0, 256, (ROWS, 256, channels), np.uint8)
    known[0, :, 0] = np.arange(256)
    raw = looks.Raw(numbers=known[::-1].astype(np.float32) / np.float32(255), is_float=False)
    np.testing.assert_array_equal(raw.texels(), as_rgba(known, channels))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_floats_are_brought_onto_the_srgb_curve_and_their_alpha_is_not(channels):
    known = np.random.default_rng(1).uniform(-0.5, 1.5, (ROWS, 64, channels))
    inside = np.clip(known, 0, 1)
    wanted = np.where(inside <= 0.0031308, inside * 12.92, 1.055 * inside ** (1 / 2.4) - 0.055)
    if channels in (2, 4):
        wanted[..., -1] = inside[..., -1]
    found = looks.Raw(numbers=known[::-1].astype(np.float32), is_float=True).texels()
    assert np.abs(found - as_rgba(wanted * 255, channels)).max() < 0.501
