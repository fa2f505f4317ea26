from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from velatura.v1 import diffuse_pb2 as _diffuse_pb2
from velatura.v1 import errors_pb2 as _errors_pb2
from velatura.v1 import operations_pb2 as _operations_pb2
from velatura.v1 import pixels_pb2 as _pixels_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Lane(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LANE_UNSPECIFIED: _ClassVar[Lane]
    LANE_INTERACTIVE: _ClassVar[Lane]
    LANE_BATCH: _ClassVar[Lane]

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_UNSPECIFIED: _ClassVar[JobState]
    JOB_STATE_QUEUED: _ClassVar[JobState]
    JOB_STATE_RUNNING: _ClassVar[JobState]
    JOB_STATE_SUCCEEDED: _ClassVar[JobState]
    JOB_STATE_FAILED: _ClassVar[JobState]
    JOB_STATE_CANCELLED: _ClassVar[JobState]
LANE_UNSPECIFIED: Lane
LANE_INTERACTIVE: Lane
LANE_BATCH: Lane
JOB_STATE_UNSPECIFIED: JobState
JOB_STATE_QUEUED: JobState
JOB_STATE_RUNNING: JobState
JOB_STATE_SUCCEEDED: JobState
JOB_STATE_FAILED: JobState
JOB_STATE_CANCELLED: JobState

class Step(_message.Message):
    __slots__ = ("id", "diffuse", "upscale", "preprocess", "segment", "caption", "restore", "material", "project", "relief", "merge", "convert", "train", "hidden")
    ID_FIELD_NUMBER: _ClassVar[int]
    DIFFUSE_FIELD_NUMBER: _ClassVar[int]
    UPSCALE_FIELD_NUMBER: _ClassVar[int]
    PREPROCESS_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    CAPTION_FIELD_NUMBER: _ClassVar[int]
    RESTORE_FIELD_NUMBER: _ClassVar[int]
    MATERIAL_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    RELIEF_FIELD_NUMBER: _ClassVar[int]
    MERGE_FIELD_NUMBER: _ClassVar[int]
    CONVERT_FIELD_NUMBER: _ClassVar[int]
    TRAIN_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_FIELD_NUMBER: _ClassVar[int]
    id: str
    diffuse: _diffuse_pb2.Diffuse
    upscale: _operations_pb2.Upscale
    preprocess: _operations_pb2.Preprocess
    segment: _operations_pb2.Segment
    caption: _operations_pb2.Caption
    restore: _operations_pb2.Restore
    material: _operations_pb2.Material
    project: _operations_pb2.Project
    relief: _operations_pb2.Relief
    merge: _operations_pb2.Merge
    convert: _operations_pb2.Convert
    train: _operations_pb2.Train
    hidden: bool
    def __init__(self, id: _Optional[str] = ..., diffuse: _Optional[_Union[_diffuse_pb2.Diffuse, _Mapping]] = ..., upscale: _Optional[_Union[_operations_pb2.Upscale, _Mapping]] = ..., preprocess: _Optional[_Union[_operations_pb2.Preprocess, _Mapping]] = ..., segment: _Optional[_Union[_operations_pb2.Segment, _Mapping]] = ..., caption: _Optional[_Union[_operations_pb2.Caption, _Mapping]] = ..., restore: _Optional[_Union[_operations_pb2.Restore, _Mapping]] = ..., material: _Optional[_Union[_operations_pb2.Material, _Mapping]] = ..., project: _Optional[_Union[_operations_pb2.Project, _Mapping]] = ..., relief: _Optional[_Union[_operations_pb2.Relief, _Mapping]] = ..., merge: _Optional[_Union[_operations_pb2.Merge, _Mapping]] = ..., convert: _Optional[_Union[_operations_pb2.Convert, _Mapping]] = ..., train: _Optional[_Union[_operations_pb2.Train, _Mapping]] = ..., hidden: bool = ...) -> None: ...

class OutputSettings(_message.Message):
    __slots__ = ("format", "omit_recipe")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    OMIT_RECIPE_FIELD_NUMBER: _ClassVar[int]
    format: _pixels_pb2.PixelFormat
    omit_recipe: bool
    def __init__(self, format: _Optional[_Union[_pixels_pb2.PixelFormat, str]] = ..., omit_recipe: bool = ...) -> None: ...

class PreviewSettings(_message.Message):
    __slots__ = ("interval_ms", "size", "enabled")
    INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    interval_ms: int
    size: int
    enabled: bool
    def __init__(self, interval_ms: _Optional[int] = ..., size: _Optional[int] = ..., enabled: bool = ...) -> None: ...

class JobSpec(_message.Message):
    __slots__ = ("steps", "output", "preview", "supersede_key", "lane", "time_limit", "request_id", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    STEPS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDE_KEY_FIELD_NUMBER: _ClassVar[int]
    LANE_FIELD_NUMBER: _ClassVar[int]
    TIME_LIMIT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[Step]
    output: OutputSettings
    preview: PreviewSettings
    supersede_key: str
    lane: Lane
    time_limit: _duration_pb2.Duration
    request_id: str
    labels: _containers.ScalarMap[str, str]
    def __init__(self, steps: _Optional[_Iterable[_Union[Step, _Mapping]]] = ..., output: _Optional[_Union[OutputSettings, _Mapping]] = ..., preview: _Optional[_Union[PreviewSettings, _Mapping]] = ..., supersede_key: _Optional[str] = ..., lane: _Optional[_Union[Lane, str]] = ..., time_limit: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., request_id: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("id", "state", "create_time", "start_time", "end_time", "spec", "error", "last_sequence")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    id: str
    state: JobState
    create_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    spec: JobSpec
    error: _errors_pb2.Error
    last_sequence: int
    def __init__(self, id: _Optional[str] = ..., state: _Optional[_Union[JobState, str]] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., spec: _Optional[_Union[JobSpec, _Mapping]] = ..., error: _Optional[_Union[_errors_pb2.Error, _Mapping]] = ..., last_sequence: _Optional[int] = ...) -> None: ...

class Queued(_message.Message):
    __slots__ = ("position",)
    POSITION_FIELD_NUMBER: _ClassVar[int]
    position: int
    def __init__(self, position: _Optional[int] = ...) -> None: ...

class Stage(_message.Message):
    __slots__ = ("name", "weight")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    name: str
    weight: float
    def __init__(self, name: _Optional[str] = ..., weight: _Optional[float] = ...) -> None: ...

class Started(_message.Message):
    __slots__ = ("stages", "device")
    STAGES_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    stages: _containers.RepeatedCompositeFieldContainer[Stage]
    device: str
    def __init__(self, stages: _Optional[_Iterable[_Union[Stage, _Mapping]]] = ..., device: _Optional[str] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("stage", "step", "steps", "fraction", "remaining")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    stage: str
    step: int
    steps: int
    fraction: float
    remaining: float
    def __init__(self, stage: _Optional[str] = ..., step: _Optional[int] = ..., steps: _Optional[int] = ..., fraction: _Optional[float] = ..., remaining: _Optional[float] = ...) -> None: ...

class Preview(_message.Message):
    __slots__ = ("image", "index", "step", "step_id")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    image: _pixels_pb2.Image
    index: int
    step: int
    step_id: str
    def __init__(self, image: _Optional[_Union[_pixels_pb2.Image, _Mapping]] = ..., index: _Optional[int] = ..., step: _Optional[int] = ..., step_id: _Optional[str] = ...) -> None: ...

class Artifact(_message.Message):
    __slots__ = ("step_id", "index", "kind", "image", "text", "blob_id", "seed", "name", "offset_x", "offset_y", "recipe", "scores", "file")
    class ScoresEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    BLOB_ID_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OFFSET_X_FIELD_NUMBER: _ClassVar[int]
    OFFSET_Y_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    index: int
    kind: str
    image: _pixels_pb2.Image
    text: str
    blob_id: str
    seed: int
    name: str
    offset_x: int
    offset_y: int
    recipe: Recipe
    scores: _containers.ScalarMap[str, float]
    file: bytes
    def __init__(self, step_id: _Optional[str] = ..., index: _Optional[int] = ..., kind: _Optional[str] = ..., image: _Optional[_Union[_pixels_pb2.Image, _Mapping]] = ..., text: _Optional[str] = ..., blob_id: _Optional[str] = ..., seed: _Optional[int] = ..., name: _Optional[str] = ..., offset_x: _Optional[int] = ..., offset_y: _Optional[int] = ..., recipe: _Optional[_Union[Recipe, _Mapping]] = ..., scores: _Optional[_Mapping[str, float]] = ..., file: _Optional[bytes] = ...) -> None: ...

class Warning(_message.Message):
    __slots__ = ("reason", "message", "field")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    field: str
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ..., field: _Optional[str] = ...) -> None: ...

class Finished(_message.Message):
    __slots__ = ("state", "error", "resolved", "timings", "peak_memory")
    class TimingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    STATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    PEAK_MEMORY_FIELD_NUMBER: _ClassVar[int]
    state: JobState
    error: _errors_pb2.Error
    resolved: JobSpec
    timings: _containers.ScalarMap[str, float]
    peak_memory: int
    def __init__(self, state: _Optional[_Union[JobState, str]] = ..., error: _Optional[_Union[_errors_pb2.Error, _Mapping]] = ..., resolved: _Optional[_Union[JobSpec, _Mapping]] = ..., timings: _Optional[_Mapping[str, float]] = ..., peak_memory: _Optional[int] = ...) -> None: ...

class JobEvent(_message.Message):
    __slots__ = ("sequence", "time", "job_id", "queued", "started", "progress", "preview", "artifact", "warning", "finished")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    WARNING_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    time: _timestamp_pb2.Timestamp
    job_id: str
    queued: Queued
    started: Started
    progress: Progress
    preview: Preview
    artifact: Artifact
    warning: Warning
    finished: Finished
    def __init__(self, sequence: _Optional[int] = ..., time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., job_id: _Optional[str] = ..., queued: _Optional[_Union[Queued, _Mapping]] = ..., started: _Optional[_Union[Started, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., preview: _Optional[_Union[Preview, _Mapping]] = ..., artifact: _Optional[_Union[Artifact, _Mapping]] = ..., warning: _Optional[_Union[Warning, _Mapping]] = ..., finished: _Optional[_Union[Finished, _Mapping]] = ...) -> None: ...

class ModelUse(_message.Message):
    __slots__ = ("id", "sha256")
    ID_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    id: str
    sha256: str
    def __init__(self, id: _Optional[str] = ..., sha256: _Optional[str] = ...) -> None: ...

class Recipe(_message.Message):
    __slots__ = ("format", "engine_version", "spec", "models", "step_id", "index")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    ENGINE_VERSION_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    format: int
    engine_version: str
    spec: JobSpec
    models: _containers.RepeatedCompositeFieldContainer[ModelUse]
    step_id: str
    index: int
    def __init__(self, format: _Optional[int] = ..., engine_version: _Optional[str] = ..., spec: _Optional[_Union[JobSpec, _Mapping]] = ..., models: _Optional[_Iterable[_Union[ModelUse, _Mapping]]] = ..., step_id: _Optional[str] = ..., index: _Optional[int] = ...) -> None: ...
