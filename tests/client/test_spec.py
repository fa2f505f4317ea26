"""Builders and recipes."""

import pytest
from velatura import errors, pixels, png, recipe, spec
from velatura.v1 import diffuse_pb2, jobs_pb2, operations_pb2, pixels_pb2

PICTURE = pixels.raw(bytes(3), 1, 1, pixels_pb2.PIXEL_FORMAT_RGB8)
FILE = png.encode(png.Raster(width=1, height=1, channels=1, data=b"\0"))


def test_what_is_not_said_is_left_to_the_model():
    task = spec.diffuse("moss").steps[0].diffuse
    assert task == diffuse_pb2.Diffuse(prompt=diffuse_pb2.Prompt(text="moss"))


def test_zero_is_said_and_not_left_out():
    task = spec.diffuse("moss", seed=0, guidance=0.0, init=PICTURE, strength=0.0).steps[0].diffuse
    assert task.HasField("seed")
    assert task.sampling.HasField("guidance")
    assert task.init.HasField("strength")


def test_a_texture_repeats_both_ways_unless_told():
    task = spec.texture("moss", size=(256, 128)).steps[0].diffuse
    assert (task.width, task.height, task.tiling.x, task.tiling.y) == (256, 128, True, True)
    assert not spec.texture("moss", tile="").steps[0].diffuse.HasField("tiling")


def test_what_is_given_decides_the_task():
    task = spec.diffuse("door", init=PICTURE, mask=pixels.mask(b"\xff", 1, 1), depth=pixels.depth_map(bytes(4), 1, 1))
    task = task.steps[0].diffuse
    assert task.init.image == PICTURE
    assert task.HasField("mask")
    assert task.HasField("depth")


def test_a_mesh_says_only_what_was_said():
    plain = spec.relief(PICTURE).steps[0].relief
    assert plain == operations_pb2.Relief(image=PICTURE)
    asked = spec.relief(PICTURE, pixels.depth_map(bytes(4), 1, 1), format="ply", jump=0.1, max_triangles=9)
    full = asked.steps[0].relief
    assert (full.format, full.max_triangles, full.HasField("depth"), full.HasField("nearest")) == (
        "ply",
        9,
        True,
        False,
    )


def test_a_reference_says_only_what_was_said():
    plain, full = spec.reference(PICTURE), spec.reference(PICTURE, "style", 0.0, model="likeness")
    assert plain == diffuse_pb2.Reference(image=PICTURE)
    assert (full.role, full.HasField("strength"), full.strength, full.model) == ("style", True, 0.0, "likeness")
    assert list(spec.diffuse("moss", references=[plain, full]).steps[0].diffuse.references) == [plain, full]


def test_a_reference_may_count_in_a_part_of_the_run():
    part = spec.reference(PICTURE, start=0.0, end=0.5)
    assert (part.HasField("start"), part.start, part.end) == (True, 0.0, 0.5)


def test_a_direction_has_phrases_for_both_sides():
    plain, full = spec.direction("red", "blue"), spec.direction(["red", "pink"], ("blue",), 0.0, keep_layout=0.5)
    assert plain == diffuse_pb2.Direction(source=["red"], target=["blue"])
    assert (list(full.source), full.HasField("strength"), full.keep_layout) == (["red", "pink"], True, 0.5)
    assert list(spec.diffuse("moss", directions=[plain, full]).steps[0].diffuse.directions) == [plain, full]


def test_how_to_repaint_is_said_in_words():
    assert spec.inpaint() == diffuse_pb2.InpaintSettings()
    settings = spec.inpaint(fill="neutral", grow=0, feather=8, context=0, color_match=False, layer=True)
    assert (settings.fill, settings.feather) == (diffuse_pb2.FILL_MODE_NEUTRAL, 8)
    assert all(settings.HasField(name) for name in ("grow", "context", "color_match"))
    assert settings.result == diffuse_pb2.INPAINT_RESULT_LAYER
    with pytest.raises(ValueError, match="MUD"):
        spec.inpaint(fill="mud")


def test_a_canvas_grows_by_its_sides():
    task = spec.diffuse("moss", init=PICTURE, outpaint=spec.outpaint(left=8, bottom=4)).steps[0].diffuse
    assert task.outpaint == diffuse_pb2.Outpaint(left=8, bottom=4)


def test_jobs_join_in_order_with_settings_for_the_whole():
    whole = spec.job(
        spec.diffuse("a", id="first"),
        spec.upscale(pixels.from_step("first"), factor=4),
        spec.material(pixels.from_step(1), "albedo", "normal"),
        preview=True,
        preview_size=128,
        supersede_key="live",
        batch=True,
        time_limit=1.5,
        output=pixels_pb2.PIXEL_FORMAT_RGBA8,
        labels={"layer": "7"},
    )
    assert [step.WhichOneof("operation") for step in whole.steps] == ["diffuse", "upscale", "material"]
    assert (whole.preview.enabled, whole.preview.size, whole.supersede_key) == (True, 128, "live")
    assert (whole.lane, whole.output.format) == (jobs_pb2.LANE_BATCH, pixels_pb2.PIXEL_FORMAT_RGBA8)
    assert (whole.time_limit.seconds, whole.time_limit.nanos) == (1, 500_000_000)
    assert dict(whole.labels) == {"layer": "7"}


def test_settings_may_be_given_to_any_builder():
    assert spec.texture("moss", preview=True).preview.enabled
    assert spec.upscale(PICTURE, labels={"a": "b"}, id="up").steps[0].id == "up"


def words(job: jobs_pb2.JobSpec) -> list[str]:
    """What each step does, and which it begins with; hidden ones in brackets."""
    said = []
    for step in job.steps:
        kind = step.WhichOneof("operation")
        task = getattr(step, kind)
        image = task.init.image if kind == "diffuse" else task.image
        name = f"{step.id}: {kind}" + (f" {image.output.step_id}.{image.output.index}" if image.ByteSize() else "")
        said.append(f"[{name}]" if step.hidden else name)
    return said


def test_hires_is_small_then_larger_then_painted_over_and_only_the_end_is_shown():
    job = spec.hires("moss", seed=5, width=256, steps=9, variation=diffuse_pb2.Variation(subseed=2), preview=True)
    assert words(job) == [
        "[hires-small: diffuse]", "[hires-large: upscale hires-small.0]", "hires: diffuse hires-large.0",
    ]  # fmt: skip
    first, last = job.steps[0].diffuse, job.steps[2].diffuse
    assert (first.width, last.HasField("width"), last.init.strength) == (256, False, 0.5)
    assert (first.sampling.steps, last.sampling.steps, last.seed) == (9, 9, 5)
    assert first.HasField("variation") and not last.HasField("variation") and job.preview.enabled


def test_hires_of_several_enlarges_each_with_its_own_seed():
    job = spec.hires("moss", seed=5, count=2, id="h")
    assert words(job)[1:] == [
        "[h-0-large: upscale h-small.0]", "h-0: diffuse h-0-large.0",
        "[h-1-large: upscale h-small.1]", "h-1: diffuse h-1-large.0",
    ]  # fmt: skip
    assert [job.steps[number].diffuse.seed for number in (0, 2, 4)] == [5, 5, 6]


def test_loopback_hands_each_round_to_the_next_with_less_strength_and_another_seed():
    job = spec.loopback("moss", 2, seed=2**64 - 1, strength=0.8, change=0.5)
    assert words(job) == ["[loop-0: diffuse]", "[loop-1: diffuse loop-0.0]", "loop-2: diffuse loop-1.0"]
    assert [step.diffuse.seed for step in job.steps] == [2**64 - 1, 0, 1]
    assert [round(step.diffuse.init.strength, 3) for step in job.steps[1:]] == [0.8, 0.4]
    assert spec.loopback("moss", 3, strength=0.9, change=2).steps[3].diffuse.init.strength == 1


def test_loopback_of_a_picture_begins_with_it():
    job = spec.loopback("moss", 2, init=PICTURE, seed=5)
    assert words(job)[-1] == "loop-2: diffuse loop-1.0" and len(job.steps) == 2
    assert job.steps[0].diffuse.init.image == PICTURE and [s.diffuse.seed for s in job.steps] == [5, 6]


def test_enlarging_paints_through_windows():
    job = spec.enlarge(PICTURE, "moss", tile="x", factor=3)
    assert words(job)[-1] == "enlarge: diffuse enlarge-large.0"
    assert job.steps[1].diffuse.HasField("windows") and job.steps[0].upscale.tile_x


def test_seamless_is_a_band_along_the_edges_that_meet():
    task = spec.make_seamless(PICTURE, "moss", tile="y", band=9).steps[0].diffuse
    assert (task.tiling.x, task.tiling.y, task.tiling.mend) == (False, True, 9)


def test_an_unknown_setting_is_a_mistake_of_the_program():
    with pytest.raises(TypeError):
        spec.texture("moss", colour="green")


def test_a_recipe_travels_in_a_png():
    made = jobs_pb2.Recipe(format=1, engine_version="0.1.0", spec=spec.texture("mööss", seed=2**63), step_id="0")
    assert recipe.read(recipe.write(FILE, made)) == made
    assert recipe.loads(recipe.dumps(made)) == made


def test_a_picture_without_a_recipe_has_none():
    assert recipe.read(FILE) is None


def test_fields_of_a_newer_engine_are_skipped():
    assert recipe.loads('{"format": 1, "mood": "blue"}').format == 1


@pytest.mark.parametrize("text", ["", "{", '{"format": "x"}', '{"spec": ' * 2000])
def test_a_broken_recipe_is_told(text):
    with pytest.raises(errors.Invalid):
        recipe.loads(text)


def test_a_newer_recipe_is_told():
    with pytest.raises(errors.Invalid, match="newer"):
        recipe.loads('{"format": 2}')


def test_a_replay_is_a_job_of_its_own():
    asked = spec.texture("moss", supersede_key="live")
    asked.request_id = "x"
    again = recipe.replay(jobs_pb2.Recipe(spec=asked))
    assert again == spec.texture("moss")
    with pytest.raises(errors.Invalid):
        recipe.replay(jobs_pb2.Recipe())
