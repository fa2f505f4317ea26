"""Every check of outside input: what is wrong is named, with the way out; what is right arrives unchanged."""

import math

import numpy as np
import pytest
from velatura.v1 import diffuse_pb2, geometry_pb2, jobs_pb2, operations_pb2, pixels_pb2
from velatura_engine.errors import Invalid, NotFound, Unsupported
from velatura_engine.request import Diffuse, Output, Project, Tiling
from velatura_engine.server.limits import Limits
from velatura_engine.wire import read as read_spec

LIMITS = Limits()


def read(*steps: jobs_pb2.Step, **rest):
    def blob(name):
        raise NotFound("blob", name)

    return read_spec(jobs_pb2.JobSpec(steps=steps, **rest), limits=LIMITS, blob=blob)


def diffuse(**fields) -> jobs_pb2.Step:
    fields.setdefault("prompt", {"text": "red brick wall"})
    return jobs_pb2.Step(diffuse=diffuse_pb2.Diffuse(**fields))


def raw(values: np.ndarray) -> pixels_pb2.Image:
    formats = {("float32", 1): pixels_pb2.PIXEL_FORMAT_R32F, ("uint8", 1): pixels_pb2.PIXEL_FORMAT_R8,
               ("uint8", 3): pixels_pb2.PIXEL_FORMAT_RGB8}  # fmt: skip
    channels = 1 if values.ndim == 2 else values.shape[2]
    return pixels_pb2.Image(
        data=values.tobytes(),
        format=formats[str(values.dtype), channels],
        height=values.shape[0],
        width=values.shape[1],
    )


COLOUR = raw(np.zeros((32, 32, 3), np.uint8))


def coloured(**more) -> pixels_pb2.Image:
    image = pixels_pb2.Image(**more)
    image.MergeFrom(COLOUR)
    return image


METRE = np.ones((8, 8), np.float32)
HOLED = METRE.copy()
HOLED[3, 3] = math.nan

BAD = {
    "no steps": ((), "steps"),
    "no operation": ((jobs_pb2.Step(),), "steps[0]"),
    "empty prompt": ((diffuse(prompt={"text": " "}),), "steps[0].diffuse.prompt"),
    "long prompt": ((diffuse(prompt={"text": "a" * 9000}),), "steps[0].diffuse.prompt.text"),
    "no pixels": ((diffuse(width=0),), "steps[0].diffuse.width"),
    "too many pixels": ((diffuse(height=100_000),), "steps[0].diffuse.height"),
    "no steps to sample": ((diffuse(sampling={"steps": 0}),), "steps[0].diffuse.sampling.steps"),
    "guidance not a number": ((diffuse(sampling={"guidance": math.nan}),), "steps[0].diffuse.sampling.guidance"),
    "strength out of range": ((diffuse(init={"image": COLOUR, "strength": 1.4}),), "steps[0].diffuse.init.strength"),
    "mask without init": ((diffuse(mask={"image": COLOUR}),), "steps[0].diffuse.mask"),
    "repainting without a mask": (
        (diffuse(init={"image": COLOUR}, inpaint={"grow": 4}),), "steps[0].diffuse.inpaint.grow",
    ),
    "context without a mask": (
        (diffuse(init={"image": COLOUR}, inpaint={"context": 4}),), "steps[0].diffuse.inpaint.context",
    ),
    "context of miles": (
        (diffuse(init={"image": COLOUR}, mask={"image": COLOUR}, inpaint={"context": 9000}),),
        "steps[0].diffuse.inpaint.context",
    ),
    "result of no known kind": (
        (diffuse(init={"image": COLOUR}, mask={"image": COLOUR}, inpaint={"result": 9}),),
        "steps[0].diffuse.inpaint.result",
    ),
    "outpaint without init": ((diffuse(outpaint={"left": 8}),), "steps[0].diffuse.outpaint"),
    "outpaint by miles": (
        (diffuse(init={"image": COLOUR}, outpaint={"top": 9000}),), "steps[0].diffuse.outpaint.top",
    ),
    "path as model": ((diffuse(model="../../etc/passwd"),), "steps[0].diffuse.model"),
    "address as model": ((diffuse(model="https://example.org/m"),), "steps[0].diffuse.model"),
    "pickle as model": ((diffuse(model="dream.ckpt"),), "steps[0].diffuse.model"),
    "path as sampler": ((diffuse(sampling={"sampler": "a/b"}),), "steps[0].diffuse.sampling.sampler"),
    "depth with NaN": ((diffuse(depth={"image": raw(HOLED)}),), "steps[0].diffuse.depth.image"),
    "depth of nothing": ((diffuse(depth={"image": raw(0 * METRE)}),), "steps[0].diffuse.depth.image"),
    "metric depth in bytes": ((diffuse(depth={"image": COLOUR}),), "steps[0].diffuse.depth.image"),
    "near behind far": ((diffuse(depth={"image": raw(METRE), "near": 3, "far": 2}),), "steps[0].diffuse.depth.near"),
    "near of a disparity": (
        (diffuse(depth={"image": COLOUR, "encoding": "DEPTH_ENCODING_DISPARITY", "near": 3}),),
        "steps[0].diffuse.depth.near",
    ),
    "depth of no known meaning": (
        (diffuse(depth={"image": COLOUR, "encoding": 9}),), "steps[0].diffuse.depth.encoding",
    ),
    "prompt of no known syntax": ((diffuse(prompt={"text": "a", "syntax": 9}),), "steps[0].diffuse.prompt.syntax"),
    "colours of no known meaning": (
        (diffuse(init={"image": coloured(color_space=9)}),), "steps[0].diffuse.init.image.color_space",
    ),
    "alpha of no known meaning": ((diffuse(init={"image": coloured(alpha=9)}),), "steps[0].diffuse.init.image.alpha"),
    "tiling that ends before it begins": (
        (diffuse(tiling={"x": True, "start": 0.6, "end": 0.5}),), "steps[0].diffuse.tiling.start",
    ),
    "knob without a value": (
        (diffuse(sampling={"knobs": {"order": {}}}),), "steps[0].diffuse.sampling.knobs[order]",
    ),
    "same id twice": ((jobs_pb2.Step(id="a", diffuse=diffuse().diffuse),) * 2, "steps[1].id"),
    "control of no kind": ((diffuse(controls=[{"image": COLOUR}]),), "steps[0].diffuse.controls[0].kind"),
    "control that ends before it begins": (
        (diffuse(controls=[{"kind": "depth", "image": COLOUR, "start": 0.6, "end": 0.5}]),),
        "steps[0].diffuse.controls[0].start",
    ),
    "region without a mask": (
        (diffuse(prompt={"text": "a", "regions": [{"text": "b"}]}),), "steps[0].diffuse.prompt.regions[0].mask",
    ),
    "span that says nothing": (
        (diffuse(prompt={"text": "a", "spans": [{"text": " "}]}),), "steps[0].diffuse.prompt.spans[0].text",
    ),
    "span that ends before it begins": (
        (diffuse(negative={"spans": [{"text": "a", "start": 0.6, "end": 0.5}]}),),
        "steps[0].diffuse.negative.spans[0].start",
    ),
    "span of no weight": (
        (diffuse(prompt={"spans": [{"text": "a", "weight": 0}]}),), "steps[0].diffuse.prompt.spans[0].weight",
    ),
    "too many spans": ((diffuse(prompt={"spans": [{"text": "a"}] * 9}),), "steps[0].diffuse.prompt.spans"),
    "zero byte": ((diffuse(negative={"text": "a\0b"}),), "steps[0].diffuse.negative.text"),
    "picture without content": ((diffuse(init={"image": {}}),), "steps[0].diffuse.init.image"),
    "projection onto nothing": ((jobs_pb2.Step(project=operations_pb2.Project()),), "steps[0].project.targets"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_field_is_named(case):
    steps, field = BAD[case]
    with pytest.raises(Invalid) as caught:
        read(*steps)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("asked", "other"),
    [({"outpaint": {"left": 8}}, "init"), ({"init": {"image": COLOUR}, "inpaint": {"context": 4}}, "mask")],
)
def test_what_contradicts_names_both_fields(asked, other):
    with pytest.raises(Invalid, match=rf"steps\[0\]\.diffuse\.{other}"):
        read(diffuse(**asked))


@pytest.mark.parametrize(
    ("syntax", "literal"),
    [("UNSPECIFIED", False), ("WEBUI", False), ("COMPEL", False), ("PLAIN", True)],
)
def test_a_prompt_is_read_as_its_language_says_or_taken_as_it_stands(syntax, literal):
    words = {"text": "(a:1.2)", "syntax": f"PROMPT_SYNTAX_{syntax}"}
    ask = read(diffuse(prompt=words, negative=words)).steps[0].operation
    assert (ask.prompt, ask.prompt_literal, ask.negative_literal) == ("(a:1.2)", literal, literal)


@pytest.mark.parametrize(("settings", "field"), [({"output": {"format": 99}}, "output.format"), ({"lane": 9}, "lane")])
def test_a_setting_that_the_contract_does_not_know_is_refused_with_those_it_knows(settings, field):
    with pytest.raises(Invalid) as caught:
        read(diffuse(), **settings)
    assert caught.value.field == field and "_" in caught.value.remedy


def test_operations_of_the_contract_that_come_later_say_so():
    with pytest.raises(Unsupported) as caught:
        read(jobs_pb2.Step(segment=operations_pb2.Segment()))
    assert caught.value.reason == "UNIMPLEMENTED_OPERATION"


def test_what_was_left_open_stays_open_and_what_was_set_arrives():
    request = read(diffuse(width=64, seed=0, tiling={"x": True}, init={"image": COLOUR}))
    (step,) = request.steps
    ask = step.operation
    assert isinstance(ask, Diffuse) and step.id == "0"
    assert (ask.width, ask.height, ask.seed, ask.strength) == (64, None, 0, None)
    assert ask.tiling == Tiling(x=True) and ask.init.pixels.shape == (32, 32, 3)
    assert request.preview is None and request.time_limit == LIMITS.max_time_limit
    assert (request.max_pixels, request.max_texels) == (LIMITS.max_generated_pixels, LIMITS.max_projected_pixels)


def test_infinite_depth_is_background_and_welcome():
    values = np.full((8, 8), np.inf, np.float32)
    values[2:5] = 3.0
    ask = read(diffuse(depth={"image": raw(values)})).steps[0].operation
    assert np.array_equal(ask.depth.image.pixels[..., 0], values) and ask.depth.image.space == "data"


def test_what_a_job_brings_is_counted_over_all_its_steps():
    def together(bytes_: int):
        steps = [diffuse(init={"image": COLOUR}), diffuse(init={"image": COLOUR})]
        limits = Limits(max_job_bytes=bytes_)
        return read_spec(jobs_pb2.JobSpec(steps=steps), limits=limits, blob=lambda _: b"")

    both = 2 * len(COLOUR.data)
    assert len(together(both).steps) == 2
    with pytest.raises(Invalid, match="together") as caught:
        together(both - 1)
    assert caught.value.field == "steps[1].diffuse.init.image"


def triangle() -> geometry_pb2.Mesh:
    return geometry_pb2.Mesh(
        positions={"data": np.eye(3, dtype=np.float32).tobytes()},
        triangles={"data": np.array([0, 1, 2], np.uint32).tobytes()},
        uvs={"data": np.array([0, 0, 1, 0, 0, 1], np.float32).tobytes()},
    )


IDENTITY = tuple(np.eye(4).ravel())


def projection(mesh: geometry_pb2.Mesh, matrix=IDENTITY) -> jobs_pb2.Step:
    view = geometry_pb2.View(
        camera={"world_to_camera": matrix, "camera_to_clip": matrix, "projection": "PROJECTION_TYPE_PERSPECTIVE"},
        color={"output": {"step_id": "0"}},
        depth={"image": raw(np.ones((8, 8), np.float32))},
    )
    return jobs_pb2.Step(project=operations_pb2.Project(targets=[{"id": "cube", "mesh": mesh}], views=[view]))


def test_a_mesh_arrives_as_arrays_and_its_picture_as_the_earlier_step():
    operation = read(diffuse(), projection(triangle())).steps[1].operation
    assert isinstance(operation, Project)
    mesh = operation.targets[0].mesh
    assert mesh.positions.shape == (3, 3) and mesh.triangles.tolist() == [[0, 1, 2]] and mesh.uvs.shape == (1, 3, 2)
    assert operation.views[0].color == Output("0")


@pytest.mark.parametrize(("change", "field"), [
    ({"triangles": {"data": np.array([0, 1, 9], np.uint32).tobytes()}}, "triangles"),
    ({"uvs": {"data": bytes(48)}}, "uvs"),
    ({"positions": {"data": bytes(5)}}, "positions"),
    ({"positions": {"data": np.full(9, np.nan, np.float32).tobytes()}}, "positions"),
])  # fmt: skip
def test_a_broken_mesh_is_refused(change, field):
    mesh = triangle()
    mesh.MergeFrom(geometry_pb2.Mesh(**change))
    with pytest.raises(Invalid) as caught:
        read(diffuse(), projection(mesh))
    assert caught.value.field == f"steps[1].project.targets[0].mesh.{field}"


def test_a_flat_camera_is_refused():
    with pytest.raises(Invalid, match="invertible"):
        read(diffuse(), projection(triangle(), matrix=(0,) * 16))


@pytest.mark.parametrize(("more", "field", "error"), [
    ({"prompt": "front"}, "prompt", Unsupported),
    ({"normal": {"image": COLOUR}}, "normal", Unsupported),
    ({"depth": {"near": 1}}, "depth.near", Unsupported),
    ({"depth": {"validity": {"image": COLOUR}}}, "depth.validity", Unsupported),
    ({"camera": {"projection": 9}}, "camera.projection", Invalid),
])  # fmt: skip
def test_what_has_no_meaning_in_a_projection_is_refused(more, field, error):
    step = projection(triangle())
    step.project.views[0].MergeFrom(geometry_pb2.View(**more))
    with pytest.raises(error) as caught:
        read(diffuse(), step)
    assert caught.value.field == f"steps[1].project.views[0].{field}" and caught.value.remedy
