"""Checks a JobSpec from outside, once, and gives back a Request. Each complaint names the field and the way out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from velatura.v1 import diffuse_pb2, geometry_pb2, jobs_pb2, knobs_pb2, operations_pb2, pixels_pb2

from ..errors import Invalid, Unsupported
from ..pixels.depth import hit
from ..pixels.picture import Picture, as_single
from ..request import (
    Control,
    Depth,
    Diffuse,
    Fill,
    Inpaint,
    Mesh,
    Output,
    PreviewAsk,
    Project,
    Request,
    Sampling,
    Source,
    Step,
    Target,
    Tiling,
    View,
)
from .checks import between, catalog_name, distinct, given, how_many, known, matrix, optional, text
from .images import content_of, decode
from .later import refuse_in_diffuse, refuse_in_view

if TYPE_CHECKING:
    from ..server.limits import Limits

_FILLS: dict[int, Fill | None] = {
    diffuse_pb2.FILL_MODE_UNSPECIFIED: None,
    diffuse_pb2.FILL_MODE_ORIGINAL: "original",
    diffuse_pb2.FILL_MODE_SURROUNDINGS: "surroundings",
    diffuse_pb2.FILL_MODE_NEUTRAL: "neutral",
    diffuse_pb2.FILL_MODE_NOISE: "noise",
}
_LATER = ("upscale", "preprocess", "segment", "caption", "restore", "material", "relief", "merge", "convert", "train")
_PROJECTIONS = (geometry_pb2.PROJECTION_TYPE_PERSPECTIVE, geometry_pb2.PROJECTION_TYPE_ORTHOGRAPHIC)
MIN_SIDE = 16


def read(spec: jobs_pb2.JobSpec, *, limits: Limits, blob: Callable[[str], bytes]) -> Request:
    """JobSpec -> Request with decoded pictures. `blob` fetches content by id. Raises Invalid, NotFound, Unsupported."""
    how_many(len(spec.steps), "steps", 1, limits.max_job_steps)
    _check_labels(spec)
    reader = _Reader(limits, blob)
    steps: list[Step] = []
    for number, message in enumerate(spec.steps):
        step_id = message.id or str(number)
        text(step_id, f"steps[{number}].id", 64)
        if step_id in {step.id for step in steps}:
            raise Invalid(f"steps[{number}].id", f"{step_id!r} is taken by an earlier step", remedy="choose another id")
        steps.append(Step(id=step_id, operation=reader.operation(message, f"steps[{number}]"), hidden=message.hidden))
    if spec.output.format == pixels_pb2.PIXEL_FORMAT_EXR:
        raise Unsupported("output.format: OpenEXR files are not written yet", field="output.format",
                          remedy="ask for PIXEL_FORMAT_RGBA32F or PIXEL_FORMAT_PNG")  # fmt: skip
    known("output.format", spec.output.format, pixels_pb2.PixelFormat)
    known("lane", spec.lane, jobs_pb2.Lane)
    return Request(
        steps=tuple(steps), preview=_preview(spec.preview), time_limit=_time_limit(spec, limits),
        max_pixels=limits.max_generated_pixels, max_texels=limits.max_projected_pixels,
    )  # fmt: skip


def _preview(message: jobs_pb2.PreviewSettings) -> PreviewAsk | None:
    if not message.enabled:
        return None
    interval = between(given(message, "interval_ms", 200), "preview.interval_ms", 20, 60000)
    size = between(given(message, "size", 256), "preview.size", 16, 1024)
    return PreviewAsk(interval=interval / 1000, size=int(size))


def _time_limit(spec: jobs_pb2.JobSpec, limits: Limits) -> float:
    if not spec.HasField("time_limit"):
        return limits.max_time_limit
    seconds = spec.time_limit.seconds + spec.time_limit.nanos / 1e9
    return between(seconds, "time_limit", 0.001, limits.max_time_limit)


def _check_labels(spec: jobs_pb2.JobSpec) -> None:
    how_many(len(spec.labels), "labels", 0, 32)
    for key, value in spec.labels.items():
        text(key, "labels", 256)
        text(value, f"labels[{key}]", 256)
    text(spec.supersede_key, "supersede_key", 256)
    text(spec.request_id, "request_id", 64)


@dataclass(slots=True)
class _Reader:
    """Reads operations under the engine's limits; `held` counts the bytes of what it has decoded."""

    limits: Limits
    blob: Callable[[str], bytes]
    held: int = 0

    def operation(self, message: jobs_pb2.Step, field: str) -> Diffuse | Project:
        kind = message.WhichOneof("operation")
        if kind == "diffuse":
            return self.diffuse(message.diffuse, f"{field}.diffuse")
        if kind == "project":
            return self.project(message.project, f"{field}.project")
        if kind in _LATER:
            raise Unsupported(f"{field}: this engine cannot {kind} yet", field=f"{field}.{kind}",
                              reason="UNIMPLEMENTED_OPERATION", remedy="it can diffuse and project")  # fmt: skip
        raise Invalid(field, "names no operation", remedy="set one, such as diffuse")

    def diffuse(self, ask: diffuse_pb2.Diffuse, field: str) -> Diffuse:
        refuse_in_diffuse(ask, field)
        prompt = self.prompt(ask.prompt, f"{field}.prompt")
        if not prompt.strip() and not ask.allow_empty_prompt:
            raise Invalid(f"{field}.prompt", "is empty", remedy="say what to paint, or set allow_empty_prompt")
        if ask.HasField("mask") and not ask.HasField("init"):
            raise Invalid(f"{field}.mask", f"needs {field}.init: there is nothing to repaint", remedy="send init too")
        if ask.inpaint.ListFields() and not ask.HasField("mask"):
            raise Invalid(f"{field}.inpaint", "says how to repaint, and there is no mask", remedy="send a mask too")
        how_many(len(ask.controls), f"{field}.controls", 0, 8)
        count = int(between(given(ask, "count", 1), f"{field}.count", 1, self.limits.max_count))
        init = self.source(ask.init.image, f"{field}.init.image") if ask.HasField("init") else None
        return Diffuse(
            prompt=prompt,
            negative=self.prompt(ask.negative, f"{field}.negative"),
            prompt_literal=ask.prompt.syntax == diffuse_pb2.PROMPT_SYNTAX_PLAIN,
            negative_literal=ask.negative.syntax == diffuse_pb2.PROMPT_SYNTAX_PLAIN,
            model=catalog_name(ask.model, f"{field}.model"),
            width=self.side(ask, "width", field),
            height=self.side(ask, "height", field),
            seed=ask.seed if ask.HasField("seed") else None,
            count=count,
            sampling=self.sampling(ask.sampling, f"{field}.sampling"),
            init=init,
            strength=optional(ask.init, "strength", f"{field}.init.strength", 0, 1),
            mask=self.mask(ask.mask, f"{field}.mask") if ask.HasField("mask") else None,
            inpaint=_inpaint(ask.inpaint, f"{field}.inpaint"),
            depth=self.depth(ask.depth, f"{field}.depth") if ask.HasField("depth") else None,
            controls=tuple(self.control(c, f"{field}.controls[{n}]") for n, c in enumerate(ask.controls)),
            tiling=_tiling(ask.tiling, f"{field}.tiling"),
        )

    def side(self, ask: diffuse_pb2.Diffuse, name: str, field: str) -> int | None:
        value = optional(ask, name, f"{field}.{name}", MIN_SIDE, min(8192, self.limits.max_side))
        return None if value is None else int(value)

    def prompt(self, message: diffuse_pb2.Prompt, field: str) -> str:
        return text(message.text, f"{field}.text", self.limits.max_prompt_bytes)

    def sampling(self, ask: diffuse_pb2.Sampling, field: str) -> Sampling:
        steps = optional(ask, "steps", f"{field}.steps", 1, self.limits.max_steps)
        skip = optional(ask, "clip_skip", f"{field}.clip_skip", 0, 11)
        return Sampling(
            sampler=catalog_name(ask.sampler, f"{field}.sampler"),
            schedule=catalog_name(ask.schedule, f"{field}.schedule"),
            steps=None if steps is None else int(steps),
            guidance=optional(ask, "guidance", f"{field}.guidance", 0, 100),
            guidance_rescale=optional(ask, "guidance_rescale", f"{field}.guidance_rescale", 0, 1) or 0.0,
            eta=optional(ask, "eta", f"{field}.eta", 0, 1),
            clip_skip=None if skip is None else int(skip),
            knobs={key: _knob(key, value, f"{field}.knobs") for key, value in ask.knobs.items()},
        )

    def control(self, ask: diffuse_pb2.Control, field: str) -> Control:
        start = optional(ask, "start", f"{field}.start", 0, 1) or 0.0
        end = optional(ask, "end", f"{field}.end", 0, 1)
        end = 1.0 if end is None else end
        if start >= end:
            raise Invalid(f"{field}.start", f"{start:g} is not before {field}.end {end:g}", remedy="swap them")
        strength = optional(ask, "strength", f"{field}.strength", 0, 2)
        kind = catalog_name(ask.kind, f"{field}.kind")
        if kind is None:
            raise Invalid(f"{field}.kind", "is empty", remedy="say what the hint is, such as depth or canny")
        return Control(
            kind=kind, image=self.source(ask.image, f"{field}.image"), model=catalog_name(ask.model, f"{field}.model"),
            strength=1.0 if strength is None else strength, start=start, end=end,
        )  # fmt: skip

    def depth(self, ask: pixels_pb2.DepthMap, field: str) -> Depth:
        known(f"{field}.encoding", ask.encoding, pixels_pb2.DepthEncoding)
        metric = ask.encoding != pixels_pb2.DEPTH_ENCODING_DISPARITY
        image = self.numbers(ask.image, f"{field}.image", finite=False)
        if isinstance(image, Picture):
            self.check_depth(image, metric, f"{field}.image")
        near = optional(ask, "near", f"{field}.near", 1e-6, 1e9)
        far = optional(ask, "far", f"{field}.far", 1e-6, 1e9)
        if near is not None and far is not None and near >= far:
            raise Invalid(f"{field}.near", f"{near:g} is not before {field}.far {far:g}", remedy="swap them")
        if not metric and (near is not None or far is not None):
            raise Invalid(f"{field}.{'far' if near is None else 'near'}", "is in metres, and disparity has none",
                          remedy="leave near and far out, or send metric depth")  # fmt: skip
        return Depth(
            image=image, metric=metric, near=near, far=far,
            validity=self.mask(ask.validity, f"{field}.validity") if ask.HasField("validity") else None,
            strength=optional(ask, "strength", f"{field}.strength", 0, 2),
            model=catalog_name(ask.model, f"{field}.model"),
        )  # fmt: skip

    def check_depth(self, image: Picture, metric: bool, field: str) -> None:
        values = image.pixels[..., 0]
        if np.isnan(values).any():
            raise Invalid(field, f"has {int(np.isnan(values).sum())} pixels that are not numbers",
                          remedy="send 0 or infinity where nothing was hit")  # fmt: skip
        if metric and values.dtype != np.float32:
            raise Invalid(field, "metric depth must be float numbers in metres",
                          remedy="send PIXEL_FORMAT_R32F, or set encoding to DEPTH_ENCODING_DISPARITY")  # fmt: skip
        if metric and not hit(values).any():
            raise Invalid(
                field, "no pixel holds a surface", remedy="point the camera at something, distances in metres"
            )
        if not metric and values.dtype == np.float32 and not 0 <= values.min() <= values.max() <= 1:
            raise Invalid(field, f"disparity reaches from {values.min():g} to {values.max():g}, not within 0 to 1",
                          remedy="divide by its largest value: near is 1, nothing is 0")  # fmt: skip

    def numbers(self, message: pixels_pb2.Image, field: str, *, finite: bool = True) -> Source:
        """A picture of plain numbers, never converted as colours are."""
        source = self.source(message, field, finite=finite)
        return Picture(source.pixels, "data") if isinstance(source, Picture) else source

    def mask(self, message: pixels_pb2.Mask, field: str) -> Source:
        source = self.numbers(message.image, f"{field}.image")
        if isinstance(source, Picture):
            return Picture(np.clip(as_single(source), 0, 1)[..., None], "data")
        return source

    def source(self, message: pixels_pb2.Image, field: str, *, finite: bool = True) -> Source:
        if message.WhichOneof("source") == "output":
            return Output(text(message.output.step_id, f"{field}.output.step_id", 64), message.output.index)
        content = content_of(message, self.blob, field=field, max_inline=self.limits.max_inline_bytes)
        limits = self.limits
        picture = decode(message, content, field=field, max_side=limits.max_side, max_pixels=limits.max_pixels)
        self.hold(picture.pixels, field)
        floats = np.issubdtype(picture.pixels.dtype, np.floating)
        if finite and floats and not np.isfinite(picture.pixels).all():
            raise Invalid(field, "has pixels that are not numbers, or infinite", remedy="send finite numbers")
        return picture

    def hold(self, values: np.ndarray, field: str) -> None:
        """Raises Invalid where all that the job brings is more than the engine keeps for one job."""
        self.held += values.nbytes
        if self.held > self.limits.max_job_bytes:
            raise Invalid(
                field, f"makes the job's pictures and meshes more than {self.limits.max_job_bytes} bytes together",
                remedy="send fewer or smaller ones",
            )  # fmt: skip

    def project(self, ask: operations_pb2.Project, field: str) -> Project:
        how_many(len(ask.targets), f"{field}.targets", 1, 256)
        how_many(len(ask.views), f"{field}.views", 1, 32)
        targets = tuple(self.target(t, f"{field}.targets[{n}]") for n, t in enumerate(ask.targets))
        distinct([target.id for target in targets], f"{field}.targets")
        views = tuple(self.view(v, f"{field}.views[{n}]") for n, v in enumerate(ask.views))
        defaults = Project(targets=targets, views=views)

        def number(name: str, low: float, high: float) -> float:
            value = optional(ask, name, f"{field}.{name}", low, high)
            return getattr(defaults, name) if value is None else value

        return Project(
            targets=defaults.targets,
            views=defaults.views,
            max_angle=number("max_angle", 0, 90),
            exponent=number("exponent", 0, 32),
            edge_margin=number("edge_margin", 0, 64),
            depth_tolerance=number("depth_tolerance", 0, 1),
            bleed=int(number("bleed", 0, 256)),
        )

    def target(self, ask: geometry_pb2.ProjectionTarget, field: str) -> Target:
        text(ask.id, f"{field}.id", 256)
        if not ask.id:
            raise Invalid(f"{field}.id", "is empty", remedy="name the surface")
        width, height = (optional(ask, side, f"{field}.{side}", MIN_SIDE, 8192) for side in ("width", "height"))
        size = None if width is None and height is None else (int(width or height or 0), int(height or width or 0))
        base = self.source(ask.base, f"{field}.base") if ask.HasField("base") else None
        return Target(id=ask.id, mesh=self.mesh(ask.mesh, f"{field}.mesh"), size=size, base=base)

    def mesh(self, ask: geometry_pb2.Mesh, field: str) -> Mesh:
        positions = self.buffer(ask.positions, f"{field}.positions", np.float32, (3,))
        triangles = self.buffer(ask.triangles, f"{field}.triangles", np.uint32, (3,))
        uvs = self.buffer(ask.uvs, f"{field}.uvs", np.float32, (3, 2))
        if len(triangles) != len(uvs):
            raise Invalid(f"{field}.uvs", f"hold {len(uvs)} triangles, the mesh has {len(triangles)}",
                          remedy="send u and v of all three corners of every triangle")  # fmt: skip
        if len(triangles) and int(triangles.max()) >= len(positions):
            raise Invalid(f"{field}.triangles", f"name vertex {int(triangles.max())} of {len(positions)}",
                          remedy="count vertices from 0")  # fmt: skip
        return Mesh(positions=positions, triangles=triangles, uvs=uvs)

    def buffer(self, message: pixels_pb2.Buffer, field: str, kind: type, shape: tuple[int, ...]) -> np.ndarray:
        content = content_of(message, self.blob, field=field, max_inline=self.limits.max_inline_bytes)
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        if not content or len(content) % size:
            raise Invalid(field, f"has {len(content)} bytes, not a multiple of {size}", remedy="check type and count")
        values = np.frombuffer(content, np.dtype(kind).newbyteorder("<")).reshape(-1, *shape)
        self.hold(values, field)
        if np.issubdtype(kind, np.floating) and not np.isfinite(values).all():
            raise Invalid(field, "holds values that are not numbers", remedy="send finite numbers")
        return values

    def view(self, ask: geometry_pb2.View, field: str) -> View:
        refuse_in_view(ask, field)
        weight = optional(ask, "weight", f"{field}.weight", 1e-6, 1e6)
        if not ask.HasField("depth") or ask.depth.encoding == pixels_pb2.DEPTH_ENCODING_DISPARITY:
            raise Invalid(f"{field}.depth", "must be metric depth: it tells what hides what",
                          remedy="send z in metres as PIXEL_FORMAT_R32F")  # fmt: skip
        if ask.camera.projection not in _PROJECTIONS:
            raise Invalid(f"{field}.camera.projection", "is not given", remedy="say perspective or orthographic")
        return View(
            world_to_camera=matrix(ask.camera.world_to_camera, f"{field}.camera.world_to_camera"),
            camera_to_clip=matrix(ask.camera.camera_to_clip, f"{field}.camera.camera_to_clip"),
            color=self.source(ask.color, f"{field}.color"),
            depth=self.depth(ask.depth, f"{field}.depth").image,
            mask=self.mask(ask.mask, f"{field}.mask") if ask.HasField("mask") else None,
            weight=1.0 if weight is None else weight,
        )


def _knob(name: str, value: knobs_pb2.KnobValue, field: str) -> object:
    text(name, field, 64)
    kind = value.WhichOneof("value")
    if kind is None:
        raise Invalid(f"{field}[{name}]", "has no value", remedy="set one, or leave the knob out")
    return getattr(value, kind)


def _inpaint(ask: diffuse_pb2.InpaintSettings, field: str) -> Inpaint:
    known(f"{field}.fill", ask.fill, diffuse_pb2.FillMode)
    grow = optional(ask, "grow", f"{field}.grow", 0, 1024) or 0
    feather = optional(ask, "feather", f"{field}.feather", 0, 1024) or 0
    return Inpaint(fill=_FILLS[ask.fill], grow=int(grow), feather=int(feather))


def _tiling(ask: diffuse_pb2.Tiling, field: str) -> Tiling:
    start = optional(ask, "start", f"{field}.start", 0, 1) or 0.0
    end = optional(ask, "end", f"{field}.end", 0, 1)
    end = 1.0 if end is None else end
    if start > end:
        raise Invalid(f"{field}.start", f"{start:g} is not before {field}.end {end:g}", remedy="swap them")
    return Tiling(x=ask.x, y=ask.y, start=start, end=end)
