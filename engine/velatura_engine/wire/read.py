"""Checks a JobSpec from outside, once, and gives back a Request. Each complaint names the field and the way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from velatura.v1 import jobs_pb2, pixels_pb2

from ..errors import Invalid, Unsupported
from ..request import Operation, PreviewAsk, Request, Step
from .checks import between, given, how_many, known, text
from .hints import preprocess
from .materials import read_material
from .painting import PaintingReader
from .projection import ProjectionReader
from .reliefs import read_relief
from .sources import Sources
from .upscaling import read_upscale

if TYPE_CHECKING:
    from ..server.limits import Limits

_LATER = ("segment", "caption", "restore", "merge", "convert", "train")


def read(spec: jobs_pb2.JobSpec, *, limits: Limits, blob: Callable[[str], bytes]) -> Request:
    """JobSpec -> Request with decoded pictures. `blob` fetches content by id. Raises Invalid, NotFound, Unsupported."""
    how_many(len(spec.steps), "steps", 1, limits.max_job_steps)
    _check_labels(spec)
    sources = Sources(limits, blob)
    steps: list[Step] = []
    for number, message in enumerate(spec.steps):
        step_id = message.id or str(number)
        text(step_id, f"steps[{number}].id", 64)
        if step_id in {step.id for step in steps}:
            raise Invalid(f"steps[{number}].id", f"{step_id!r} is taken by an earlier step", remedy="choose another id")
        steps.append(
            Step(id=step_id, operation=_operation(message, sources, f"steps[{number}]"), hidden=message.hidden)
        )
    if spec.output.format == pixels_pb2.PIXEL_FORMAT_EXR:
        raise Unsupported("output.format: OpenEXR files are not written yet", field="output.format",
                          remedy="ask for PIXEL_FORMAT_RGBA32F or PIXEL_FORMAT_PNG")  # fmt: skip
    known("output.format", spec.output.format, pixels_pb2.PixelFormat)
    known("lane", spec.lane, jobs_pb2.Lane)
    return Request(
        steps=tuple(steps), preview=_preview(spec.preview), time_limit=_time_limit(spec, limits),
        max_pixels=limits.max_generated_pixels, max_texels=limits.max_projected_pixels,
        max_side=limits.max_side,
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


def _operation(message: jobs_pb2.Step, sources: Sources, field: str) -> Operation:
    kind = message.WhichOneof("operation")
    if kind == "diffuse":
        return PaintingReader(sources).diffuse(message.diffuse, f"{field}.diffuse")
    if kind == "project":
        return ProjectionReader(sources).project(message.project, f"{field}.project")
    if kind == "upscale":
        return read_upscale(message.upscale, sources, f"{field}.upscale")
    if kind == "preprocess":
        return preprocess(message.preprocess, sources, f"{field}.preprocess")
    if kind == "material":
        return read_material(message.material, sources, f"{field}.material")
    if kind == "relief":
        return read_relief(message.relief, sources, f"{field}.relief")
    if kind in _LATER:
        raise Unsupported(f"{field}: this engine cannot {kind} yet", field=f"{field}.{kind}",
                          reason="UNIMPLEMENTED_OPERATION",
                          remedy="it can diffuse, project, upscale, preprocess, make materials and meshes")  # fmt: skip
    raise Invalid(field, "names no operation", remedy="set one, such as diffuse")
