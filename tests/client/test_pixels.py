"""Pictures in and out of the contract's Image, with and without numpy."""

import subprocess
import sys

import pytest
from velatura import errors, pixels, png
from velatura.v1 import pixels_pb2 as pb


def test_raw_bytes_must_fit_their_size():
    image = pixels.raw(bytes(24), 4, 2, pb.PIXEL_FORMAT_RGB8)
    assert (image.width, image.height, len(image.data)) == (4, 2, 24)
    with pytest.raises(errors.Invalid, match="24 bytes are not 4 × 3"):
        pixels.raw(bytes(24), 4, 3, pb.PIXEL_FORMAT_RGB8)


def test_any_buffer_will_do():
    from array import array

    assert pixels.raw(memoryview(bytes(4)), 2, 2, pb.PIXEL_FORMAT_R8).data == bytes(4)
    assert pixels.depth_map(array("f", [1.0, 2.0]), 2, 1).image.data == b"\0\0\x80\x3f\0\0\0\x40"


@pytest.mark.parametrize(
    ("content", "format"),
    [
        (png.SIGNATURE, pb.PIXEL_FORMAT_PNG),
        (b"\xff\xd8\xff\xe0", pb.PIXEL_FORMAT_JPEG),
        (b"RIFF1234WEBPVP8 ", pb.PIXEL_FORMAT_WEBP),
        (b"\x76\x2f\x31\x01", pb.PIXEL_FORMAT_EXR),
    ],
)
def test_files_are_known_by_their_first_bytes(content, format):
    assert pixels.from_file(content).format == format


def test_an_unknown_file_is_refused():
    with pytest.raises(errors.Unsupported):
        pixels.from_file(b"GIF89a")


@pytest.mark.parametrize("bits", [8, 16])
def test_grey_with_alpha_becomes_rgba(bits):
    grey, alpha = (b"\x01", b"\x02") if bits == 8 else (b"\x01\x11", b"\x02\x22")
    raster = png.Raster(width=2, height=1, channels=2, bits=bits, data=(grey + alpha) * 2)
    image = pixels.from_raster(raster)
    assert image.data == (grey * 3 + alpha) * 2
    assert image.format == (pb.PIXEL_FORMAT_RGBA8 if bits == 8 else pb.PIXEL_FORMAT_RGBA16)


def test_an_image_becomes_a_png_and_back():
    image = pixels.raw(bytes(range(48)), 4, 4, pb.PIXEL_FORMAT_RGB8)
    file = pixels.from_file(pixels.to_png(image))
    assert pixels.to_raster(file) == pixels.to_raster(image)
    assert pixels.to_png(file) == file.data


def test_floats_and_jpegs_are_not_opened_without_numpy():
    for format in (pb.PIXEL_FORMAT_R32F, pb.PIXEL_FORMAT_JPEG):
        with pytest.raises(errors.Unsupported, match="cannot be opened"):
            pixels.to_raster(pb.Image(data=bytes(4), width=1, height=1, format=format))


def test_a_depth_map_is_metric_unless_told():
    depth = pixels.depth_map(bytes(8), 2, 1, near=0.1, far=100.0)
    assert depth.encoding == pb.DEPTH_ENCODING_METRIC_Z
    assert (round(depth.near, 3), depth.far, depth.image.color_space) == (0.1, 100.0, pb.COLOR_SPACE_DATA)
    assert not pixels.depth_map(bytes(8), 2, 1).HasField("near")
    assert pixels.depth_map(bytes(8), 2, 1, disparity=True).encoding == pb.DEPTH_ENCODING_DISPARITY


def test_a_mask_is_one_byte_a_pixel():
    assert pixels.mask(b"\0\xff", 2, 1).image.format == pb.PIXEL_FORMAT_R8
    with pytest.raises(errors.Invalid):
        pixels.mask(b"\0\xff\0", 2, 1)
    with pytest.raises(errors.Invalid, match="width"):
        pixels.mask(b"\0\xff")


NAMES = sorted(name for name in dict(pb.PixelFormat.items()) if name[-1] in "8F6" and "PNG" not in name)


@pytest.mark.parametrize("name", NAMES)
def test_arrays_keep_their_numbers(name):
    np = pytest.importorskip("numpy")
    channels, size, kind = pixels.LAYOUT[pb.PixelFormat.Value(name)]
    array = np.arange(6 * channels).astype(kind).reshape(2, 3, channels)
    image = pixels.from_array(array)
    assert pb.PixelFormat.Name(image.format) == name
    assert (image.width, image.height, len(image.data)) == (3, 2, 6 * channels * size)
    back = pixels.to_array(image)
    assert back.dtype == array.dtype
    assert (back == array).all()


def test_arrays_of_other_kinds_become_the_nearest_format():
    np = pytest.importorskip("numpy")
    assert pixels.from_array(np.ones((2, 2), bool)).data == b"\xff" * 4
    assert pixels.from_array(np.ones((2, 2, 3), "f8")).format == pb.PIXEL_FORMAT_RGB32F
    assert pixels.from_array(np.ones((2, 2, 3), "f2")).format == pb.PIXEL_FORMAT_RGB32F
    assert pixels.from_array(np.ones((2, 2), ">u2")).data == b"\1\0" * 4
    flipped = np.arange(4, dtype="u1").reshape(2, 2)[::-1]
    assert pixels.from_array(flipped).data == b"\2\3\0\1"
    with pytest.raises(errors.Unsupported):
        pixels.from_array(np.ones((2, 2), "i8"))
    with pytest.raises(errors.Invalid):
        pixels.from_array(np.ones((2, 2, 2), "u1"))


def test_a_depth_array_and_a_mask_array_are_sent_as_they_are():
    np = pytest.importorskip("numpy")
    depth = pixels.depth_map(np.full((4, 6), 2.5))
    assert (depth.image.format, depth.image.width, depth.image.height) == (pb.PIXEL_FORMAT_R32F, 6, 4)
    assert pixels.mask(np.zeros((4, 6), "f4")).image.format == pb.PIXEL_FORMAT_R32F
    with pytest.raises(errors.Invalid, match="one channel"):
        pixels.mask(np.zeros((4, 6, 3), "u1"))


def test_a_png_opens_as_an_array():
    np = pytest.importorskip("numpy")
    data = np.arange(24, dtype="<u2").reshape(2, 4, 3)
    raster = png.Raster(width=4, height=2, channels=3, bits=16, data=data.tobytes())
    assert (pixels.to_array(pixels.from_file(png.encode(raster))) == data).all()


def test_importing_the_client_loads_neither_numpy_nor_a_second_thread():
    code = "import velatura, sys, threading; print('numpy' in sys.modules, threading.active_count())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "1"]
