"""Bad input is refused in words, names its field and a way out, and neither the queue nor the worker notices."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import grpc
import numpy as np
import pytest
from contract.lab import SIDE, flat, quick, ramp
from google.rpc import error_details_pb2, status_pb2
from velatura import errors, pixels, png, spec
from velatura.v1 import diffuse_pb2, errors_pb2, job_service_pb2, jobs_pb2, operations_pb2, pixels_pb2

DIFFUSE = "steps[0].diffuse"
NAN = float("nan")
JobSpec = jobs_pb2.JobSpec


def file(content: bytes) -> pixels_pb2.Image:
    """A picture that says it is a PNG file."""
    return pixels_pb2.Image(data=content, format=pixels_pb2.PIXEL_FORMAT_PNG)


def whole_png() -> bytes:
    """A small PNG file of noise."""
    noise = np.random.default_rng(0).integers(0, 256, SIDE * SIDE * 3, np.uint8).tobytes()
    return png.encode(png.Raster(width=SIDE, height=SIDE, channels=3, data=noise))


def bomb() -> bytes:
    """A small PNG file that unpacks to 30,000 x 30,000 pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30000, 30000, 8, 0, 0, 0, 0))
    return png.SIGNATURE + header + chunk(b"IDAT", zlib.compress(b"\0" * 3_000_000)) + chunk(b"IEND", b"")


def with_depth(values: np.ndarray, **more: object) -> JobSpec:
    return quick(depth=pixels.depth_map(values, **more))


def holed() -> np.ndarray:
    values = ramp()
    values[3, 5] = np.nan
    return values


def controlled(**facts: object) -> JobSpec:
    return quick(controls=[diffuse_pb2.Control(**({"kind": "depth", "image": flat()} | facts))])


def segmented() -> JobSpec:
    return JobSpec(steps=[jobs_pb2.Step(segment=operations_pb2.Segment(image=flat()))])


def varied(**facts: object) -> JobSpec:
    return quick(variation=diffuse_pb2.Variation(**facts))


def through(**facts: object) -> JobSpec:
    job = quick()
    job.steps[0].diffuse.windows.CopyFrom(diffuse_pb2.Windows(**facts))
    return job


def mending(band: int = 8, **more: object) -> JobSpec:
    job = quick(**({"init": flat(), "tile": "xy"} | more))
    job.steps[0].diffuse.tiling.mend = band
    return job


def knobbed(**knobs: int) -> JobSpec:
    job = spec.upscale(flat())
    for name, value in knobs.items():
        job.steps[0].upscale.knobs[name].integer = value
    return job


def short_raw() -> pixels_pb2.Image:
    return pixels_pb2.Image(data=b"\0" * 10, format=pixels_pb2.PIXEL_FORMAT_RGB8, width=SIDE, height=SIDE)


def unformatted() -> pixels_pb2.Image:
    return pixels_pb2.Image(data=b"\0" * 12, width=2, height=2)


def from_nowhere() -> pixels_pb2.Image:
    return pixels_pb2.Image(blob_id="0" * 64, format=pixels_pb2.PIXEL_FORMAT_PNG)


TABLE: dict[str, tuple[Callable[[], JobSpec], type[errors.VelaturaError], str]] = {
    "no steps": (JobSpec, errors.Invalid, "steps"),
    "a step that does nothing": (lambda: JobSpec(steps=[jobs_pb2.Step()]), errors.Invalid, "steps[0]"),
    "too many steps": (lambda: spec.job(*[quick() for _ in range(17)]), errors.Invalid, "steps"),
    "an empty prompt": (lambda: quick(""), errors.Invalid, f"{DIFFUSE}.prompt"),
    "a prompt of blanks": (lambda: quick("  \n"), errors.Invalid, f"{DIFFUSE}.prompt"),
    "an endless prompt": (lambda: quick("moss " * 2000), errors.Invalid, f"{DIFFUSE}.prompt.text"),
    "a prompt with a zero byte": (lambda: quick("mo\0ss"), errors.Invalid, f"{DIFFUSE}.prompt.text"),
    "no width": (lambda: quick(width=0), errors.Invalid, f"{DIFFUSE}.width"),
    "100,000 pixels wide": (lambda: quick(width=100_000), errors.Invalid, f"{DIFFUSE}.width"),
    "100,000 pixels high": (lambda: quick(height=100_000), errors.Invalid, f"{DIFFUSE}.height"),
    "too many pixels in all": (lambda: quick(width=8192, height=8192), errors.Invalid, f"{DIFFUSE}.width"),
    "a tile that cannot meet": (lambda: quick(width=SIDE + 1, tile="x"), errors.Invalid, f"{DIFFUSE}.width"),
    "no sampling step": (lambda: quick(steps=0), errors.Invalid, f"{DIFFUSE}.sampling.steps"),
    "a million sampling steps": (lambda: quick(steps=10**6), errors.Invalid, f"{DIFFUSE}.sampling.steps"),
    "a guidance that is no number": (
        lambda: quick(guidance=float("nan")), errors.Invalid, f"{DIFFUSE}.sampling.guidance",
    ),
    "an endless guidance": (lambda: quick(guidance=float("inf")), errors.Invalid, f"{DIFFUSE}.sampling.guidance"),
    "no pictures": (lambda: quick(count=0), errors.Invalid, f"{DIFFUSE}.count"),
    "a thousand pictures": (lambda: quick(count=1000), errors.Invalid, f"{DIFFUSE}.count"),
    "a strength above 1": (lambda: quick(init=flat(), strength=1.4), errors.Invalid, f"{DIFFUSE}.init.strength"),
    "an unknown sampler": (lambda: quick(sampler="eulr"), errors.NotFound, f"{DIFFUSE}.sampling.sampler"),
    "an unknown schedule": (lambda: quick(schedule="karas"), errors.VelaturaError, f"{DIFFUSE}.sampling.schedule"),
    "an unknown model": (lambda: quick(model="tinny"), errors.NotFound, f"{DIFFUSE}.model"),
    "a path as a model": (lambda: quick(model="/etc/passwd"), errors.Invalid, f"{DIFFUSE}.model"),
    "a path upward as a model": (lambda: quick(model="../tiny"), errors.Invalid, f"{DIFFUSE}.model"),
    "an address as a model": (lambda: quick(model="https://example.org/m"), errors.Invalid, f"{DIFFUSE}.model"),
    "a pickle as a model": (lambda: quick(model="old.ckpt"), errors.Invalid, f"{DIFFUSE}.model"),
    "a pickle by its id": (lambda: quick(model="old"), errors.NotFound, f"{DIFFUSE}.model"),
    "a control model as a model": (lambda: quick(model="tiny-depth"), errors.NotFound, f"{DIFFUSE}.model"),
    "depth that is no number": (lambda: with_depth(holed()), errors.Invalid, f"{DIFFUSE}.depth.image"),
    "a picture that is no number": (
        lambda: quick(init=pixels.from_array(np.full((SIDE, SIDE, 3), np.nan, np.float32))),
        errors.Invalid, f"{DIFFUSE}.init.image",
    ),
    "an endless picture": (
        lambda: quick(init=pixels.from_array(np.full((SIDE, SIDE, 3), np.inf, np.float32))),
        errors.Invalid, f"{DIFFUSE}.init.image",
    ),
    "endless disparity": (
        lambda: with_depth(ramp() * np.inf, disparity=True), errors.Invalid, f"{DIFFUSE}.depth.image",
    ),
    "disparity beyond 1": (lambda: with_depth(ramp(), disparity=True), errors.Invalid, f"{DIFFUSE}.depth.image"),
    "depth of nothing": (lambda: with_depth(ramp() * 0), errors.Invalid, f"{DIFFUSE}.depth.image"),
    "near beyond far": (lambda: with_depth(ramp(), near=5.0, far=1.0), errors.Invalid, f"{DIFFUSE}.depth.near"),
    "metric depth in bytes": (
        lambda: quick(depth=pixels_pb2.DepthMap(image=flat(channels=1))), errors.Invalid, f"{DIFFUSE}.depth.image",
    ),
    "a mask without a picture": (
        lambda: quick(mask=pixels.mask(np.ones((SIDE, SIDE), bool))), errors.Invalid, f"{DIFFUSE}.mask",
    ),
    "a mask of another size": (
        lambda: quick(init=flat(), mask=pixels.mask(np.ones((SIDE, SIDE // 2), bool))),
        errors.Invalid, f"{DIFFUSE}.mask",
    ),
    "a truncated PNG": (lambda: quick(init=file(whole_png()[:-200])), errors.Invalid, f"{DIFFUSE}.init.image"),
    "a damaged PNG": (
        lambda: quick(init=file(whole_png()[:100] + b"\xff" * 50 + whole_png()[150:])),
        errors.Invalid, f"{DIFFUSE}.init.image",
    ),
    "a text as a PNG": (lambda: quick(init=file(b"not a picture at all")), errors.Invalid, f"{DIFFUSE}.init.image"),
    "a decompression bomb": (lambda: quick(init=file(bomb())), errors.Invalid, f"{DIFFUSE}.init.image"),
    "raw pixels that are too few": (lambda: quick(init=short_raw()), errors.Invalid, f"{DIFFUSE}.init.image"),
    "pixels of no format": (lambda: quick(init=unformatted()), errors.Invalid, f"{DIFFUSE}.init.image"),
    "a picture without content": (
        lambda: quick(init=pixels_pb2.Image(format=pixels_pb2.PIXEL_FORMAT_PNG)), errors.Invalid,
        f"{DIFFUSE}.init.image",
    ),
    "a blob that is not there": (lambda: quick(init=from_nowhere()), errors.NotFound, f"{DIFFUSE}.init.image"),
    "a path as a blob": (
        lambda: quick(init=pixels_pb2.Image(blob_id="/etc/passwd")), errors.VelaturaError, f"{DIFFUSE}.init.image",
    ),
    "a later step's picture": (lambda: quick(init=pixels.from_step("later")), errors.Invalid, f"{DIFFUSE}.init.image"),
    "a hint of no kind": (lambda: controlled(kind=""), errors.Invalid, f"{DIFFUSE}.controls[0].kind"),
    "a hint nobody reads": (lambda: controlled(kind="smell"), errors.NotFound, f"{DIFFUSE}.controls[0]"),
    "a hint that ends before it begins": (
        lambda: controlled(start=0.6, end=0.4), errors.Invalid, f"{DIFFUSE}.controls[0].start",
    ),
    "an operation of tomorrow": (segmented, errors.Unsupported, "steps[0].segment"),
    "a subseed beyond reach": (lambda: varied(strength=1.5), errors.Invalid, f"{DIFFUSE}.variation.strength"),
    "a variation by no number": (lambda: varied(strength=NAN), errors.Invalid, f"{DIFFUSE}.variation.strength"),
    "noise of no width": (lambda: varied(seed_width=0), errors.Invalid, f"{DIFFUSE}.variation.seed_width"),
    "noise as wide as a street": (
        lambda: varied(seed_width=2**31), errors.Invalid, f"{DIFFUSE}.variation.seed_width",
    ),
    "more noise than a painting may be": (
        lambda: varied(seed_width=8192, seed_height=8192), errors.Invalid, f"{DIFFUSE}.variation.seed_width",
    ),
    "windows of no size": (lambda: through(size=0), errors.Invalid, f"{DIFFUSE}.windows.size"),
    "windows that are nothing but overlap": (
        lambda: through(size=128, overlap=128), errors.Invalid, f"{DIFFUSE}.windows.overlap",
    ),
    "edges to mend of no picture": (lambda: mending(init=None), errors.Invalid, f"{DIFFUSE}.tiling.mend"),
    "edges to mend that are not to meet": (lambda: mending(tile=""), errors.Invalid, f"{DIFFUSE}.tiling.mend"),
    "edges to mend under another mask": (
        lambda: mending(mask=pixels.mask(np.ones((SIDE, SIDE), bool))), errors.Invalid, f"{DIFFUSE}.tiling.mend",
    ),
    "edges to mend that leave nothing": (lambda: mending(SIDE // 2), errors.Invalid, f"{DIFFUSE}.tiling.mend"),
    "a picture made no larger": (lambda: spec.upscale(flat(), factor=1.0), errors.Invalid, "steps[0].upscale.factor"),
    "a picture made larger by no number": (
        lambda: spec.upscale(flat(), factor=NAN), errors.Invalid, "steps[0].upscale.factor",
    ),
    "a picture made endless": (
        lambda: spec.upscale(flat(width=4000, height=100), factor=8.0), errors.Invalid, "steps[0].upscale.factor",
    ),
    "an upscaler that learned": (
        lambda: spec.upscale(flat(), upscaler="RealESRGAN_x4"), errors.NotFound, "steps[0].upscale.upscaler",
    ),
    "a path as an upscaler": (
        lambda: spec.upscale(flat(), upscaler="../x.pth"), errors.Invalid, "steps[0].upscale.upscaler",
    ),
    "a knob that no upscaler has": (
        lambda: knobbed(sharpness=1), errors.NotFound, "steps[0].upscale.knobs[sharpness]",
    ),
    "a knob turned too far": (lambda: knobbed(lobes=1000), errors.Invalid, "steps[0].upscale.knobs[lobes]"),
    "a map that no material has": (
        lambda: spec.material(flat(), "bumps"), errors.NotFound, "steps[0].material.maps[0]",
    ),
    "a map twice": (
        lambda: spec.material(flat(), "normal", "normal"), errors.Invalid, "steps[0].material.maps[1]",
    ),
    "a painter as a reader of materials": (
        lambda: spec.material(flat(), model="tiny"), errors.NotFound, "steps[0].material.model",
    ),
    "a path as a reader of materials": (
        lambda: spec.material(flat(), model="../net.safetensors"), errors.Invalid, "steps[0].material.model",
    ),
    "a material of a speck": (
        lambda: spec.material(flat(width=8, height=8)), errors.Invalid, "steps[0].material.image",
    ),
    "a material of nothing": (
        lambda: spec.material(pixels_pb2.Image()), errors.Invalid, "steps[0].material.image",
    ),
    "nothing to make larger": (lambda: spec.upscale(pixels_pb2.Image()), errors.Invalid, "steps[0].upscale.image"),
    "a preview of 20,000 pixels": (lambda: quick(preview=True, preview_size=20000), errors.Invalid, "preview.size"),
    "a time limit of nothing": (lambda: quick(time_limit=0.0), errors.Invalid, "time_limit"),
    "a label as long as a book": (lambda: quick(labels={"note": "x" * 1000}), errors.Invalid, "labels[note]"),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLE)
def test_is_refused_by_its_field_with_a_way_out(lab, case: str):
    make, kind, field = TABLE[case]
    with pytest.raises(kind) as caught:
        lab.result(make())
    trouble = caught.value
    assert trouble.field.startswith(field)
    assert trouble.message and (trouble.remedy or trouble.suggestions)
    assert type(trouble) is not errors.Broken
    assert not any(sign in trouble.message for sign in ("Traceback", "Error(", "/tmp", ".py"))


@pytest.mark.parametrize("case", TABLE)
def test_planning_refuses_the_same(lab, case: str):
    make, kind, field = TABLE[case]
    with pytest.raises(kind) as caught:
        lab.engine.plan(make())
    assert caught.value.field.startswith(field)


def test_near_matches_are_offered(lab):
    with pytest.raises(errors.NotFound) as caught:
        lab.result(quick(sampler="eulr"))
    assert caught.value.suggestions[0] == "euler"


def test_what_was_refused_left_worker_and_queue_alone(lab):
    before = lab.status()
    for make, kind, _ in TABLE.values():
        with pytest.raises(kind):
            lab.result(make())
    after = lab.status()
    assert (after.queued, after.running, after.worker_restarts) == (0, 0, before.worker_restarts)
    assert lab.paint(seed=5) == lab.paint(seed=5)


def call(lab, request: bytes, *metadata: tuple[str, str]) -> grpc.RpcError:
    """What a call with raw bytes is answered with."""
    with grpc.insecure_channel(lab.endpoint.address) as channel:
        generate = channel.unary_stream("/velatura.v1.JobService/Generate")
        with pytest.raises(grpc.RpcError) as caught:
            list(
                generate(request, metadata=metadata or (("authorization", f"Bearer {lab.endpoint.token}"),), timeout=20)
            )
    return caught.value


def test_text_that_is_not_utf8_is_refused_in_words(lab):
    good = job_service_pb2.GenerateRequest(spec=quick("PROMPT")).SerializeToString()
    answer = call(lab, good.replace(b"PROMPT", b"PR\xff\xfePT"))
    assert answer.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "UTF-8" in details(answer)[errors_pb2.Error].remedy


def test_bytes_that_are_no_message_are_refused_in_words(lab):
    answer = call(lab, b"\xff\xff\xff\xff not protobuf")
    assert answer.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_programs_get_googles_details_too(lab):
    answer = call(lab, job_service_pb2.GenerateRequest(spec=quick(width=0)).SerializeToString())
    found = details(answer)
    assert found[error_details_pb2.BadRequest].field_violations[0].field == f"{DIFFUSE}.width"
    assert found[error_details_pb2.ErrorInfo].domain == "velatura"


OPERATIONS = [field.name for field in JobSpec.DESCRIPTOR.fields_by_name["steps"].message_type.oneofs[0].fields]
LATER = sorted({*OPERATIONS} - {"diffuse", "project", "upscale", "preprocess", "material", "relief"})


@pytest.mark.parametrize("name", LATER)
def test_an_operation_of_tomorrow_is_unimplemented_and_says_so(lab, name: str):
    step = jobs_pb2.Step()
    getattr(step, name).SetInParent()
    answer = call(lab, job_service_pb2.GenerateRequest(spec=JobSpec(steps=[step])).SerializeToString())
    assert answer.code() is grpc.StatusCode.UNIMPLEMENTED
    told = details(answer)[errors_pb2.Error]
    assert (told.reason, told.field) == ("UNIMPLEMENTED_OPERATION", f"steps[0].{name}")
    assert "diffuse" in told.remedy


@pytest.mark.parametrize("token", ["", "Bearer ", "Bearer wrong", "Basic abc"])
def test_nobody_comes_in_without_the_token(lab, token: str):
    answer = call(lab, b"", ("authorization", token))
    assert answer.code() is grpc.StatusCode.UNAUTHENTICATED


def details(answer: grpc.RpcError) -> dict:
    """The typed details of a status, by their class."""
    trailers = dict(answer.trailing_metadata())  # type: ignore[attr-defined]
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    found = {}
    for packed in status.details:
        for kind in (errors_pb2.Error, error_details_pb2.BadRequest, error_details_pb2.ErrorInfo):
            message = kind()
            if packed.Unpack(message):
                found[kind] = message
    return found
