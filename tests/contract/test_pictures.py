"""What comes out: the same for the same recipe, untouched where nothing was asked, seamless where it was."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from contract.lab import SIDE, array, flat, quick, slow
from PIL import Image
from velatura import pixels, recipe, spec
from velatura.v1 import jobs_pb2, pixels_pb2


def test_the_same_job_twice_gives_the_same_file(lab):
    assert lab.paint(seed=3) == lab.paint(seed=3)


def test_another_seed_gives_another_picture(lab):
    assert lab.paint(seed=3) != lab.paint(seed=4)


@pytest.mark.parametrize("model", ["tiny", "tiny-sd1"])
def test_a_picture_does_not_depend_on_its_batch(lab, model: str):
    # Guidance multiplies the last bits, in which sums of another order differ; without it they show as they are.
    asked = {"model": model, "guidance": 1.0}
    for seed, picture in zip((10, 11, 12), lab.exact(count=3, seed=10, **asked), strict=True):
        (alone,) = lab.exact(seed=seed, **asked)
        assert np.linalg.norm(picture - alone) <= 1e-5 * np.linalg.norm(alone)


def test_a_batch_counts_its_seeds_up_and_gives_each_picture_as_it_is_alone(lab):
    batch = lab.result(quick(count=3, seed=10))
    assert batch.seeds == [10, 11, 12]
    for seed, image in zip(batch.seeds, batch.images, strict=True):
        alone = array(lab.paint(seed=seed)).astype(int)
        assert np.abs(array(image.data).astype(int) - alone).max() <= 1


def test_a_drawn_seed_is_told(lab):
    result = lab.result(spec.diffuse("moss", width=SIDE, height=SIDE, steps=2))
    assert result.seeds[0] == result.resolved.steps[0].diffuse.seed


def test_a_recipe_from_a_png_paints_the_same_pixels(lab):
    first = lab.paint("old moss", seed=8, sampler="euler_a", guidance=3.0, tile="x")
    found = recipe.read(first)
    assert found is not None
    assert lab.result(recipe.replay(found)).images[0].data == first


def test_a_recipe_leaves_nothing_open(lab):
    found = recipe.read(lab.paint(sampler="dpmpp_2m"))
    assert found is not None
    asked = found.spec.steps[0].diffuse
    assert asked.model and asked.sampling.sampler and asked.sampling.schedule
    assert asked.HasField("seed") and asked.HasField("width") and asked.sampling.HasField("guidance")
    assert asked.sampling.knobs["order"].integer == 2
    assert [len(used.sha256) for used in found.models] == [64]


def test_pillow_reads_the_recipe_too(lab):
    with Image.open(io.BytesIO(lab.paint(seed=2))) as opened:
        assert opened.size == (SIDE, SIDE)
        assert json.loads(opened.text["velatura"])["spec"]["steps"][0]["diffuse"]["seed"] == "2"
        assert opened.text["parameters"].startswith("moss\n")


def test_a_recipe_can_be_left_out(lab):
    job = quick()
    job.output.omit_recipe = True
    assert recipe.read(lab.result(job).images[0].data) is None


def test_a_recipe_with_pictures_replays_too(lab):
    mask = np.zeros((SIDE, SIDE), bool)
    mask[16:48, 16:48] = True
    first = lab.paint(init=flat(90), mask=pixels.mask(mask), seed=6)
    found = recipe.read(first)
    assert found is not None
    assert lab.result(recipe.replay(found)).images[0].data == first


@pytest.mark.parametrize(("width", "height"), [(64, 96), (72, 40), (100, 75), (16, 16)])
def test_pictures_have_the_size_that_was_asked_for(lab, width: int, height: int):
    assert array(lab.paint(width=width, height=height)).shape == (height, width, 3)


def seam(picture: np.ndarray, axis: int) -> float:
    """The step over the edge, as a multiple of the mean step between neighbours."""
    wide = picture.astype(float)
    inside = np.abs(np.diff(wide, axis=axis)).mean()
    return float(np.abs(wide.take(0, axis) - wide.take(-1, axis)).mean() / inside)


@pytest.mark.parametrize("tile", ["x", "y", "xy"])
def test_edges_meet_along_the_axes_that_were_asked_for(lab, tile: str):
    painted = array(lab.paint(tile=tile, width=128, height=128, steps=4))
    for axis, name in ((1, "x"), (0, "y")):
        if name in tile:
            assert seam(painted, axis) < 1.5


def test_each_way_of_tiling_is_another_picture(lab):
    assert len({lab.paint(tile=tile) for tile in ("", "x", "y", "xy")}) == 4


@pytest.mark.parametrize("format", ["RGB8", "RGBA8", "RGB16", "RGBA16F", "RGB32F", "JPEG", "WEBP"])
def test_results_come_in_the_format_that_was_asked_for(lab, format: str):
    code = pixels_pb2.PixelFormat.Value(f"PIXEL_FORMAT_{format}")
    image = lab.result(quick(output=code)).images[0]
    assert image.format == code
    if code in pixels.LAYOUT:
        assert (image.width, image.height) == (SIDE, SIDE)
        channels, size, _ = pixels.LAYOUT[code]
        assert len(image.data) == SIDE * SIDE * channels * size


def test_steps_hand_their_pictures_on(lab):
    job = spec.job(
        quick(id="first", hidden=True),
        quick(id="second", init=pixels.from_step("first"), strength=0.5),
    )
    result = lab.result(job)
    assert [artifact.step_id for artifact in result.artifacts] == ["second"]


def test_events_tell_the_whole_story(lab):
    job = lab.engine.generate(quick(preview=True, preview_interval_ms=20, steps=8))
    events = list(job.events())
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds[0] == "queued" and kinds[-1] == "finished"
    assert {"started", "progress", "preview", "artifact"} <= set(kinds)
    fractions = [event.progress.fraction for event in events if event.HasField("progress")]
    assert fractions == sorted(fractions) and fractions[-1] <= 1
    numbers = [event.sequence for event in events]
    assert numbers == sorted(set(numbers))


def test_a_plan_tells_what_would_happen(lab):
    answer = lab.engine.plan(slow(tile="xy"))
    assert "1000 steps" in answer.explanation and "seamless along x and y" in answer.explanation
    assert sum(stage.weight for stage in answer.stages) == pytest.approx(1)
    assert answer.resolved.steps[0].diffuse.model == "tiny"
    assert isinstance(answer.resolved, jobs_pb2.JobSpec)
