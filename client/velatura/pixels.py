"""Pictures as hosts hold them, as the contract's Image and back. numpy is welcome but never needed."""

from __future__ import annotations

from typing import Any

from . import png
from .errors import Invalid, Unsupported
from .v1 import pixels_pb2 as pb

# Raw formats: channels, bytes a value, name of the numpy type.
LAYOUT: dict[pb.PixelFormat, tuple[int, int, str]] = {
    pb.PIXEL_FORMAT_R8: (1, 1, "u1"),
    pb.PIXEL_FORMAT_RGB8: (3, 1, "u1"),
    pb.PIXEL_FORMAT_RGBA8: (4, 1, "u1"),
    pb.PIXEL_FORMAT_R16: (1, 2, "<u2"),
    pb.PIXEL_FORMAT_RGB16: (3, 2, "<u2"),
    pb.PIXEL_FORMAT_RGBA16: (4, 2, "<u2"),
    pb.PIXEL_FORMAT_R16F: (1, 2, "<f2"),
    pb.PIXEL_FORMAT_RGBA16F: (4, 2, "<f2"),
    pb.PIXEL_FORMAT_R32F: (1, 4, "<f4"),
    pb.PIXEL_FORMAT_RGB32F: (3, 4, "<f4"),
    pb.PIXEL_FORMAT_RGBA32F: (4, 4, "<f4"),
}
_FORMAT = {(channels, kind): code for code, (channels, _, kind) in LAYOUT.items()}


def raw(
    data: Any,
    width: int,
    height: int,
    format: pb.PixelFormat,
    *,
    color_space: pb.ColorSpace = pb.COLOR_SPACE_UNSPECIFIED,
    alpha: pb.AlphaMode = pb.ALPHA_MODE_UNSPECIFIED,
) -> pb.Image:
    """An Image of raw pixels: any bytes-like, row-major, top row first, packed, little-endian.

    Raises Invalid where the length does not fit `width` × `height` pixels of `format`.
    """
    channels, size, _ = LAYOUT[format]
    content = bytes(data)
    if len(content) != width * height * channels * size:
        raise Invalid(
            f"{len(content)} bytes are not {width} × {height} pixels of {pb.PixelFormat.Name(format)}", field="data"
        )
    return pb.Image(data=content, format=format, width=width, height=height, color_space=color_space, alpha=alpha)


def from_file(content: bytes, *, color_space: pb.ColorSpace = pb.COLOR_SPACE_UNSPECIFIED) -> pb.Image:
    """An Image of a PNG, JPEG, WebP or OpenEXR file, as it is. Raises Unsupported for others."""
    for begin, format in (
        (png.SIGNATURE, pb.PIXEL_FORMAT_PNG),
        (b"\xff\xd8\xff", pb.PIXEL_FORMAT_JPEG),
        (b"\x76\x2f\x31\x01", pb.PIXEL_FORMAT_EXR),
    ):
        if content.startswith(begin):
            return pb.Image(data=content, format=format, color_space=color_space)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return pb.Image(data=content, format=pb.PIXEL_FORMAT_WEBP, color_space=color_space)
    raise Unsupported("This is not a PNG, JPEG, WebP or OpenEXR file", field="image")


def from_blob(blob_id: str) -> pb.Image:
    """An Image that is a file already stored as a blob."""
    return pb.Image(blob_id=blob_id)


def from_step(step_id: str | int, index: int = 0) -> pb.Image:
    """The picture that an earlier step of the same job makes; steps without an id are numbered from 0."""
    return pb.Image(output=pb.StepOutput(step_id=str(step_id), index=index))


def from_raster(raster: png.Raster, *, color_space: pb.ColorSpace = pb.COLOR_SPACE_UNSPECIFIED) -> pb.Image:
    """An Image of plain pixels; grey with alpha becomes RGBA."""
    channels, data = raster.channels, raster.data
    if channels == 2:
        size = raster.bits // 8
        wide = bytearray(len(data) * 2)
        for byte in range(size):
            grey = data[byte :: 2 * size]
            for channel in range(3):
                wide[channel * size + byte :: 4 * size] = grey
            wide[3 * size + byte :: 4 * size] = data[size + byte :: 2 * size]
        channels, data = 4, bytes(wide)
    format = _FORMAT[channels, "u1" if raster.bits == 8 else "<u2"]
    return raw(data, raster.width, raster.height, format, color_space=color_space)


def to_raster(image: pb.Image, max_pixels: int = png.MAX_PIXELS) -> png.Raster:
    """The plain pixels of an Image that is PNG or raw with 8 or 16 bits and holds its bytes.

    Raises Unsupported for other formats, Invalid for broken ones.
    """
    _need_data(image)
    if image.format == pb.PIXEL_FORMAT_PNG:
        return png.decode(image.data, max_pixels)
    channels, size, kind = LAYOUT.get(image.format, (0, 0, "f"))
    if "f" in kind:
        name = pb.PixelFormat.Name(image.format)
        raise Unsupported(f"{name} pictures cannot be opened here", remedy="Ask for PNG or a raw format.")
    return png.Raster(width=image.width, height=image.height, channels=channels, bits=size * 8, data=image.data)


def to_png(image: pb.Image) -> bytes:
    """A PNG file of an Image; one that is PNG already comes back as it is."""
    _need_data(image)
    return image.data if image.format == pb.PIXEL_FORMAT_PNG else png.encode(to_raster(image))


def from_array(
    array: Any,
    *,
    color_space: pb.ColorSpace = pb.COLOR_SPACE_UNSPECIFIED,
    alpha: pb.AlphaMode = pb.ALPHA_MODE_UNSPECIFIED,
) -> pb.Image:
    """An Image of a numpy array, (H, W) or (H, W, 1|3|4), top row first.

    bool and uint8, uint16, float16, float32 stay as they are (float16 RGB becomes float32); other floats become
    float32. Integers count 0 to their greatest value, floats from 0 to 1 and beyond.
    """
    import numpy as np

    array = np.asarray(array)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise Invalid(f"pictures have the shape (H, W) or (H, W, 1|3|4), not {array.shape}", field="array")
    if array.dtype == bool:
        array = array.astype("u1") * 255
    kind = array.dtype.newbyteorder("<").str.lstrip("|")
    if (array.shape[2], kind) not in _FORMAT and array.dtype.kind == "f":
        kind = "<f4"
    if (array.shape[2], kind) not in _FORMAT:
        raise Unsupported(f"Pixels of type {array.dtype} cannot be sent", field="array")
    height, width, channels = array.shape
    content = np.ascontiguousarray(array, dtype=kind).tobytes()
    return raw(content, width, height, _FORMAT[channels, kind], color_space=color_space, alpha=alpha)


def to_array(image: pb.Image) -> Any:
    """A numpy array (H, W, C), top row first, of an Image that is PNG or raw and holds its bytes."""
    import numpy as np

    _need_data(image)
    if image.format == pb.PIXEL_FORMAT_PNG:
        raster = png.decode(image.data)
        shape, kind = (raster.height, raster.width, raster.channels), "u1" if raster.bits == 8 else "<u2"
        return np.frombuffer(raster.data, kind).reshape(shape)
    if image.format not in LAYOUT:
        raise Unsupported(f"{pb.PixelFormat.Name(image.format)} pictures cannot be opened here")
    channels, _, kind = LAYOUT[image.format]
    return np.frombuffer(image.data, kind).reshape(image.height, image.width, channels)


def depth_map(
    data: Any,
    width: int | None = None,
    height: int | None = None,
    *,
    near: float | None = None,
    far: float | None = None,
    disparity: bool = False,
    strength: float | None = None,
) -> pb.DepthMap:
    """Depth for a picture: a float array (H, W), or float32 bytes with `width` and `height`.

    Metric by default: metres along the camera's axis; not finite, zero or negative is nothing. With `disparity` 0 (far)
    to 1 (near). `near` and `far` in metres say what to tell apart; unset, the engine judges.
    """
    encoding = pb.DEPTH_ENCODING_DISPARITY if disparity else pb.DEPTH_ENCODING_METRIC_Z
    image = _one_channel(data, width, height, pb.PIXEL_FORMAT_R32F)
    return pb.DepthMap(image=image, encoding=encoding, near=near, far=far, strength=strength)


def mask(data: Any, width: int | None = None, height: int | None = None) -> pb.Mask:
    """A mask, 1 (255) = repaint, 0 = keep: an array (H, W) of bool, uint8 or float, or bytes with `width`, `height`."""
    return pb.Mask(image=_one_channel(data, width, height, pb.PIXEL_FORMAT_R8))


def _one_channel(data: Any, width: int | None, height: int | None, format: pb.PixelFormat) -> pb.Image:
    if width is None or height is None:
        if not hasattr(data, "shape"):
            raise Invalid("plain bytes need a width and a height", field="width")
        image = from_array(data, color_space=pb.COLOR_SPACE_DATA)
        if LAYOUT[image.format][0] != 1:
            raise Invalid("depth and masks have one channel", field="data")
        return image
    return raw(data, width, height, format, color_space=pb.COLOR_SPACE_DATA)


def _need_data(image: pb.Image) -> None:
    if image.WhichOneof("source") != "data":
        raise Invalid("The picture is still at the engine", remedy="Fetch it with get_blob.", field="image")
