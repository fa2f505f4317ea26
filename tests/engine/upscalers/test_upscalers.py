"""Every upscaler: flat stays flat, shapes are right, tiled pictures stay tiled."""

import numpy as np
import pytest
from velatura_engine.operations.upscale import larger
from velatura_engine.pixels.picture import Picture
from velatura_engine.upscalers import upscaler, upscalers

EVERY = [part.id for part in upscalers().parts()]
NOISE = np.random.default_rng(1).random((12, 20, 3), np.float32)


def enlarge(name: str, values: np.ndarray, width: int, height: int, x: bool = False, y: bool = False, **knobs):
    return upscaler(name).build(**knobs)(values, (width, height), x, y)


def test_the_shelf_has_its_parts_described():
    assert EVERY == ["bicubic", "lanczos", "nearest"]
    assert all(part.description for part in upscalers().parts())


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("size", [(40, 24), (33, 19), (160, 96), (21, 13)])
def test_a_flat_picture_stays_flat(name, size):
    grown = enlarge(name, np.full((12, 20, 3), 0.3, np.float32), *size)
    assert grown.shape == (size[1], size[0], 3) and grown.dtype == np.float32
    assert grown == pytest.approx(0.3, abs=1e-6)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(("x", "y"), [(True, False), (False, True), (True, True), (False, False)])
def test_a_picture_rolled_before_is_rolled_after_along_exactly_the_axes_that_tile(name, x, y):
    before = enlarge(name, NOISE, 40, 24, x, y)
    for axis, tiled in ((1, x), (0, y)):
        after = enlarge(name, np.roll(NOISE, 3, axis), 40, 24, x, y)
        same = np.allclose(after, np.roll(before, 6, axis), atol=1e-6)
        assert same == (tiled or name == "nearest")


@pytest.mark.parametrize("name", ["bicubic", "lanczos"])
def test_the_middle_of_a_slope_stays_a_slope(name):
    slope = np.tile(np.arange(20, dtype=np.float32)[None, :, None], (4, 1, 1))
    grown = enlarge(name, slope, 60, 12)[6, :, 0]
    expected = (np.arange(60) + 0.5) / 3 - 0.5
    assert grown[12:-12] == pytest.approx(expected[12:-12], abs=1e-4 if name == "bicubic" else 0.03)


def test_nearest_repeats_every_pixel():
    assert np.array_equal(enlarge("nearest", NOISE, 60, 36), NOISE.repeat(3, 0).repeat(3, 1))


def test_more_lobes_keep_more_of_what_is_fine():
    fine = np.tile(np.cos(2 * np.pi * 0.4 * np.arange(40)).astype(np.float32)[None, :, None], (4, 1, 1))
    exact = np.cos(2 * np.pi * 0.4 * ((np.arange(160) + 0.5) / 4 - 0.5))
    off = [np.abs(enlarge("lanczos", fine, 160, 16, True, lobes=n)[0, :, 0] - exact).mean() for n in (2, 3, 4)]
    assert off[0] > off[1] > off[2]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_numbers_and_channels_stay_what_they_were(kind, channels):
    top = np.iinfo(kind).max
    values = np.random.default_rng(2).integers(0, top, (8, 8, channels), kind, endpoint=True)
    grown = larger(Picture(values), upscaler("lanczos").build(), (16, 16), False, False).pixels
    assert grown.dtype == kind and grown.shape == (16, 16, channels)
    # Twice as large, the mean of four is near the one it came from.
    assert abs(float(grown.mean()) - float(values.mean())) < top * 0.05


def test_what_is_clear_lends_no_colour_to_what_is_not():
    values = np.zeros((8, 8, 4), np.float32)
    values[:, :4] = (1, 0, 0, 1)
    values[:, 4:] = (0, 1, 0, 0)  # green that nobody sees
    grown = larger(Picture(values), upscaler("bicubic").build(), (32, 32), False, False).pixels
    seen = grown[..., 3] > 1e-3
    assert grown[seen][:, 1].max() < 1e-5 and grown[seen][:, 0].min() > 1 - 1e-5


def test_light_never_becomes_negative_and_plain_numbers_may():
    values = np.zeros((8, 8, 1), np.float32)
    values[:, 4:] = 5
    make = upscaler("lanczos").build()
    assert larger(Picture(values, "linear"), make, (16, 16), False, False).pixels.min() == 0
    assert larger(Picture(values, "data"), make, (16, 16), False, False).pixels.min() < 0
