"""What the machine will do: nothing optional is left, and nothing of torch is here. `planning` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .conditioning.prompt import Prompt
from .events import Stage, Warning
from .models.entry import ModelEntry
from .planning.frame import Frame
from .planning.sizes import Size
from .request import (
    Agreement,
    Depth,
    Inpaint,
    PreviewAsk,
    Resize,
    Role,
    Source,
    Target,
    Tiling,
    View,
    Viewpoint,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """How a hint is made: by a preprocessor, of a picture or of depth, and of what an annotator sees, if it has one."""

    preprocessor: str
    knobs: Mapping[str, object]
    image: Source | None
    depth: Depth | None
    annotator: ModelEntry | None
    helper: ModelEntry | None = None
    """A further model that shows the annotator where to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlan:
    """A ControlNet or T2I-Adapter and its hint: a picture as it is, depth still to be converted, or one to be made."""

    model: ModelEntry
    kind: str
    image: Source | Depth | Preparation
    strength: float
    start: float
    end: float
    mask: Source | None = None
    resize: Resize = "stretch"


@dataclass(frozen=True, slots=True, kw_only=True)
class PassagePlan:
    """A prompt that holds for part of the run or of the picture; `request.Passage` read."""

    prompt: Prompt
    start: float
    end: float
    weight: float
    mask: Source | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePlan:
    """A picture to take after, the IP-Adapter that reads it, and the encoder that sees it."""

    image: Source
    role: Role
    strength: float
    mask: Source | None
    model: ModelEntry
    encoder: ModelEntry
    start: float = 0.0
    end: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionPlan:
    """A change of what is said; `request.Direction` with its phrases read."""

    source: tuple[Prompt, ...]
    target: tuple[Prompt, ...]
    strength: float
    keep_layout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterPlan:
    """A LoRA or hypernetwork to wear; `field` is where it was asked for. See request.Adapter."""

    model: ModelEntry
    weight: float
    text_weight: float
    block_weights: Mapping[str, float]
    force: bool
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VariationPlan:
    """Noise turned towards that of other seeds, one a picture, by `strength`; `seed_size` in pixels, if it differs."""

    subseeds: tuple[int, ...]
    strength: float
    seed_size: Size | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsPlan:
    """Side of a window and overlap of neighbours, pixels, multiples of the model's."""

    size: int
    overlap: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusePlan:
    """One painting. `size` is what comes out, `canvas` what the model works on: its multiple, cropped back."""

    step_id: str
    hidden: bool
    prompt: Prompt
    negative: Prompt
    passages: tuple[PassagePlan, ...]
    negative_passages: tuple[PassagePlan, ...]
    model: ModelEntry
    vae: ModelEntry | None
    task: str
    size: Size
    canvas: Size
    seeds: tuple[int, ...]
    sampler: str
    schedule: str
    steps: int
    guidance: float
    guidance_rescale: float
    image_guidance: float | None
    eta: float | None
    clip_skip: int | None
    cache_interval: int
    knobs: Mapping[str, object]
    init: Source | None
    strength: float
    mask: Source | None
    inpaint: Inpaint
    depth: Depth | None
    controls: tuple[ControlPlan, ...]
    adapters: tuple[AdapterPlan, ...]
    embeddings: tuple[ModelEntry, ...]
    """Those whose names stand in the prompts."""
    tiling: Tiling
    references: tuple[ReferencePlan, ...] = ()
    directions: tuple[DirectionPlan, ...] = ()
    """Those that change anything."""
    frame: Frame | None = None
    """Which part of the picture is painted, where that is repainted or grown."""
    warnings: tuple[Warning, ...] = ()
    variation: VariationPlan | None = None
    windows: WindowsPlan | None = None
    invert: bool = False
    """Begin with the noise that the init would have been painted from."""
    vae_tile: int = 0
    """Side of what the autoencoder sees at once, pixels; 0 is the whole canvas."""
    beside: tuple[DiffusePlan, ...] = ()
    """Where each picture has hints and words of its own: what each alone would be, one for each seed."""

    @property
    def outputs(self) -> tuple[Size, ...]:
        """Sizes of the pictures that come out."""
        size = self.frame.layer[2:] if self.frame is not None and self.inpaint.layer else self.size
        return (size,) * len(self.seeds)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesPlan:
    """Paintings that differ in what they say: pictures of one step, each by itself. `texts` are the prompt, the
    negative prompt, and the passages of both, of each, as they are written down."""

    step_id: str
    hidden: bool
    parts: tuple[DiffusePlan, ...]
    texts: tuple[tuple[str, ...], ...]

    @property
    def outputs(self) -> tuple[Size, ...]:
        """Sizes of the pictures that come out."""
        return tuple(size for part in self.parts for size in part.outputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewsPlan:
    """Paintings of one scene from several cameras, one after the other. `parts` has one for each view, None for views
    that are kept as they are; from the second shown view on they repaint what `SEEN` holds, start and mask, unless all
    are painted together."""

    step_id: str
    hidden: bool
    views: tuple[Viewpoint, ...]
    parts: tuple[DiffusePlan | None, ...]
    seed: int
    agreement: Agreement
    outputs: tuple[Size, ...]

    SEEN: ClassVar[str] = "\0seen"
    """Name under which a view's start and mask are found, which no step can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPlan:
    """One projection. `outputs` are the sizes of the textures that come out, one a target."""

    step_id: str
    hidden: bool
    targets: tuple[Target, ...]
    views: tuple[View, ...]
    max_angle: float
    exponent: float
    edge_margin: float
    depth_tolerance: float
    bleed: int
    fill: bool
    outputs: tuple[Size, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessPlan:
    """One hint to be made, as large as what it is made of."""

    step_id: str
    hidden: bool
    preparation: Preparation
    tiling: Tiling
    outputs: tuple[Size, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpscalePlan:
    """One enlarging, by the upscaler of that name. `outputs` is the size that comes out."""

    step_id: str
    hidden: bool
    image: Source
    upscaler: str
    factor: float
    knobs: Mapping[str, object]
    tile_x: bool
    tile_y: bool
    outputs: tuple[Size, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialPlan:
    """One reading of a material: `outputs` are the sizes of its maps. `model` makes them, `beside` those that it does
    not; None are the rules of thumb, with a warning where nobody asked for them."""

    step_id: str
    hidden: bool
    image: Source
    maps: tuple[str, ...]
    model: ModelEntry | None
    beside: ModelEntry | None
    y_down: bool
    tile_x: bool
    tile_y: bool
    outputs: tuple[Size, ...]
    warnings: tuple[Warning, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliefPlan:
    """One mesh of a picture: `depth` is as it was asked for, or how it is estimated. A file comes out, no picture."""

    step_id: str
    hidden: bool
    image: Source
    depth: Depth | Preparation
    size: Size
    """Of the depth."""
    world_to_camera: np.ndarray | None
    camera_to_clip: np.ndarray
    format: str
    field_of_view: float
    nearest: float
    relief: float
    jump: float
    max_triangles: int | None
    outputs: tuple[Size, ...] = ()


StepPlan = DiffusePlan | SeriesPlan | ViewsPlan | ProjectPlan | UpscalePlan | PreprocessPlan | MaterialPlan | ReliefPlan


def paintings(step: StepPlan) -> tuple[DiffusePlan, ...]:
    """The paintings that a step is made of; none for other steps."""
    if isinstance(step, ViewsPlan):
        return tuple(part for part in step.parts if part is not None)
    return (step,) if isinstance(step, DiffusePlan) else step.parts if isinstance(step, SeriesPlan) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole job, ready to run."""

    steps: tuple[StepPlan, ...]
    stages: tuple[Stage, ...]
    warnings: tuple[Warning, ...]
    preview: PreviewAsk | None
    time_limit: float | None
    models: tuple[tuple[str, str], ...]
    """(id, SHA-256) of every model that takes part."""

    def explain(self) -> str:
        """What will happen, in words, a line a step."""
        return "\n".join(_explain(step) for step in self.steps)


def _explain(step: StepPlan) -> str:
    if isinstance(step, ProjectPlan):
        return f"{step.step_id}: paint {len(step.views)} view(s) onto {len(step.targets)} surface(s)"
    if isinstance(step, PreprocessPlan):
        return f"{step.step_id}: make a hint by {step.preparation.preprocessor}"
    if isinstance(step, UpscalePlan):
        (width, height) = step.outputs[0]
        return f"{step.step_id}: enlarge {step.factor:g} times to {width} x {height} with {step.upscaler}"
    if isinstance(step, MaterialPlan):
        return f"{step.step_id}: make {', '.join(step.maps)} by {step.model.title if step.model else 'rules of thumb'}"
    if isinstance(step, ReliefPlan):
        return f"{step.step_id}: make a mesh of {step.size[0]} x {step.size[1]} pixels, as {step.format}"
    if isinstance(step, ViewsPlan):
        how = "together" if step.agreement.method == "together" else "in turn"
        return f"{len(paintings(step))} of {len(step.views)} views {how}, the first: {_explain(paintings(step)[0])}"
    if isinstance(step, SeriesPlan):
        said = (f"\n  {number}: {'; '.join(filter(None, texts))}" for number, texts in enumerate(step.texts))
        return f"{len(step.parts)} times {_explain(step.parts[0])}, of{''.join(said)}"
    parts = [f"{step.step_id}: {step.task} with {step.model.title}", f"{step.size[0]} x {step.size[1]}"]
    parts.append(f"{step.sampler}/{step.schedule}, {step.steps} steps, guidance {step.guidance:g}")
    if step.frame is not None and step.frame.box[2:] != step.size:
        left, top, width, height = step.frame.box
        parts.append(f"only {width} x {height} pixels from {left}, {top} on, as {step.canvas[0]} x {step.canvas[1]}")
    parts += [f"{control.kind} from {control.model.title} at {control.strength:g}" for control in step.controls]
    parts += [f"{one.role} of a picture through {one.model.title} at {one.strength:g}" for one in step.references]
    parts += [f"from {one.source[0].text!r} to {one.target[0].text!r} by {one.strength:g}" for one in step.directions]
    parts += [f"wearing {worn.model.title} at {worn.weight:g}" for worn in step.adapters]
    parts += [f"saying {embedding.title}" for embedding in step.embeddings]
    if step.tiling:
        parts.append("seamless along " + " and ".join(axis for axis in "xy" if getattr(step.tiling, axis)))
    if step.windows:
        parts.append(f"through windows of {step.windows.size}, overlapping by {step.windows.overlap}")
    return ", ".join(parts)
