"""What the machine will do: nothing optional is left, and nothing of torch is here. `planning` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .conditioning.prompt import Prompt
from .events import Stage, Warning
from .models.entry import ModelEntry
from .planning.sizes import Size
from .request import Depth, Inpaint, PreviewAsk, Resize, Role, Source, Target, Tiling, View


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """How a hint is made: by a preprocessor, of a picture or of depth, and of what an annotator sees, if it has one."""

    preprocessor: str
    knobs: Mapping[str, object]
    image: Source | None
    depth: Depth | None
    annotator: ModelEntry | None


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
    task: str
    size: Size
    canvas: Size
    seeds: tuple[int, ...]
    sampler: str
    schedule: str
    steps: int
    guidance: float
    guidance_rescale: float
    eta: float | None
    clip_skip: int | None
    knobs: Mapping[str, object]
    init: Source | None
    strength: float
    mask: Source | None
    inpaint: Inpaint
    depth: Depth | None
    controls: tuple[ControlPlan, ...]
    tiling: Tiling
    references: tuple[ReferencePlan, ...] = ()

    @property
    def outputs(self) -> tuple[Size, ...]:
        """Sizes of the pictures that come out."""
        return (self.size,) * len(self.seeds)


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
    outputs: tuple[Size, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessPlan:
    """One hint to be made, as large as what it is made of."""

    step_id: str
    hidden: bool
    preparation: Preparation
    tiling: Tiling
    outputs: tuple[Size, ...]


StepPlan = DiffusePlan | ProjectPlan | PreprocessPlan


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
    parts = [f"{step.step_id}: {step.task} with {step.model.title}", f"{step.size[0]} x {step.size[1]}"]
    parts.append(f"{step.sampler}/{step.schedule}, {step.steps} steps, guidance {step.guidance:g}")
    parts += [f"{control.kind} from {control.model.title} at {control.strength:g}" for control in step.controls]
    parts += [f"{one.role} of a picture through {one.model.title} at {one.strength:g}" for one in step.references]
    if step.tiling:
        parts.append("seamless along " + " and ".join(axis for axis in "xy" if getattr(step.tiling, axis)))
    return ", ".join(parts)
