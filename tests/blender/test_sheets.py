"""Pictures are made ready beside Blender's own thread, as files that it takes as they are."""

import threading
import zlib

import bpy
import numpy as np
import pytest
from velatura_blender import place, sheets
from velatura_blender.client import png

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 40, 4), np.uint8)


@pytest.mark.parametrize("channels", [3, 4])
def test_the_file_has_the_very_pixels(channels):
    raster = png.decode(sheets.sheet(PIXELS[..., :channels]).file)
    assert (raster.width, raster.height, raster.channels) == (40, 24, channels)
    assert raster.data == np.ascontiguousarray(PIXELS[..., :channels]).tobytes()


def test_sixteen_bits_stay_sixteen_in_file_and_image(scene):
    deep = np.random.default_rng(1).integers(0, 1 << 16, (24, 40, 3), np.uint16)
    raster = png.decode(sheets.sheet(deep).file)
    assert raster.bits == 16 and raster.data == deep.astype("<u2").tobytes()
    made = place.image("Deep", deep, data=True)
    values = np.empty(40 * 24 * 4, np.float32)
    made.pixels.foreach_get(values)
    assert made.is_float and made.packed_file is not None
    np.testing.assert_array_equal(np.rint(values * 65535).reshape(24, 40, 4)[::-1, :, :3], deep)


def test_they_are_made_in_another_thread_while_the_window_goes_on():
    go, threads = threading.Event(), []

    def picture():
        go.wait(10)
        threads.append(threading.get_ident())
        return PIXELS

    turn = sheets.sheets_in_turn([picture, picture])
    next(turn)
    next(turn)
    assert not threads
    go.set()
    with pytest.raises(StopIteration) as end:
        while True:
            next(turn)
    assert [len(each.file) > 0 for each in end.value.value] == [True, True]
    assert threading.get_ident() not in threads and len(threads) == 2


def test_what_goes_wrong_there_is_told_here():
    def picture():
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(sheets.sheets_in_turn([picture]))


def test_an_image_of_a_file_is_packed_has_its_pixels_and_comes_back_with_the_scene(scene, tmp_path):
    made = place.image("Made", PIXELS, "{}", data=True)
    made.use_fake_user = True
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    found = bpy.data.images["Made"]
    assert found.packed_file is not None and tuple(found.size) == (40, 24) and found[place.RECIPE] == "{}"
    assert (found.colorspace_settings.name, found.alpha_mode) == ("Non-Color", "CHANNEL_PACKED")
    values = np.empty(40 * 24 * 4, np.float32)
    found.pixels.foreach_get(values)
    np.testing.assert_array_equal(np.rint(values * 255).reshape(24, 40, 4)[::-1], PIXELS)


def is_stored(file):
    """Whether a PNG file holds its rows as they are."""
    (packed,) = (content for name, content in png.chunks(file) if name == b"IDAT")
    return len(packed) >= len(zlib.decompress(packed))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_what_hardly_shrinks_is_stored_and_what_does_is_deflated(scene, kind):
    most = np.iinfo(kind).max
    smooth = np.broadcast_to(np.linspace(0, most, 64).astype(kind)[:, None, None], (64, 300, 3))
    grain = np.random.default_rng(2).integers(0, most // 3, (64, 300, 3), kind)
    for pixels, stored in ((smooth, False), (grain, True)):
        ready = sheets.sheet(pixels)
        assert is_stored(ready.file) == stored
        made = place.image("Made", ready, data=True)
        values = np.empty(64 * 300 * made.channels, np.float32)
        made.pixels.foreach_get(values)
        found = np.rint(values * np.float32(most)).reshape(64, 300, -1)[::-1, :, :3]
        np.testing.assert_array_equal(found, pixels)


def test_a_picture_with_grain_in_half_of_its_rows_is_judged_by_both_halves():
    pixels = np.zeros((64, 300, 3), np.uint8)
    pixels[32:] = np.random.default_rng(3).integers(0, 256, (32, 300, 3), np.uint8)
    assert is_stored(sheets.sheet(pixels).file)
    pixels[40:] = 0
    assert not is_stored(sheets.sheet(pixels).file)
