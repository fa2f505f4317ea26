from velatura.v1 import pixels_pb2 as _pixels_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ProjectionType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROJECTION_TYPE_UNSPECIFIED: _ClassVar[ProjectionType]
    PROJECTION_TYPE_PERSPECTIVE: _ClassVar[ProjectionType]
    PROJECTION_TYPE_ORTHOGRAPHIC: _ClassVar[ProjectionType]
PROJECTION_TYPE_UNSPECIFIED: ProjectionType
PROJECTION_TYPE_PERSPECTIVE: ProjectionType
PROJECTION_TYPE_ORTHOGRAPHIC: ProjectionType

class Camera(_message.Message):
    __slots__ = ("world_to_camera", "camera_to_clip", "projection")
    WORLD_TO_CAMERA_FIELD_NUMBER: _ClassVar[int]
    CAMERA_TO_CLIP_FIELD_NUMBER: _ClassVar[int]
    PROJECTION_FIELD_NUMBER: _ClassVar[int]
    world_to_camera: _containers.RepeatedScalarFieldContainer[float]
    camera_to_clip: _containers.RepeatedScalarFieldContainer[float]
    projection: ProjectionType
    def __init__(self, world_to_camera: _Optional[_Iterable[float]] = ..., camera_to_clip: _Optional[_Iterable[float]] = ..., projection: _Optional[_Union[ProjectionType, str]] = ...) -> None: ...

class View(_message.Message):
    __slots__ = ("camera", "color", "depth", "normal", "mask", "prompt", "weight")
    CAMERA_FIELD_NUMBER: _ClassVar[int]
    COLOR_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    NORMAL_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    camera: Camera
    color: _pixels_pb2.Image
    depth: _pixels_pb2.DepthMap
    normal: _pixels_pb2.NormalMap
    mask: _pixels_pb2.Mask
    prompt: str
    weight: float
    def __init__(self, camera: _Optional[_Union[Camera, _Mapping]] = ..., color: _Optional[_Union[_pixels_pb2.Image, _Mapping]] = ..., depth: _Optional[_Union[_pixels_pb2.DepthMap, _Mapping]] = ..., normal: _Optional[_Union[_pixels_pb2.NormalMap, _Mapping]] = ..., mask: _Optional[_Union[_pixels_pb2.Mask, _Mapping]] = ..., prompt: _Optional[str] = ..., weight: _Optional[float] = ...) -> None: ...

class Mesh(_message.Message):
    __slots__ = ("positions", "triangles", "uvs")
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    TRIANGLES_FIELD_NUMBER: _ClassVar[int]
    UVS_FIELD_NUMBER: _ClassVar[int]
    positions: _pixels_pb2.Buffer
    triangles: _pixels_pb2.Buffer
    uvs: _pixels_pb2.Buffer
    def __init__(self, positions: _Optional[_Union[_pixels_pb2.Buffer, _Mapping]] = ..., triangles: _Optional[_Union[_pixels_pb2.Buffer, _Mapping]] = ..., uvs: _Optional[_Union[_pixels_pb2.Buffer, _Mapping]] = ...) -> None: ...

class ProjectionTarget(_message.Message):
    __slots__ = ("id", "mesh", "width", "height", "base")
    ID_FIELD_NUMBER: _ClassVar[int]
    MESH_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    id: str
    mesh: Mesh
    width: int
    height: int
    base: _pixels_pb2.Image
    def __init__(self, id: _Optional[str] = ..., mesh: _Optional[_Union[Mesh, _Mapping]] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., base: _Optional[_Union[_pixels_pb2.Image, _Mapping]] = ...) -> None: ...
