"""Files that are given on the command line: read for what they are, or refused with those that can be read."""

import numpy as np
import pytest
from PIL import Image
from velatura import errors, pixels
from velatura.v1 import pixels_pb2
from velatura_engine.commands import files

UNREADABLE = {"OpenEXR": b"\x76\x2f\x31\x01" + bytes(60), "Targa": b"\0\0\2" + bytes(60), "nothing": b""}


@pytest.mark.parametrize("kind", UNREADABLE)
@pytest.mark.parametrize("read", [
    lambda path: files.picture(path, "depth"),
    lambda path: files.depth(path, near=None, far=None, strength=None),
    lambda path: files.depth(path, near=1.0, far=9.0, strength=None),
])  # fmt: skip
def test_a_file_that_the_engine_does_not_read_is_refused_with_those_it_does(tmp_path, kind, read):
    path = tmp_path / "scene.exr"
    path.write_bytes(UNREADABLE[kind])
    with pytest.raises(errors.Invalid) as caught:
        read(str(path))
    assert caught.value.field == "depth"
    assert all(word in caught.value.remedy for word in ("PNG", "JPEG", "WebP", ".npy"))


def test_depth_in_metres_comes_from_an_array(tmp_path):
    values = np.linspace(1, 5, 12).reshape(3, 4)
    np.save(tmp_path / "scene.npy", values)
    depth = files.depth(str(tmp_path / "scene.npy"), near=None, far=None, strength=0.5)
    assert depth.encoding == pixels_pb2.DEPTH_ENCODING_METRIC_Z and depth.strength == 0.5
    assert np.array_equal(pixels.to_array(depth.image)[..., 0], values.astype("f4"))


@pytest.mark.parametrize(("kind", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_a_png_between_near_and_far_becomes_metres_at_8_and_16_bits(tmp_path, kind, top):
    Image.fromarray(np.array([[0, top // 2, top]], kind)).save(tmp_path / "scene.png")
    depth = files.depth(str(tmp_path / "scene.png"), near=1.0, far=9.0, strength=None)
    assert pixels.to_array(depth.image)[0, :, 0] == pytest.approx([1, 5, 0], abs=0.02)


def test_a_picture_without_near_and_far_is_white_where_it_is_near(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "scene.png")
    depth = files.depth(str(tmp_path / "scene.png"), near=None, far=None, strength=None)
    assert depth.encoding == pixels_pb2.DEPTH_ENCODING_DISPARITY
