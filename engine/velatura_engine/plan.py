"""From what the artist asked to what the machine will do: nothing optional is left, and nothing of torch is here."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from . import pairing
from .conditioning.grammar import parse
from .conditioning.prompt import Prompt, verbatim
from .errors import Invalid, NotFound, Unsupported
from .events import Stage, Warning
from .families import family
from .models.entry import ModelEntry
from .request import Depth, Diffuse, Inpaint, PreviewAsk, Project, Request, Source, Target, Tiling, View
from .samplers import sampler
from .sizes import Size, check_depth, check_view, size_of

HEARD = 1.5
"""Guidance at which a negative prompt is heard by a model whose own guidance is none, having learned it."""

if TYPE_CHECKING:
    from .models.index import ModelIndex
    from .shelf import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlan:
    """A ControlNet and its hint: a picture as it is, or a depth map still to be converted."""

    model: ModelEntry
    kind: str
    image: Source | Depth
    strength: float
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusePlan:
    """One painting. `size` is what comes out, `canvas` what the model works on: its multiple, cropped back."""

    step_id: str
    hidden: bool
    prompt: Prompt
    negative: Prompt
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


StepPlan = DiffusePlan | ProjectPlan


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


def make(request: Request, index: ModelIndex, draw_seed: Callable[[], int] = lambda: secrets.randbelow(2**32)) -> Plan:
    """Fill every gap of a request from the models at hand. Raises Invalid, NotFound or Unsupported."""
    done: dict[str, tuple[Size, ...]] = {}
    steps: list[StepPlan] = []
    for number, step in enumerate(request.steps):
        field = f"steps[{number}]"
        if isinstance(step.operation, Diffuse):
            planned = _Painting(step.operation, index, done, f"{field}.diffuse").plan(step.id, step.hidden, draw_seed)
            pairing.check_area(planned.canvas, len(planned.seeds), request.max_pixels, field=f"{field}.diffuse")
        else:
            planned = _projection(step.operation, done, f"{field}.project", step.id, step.hidden)
            pairing.check_texels(planned.outputs, request.max_texels, field=f"{field}.project")
        done[step.id] = planned.outputs
        steps.append(planned)
    entries = {entry.id: entry for step in steps for entry in _entries(step)}
    return Plan(
        steps=tuple(steps),
        stages=_stages(steps),
        warnings=(),
        preview=request.preview,
        time_limit=request.time_limit,
        models=tuple((name, index.sha256(name)) for name in entries),
    )


class _Painting:
    """Fills the gaps of one Diffuse."""

    def __init__(self, ask: Diffuse, index: ModelIndex, done: Mapping[str, tuple[Size, ...]], field: str) -> None:
        self.ask, self.index, self.done, self.field = ask, index, done, field
        where = f"{field}.model"
        self.model = index.get(ask.model, field=where) if ask.model else index.default(field=where)
        self.family = family(self.model.family)

    def plan(self, step_id: str, hidden: bool, draw_seed: Callable[[], int]) -> DiffusePlan:
        ask, model = self.ask, self.model
        size = self.size()
        task = "inpaint" if ask.mask is not None else "img2img" if ask.init is not None else "txt2img"
        native_depth = self.family.depth_channel
        controlled = bool(ask.controls) or (ask.depth is not None and not native_depth)
        pairing.check(ask, model, self.family, task, controlled=controlled, field=self.field)
        controls = self.controls(native_depth)
        sampling = ask.sampling
        steps = sampling.steps or model.steps
        part, schedule = self.sampler()
        first = draw_seed() if ask.seed is None else ask.seed
        return DiffusePlan(
            step_id=step_id,
            hidden=hidden,
            prompt=_words(ask.prompt, ask.prompt_literal, steps, f"{self.field}.prompt"),
            negative=_words(ask.negative, ask.negative_literal, steps, f"{self.field}.negative"),
            model=model,
            task=task,
            size=size,
            canvas=self.canvas(size),
            seeds=tuple((first + number) % 2**64 for number in range(ask.count)),
            sampler=part.id,
            schedule=schedule,
            steps=steps,
            guidance=self.guidance(),
            guidance_rescale=sampling.guidance_rescale,
            eta=sampling.eta,
            clip_skip=sampling.clip_skip,
            knobs=part.checked(sampling.knobs, field=f"{self.field}.sampling.knobs"),
            init=ask.init,
            strength=self.strength(task),
            mask=ask.mask,
            inpaint=self.inpaint(task),
            depth=ask.depth if native_depth else None,
            controls=controls,
            tiling=ask.tiling,
        )

    def guidance(self) -> float:
        """Asked for, else the model's own; but where that is none, as much as a negative prompt needs to be heard."""
        asked = self.ask.sampling.guidance
        if asked is not None:
            return asked
        return max(self.model.guidance, HEARD) if self.ask.negative.strip() else self.model.guidance

    def size(self) -> Size:
        """Asked for, else the init's, the depth's, the model's own."""
        ask = self.ask
        for source, name in ((ask.init, "init.image"), (ask.depth and ask.depth.image, "depth.image")):
            if source is not None:
                given = size_of(source, self.done, f"{self.field}.{name}")
                break
        else:
            given = (self.model.native_size, self.model.native_size)
        size = (ask.width or given[0], ask.height or given[1])
        if ask.mask is not None and ask.init is not None:
            mask, init = size_of(ask.mask, self.done, f"{self.field}.mask.image"), given
            if mask != init:
                raise Invalid(
                    f"{self.field}.mask",
                    f"is {mask[0]} x {mask[1]} pixels, the init picture {init[0]} x {init[1]}",
                    remedy="send a mask of the same size as the init picture",
                )
            if size != init:
                raise Invalid(
                    f"{self.field}.width",
                    "repainting keeps the picture's size",
                    remedy="leave width and height out, or resize init and mask before",
                )
        return size

    def canvas(self, size: Size) -> Size:
        """The model's multiple that holds the picture; with tiling only exact multiples can meet."""
        multiple = self.model.size_multiple
        canvas = tuple(-(-side // multiple) * multiple for side in size)
        for side, asked, whole, tiled in zip(("width", "height"), size, canvas, _axes(self.ask.tiling), strict=True):
            if tiled and asked != whole:
                below = asked // multiple * multiple
                choice = f"{below} or {whole}" if below else f"{whole}"
                raise Invalid(
                    f"{self.field}.{side}",
                    f"{asked} pixels cannot tile: {self.model.title} needs a multiple of {multiple}",
                    remedy=f"ask for {choice}",
                )
        return canvas  # type: ignore[return-value]

    def sampler(self) -> tuple[Part, str]:
        """The sampler and the name of its schedule, from the shelf."""
        ask, field = self.ask.sampling, f"{self.field}.sampling"
        part = sampler(ask.sampler or self.model.sampler, field=f"{field}.sampler")
        own = self.model.schedule if self.model.schedule in part.schedules else part.schedules[0]
        schedule = ask.schedule or own
        if schedule not in part.schedules:
            raise Unsupported(
                f"{part.title} does not know the schedule {schedule!r}",
                field=f"{field}.schedule",
                remedy=f"choose one of: {', '.join(part.schedules)}",
            )
        if part.alone and self.ask.count > 1:
            raise Unsupported(
                f"{part.title} chooses its steps for one picture, and cannot paint {self.ask.count} at once",
                field=f"{self.field}.count",
                remedy="ask for one picture at a time, or choose another sampler",
            )
        return part, schedule

    def strength(self, task: str) -> float:
        if task == "txt2img":
            return 1.0
        default = 1.0 if task == "inpaint" else 0.75
        return default if self.ask.strength is None else self.ask.strength

    def inpaint(self, task: str) -> Inpaint:
        if task != "inpaint":
            return self.ask.inpaint
        fill = self.ask.inpaint.fill or ("surroundings" if self.strength(task) >= 1 else "original")
        return replace(self.ask.inpaint, fill=fill)

    def controls(self, native_depth: bool) -> tuple[ControlPlan, ...]:
        found = [
            ControlPlan(
                model=self.control(control.kind, control.model, f"{self.field}.controls[{number}]"),
                kind=control.kind,
                image=control.image,
                strength=control.strength,
                start=control.start,
                end=control.end,
            )
            for number, control in enumerate(self.ask.controls)
        ]
        depth = self.ask.depth
        if depth is not None:
            check_depth(depth, self.done, f"{self.field}.depth")
        if depth is not None and not native_depth:
            model = self.control("depth", depth.model, f"{self.field}.depth")
            strength = 1.0 if depth.strength is None else depth.strength
            found.insert(0, ControlPlan(model=model, kind="depth", image=depth, strength=strength, start=0.0, end=1.0))
        return tuple(found)

    def control(self, kind: str, name: str | None, field: str) -> ModelEntry:
        fits = self.index.controls(kind, self.model.family, self.model.cross_attention_dim, self.model.latent_factor)
        if name is None:
            if not fits:
                raise NotFound(
                    f"{kind} ControlNet for {self.model.title}:",
                    kind,
                    field=field,
                    reason="NO_CONTROL_MODEL",
                    remedy="install one for this model's family into the models folder, or leave the hint out",
                )
            return fits[0]
        entry = self.index.get(name, kind="controlnet", field=f"{field}.model")
        if entry.id not in {fit.id for fit in fits}:
            raise Unsupported(
                f"{entry.title} was not made for {self.model.title}, or does not read {kind}",
                field=f"{field}.model",
                reason="WRONG_BASE",
                remedy=f"use one of: {', '.join(fit.id for fit in fits) or 'none installed'}",
            )
        return entry


def _projection(
    ask: Project, done: Mapping[str, tuple[Size, ...]], field: str, step_id: str, hidden: bool
) -> ProjectPlan:
    for number, view in enumerate(ask.views):
        check_view(view, done, f"{field}.views[{number}]")
    sizes = tuple(_texture_size(target, done, f"{field}.targets[{n}]") for n, target in enumerate(ask.targets))
    return ProjectPlan(
        step_id=step_id,
        hidden=hidden,
        targets=ask.targets,
        views=ask.views,
        max_angle=ask.max_angle,
        exponent=ask.exponent,
        edge_margin=ask.edge_margin,
        depth_tolerance=ask.depth_tolerance,
        bleed=ask.bleed,
        outputs=sizes,
    )


def _texture_size(target: Target, done: Mapping[str, tuple[Size, ...]], field: str) -> Size:
    if target.base is None:
        return target.size or (1024, 1024)
    base = size_of(target.base, done, f"{field}.base")
    if target.size not in (None, base):
        raise Invalid(f"{field}.base", f"is {base[0]} x {base[1]}, not the texture's size", remedy="leave the size out")
    return base


def _words(text: str, literal: bool, steps: int, field: str) -> Prompt:
    """A prompt, read. Raises Invalid where it says too much for so many steps, Unsupported where it names adapters."""
    if literal:
        return verbatim(text, field=field)
    prompt = parse(text, field=field)
    if prompt.adapters:
        named = prompt.adapters[0]
        raise Unsupported(
            f"{field} names {named.kind} {named.name!r}, and adapters have no effect here yet", field=field,
            reason="UNIMPLEMENTED_FIELD", remedy="leave the tag out",
        )  # fmt: skip
    prompt.schedule(steps)
    return prompt


def _axes(tiling: Tiling) -> tuple[bool, bool]:
    return tiling.x, tiling.y


def _entries(step: StepPlan) -> list[ModelEntry]:
    return [step.model, *(control.model for control in step.controls)] if isinstance(step, DiffusePlan) else []


def _stages(steps: list[StepPlan]) -> tuple[Stage, ...]:
    """Stages with their share of the time, from rough costs in megapixels of work."""
    costs: list[tuple[str, float]] = [("load", 0.1)] if any(isinstance(step, DiffusePlan) for step in steps) else []
    for step in steps:
        if isinstance(step, DiffusePlan):
            area = step.canvas[0] * step.canvas[1] / 2**20 * len(step.seeds)
            costs.append((f"{step.step_id}:diffuse", area * step.steps * step.strength + 0.01))
            costs.append((f"{step.step_id}:decode", area * 2))
        else:
            texels = sum(width * height for width, height in step.outputs) / 2**20
            costs.append((f"{step.step_id}:project", texels * len(step.views) * 2))
    total = sum(cost for _, cost in costs)
    return tuple(Stage(name=name, weight=cost / total) for name, cost in costs)


def _explain(step: StepPlan) -> str:
    if isinstance(step, ProjectPlan):
        return f"{step.step_id}: paint {len(step.views)} view(s) onto {len(step.targets)} surface(s)"
    parts = [f"{step.step_id}: {step.task} with {step.model.title}", f"{step.size[0]} x {step.size[1]}"]
    parts.append(f"{step.sampler}/{step.schedule}, {step.steps} steps, guidance {step.guidance:g}")
    parts += [f"{control.kind} from {control.model.title} at {control.strength:g}" for control in step.controls]
    if step.tiling:
        parts.append("seamless along " + " and ".join(axis for axis in "xy" if getattr(step.tiling, axis)))
    return ", ".join(parts)
