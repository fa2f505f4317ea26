from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PixelFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PIXEL_FORMAT_UNSPECIFIED: _ClassVar[PixelFormat]
    PIXEL_FORMAT_R8: _ClassVar[PixelFormat]
    PIXEL_FORMAT_RGB8: _ClassVar[PixelFormat]
    PIXEL_FORMAT_RGBA8: _ClassVar[PixelFormat]
    PIXEL_FORMAT_R16: _ClassVar[PixelFormat]
    PIXEL_FORMAT_RGB16: _ClassVar[PixelFormat]
    PIXEL_FORMAT_RGBA16: _ClassVar[PixelFormat]
    PIXEL_FORMAT_R16F: _ClassVar[PixelFormat]
    PIXEL_FORMAT_RGBA16F: _ClassVar[PixelFormat]
    PIXEL_FORMAT_R32F: _ClassVar[PixelFormat]
    PIXEL_FORMAT_RGB32F: _ClassVar[PixelFormat]
    PIXEL_FORMAT_RGBA32F: _ClassVar[PixelFormat]
    PIXEL_FORMAT_PNG: _ClassVar[PixelFormat]
    PIXEL_FORMAT_JPEG: _ClassVar[PixelFormat]
    PIXEL_FORMAT_WEBP: _ClassVar[PixelFormat]
    PIXEL_FORMAT_EXR: _ClassVar[PixelFormat]

class ColorSpace(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COLOR_SPACE_UNSPECIFIED: _ClassVar[ColorSpace]
    COLOR_SPACE_SRGB: _ClassVar[ColorSpace]
    COLOR_SPACE_LINEAR_SRGB: _ClassVar[ColorSpace]
    COLOR_SPACE_DATA: _ClassVar[ColorSpace]

class AlphaMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ALPHA_MODE_UNSPECIFIED: _ClassVar[AlphaMode]
    ALPHA_MODE_STRAIGHT: _ClassVar[AlphaMode]
    ALPHA_MODE_PREMULTIPLIED: _ClassVar[AlphaMode]
    ALPHA_MODE_IGNORE: _ClassVar[AlphaMode]

class DepthEncoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEPTH_ENCODING_UNSPECIFIED: _ClassVar[DepthEncoding]
    DEPTH_ENCODING_METRIC_Z: _ClassVar[DepthEncoding]
    DEPTH_ENCODING_DISPARITY: _ClassVar[DepthEncoding]

class NormalSpace(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NORMAL_SPACE_UNSPECIFIED: _ClassVar[NormalSpace]
    NORMAL_SPACE_CAMERA: _ClassVar[NormalSpace]
    NORMAL_SPACE_WORLD: _ClassVar[NormalSpace]
    NORMAL_SPACE_TANGENT: _ClassVar[NormalSpace]

class NormalConvention(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NORMAL_CONVENTION_UNSPECIFIED: _ClassVar[NormalConvention]
    NORMAL_CONVENTION_Y_UP: _ClassVar[NormalConvention]
    NORMAL_CONVENTION_Y_DOWN: _ClassVar[NormalConvention]
PIXEL_FORMAT_UNSPECIFIED: PixelFormat
PIXEL_FORMAT_R8: PixelFormat
PIXEL_FORMAT_RGB8: PixelFormat
PIXEL_FORMAT_RGBA8: PixelFormat
PIXEL_FORMAT_R16: PixelFormat
PIXEL_FORMAT_RGB16: PixelFormat
PIXEL_FORMAT_RGBA16: PixelFormat
PIXEL_FORMAT_R16F: PixelFormat
PIXEL_FORMAT_RGBA16F: PixelFormat
PIXEL_FORMAT_R32F: PixelFormat
PIXEL_FORMAT_RGB32F: PixelFormat
PIXEL_FORMAT_RGBA32F: PixelFormat
PIXEL_FORMAT_PNG: PixelFormat
PIXEL_FORMAT_JPEG: PixelFormat
PIXEL_FORMAT_WEBP: PixelFormat
PIXEL_FORMAT_EXR: PixelFormat
COLOR_SPACE_UNSPECIFIED: ColorSpace
COLOR_SPACE_SRGB: ColorSpace
COLOR_SPACE_LINEAR_SRGB: ColorSpace
COLOR_SPACE_DATA: ColorSpace
ALPHA_MODE_UNSPECIFIED: AlphaMode
ALPHA_MODE_STRAIGHT: AlphaMode
ALPHA_MODE_PREMULTIPLIED: AlphaMode
ALPHA_MODE_IGNORE: AlphaMode
DEPTH_ENCODING_UNSPECIFIED: DepthEncoding
DEPTH_ENCODING_METRIC_Z: DepthEncoding
DEPTH_ENCODING_DISPARITY: DepthEncoding
NORMAL_SPACE_UNSPECIFIED: NormalSpace
NORMAL_SPACE_CAMERA: NormalSpace
NORMAL_SPACE_WORLD: NormalSpace
NORMAL_SPACE_TANGENT: NormalSpace
NORMAL_CONVENTION_UNSPECIFIED: NormalConvention
NORMAL_CONVENTION_Y_UP: NormalConvention
NORMAL_CONVENTION_Y_DOWN: NormalConvention

class StepOutput(_message.Message):
    __slots__ = ("step_id", "index")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    index: int
    def __init__(self, step_id: _Optional[str] = ..., index: _Optional[int] = ...) -> None: ...

class Image(_message.Message):
    __slots__ = ("data", "blob_id", "output", "format", "width", "height", "color_space", "alpha")
    DATA_FIELD_NUMBER: _ClassVar[int]
    BLOB_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    COLOR_SPACE_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    blob_id: str
    output: StepOutput
    format: PixelFormat
    width: int
    height: int
    color_space: ColorSpace
    alpha: AlphaMode
    def __init__(self, data: _Optional[bytes] = ..., blob_id: _Optional[str] = ..., output: _Optional[_Union[StepOutput, _Mapping]] = ..., format: _Optional[_Union[PixelFormat, str]] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., color_space: _Optional[_Union[ColorSpace, str]] = ..., alpha: _Optional[_Union[AlphaMode, str]] = ...) -> None: ...

class DepthMap(_message.Message):
    __slots__ = ("image", "encoding", "near", "far", "validity", "strength", "model")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    NEAR_FIELD_NUMBER: _ClassVar[int]
    FAR_FIELD_NUMBER: _ClassVar[int]
    VALIDITY_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    image: Image
    encoding: DepthEncoding
    near: float
    far: float
    validity: Mask
    strength: float
    model: str
    def __init__(self, image: _Optional[_Union[Image, _Mapping]] = ..., encoding: _Optional[_Union[DepthEncoding, str]] = ..., near: _Optional[float] = ..., far: _Optional[float] = ..., validity: _Optional[_Union[Mask, _Mapping]] = ..., strength: _Optional[float] = ..., model: _Optional[str] = ...) -> None: ...

class NormalMap(_message.Message):
    __slots__ = ("image", "space", "convention")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    CONVENTION_FIELD_NUMBER: _ClassVar[int]
    image: Image
    space: NormalSpace
    convention: NormalConvention
    def __init__(self, image: _Optional[_Union[Image, _Mapping]] = ..., space: _Optional[_Union[NormalSpace, str]] = ..., convention: _Optional[_Union[NormalConvention, str]] = ...) -> None: ...

class Mask(_message.Message):
    __slots__ = ("image",)
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    image: Image
    def __init__(self, image: _Optional[_Union[Image, _Mapping]] = ...) -> None: ...

class Buffer(_message.Message):
    __slots__ = ("data", "blob_id")
    DATA_FIELD_NUMBER: _ClassVar[int]
    BLOB_ID_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    blob_id: str
    def __init__(self, data: _Optional[bytes] = ..., blob_id: _Optional[str] = ...) -> None: ...
