from velatura.v1 import geometry_pb2 as _geometry_pb2
from velatura.v1 import knobs_pb2 as _knobs_pb2
from velatura.v1 import pixels_pb2 as _pixels_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PromptSyntax(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROMPT_SYNTAX_UNSPECIFIED: _ClassVar[PromptSyntax]
    PROMPT_SYNTAX_WEBUI: _ClassVar[PromptSyntax]
    PROMPT_SYNTAX_COMPEL: _ClassVar[PromptSyntax]
    PROMPT_SYNTAX_PLAIN: _ClassVar[PromptSyntax]

class PromptDraw(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROMPT_DRAW_UNSPECIFIED: _ClassVar[PromptDraw]
    PROMPT_DRAW_RANDOM: _ClassVar[PromptDraw]
    PROMPT_DRAW_EVERY: _ClassVar[PromptDraw]

class FillMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FILL_MODE_UNSPECIFIED: _ClassVar[FillMode]
    FILL_MODE_ORIGINAL: _ClassVar[FillMode]
    FILL_MODE_SURROUNDINGS: _ClassVar[FillMode]
    FILL_MODE_NEUTRAL: _ClassVar[FillMode]
    FILL_MODE_NOISE: _ClassVar[FillMode]

class InpaintResult(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INPAINT_RESULT_UNSPECIFIED: _ClassVar[InpaintResult]
    INPAINT_RESULT_WHOLE: _ClassVar[InpaintResult]
    INPAINT_RESULT_LAYER: _ClassVar[InpaintResult]

class ResizeMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESIZE_MODE_UNSPECIFIED: _ClassVar[ResizeMode]
    RESIZE_MODE_STRETCH: _ClassVar[ResizeMode]
    RESIZE_MODE_FIT: _ClassVar[ResizeMode]
    RESIZE_MODE_FILL: _ClassVar[ResizeMode]
PROMPT_SYNTAX_UNSPECIFIED: PromptSyntax
PROMPT_SYNTAX_WEBUI: PromptSyntax
PROMPT_SYNTAX_COMPEL: PromptSyntax
PROMPT_SYNTAX_PLAIN: PromptSyntax
PROMPT_DRAW_UNSPECIFIED: PromptDraw
PROMPT_DRAW_RANDOM: PromptDraw
PROMPT_DRAW_EVERY: PromptDraw
FILL_MODE_UNSPECIFIED: FillMode
FILL_MODE_ORIGINAL: FillMode
FILL_MODE_SURROUNDINGS: FillMode
FILL_MODE_NEUTRAL: FillMode
FILL_MODE_NOISE: FillMode
INPAINT_RESULT_UNSPECIFIED: InpaintResult
INPAINT_RESULT_WHOLE: InpaintResult
INPAINT_RESULT_LAYER: InpaintResult
RESIZE_MODE_UNSPECIFIED: ResizeMode
RESIZE_MODE_STRETCH: ResizeMode
RESIZE_MODE_FIT: ResizeMode
RESIZE_MODE_FILL: ResizeMode

class PromptSpan(_message.Message):
    __slots__ = ("text", "start", "end", "weight", "texts")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    text: str
    start: float
    end: float
    weight: float
    texts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, text: _Optional[str] = ..., start: _Optional[float] = ..., end: _Optional[float] = ..., weight: _Optional[float] = ..., texts: _Optional[_Iterable[str]] = ...) -> None: ...

class PromptRegion(_message.Message):
    __slots__ = ("text", "mask", "weight", "texts")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    text: str
    mask: _pixels_pb2.Mask
    weight: float
    texts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, text: _Optional[str] = ..., mask: _Optional[_Union[_pixels_pb2.Mask, _Mapping]] = ..., weight: _Optional[float] = ..., texts: _Optional[_Iterable[str]] = ...) -> None: ...

class Prompt(_message.Message):
    __slots__ = ("text", "syntax", "spans", "regions", "draw", "texts")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SYNTAX_FIELD_NUMBER: _ClassVar[int]
    SPANS_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    DRAW_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    text: str
    syntax: PromptSyntax
    spans: _containers.RepeatedCompositeFieldContainer[PromptSpan]
    regions: _containers.RepeatedCompositeFieldContainer[PromptRegion]
    draw: PromptDraw
    texts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, text: _Optional[str] = ..., syntax: _Optional[_Union[PromptSyntax, str]] = ..., spans: _Optional[_Iterable[_Union[PromptSpan, _Mapping]]] = ..., regions: _Optional[_Iterable[_Union[PromptRegion, _Mapping]]] = ..., draw: _Optional[_Union[PromptDraw, str]] = ..., texts: _Optional[_Iterable[str]] = ...) -> None: ...

class Sampling(_message.Message):
    __slots__ = ("sampler", "schedule", "steps", "guidance", "guidance_rescale", "eta", "clip_skip", "knobs", "image_guidance", "cache_interval")
    class KnobsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _knobs_pb2.KnobValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_knobs_pb2.KnobValue, _Mapping]] = ...) -> None: ...
    SAMPLER_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    GUIDANCE_FIELD_NUMBER: _ClassVar[int]
    GUIDANCE_RESCALE_FIELD_NUMBER: _ClassVar[int]
    ETA_FIELD_NUMBER: _ClassVar[int]
    CLIP_SKIP_FIELD_NUMBER: _ClassVar[int]
    KNOBS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_GUIDANCE_FIELD_NUMBER: _ClassVar[int]
    CACHE_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    sampler: str
    schedule: str
    steps: int
    guidance: float
    guidance_rescale: float
    eta: float
    clip_skip: int
    knobs: _containers.MessageMap[str, _knobs_pb2.KnobValue]
    image_guidance: float
    cache_interval: int
    def __init__(self, sampler: _Optional[str] = ..., schedule: _Optional[str] = ..., steps: _Optional[int] = ..., guidance: _Optional[float] = ..., guidance_rescale: _Optional[float] = ..., eta: _Optional[float] = ..., clip_skip: _Optional[int] = ..., knobs: _Optional[_Mapping[str, _knobs_pb2.KnobValue]] = ..., image_guidance: _Optional[float] = ..., cache_interval: _Optional[int] = ...) -> None: ...

class InitImage(_message.Message):
    __slots__ = ("image", "strength", "invert")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    INVERT_FIELD_NUMBER: _ClassVar[int]
    image: _pixels_pb2.Image
    strength: float
    invert: bool
    def __init__(self, image: _Optional[_Union[_pixels_pb2.Image, _Mapping]] = ..., strength: _Optional[float] = ..., invert: bool = ...) -> None: ...

class InpaintSettings(_message.Message):
    __slots__ = ("fill", "grow", "feather", "context", "color_match", "result")
    FILL_FIELD_NUMBER: _ClassVar[int]
    GROW_FIELD_NUMBER: _ClassVar[int]
    FEATHER_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    COLOR_MATCH_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    fill: FillMode
    grow: int
    feather: int
    context: int
    color_match: bool
    result: InpaintResult
    def __init__(self, fill: _Optional[_Union[FillMode, str]] = ..., grow: _Optional[int] = ..., feather: _Optional[int] = ..., context: _Optional[int] = ..., color_match: bool = ..., result: _Optional[_Union[InpaintResult, str]] = ...) -> None: ...

class Outpaint(_message.Message):
    __slots__ = ("left", "top", "right", "bottom")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    BOTTOM_FIELD_NUMBER: _ClassVar[int]
    left: int
    top: int
    right: int
    bottom: int
    def __init__(self, left: _Optional[int] = ..., top: _Optional[int] = ..., right: _Optional[int] = ..., bottom: _Optional[int] = ...) -> None: ...

class Control(_message.Message):
    __slots__ = ("kind", "image", "preprocessor", "knobs", "model", "strength", "start", "end", "mask", "resize", "depth")
    class KnobsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _knobs_pb2.KnobValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_knobs_pb2.KnobValue, _Mapping]] = ...) -> None: ...
    KIND_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    PREPROCESSOR_FIELD_NUMBER: _ClassVar[int]
    KNOBS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    RESIZE_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    kind: str
    image: _pixels_pb2.Image
    preprocessor: str
    knobs: _containers.MessageMap[str, _knobs_pb2.KnobValue]
    model: str
    strength: float
    start: float
    end: float
    mask: _pixels_pb2.Mask
    resize: ResizeMode
    depth: _pixels_pb2.DepthMap
    def __init__(self, kind: _Optional[str] = ..., image: _Optional[_Union[_pixels_pb2.Image, _Mapping]] = ..., preprocessor: _Optional[str] = ..., knobs: _Optional[_Mapping[str, _knobs_pb2.KnobValue]] = ..., model: _Optional[str] = ..., strength: _Optional[float] = ..., start: _Optional[float] = ..., end: _Optional[float] = ..., mask: _Optional[_Union[_pixels_pb2.Mask, _Mapping]] = ..., resize: _Optional[_Union[ResizeMode, str]] = ..., depth: _Optional[_Union[_pixels_pb2.DepthMap, _Mapping]] = ...) -> None: ...

class Reference(_message.Message):
    __slots__ = ("image", "role", "strength", "mask", "model", "start", "end")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    image: _pixels_pb2.Image
    role: str
    strength: float
    mask: _pixels_pb2.Mask
    model: str
    start: float
    end: float
    def __init__(self, image: _Optional[_Union[_pixels_pb2.Image, _Mapping]] = ..., role: _Optional[str] = ..., strength: _Optional[float] = ..., mask: _Optional[_Union[_pixels_pb2.Mask, _Mapping]] = ..., model: _Optional[str] = ..., start: _Optional[float] = ..., end: _Optional[float] = ...) -> None: ...

class Direction(_message.Message):
    __slots__ = ("source", "target", "strength", "keep_layout")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    KEEP_LAYOUT_FIELD_NUMBER: _ClassVar[int]
    source: _containers.RepeatedScalarFieldContainer[str]
    target: _containers.RepeatedScalarFieldContainer[str]
    strength: float
    keep_layout: float
    def __init__(self, source: _Optional[_Iterable[str]] = ..., target: _Optional[_Iterable[str]] = ..., strength: _Optional[float] = ..., keep_layout: _Optional[float] = ...) -> None: ...

class Adapter(_message.Message):
    __slots__ = ("model", "weight", "text_weight", "block_weights", "force")
    class BlockWeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    TEXT_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    model: str
    weight: float
    text_weight: float
    block_weights: _containers.ScalarMap[str, float]
    force: bool
    def __init__(self, model: _Optional[str] = ..., weight: _Optional[float] = ..., text_weight: _Optional[float] = ..., block_weights: _Optional[_Mapping[str, float]] = ..., force: bool = ...) -> None: ...

class Tiling(_message.Message):
    __slots__ = ("x", "y", "start", "end", "mend", "keep")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    MEND_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    x: bool
    y: bool
    start: float
    end: float
    mend: int
    keep: int
    def __init__(self, x: bool = ..., y: bool = ..., start: _Optional[float] = ..., end: _Optional[float] = ..., mend: _Optional[int] = ..., keep: _Optional[int] = ...) -> None: ...

class Windows(_message.Message):
    __slots__ = ("size", "overlap")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_FIELD_NUMBER: _ClassVar[int]
    size: int
    overlap: int
    def __init__(self, size: _Optional[int] = ..., overlap: _Optional[int] = ...) -> None: ...

class Variation(_message.Message):
    __slots__ = ("subseed", "strength", "seed_width", "seed_height")
    SUBSEED_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    SEED_WIDTH_FIELD_NUMBER: _ClassVar[int]
    SEED_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    subseed: int
    strength: float
    seed_width: int
    seed_height: int
    def __init__(self, subseed: _Optional[int] = ..., strength: _Optional[float] = ..., seed_width: _Optional[int] = ..., seed_height: _Optional[int] = ...) -> None: ...

class Agreement(_message.Message):
    __slots__ = ("method", "refine", "gain", "color_match", "every")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    REFINE_FIELD_NUMBER: _ClassVar[int]
    GAIN_FIELD_NUMBER: _ClassVar[int]
    COLOR_MATCH_FIELD_NUMBER: _ClassVar[int]
    EVERY_FIELD_NUMBER: _ClassVar[int]
    method: str
    refine: float
    gain: float
    color_match: bool
    every: int
    def __init__(self, method: _Optional[str] = ..., refine: _Optional[float] = ..., gain: _Optional[float] = ..., color_match: bool = ..., every: _Optional[int] = ...) -> None: ...

class Diffuse(_message.Message):
    __slots__ = ("prompt", "negative", "model", "vae", "width", "height", "seed", "count", "sampling", "init", "mask", "inpaint", "outpaint", "depth", "controls", "references", "adapters", "tiling", "views", "variation", "allow_empty_prompt", "windows", "directions", "agreement", "vae_tile")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VAE_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    INIT_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    INPAINT_FIELD_NUMBER: _ClassVar[int]
    OUTPAINT_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    CONTROLS_FIELD_NUMBER: _ClassVar[int]
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    ADAPTERS_FIELD_NUMBER: _ClassVar[int]
    TILING_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    VARIATION_FIELD_NUMBER: _ClassVar[int]
    ALLOW_EMPTY_PROMPT_FIELD_NUMBER: _ClassVar[int]
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    DIRECTIONS_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    VAE_TILE_FIELD_NUMBER: _ClassVar[int]
    prompt: Prompt
    negative: Prompt
    model: str
    vae: str
    width: int
    height: int
    seed: int
    count: int
    sampling: Sampling
    init: InitImage
    mask: _pixels_pb2.Mask
    inpaint: InpaintSettings
    outpaint: Outpaint
    depth: _pixels_pb2.DepthMap
    controls: _containers.RepeatedCompositeFieldContainer[Control]
    references: _containers.RepeatedCompositeFieldContainer[Reference]
    adapters: _containers.RepeatedCompositeFieldContainer[Adapter]
    tiling: Tiling
    views: _containers.RepeatedCompositeFieldContainer[_geometry_pb2.View]
    variation: Variation
    allow_empty_prompt: bool
    windows: Windows
    directions: _containers.RepeatedCompositeFieldContainer[Direction]
    agreement: Agreement
    vae_tile: int
    def __init__(self, prompt: _Optional[_Union[Prompt, _Mapping]] = ..., negative: _Optional[_Union[Prompt, _Mapping]] = ..., model: _Optional[str] = ..., vae: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., seed: _Optional[int] = ..., count: _Optional[int] = ..., sampling: _Optional[_Union[Sampling, _Mapping]] = ..., init: _Optional[_Union[InitImage, _Mapping]] = ..., mask: _Optional[_Union[_pixels_pb2.Mask, _Mapping]] = ..., inpaint: _Optional[_Union[InpaintSettings, _Mapping]] = ..., outpaint: _Optional[_Union[Outpaint, _Mapping]] = ..., depth: _Optional[_Union[_pixels_pb2.DepthMap, _Mapping]] = ..., controls: _Optional[_Iterable[_Union[Control, _Mapping]]] = ..., references: _Optional[_Iterable[_Union[Reference, _Mapping]]] = ..., adapters: _Optional[_Iterable[_Union[Adapter, _Mapping]]] = ..., tiling: _Optional[_Union[Tiling, _Mapping]] = ..., views: _Optional[_Iterable[_Union[_geometry_pb2.View, _Mapping]]] = ..., variation: _Optional[_Union[Variation, _Mapping]] = ..., allow_empty_prompt: bool = ..., windows: _Optional[_Union[Windows, _Mapping]] = ..., directions: _Optional[_Iterable[_Union[Direction, _Mapping]]] = ..., agreement: _Optional[_Union[Agreement, _Mapping]] = ..., vae_tile: _Optional[int] = ...) -> None: ...
