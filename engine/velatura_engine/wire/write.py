"""The engine's own types -> the contract's messages: results, recipes, errors, the catalog."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from google.protobuf import json_format
from velatura.v1 import catalog_pb2, diffuse_pb2, errors_pb2, jobs_pb2, knobs_pb2, operations_pb2, pixels_pb2
from velatura.version import VERSION

from .. import errors, events
from ..families import families
from ..models.entry import ModelEntry
from ..plan import (
    DiffusePlan,
    MaterialPlan,
    Plan,
    PreprocessPlan,
    ProjectPlan,
    ReliefPlan,
    SeriesPlan,
    UpscalePlan,
    ViewsPlan,
    paintings,
)
from ..request import Fill
from ..samplers import samplers
from ..shelf import Part, Shelf
from ..upscalers import upscalers
from . import hints, images, materials, reliefs, series, views
from .sources import set_knob

if TYPE_CHECKING:
    from ..models.index import ModelIndex

INLINE = 4 * 2**20
"""Largest picture sent inside a message, bytes; larger ones go through the blob store."""

RECIPE_FORMAT = 1

_FILLS: dict[Fill | None, diffuse_pb2.FillMode] = {
    None: diffuse_pb2.FILL_MODE_ORIGINAL,
    "original": diffuse_pb2.FILL_MODE_ORIGINAL,
    "surroundings": diffuse_pb2.FILL_MODE_SURROUNDINGS,
    "neutral": diffuse_pb2.FILL_MODE_NEUTRAL,
    "noise": diffuse_pb2.FILL_MODE_NOISE,
}

PutBlob = Callable[[bytes], str]

_KINDS: tuple[tuple[type[errors.VelaturaError], errors_pb2.ErrorKind], ...] = (
    (errors.Invalid, errors_pb2.ERROR_KIND_INVALID),
    (errors.NotFound, errors_pb2.ERROR_KIND_NOT_FOUND),
    (errors.Unsupported, errors_pb2.ERROR_KIND_UNSUPPORTED),
    (errors.OutOfMemory, errors_pb2.ERROR_KIND_OUT_OF_MEMORY),
    (errors.Cancelled, errors_pb2.ERROR_KIND_CANCELLED),
    (errors.TimedOut, errors_pb2.ERROR_KIND_TIMEOUT),
    (errors.Busy, errors_pb2.ERROR_KIND_BUSY),
    (errors.Unauthenticated, errors_pb2.ERROR_KIND_UNAUTHENTICATED),
    (errors.VelaturaError, errors_pb2.ERROR_KIND_BROKEN),
)


def error(trouble: errors.VelaturaError) -> errors_pb2.Error:
    """An error as it travels, in events and as a status detail."""
    message = errors_pb2.Error(
        kind=next(kind for type_, kind in _KINDS if isinstance(trouble, type_)),
        reason=trouble.reason,
        message=trouble.message,
        field=trouble.field,
        remedy=trouble.remedy,
        suggestions=trouble.suggestions,
    )
    if trouble.retry_after is not None:
        message.retry_after = trouble.retry_after
    return message


def resolve(spec: jobs_pb2.JobSpec, plan: Plan, put_blob: PutBlob) -> jobs_pb2.JobSpec:
    """The job as asked with every gap filled from its plan, inline content moved to the blob store.

    Asking for the result again gives the same pictures.
    """
    resolved = jobs_pb2.JobSpec()
    resolved.CopyFrom(spec)
    for message, step in zip(resolved.steps, plan.steps, strict=True):
        message.id = step.step_id
        if isinstance(step, DiffusePlan):
            _resolve_diffuse(message.diffuse, step)
            _resolve_latents(message.diffuse, step)
        elif isinstance(step, SeriesPlan):
            _resolve_diffuse(message.diffuse, step.parts[0])
            _resolve_latents(message.diffuse, step.parts[0])
            series.resolve(message.diffuse, step)
        elif isinstance(step, ViewsPlan):
            message.diffuse.depth.SetInParent()  # the first painted view's, for as long as the rest is filled in
            _resolve_diffuse(message.diffuse, paintings(step)[0])
            views.resolve(message.diffuse, step)
        elif isinstance(step, UpscalePlan):
            _resolve_upscale(message.upscale, step)
        elif isinstance(step, PreprocessPlan):
            hints.resolve(message.preprocess, step.preparation)
        elif isinstance(step, MaterialPlan):
            materials.resolve(message.material, step)
        elif isinstance(step, ReliefPlan):
            reliefs.resolve(message.relief, step)
        else:
            _resolve_project(message.project, step)
    _store_inline(resolved, put_blob)
    return resolved


def _resolve_diffuse(message: diffuse_pb2.Diffuse, plan: DiffusePlan) -> None:
    for text in (message.prompt, *([message.negative] if message.HasField("negative") else ())):
        if text.syntax == diffuse_pb2.PROMPT_SYNTAX_UNSPECIFIED:
            text.syntax = diffuse_pb2.PROMPT_SYNTAX_WEBUI
    message.model = plan.model.id
    if plan.vae is not None:
        message.vae = plan.vae.id
    message.width, message.height = plan.size
    message.seed, message.count = plan.seeds[0], len(plan.seeds)
    sampling = message.sampling
    sampling.sampler, sampling.schedule, sampling.steps = plan.sampler, plan.schedule, plan.steps
    sampling.guidance, sampling.guidance_rescale = plan.guidance, plan.guidance_rescale
    if not (plan.model.flows or plan.model.pipeline):
        sampling.cache_interval = plan.cache_interval
    if plan.image_guidance is not None:
        sampling.image_guidance = plan.image_guidance
    for name, value in plan.knobs.items():
        set_knob(sampling.knobs[name], value)
    if plan.init is not None:
        message.init.strength = plan.strength
        if plan.invert:
            message.init.invert = True
    if plan.frame is not None:
        message.inpaint.fill = _FILLS[plan.inpaint.fill]
        message.inpaint.color_match = bool(plan.inpaint.color_match)
    controls = list(plan.controls)
    if message.HasField("depth") and controls and plan.depth is None:
        depth = controls.pop(0)
        message.depth.model, message.depth.strength = depth.model.id, depth.strength
    for asked, control in zip(message.controls, controls, strict=True):
        hints.resolve_control(asked, control)
    for asked, one in zip(message.references, plan.references, strict=True):
        asked.role, asked.strength, asked.model = one.role, one.strength, one.model.id
        asked.start, asked.end = one.start, one.end
    for asked in message.directions:
        if not asked.HasField("strength"):
            asked.strength = 1.0
        asked.keep_layout = asked.keep_layout
    for asked, worn in zip(message.adapters, plan.adapters, strict=False):  # the rest stand in the prompt
        asked.model, asked.weight, asked.text_weight = worn.model.id, worn.weight, worn.text_weight


def _resolve_latents(message: diffuse_pb2.Diffuse, plan: DiffusePlan) -> None:
    if plan.variation is not None:
        message.variation.subseed, message.variation.strength = plan.variation.subseeds[0], plan.variation.strength
        if plan.variation.seed_size is not None:
            message.variation.seed_width, message.variation.seed_height = plan.variation.seed_size
    if plan.windows is not None:
        message.windows.size, message.windows.overlap = plan.windows.size, plan.windows.overlap
    if not plan.model.pipeline:
        message.vae_tile = plan.vae_tile


def _resolve_upscale(message: operations_pb2.Upscale, plan: UpscalePlan) -> None:
    message.upscaler, message.factor = plan.upscaler, plan.factor
    for name, value in plan.knobs.items():
        set_knob(message.knobs[name], value)


def _resolve_project(message: operations_pb2.Project, plan: ProjectPlan) -> None:
    for name in ("max_angle", "exponent", "edge_margin", "depth_tolerance", "bleed", "fill"):
        setattr(message, name, getattr(plan, name))
    for asked, size in zip(message.targets, plan.outputs, strict=True):
        asked.width, asked.height = size


def _store_inline(message: object, put_blob: PutBlob) -> None:
    """Walk a message and replace inline bytes of pictures and buffers by blob ids."""
    for descriptor, value in message.ListFields():  # type: ignore[attr-defined]
        if descriptor.message_type is None or descriptor.message_type.GetOptions().map_entry:
            continue
        for part in value if descriptor.is_repeated else (value,):
            if isinstance(part, pixels_pb2.Image | pixels_pb2.Buffer) and part.WhichOneof("source") == "data":
                part.blob_id = put_blob(part.data)
            else:
                _store_inline(part, put_blob)


def recipe(resolved: jobs_pb2.JobSpec, plan: Plan, made: events.Artifact) -> jobs_pb2.Recipe:
    """How a result was made: the resolved job without what concerned only its delivery, and the models' hashes."""
    message = jobs_pb2.Recipe(
        format=RECIPE_FORMAT, engine_version=VERSION, step_id=made.step_id, index=made.index,
        models=[jobs_pb2.ModelUse(id=name, sha256=sha256) for name, sha256 in plan.models],
    )  # fmt: skip
    message.spec.CopyFrom(resolved)
    for name in ("preview", "supersede_key", "request_id", "time_limit", "lane"):
        message.spec.ClearField(name)
    series.narrow(message, plan, made)
    return message


def artifact(
    made: events.Artifact, *, output: jobs_pb2.OutputSettings, recipe: jobs_pb2.Recipe, put_blob: PutBlob
) -> jobs_pb2.Artifact:
    """A result with its picture encoded as asked; over 4 MiB it goes to the blob store, as files do."""
    if made.picture is None:
        return reliefs.file(made, recipe, put_blob if len(made.file) > INLINE else None)
    text = None if output.omit_recipe else json_format.MessageToDict(recipe, preserving_proto_field_name=True)
    picture = images.encode(
        made.picture, output.format, recipe=text, parameters="" if output.omit_recipe else _parameters(recipe, made)
    )
    if len(picture.data) > INLINE:
        picture.blob_id = put_blob(picture.data)
    return jobs_pb2.Artifact(
        step_id=made.step_id, index=made.index, kind=made.kind, image=picture, seed=made.seed, name=made.name,
        offset_x=made.offset[0], offset_y=made.offset[1], recipe=recipe, scores=dict(made.scores),
    )  # fmt: skip


def _parameters(recipe: jobs_pb2.Recipe, made: events.Artifact) -> str:
    """The `parameters` text that other Stable Diffusion tools read from PNG files."""
    steps = (step for step in recipe.spec.steps if step.id == made.step_id and step.HasField("diffuse"))
    asked = next((step.diffuse for step in steps), None)
    if asked is None:
        return ""
    negative = f"\nNegative prompt: {asked.negative.text}" if asked.negative.text else ""
    facts = {
        "Steps": asked.sampling.steps, "Sampler": asked.sampling.sampler, "Schedule type": asked.sampling.schedule,
        "CFG scale": f"{asked.sampling.guidance:g}", "Seed": made.seed, "Size": f"{asked.width}x{asked.height}",
        "Model": asked.model, "Version": f"velatura {recipe.engine_version}",
    }  # fmt: skip
    return f"{asked.prompt.text}{negative}\n" + ", ".join(f"{name}: {value}" for name, value in facts.items())


def preview(glimpse: events.Preview) -> jobs_pb2.Preview:
    """A glimpse of an unfinished picture as a small JPEG."""
    return jobs_pb2.Preview(
        image=images.glimpse(glimpse.pixels), index=glimpse.index, step=glimpse.step, step_id=glimpse.step_id
    )


def catalog(index: ModelIndex) -> catalog_pb2.Catalog:
    """Everything that can be chosen by name."""
    operations = [
        catalog_pb2.Part(id="diffuse", title="Diffuse", description="Paint with a diffusion model.", available=True),
        catalog_pb2.Part(
            id="preprocess",
            title="Preprocess",
            description="Make a control hint of a picture or of depth.",
            available=True,
        ),
        catalog_pb2.Part(
            id="material", title="Material", description="Read a material's maps off a picture.", available=True
        ),
        catalog_pb2.Part(id="project", title="Project", description="Paint pictures onto meshes.", available=True),
        catalog_pb2.Part(
            id="relief", title="Relief", description="Make a mesh of a picture and its depth.", available=True
        ),
        catalog_pb2.Part(id="upscale", title="Upscale", description="Make a picture larger.", available=True),
    ]
    return catalog_pb2.Catalog(
        shelves=[
            _samplers(),
            _schedules(),
            _shelf("upscalers", upscalers()),
            _shelf("families", families()),
            hints.preprocessor_shelf(index, _part),
            hints.control_shelf(index),
            series.shelf(index.wildcards),
            materials.shelf(index),
            catalog_pb2.Shelf(name="operations", parts=operations),
        ],
        models=[_model(entry) for entry in index.entries()],
        etag=index.etag,
    )


def _samplers() -> catalog_pb2.Shelf:
    """Samplers with the families that they fit: those that count noise paint with no model that flows."""
    noise = [part.id for part in families().parts() if (built := part.build()).flow is None and built.pipelines]
    parts = [replace(part, families=() if part.flow else tuple(noise)) for part in samplers().parts()]
    return catalog_pb2.Shelf(name="samplers", parts=[_part(part) for part in parts])


def _schedules() -> catalog_pb2.Shelf:
    """Spacings of the noise levels that some sampler knows. Asked for one that it does not, a sampler names its own."""
    known = dict.fromkeys(name for part in samplers().parts() for name in part.schedules)
    parts = [catalog_pb2.Part(id=name, title=name.replace("_", " ").capitalize(), available=True) for name in known]
    return catalog_pb2.Shelf(name="schedules", parts=parts)


def _shelf(name: str, shelf: Shelf) -> catalog_pb2.Shelf:
    return catalog_pb2.Shelf(name=name, parts=[_part(part) for part in shelf.parts()])


def _part(part: Part) -> catalog_pb2.Part:
    return catalog_pb2.Part(
        id=part.id, title=part.title, description=part.description, knobs=[_knob(knob) for knob in part.knobs],
        families=part.families, available=part.available, reason=part.reason,
    )  # fmt: skip


def _knob(knob: object) -> knobs_pb2.KnobSpec:
    message = knobs_pb2.KnobSpec()
    for name in ("name", "title", "description", "minimum", "maximum", "step"):
        value = getattr(knob, name)
        if value is not None:
            setattr(message, name, value)
    message.choices.extend(getattr(knob, "choices", ()) or ())
    default = getattr(knob, "default", None)
    if default is not None:
        set_knob(message.default, default)
    return message


def _model(entry: ModelEntry) -> catalog_pb2.ModelInfo:
    names = (
        "id", "title", "description", "kind", "family", "size", "tasks", "native_size", "size_multiple", "sampler",
        "steps", "guidance", "control_kind", "license", "vocabulary", "is_default",
    )  # fmt: skip
    checkpoint = entry.kind == "checkpoint"
    return catalog_pb2.ModelInfo(
        **{name: getattr(entry, name) for name in names},
        min_side=entry.size_multiple if checkpoint else 0, max_side=entry.max_side, prompt_tokens=entry.prompt_tokens,
        negative_prompt=checkpoint and entry.negative, prompt_weights=checkpoint and entry.weighs,
        pipeline=entry.pipeline,
        cache_interval=entry.cache_interval if checkpoint and not (entry.flows or entry.pipeline) else 0,
    )  # fmt: skip
