from velatura.v1 import knobs_pb2 as _knobs_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Part(_message.Message):
    __slots__ = ("id", "title", "description", "knobs", "families", "available", "reason")
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    KNOBS_FIELD_NUMBER: _ClassVar[int]
    FAMILIES_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    description: str
    knobs: _containers.RepeatedCompositeFieldContainer[_knobs_pb2.KnobSpec]
    families: _containers.RepeatedScalarFieldContainer[str]
    available: bool
    reason: str
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., description: _Optional[str] = ..., knobs: _Optional[_Iterable[_Union[_knobs_pb2.KnobSpec, _Mapping]]] = ..., families: _Optional[_Iterable[str]] = ..., available: bool = ..., reason: _Optional[str] = ...) -> None: ...

class Shelf(_message.Message):
    __slots__ = ("name", "parts")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    parts: _containers.RepeatedCompositeFieldContainer[Part]
    def __init__(self, name: _Optional[str] = ..., parts: _Optional[_Iterable[_Union[Part, _Mapping]]] = ...) -> None: ...

class ModelInfo(_message.Message):
    __slots__ = ("id", "title", "description", "kind", "family", "size", "tasks", "native_size", "size_multiple", "sampler", "steps", "guidance", "control_kind", "license", "vocabulary", "is_default", "sha256", "min_side", "max_side", "prompt_tokens", "negative_prompt", "prompt_weights", "pipeline", "cache_interval")
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    NATIVE_SIZE_FIELD_NUMBER: _ClassVar[int]
    SIZE_MULTIPLE_FIELD_NUMBER: _ClassVar[int]
    SAMPLER_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    GUIDANCE_FIELD_NUMBER: _ClassVar[int]
    CONTROL_KIND_FIELD_NUMBER: _ClassVar[int]
    LICENSE_FIELD_NUMBER: _ClassVar[int]
    VOCABULARY_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    MIN_SIDE_FIELD_NUMBER: _ClassVar[int]
    MAX_SIDE_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_PROMPT_FIELD_NUMBER: _ClassVar[int]
    PROMPT_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    CACHE_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    description: str
    kind: str
    family: str
    size: int
    tasks: _containers.RepeatedScalarFieldContainer[str]
    native_size: int
    size_multiple: int
    sampler: str
    steps: int
    guidance: float
    control_kind: str
    license: str
    vocabulary: _containers.RepeatedScalarFieldContainer[str]
    is_default: bool
    sha256: str
    min_side: int
    max_side: int
    prompt_tokens: int
    negative_prompt: bool
    prompt_weights: bool
    pipeline: str
    cache_interval: int
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., description: _Optional[str] = ..., kind: _Optional[str] = ..., family: _Optional[str] = ..., size: _Optional[int] = ..., tasks: _Optional[_Iterable[str]] = ..., native_size: _Optional[int] = ..., size_multiple: _Optional[int] = ..., sampler: _Optional[str] = ..., steps: _Optional[int] = ..., guidance: _Optional[float] = ..., control_kind: _Optional[str] = ..., license: _Optional[str] = ..., vocabulary: _Optional[_Iterable[str]] = ..., is_default: bool = ..., sha256: _Optional[str] = ..., min_side: _Optional[int] = ..., max_side: _Optional[int] = ..., prompt_tokens: _Optional[int] = ..., negative_prompt: bool = ..., prompt_weights: bool = ..., pipeline: _Optional[str] = ..., cache_interval: _Optional[int] = ...) -> None: ...

class Catalog(_message.Message):
    __slots__ = ("shelves", "models", "etag")
    SHELVES_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    shelves: _containers.RepeatedCompositeFieldContainer[Shelf]
    models: _containers.RepeatedCompositeFieldContainer[ModelInfo]
    etag: str
    def __init__(self, shelves: _Optional[_Iterable[_Union[Shelf, _Mapping]]] = ..., models: _Optional[_Iterable[_Union[ModelInfo, _Mapping]]] = ..., etag: _Optional[str] = ...) -> None: ...

class Capabilities(_message.Message):
    __slots__ = ("engine_version", "contract", "device", "memory", "max_pixels", "max_steps", "max_count", "max_message_bytes", "max_blob_bytes", "max_queue", "default_model")
    ENGINE_VERSION_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    MAX_PIXELS_FIELD_NUMBER: _ClassVar[int]
    MAX_STEPS_FIELD_NUMBER: _ClassVar[int]
    MAX_COUNT_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_BLOB_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_QUEUE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_MODEL_FIELD_NUMBER: _ClassVar[int]
    engine_version: str
    contract: str
    device: str
    memory: int
    max_pixels: int
    max_steps: int
    max_count: int
    max_message_bytes: int
    max_blob_bytes: int
    max_queue: int
    default_model: str
    def __init__(self, engine_version: _Optional[str] = ..., contract: _Optional[str] = ..., device: _Optional[str] = ..., memory: _Optional[int] = ..., max_pixels: _Optional[int] = ..., max_steps: _Optional[int] = ..., max_count: _Optional[int] = ..., max_message_bytes: _Optional[int] = ..., max_blob_bytes: _Optional[int] = ..., max_queue: _Optional[int] = ..., default_model: _Optional[str] = ...) -> None: ...

class EngineStatus(_message.Message):
    __slots__ = ("queued", "running", "worker", "resident_model", "catalog_etag", "worker_restarts")
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_MODEL_FIELD_NUMBER: _ClassVar[int]
    CATALOG_ETAG_FIELD_NUMBER: _ClassVar[int]
    WORKER_RESTARTS_FIELD_NUMBER: _ClassVar[int]
    queued: int
    running: int
    worker: str
    resident_model: str
    catalog_etag: str
    worker_restarts: int
    def __init__(self, queued: _Optional[int] = ..., running: _Optional[int] = ..., worker: _Optional[str] = ..., resident_model: _Optional[str] = ..., catalog_etag: _Optional[str] = ..., worker_restarts: _Optional[int] = ...) -> None: ...
