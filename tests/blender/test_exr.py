"""Float pictures become OpenEXR files that Blender and readers of other makers take."""

import bpy
import numpy as np
import OpenEXR
import pytest
from velatura_blender import exr, place, sheets

PIXELS = np.random.default_rng(4).normal(0, 50, (24, 40, 4)).astype(np.float32)
PIXELS[0, 0] = 1e-30, 6e4, np.inf, 1


@pytest.mark.parametrize("channels", [3, 4])
def test_another_reader_finds_every_number_and_row_0_on_top(tmp_path, channels):
    (tmp_path / "made.exr").write_bytes(exr.encode(PIXELS[..., :channels]))
    with OpenEXR.File(str(tmp_path / "made.exr")) as file:
        (read,) = file.channels().values()
        np.testing.assert_array_equal(read.pixels, PIXELS[..., :channels])


@pytest.mark.parametrize("channels", [3, 4])
def test_blender_has_every_number_also_when_the_file_is_opened_again(scene, tmp_path, channels):
    made = place.image("Made", sheets.float_sheet(PIXELS[..., :channels]), data=True)
    made.use_fake_user = True
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    found = bpy.data.images["Made"]
    values = np.empty(40 * 24 * found.channels, np.float32)
    found.pixels.foreach_get(values)
    assert found.is_float and found.packed_file is not None and tuple(found.size) == (40, 24)
    np.testing.assert_array_equal(values.reshape(24, 40, -1)[::-1, :, :channels], PIXELS[..., :channels])
