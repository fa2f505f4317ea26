from velatura.v1 import geometry_pb2 as _geometry_pb2
from velatura.v1 import knobs_pb2 as _knobs_pb2
from velatura.v1 import pixels_pb2 as _pixels_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Upscale(_message.Message):
    __slots__ = ("image", "upscaler", "factor", "knobs", "tile_x", "tile_y")
    class KnobsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _knobs_pb2.KnobValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_knobs_pb2.KnobValue, _Mapping]] = ...) -> None: ...
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    UPSCALER_FIELD_NUMBER: _ClassVar[int]
    FACTOR_FIELD_NUMBER: _ClassVar[int]
    KNOBS_FIELD_NUMBER: _ClassVar[int]
    TILE_X_FIELD_NUMBER: _ClassVar[int]
    TILE_Y_FIELD_NUMBER: _ClassVar[int]
    image: _pixels_pb2.Image
    upscaler: str
    factor: float
    knobs: _containers.MessageMap[str, _knobs_pb2.KnobValue]
    tile_x: bool
    tile_y: bool
    def __init__(self, image: _Optional[_Union[_pixels_pb2.Image, _Mapping]] = ..., upscaler: _Optional[str] = ..., factor: _Optional[float] = ..., knobs: _Optional[_Mapping[str, _knobs_pb2.KnobValue]] = ..., tile_x: bool = ..., tile_y: bool = ...) -> None: ...

class Preprocess(_message.Message):
    __slots__ = ("image", "preprocessor", "knobs", "depth", "tile_x", "tile_y")
    class KnobsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _knobs_pb2.KnobValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_knobs_pb2.KnobValue, _Mapping]] = ...) -> None: ...
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    PREPROCESSOR_FIELD_NUMBER: _ClassVar[int]
    KNOBS_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    TILE_X_FIELD_NUMBER: _ClassVar[int]
    TILE_Y_FIELD_NUMBER: _ClassVar[int]
    image: _pixels_pb2.Image
    preprocessor: str
    knobs: _containers.MessageMap[str, _knobs_pb2.KnobValue]
    depth: _pixels_pb2.DepthMap
    tile_x: bool
    tile_y: bool
    def __init__(self, image: _Optional[_Union[_pixels_pb2.Image, _Mapping]] = ..., preprocessor: _Optional[str] = ..., knobs: _Optional[_Mapping[str, _knobs_pb2.KnobValue]] = ..., depth: _Optional[_Union[_pixels_pb2.DepthMap, _Mapping]] = ..., tile_x: bool = ..., tile_y: bool = ...) -> None: ...

class Segment(_message.Message):
    __slots__ = ("image", "texts", "model", "knobs")
    class KnobsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _knobs_pb2.KnobValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_knobs_pb2.KnobValue, _Mapping]] = ...) -> None: ...
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    KNOBS_FIELD_NUMBER: _ClassVar[int]
    image: _pixels_pb2.Image
    texts: _containers.RepeatedScalarFieldContainer[str]
    model: str
    knobs: _containers.MessageMap[str, _knobs_pb2.KnobValue]
    def __init__(self, image: _Optional[_Union[_pixels_pb2.Image, _Mapping]] = ..., texts: _Optional[_Iterable[str]] = ..., model: _Optional[str] = ..., knobs: _Optional[_Mapping[str, _knobs_pb2.KnobValue]] = ...) -> None: ...

class Caption(_message.Message):
    __slots__ = ("image", "model", "knobs")
    class KnobsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _knobs_pb2.KnobValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_knobs_pb2.KnobValue, _Mapping]] = ...) -> None: ...
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    KNOBS_FIELD_NUMBER: _ClassVar[int]
    image: _pixels_pb2.Image
    model: str
    knobs: _containers.MessageMap[str, _knobs_pb2.KnobValue]
    def __init__(self, image: _Optional[_Union[_pixels_pb2.Image, _Mapping]] = ..., model: _Optional[str] = ..., knobs: _Optional[_Mapping[str, _knobs_pb2.KnobValue]] = ...) -> None: ...

class Restore(_message.Message):
    __slots__ = ("image", "model", "strength")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    image: _pixels_pb2.Image
    model: str
    strength: float
    def __init__(self, image: _Optional[_Union[_pixels_pb2.Image, _Mapping]] = ..., model: _Optional[str] = ..., strength: _Optional[float] = ...) -> None: ...

class Material(_message.Message):
    __slots__ = ("image", "maps", "model", "convention", "tile_x", "tile_y")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    MAPS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CONVENTION_FIELD_NUMBER: _ClassVar[int]
    TILE_X_FIELD_NUMBER: _ClassVar[int]
    TILE_Y_FIELD_NUMBER: _ClassVar[int]
    image: _pixels_pb2.Image
    maps: _containers.RepeatedScalarFieldContainer[str]
    model: str
    convention: _pixels_pb2.NormalConvention
    tile_x: bool
    tile_y: bool
    def __init__(self, image: _Optional[_Union[_pixels_pb2.Image, _Mapping]] = ..., maps: _Optional[_Iterable[str]] = ..., model: _Optional[str] = ..., convention: _Optional[_Union[_pixels_pb2.NormalConvention, str]] = ..., tile_x: bool = ..., tile_y: bool = ...) -> None: ...

class Project(_message.Message):
    __slots__ = ("targets", "views", "max_angle", "exponent", "edge_margin", "depth_tolerance", "bleed", "fill")
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    MAX_ANGLE_FIELD_NUMBER: _ClassVar[int]
    EXPONENT_FIELD_NUMBER: _ClassVar[int]
    EDGE_MARGIN_FIELD_NUMBER: _ClassVar[int]
    DEPTH_TOLERANCE_FIELD_NUMBER: _ClassVar[int]
    BLEED_FIELD_NUMBER: _ClassVar[int]
    FILL_FIELD_NUMBER: _ClassVar[int]
    targets: _containers.RepeatedCompositeFieldContainer[_geometry_pb2.ProjectionTarget]
    views: _containers.RepeatedCompositeFieldContainer[_geometry_pb2.View]
    max_angle: float
    exponent: float
    edge_margin: float
    depth_tolerance: float
    bleed: int
    fill: bool
    def __init__(self, targets: _Optional[_Iterable[_Union[_geometry_pb2.ProjectionTarget, _Mapping]]] = ..., views: _Optional[_Iterable[_Union[_geometry_pb2.View, _Mapping]]] = ..., max_angle: _Optional[float] = ..., exponent: _Optional[float] = ..., edge_margin: _Optional[float] = ..., depth_tolerance: _Optional[float] = ..., bleed: _Optional[int] = ..., fill: bool = ...) -> None: ...

class Relief(_message.Message):
    __slots__ = ("image", "depth", "camera", "format", "field_of_view", "nearest", "relief", "jump", "max_triangles")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    CAMERA_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    FIELD_OF_VIEW_FIELD_NUMBER: _ClassVar[int]
    NEAREST_FIELD_NUMBER: _ClassVar[int]
    RELIEF_FIELD_NUMBER: _ClassVar[int]
    JUMP_FIELD_NUMBER: _ClassVar[int]
    MAX_TRIANGLES_FIELD_NUMBER: _ClassVar[int]
    image: _pixels_pb2.Image
    depth: _pixels_pb2.DepthMap
    camera: _geometry_pb2.Camera
    format: str
    field_of_view: float
    nearest: float
    relief: float
    jump: float
    max_triangles: int
    def __init__(self, image: _Optional[_Union[_pixels_pb2.Image, _Mapping]] = ..., depth: _Optional[_Union[_pixels_pb2.DepthMap, _Mapping]] = ..., camera: _Optional[_Union[_geometry_pb2.Camera, _Mapping]] = ..., format: _Optional[str] = ..., field_of_view: _Optional[float] = ..., nearest: _Optional[float] = ..., relief: _Optional[float] = ..., jump: _Optional[float] = ..., max_triangles: _Optional[int] = ...) -> None: ...

class Merge(_message.Message):
    __slots__ = ("models", "weights", "method", "name")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedScalarFieldContainer[str]
    weights: _containers.RepeatedScalarFieldContainer[float]
    method: str
    name: str
    def __init__(self, models: _Optional[_Iterable[str]] = ..., weights: _Optional[_Iterable[float]] = ..., method: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class Convert(_message.Message):
    __slots__ = ("model", "format", "dtype", "name")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    model: str
    format: str
    dtype: str
    name: str
    def __init__(self, model: _Optional[str] = ..., format: _Optional[str] = ..., dtype: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class Train(_message.Message):
    __slots__ = ("kind", "model", "images", "captions", "name", "knobs")
    class KnobsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _knobs_pb2.KnobValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_knobs_pb2.KnobValue, _Mapping]] = ...) -> None: ...
    KIND_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    CAPTIONS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KNOBS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    model: str
    images: _containers.RepeatedCompositeFieldContainer[_pixels_pb2.Image]
    captions: _containers.RepeatedScalarFieldContainer[str]
    name: str
    knobs: _containers.MessageMap[str, _knobs_pb2.KnobValue]
    def __init__(self, kind: _Optional[str] = ..., model: _Optional[str] = ..., images: _Optional[_Iterable[_Union[_pixels_pb2.Image, _Mapping]]] = ..., captions: _Optional[_Iterable[str]] = ..., name: _Optional[str] = ..., knobs: _Optional[_Mapping[str, _knobs_pb2.KnobValue]] = ...) -> None: ...
