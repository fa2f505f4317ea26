"""Variations, windows, chains and mended edges through the whole engine: exact wherever an exact answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contract.lab import SIDE, array, noise, quick, ramp
from velatura import errors, pixels, recipe, spec
from velatura.v1 import diffuse_pb2, jobs_pb2, pixels_pb2

Variation, Windows = diffuse_pb2.Variation, diffuse_pb2.Windows
RGB32F = pixels_pb2.PIXEL_FORMAT_RGB32F
LEFT = np.zeros((SIDE, SIDE), np.float32)
LEFT[:, : SIDE // 2] = 1
INIT = {"init": pixels.from_array(noise()), "strength": 0.6}
HALF = INIT | {"mask": pixels.mask(LEFT)}
TASKS: dict[str, dict[str, Any]] = {
    "words": {},
    "words and depth": {"depth": pixels.depth_map(ramp())},
    "a picture": INIT,
    "a mask": HALF,
    "a mask, painted anew": HALF | {"strength": 1.0},
    "a tiled picture": INIT | {"tile": "xy"},
}
OTHERS: dict[str, dict[str, Any]] = {
    "a model for masks": HALF | {"model": "tiny-nine"},
    "a model for masks, painted anew": HALF | {"model": "tiny-nine", "strength": 1.0},
    "a model for depth": INIT | {"model": "tiny-five", "depth": pixels.depth_map(ramp())},
    "a model for depth, from words": {"model": "tiny-five", "depth": pixels.depth_map(ramp())},
    "another layout": {"model": "tiny-sd1"},
}


def exact(lab, **asked: Any) -> np.ndarray:
    return np.stack(lab.exact(**({"steps": 3} | asked)))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m"])
def test_a_variation_begins_at_the_seeds_picture_and_ends_at_the_subseeds(lab, task: str, sampler: str):
    asked = TASKS[task] | {"sampler": sampler}
    one, other = exact(lab, seed=5, **asked), exact(lab, seed=90, **asked)
    start, middle, end = (
        exact(lab, seed=5, variation=Variation(subseed=90, strength=share), **asked) for share in (0.0, 0.5, 1.0)
    )
    assert np.array_equal(start, one) and np.array_equal(end, other)
    assert min(np.abs(middle - one).max(), np.abs(middle - other).max()) > 1e-3


@pytest.mark.parametrize("task", [*TASKS, *OTHERS])
def test_no_variation_changes_no_bit_also_where_the_sampler_draws_on_its_way(lab, task: str):
    asked = (TASKS | OTHERS)[task] | {"sampler": "euler_a"}
    plain, none, some = (
        exact(lab, **asked, **({} if share is None else {"variation": Variation(subseed=90, strength=share)}))
        for share in (None, 0.0, 0.5)
    )
    assert np.array_equal(none, plain) and np.abs(some - plain).max() > 1e-4


@pytest.mark.parametrize("task", ["words", "a picture", "a mask"])
def test_a_batch_is_varied_as_each_picture_would_be_alone(lab, task: str):
    together = exact(lab, seed=5, count=2, variation=Variation(subseed=90, strength=0.3), **TASKS[task])
    alone = [
        exact(lab, seed=5 + n, variation=Variation(subseed=90 + n, strength=0.3), **TASKS[task])[0] for n in (0, 1)
    ]
    # A masked picture is laid down in its own 8 bits, whose steps the last bits of a painting may cross.
    assert np.abs(together - np.stack(alone)).max() < 1.01 / 255 < np.abs(alone[0] - alone[1]).max() / 20


@pytest.mark.parametrize("task", TASKS)
def test_noise_drawn_at_the_canvas_own_size_is_the_seeds(lab, task: str):
    same, other = Variation(seed_width=SIDE, seed_height=SIDE), Variation(seed_width=2 * SIDE)
    plain = exact(lab, **TASKS[task])
    assert np.array_equal(exact(lab, variation=same, **TASKS[task]), plain)
    assert np.abs(exact(lab, variation=other, **TASKS[task]) - plain).max() > 1e-3


def test_varied_repainting_leaves_the_outside_alone(lab):
    job = quick(variation=Variation(subseed=3, strength=0.7), **HALF)
    after = pixels.to_array(lab.result(job).images[0])
    assert np.array_equal(after[LEFT == 0], noise()[LEFT == 0])


def test_a_subseed_that_was_drawn_is_told_and_replays(lab):
    first = lab.result(quick(variation=Variation(strength=0.4))).images[0].data
    found = recipe.read(first)
    assert found is not None and found.spec.steps[0].diffuse.variation.HasField("subseed")
    assert lab.result(recipe.replay(found)).images[0].data == first


WIDE = {"width": 2 * SIDE, "height": SIDE}
WIDE_INIT = {"init": pixels.from_array(noise(width=2 * SIDE)), "strength": 0.6}
LARGE: dict[str, dict[str, Any]] = {
    "words": WIDE,
    "a depth": {"depth": pixels.depth_map(ramp(2 * SIDE))},
    "a picture": WIDE_INIT,
    "a mask": WIDE_INIT | {"mask": pixels.mask(np.tile(LEFT, (1, 2)))},
    "tiling": WIDE | {"tile": "xy"},
    "a mask and tiling": WIDE_INIT | {"mask": pixels.mask(np.tile(LEFT, (1, 2))), "tile": "xy"},
    "two prompts": WIDE | {"prompt": "moss AND [red|blue] brick :0.5", "guidance": 3.0},
    "a region": WIDE | {"regions": [diffuse_pb2.PromptRegion(text="brick", mask=pixels.mask(np.tile(LEFT, (1, 2))))]},
    "a model for masks": WIDE_INIT | {"mask": pixels.mask(np.tile(LEFT, (1, 2))), "model": "tiny-nine"},
    "a model for depth": {"depth": pixels.depth_map(ramp(2 * SIDE)), "model": "tiny-five"},
    "another layout": WIDE | {"model": "tiny-sd1"},
}


@pytest.mark.parametrize("case", LARGE)
def test_one_window_over_all_changes_no_bit_and_smaller_ones_do(lab, case: str):
    asked = {"width": None, "height": None} | LARGE[case]
    plain, one = exact(lab, **asked), exact(lab, **asked, windows=Windows(size=2 * SIDE))
    assert np.array_equal(one, plain)
    parts = exact(lab, **asked, windows=Windows(size=SIDE, overlap=16))
    assert parts.shape == plain.shape and np.abs(parts - plain).max() > 1e-3


def test_windows_that_were_left_open_are_told_and_replay(lab):
    first = lab.result(quick(windows=Windows(), **WIDE)).images[0].data
    found = recipe.read(first)
    assert found is not None
    told = found.spec.steps[0].diffuse.windows
    assert told.size >= 64 and told.overlap == -(-told.size // 4 // 16) * 16
    assert lab.result(recipe.replay(found)).images[0].data == first


def test_a_batch_through_windows_is_as_each_picture_would_be_alone(lab):
    through = WIDE | {"windows": Windows(size=SIDE, overlap=16)}
    together, alone = exact(lab, count=2, seed=5, **through), [exact(lab, seed=seed, **through)[0] for seed in (5, 6)]
    assert np.abs(together - np.stack(alone)).max() < 1e-3 < np.abs(alone[0] - alone[1]).max() / 20


def test_an_enlarged_picture_is_every_pixel_repeated(lab):
    job = spec.upscale(pixels.from_array(noise()), factor=3, upscaler="nearest")
    assert np.array_equal(pixels.to_array(lab.result(job).images[0]), noise().repeat(3, 0).repeat(3, 1))


@pytest.mark.parametrize("upscaler", ["", "lanczos", "bicubic", "nearest"])
@pytest.mark.parametrize("tile", ["x", "y", "xy"])
def test_an_enlarged_tile_still_tiles(lab, upscaler: str, tile: str):
    def larger(values: np.ndarray) -> np.ndarray:
        job = spec.upscale(pixels.from_array(values), upscaler=upscaler, tile=tile, output=RGB32F)
        return pixels.to_array(lab.result(job).images[0])

    for axis, name in ((1, "x"), (0, "y")):
        if name in tile:
            assert larger(np.roll(noise(), 9, axis)) == pytest.approx(np.roll(larger(noise()), 18, axis), abs=1e-6)


def test_an_enlarging_that_was_left_open_is_told_and_replays(lab):
    first = lab.result(spec.upscale(pixels.from_array(noise()))).images[0].data
    found = recipe.read(first)
    assert found is not None
    told = found.spec.steps[0].upscale
    assert (told.upscaler, told.factor, told.knobs["lobes"].integer) == ("lanczos", 2, 3)
    assert lab.result(recipe.replay(found)).images[0].data == first


def test_the_catalog_shows_the_upscalers_with_their_knobs(lab):
    shelf = next(shelf for shelf in lab.engine.catalog().shelves if shelf.name == "upscalers")
    assert {part.id: [knob.name for knob in part.knobs] for part in shelf.parts} == {
        "bicubic": [], "lanczos": ["lobes"], "nearest": [],
    }  # fmt: skip


QUICK = {"width": SIDE, "height": SIDE, "steps": 2}
CHAINS: dict[str, jobs_pb2.JobSpec] = {
    "hires": spec.hires("moss", **QUICK),
    "hires of a tile": spec.hires("moss", tile="xy", upscaler="bicubic", factor=1.5, strength=0.7, **QUICK),
    "hires of several": spec.hires("moss", count=2, seed=3, **QUICK),
    "hires through windows": spec.hires("moss", windows=Windows(size=SIDE, overlap=16), **QUICK),
    "loopback": spec.loopback("moss", 3, change=0.8, **QUICK),
    "loopback of a picture": spec.loopback("moss", 2, init=pixels.from_array(noise()), steps=2),
    "enlarge": spec.enlarge(pixels.from_array(noise()), "moss", steps=4, strength=0.5),
    "make seamless": spec.make_seamless(pixels.from_array(noise()), "moss", band=16, steps=2),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_shows_its_end_alone_and_replays(lab, name: str):
    result = lab.result(CHAINS[name])
    found = [recipe.read(image.data) for image in result.images]
    assert len(found) == (2 if name == "hires of several" else 1)
    for image, made in zip(result.images, found, strict=True):
        assert made is not None
        again = lab.result(recipe.replay(made))
        same = [a.image.data for a in again.artifacts if (a.step_id, a.index) == (made.step_id, made.index)]
        assert same == [image.data]


def test_hires_is_painting_small_enlarging_and_painting_over_it(lab):
    small = lab.result(quick(seed=9, output=RGB32F)).images[0]
    large = lab.result(spec.upscale(small, output=RGB32F)).images[0]
    by_hand = lab.result(
        spec.diffuse("moss", init=large, strength=0.5, steps=2, seed=9, output=RGB32F)
    ).images[0]  # fmt: skip
    (at_once,) = lab.result(spec.hires("moss", seed=9, output=RGB32F, **QUICK)).images
    assert (at_once.width, at_once.height) == (2 * SIDE, 2 * SIDE)
    assert np.array_equal(pixels.to_array(at_once), pixels.to_array(by_hand))


def test_loopback_is_painting_over_and_over(lab):
    by_hand = quick(seed=9, output=RGB32F)
    for number, strength in ((1, 0.8), (2, 0.4)):
        image = lab.result(by_hand).images[0]
        by_hand = spec.diffuse("moss", init=image, strength=strength, steps=2, seed=9 + number, output=RGB32F)
    asked = {"strength": 0.8, "change": 0.5, "seed": 9, "output": RGB32F} | QUICK
    (at_once,) = lab.result(spec.loopback("moss", 2, **asked)).images
    assert np.array_equal(pixels.to_array(at_once), pixels.to_array(lab.result(by_hand).images[0]))
    kept = lab.result(spec.loopback("moss", 2, keep=True, **asked)).images
    assert len(kept) == 3 and np.array_equal(pixels.to_array(kept[-1]), pixels.to_array(at_once))


def test_a_chain_longer_than_a_job_may_be_is_refused(lab):
    with pytest.raises(errors.Invalid) as caught:
        lab.result(spec.loopback("moss", 16, **QUICK))
    assert caught.value.field == "steps"


@pytest.mark.parametrize("tile", ["x", "y", "xy"])
@pytest.mark.parametrize("channels", [3, 4])
def test_mended_edges_leave_the_middle_alone_to_the_bit(lab, tile: str, channels: int):
    before = noise(channels=channels)
    job = spec.make_seamless(pixels.from_array(before), "moss", band=16, tile=tile, steps=2)
    after = pixels.to_array(lab.result(job).images[0])
    changed = (after != before)[..., :3].any(2)
    x, y = slice(16, -16) if "x" in tile else slice(None), slice(16, -16) if "y" in tile else slice(None)
    assert not changed[y, x].any()
    for axis, edges in (("x", changed[:, [0, -1]]), ("y", changed[[0, -1]])):
        assert axis not in tile or edges.mean() > 0.95


def test_a_picture_that_cannot_tile_is_refused_with_a_size_that_can(lab):
    with pytest.raises(errors.Invalid) as caught:
        lab.result(spec.make_seamless(pixels.from_array(noise(width=SIDE + 3)), "moss", band=16))
    assert caught.value.field == "steps[0].diffuse.width" and "64" in caught.value.remedy


def test_every_new_word_is_in_the_parameters_it_belongs_to(lab):
    """What a plain picture's file says is the same as before there were variations and windows."""
    made = recipe.read(lab.paint())
    assert made is not None
    task = made.spec.steps[0].diffuse
    assert not any(task.HasField(name) for name in ("variation", "windows")) and not task.tiling.HasField("mend")
    assert array(lab.paint()).shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize("task", TASKS)
def test_remembered_rows_give_nearly_the_same_picture_every_time(lab, task: str):
    asked = TASKS[task] | {"steps": 6}
    plain, each, second = (exact(lab, **asked, cache_interval=number) for number in (None, 1, 2))
    assert np.array_equal(each, plain), "tiny models compute every step whole unless asked"
    assert np.array_equal(exact(lab, **asked, cache_interval=2), second)
    assert 1e-5 < np.abs(second - plain).max() < 0.5


def test_words_that_change_in_each_step_leave_nothing_to_remember(lab):
    asked = {"prompt": "[moss|brick]", "steps": 5}
    assert np.array_equal(exact(lab, **asked, cache_interval=4), exact(lab, **asked))


def test_the_interval_stands_in_the_recipe(lab):
    image = lab.result(quick(cache_interval=3)).images[0]
    assert recipe.read(image.data).spec.steps[0].diffuse.sampling.cache_interval == 3


@pytest.mark.parametrize("more", [{}, {"tile": "xy"}, {"init": pixels.from_array(noise(width=128)), "tile": "x"}])
def test_tiles_of_the_autoencoder_paint_nearly_the_whole_and_are_written_down(lab, more):
    wide = {"width": 128, "strength": 0.6 if "init" in more else None, **more}
    whole, tiled = (exact(lab, vae_tile=side, **wide) for side in (0, 64))
    assert np.abs(whole - tiled).max() > 0 and 10 * np.log10(1 / np.square(whole - tiled).mean()) > 35
    result = lab.result(quick(vae_tile=65, **wide))
    assert result.resolved.steps[0].diffuse.vae_tile == 80  # a multiple of what the model needs
    again = lab.result(recipe.replay(recipe.read(result.images[0].data)))
    assert again.images[0].data == result.images[0].data
    assert lab.result(quick(**wide)).resolved.steps[0].diffuse.vae_tile == 0


def test_tiles_too_small_for_the_autoencoder_are_refused(lab):
    with pytest.raises(errors.Invalid) as caught:
        lab.result(quick(vae_tile=32))
    assert caught.value.field == "steps[0].diffuse.vae_tile"


@pytest.mark.parametrize("model, more", [
    ("tiny", {}), ("tiny", {"mask": pixels.mask(LEFT), "tile": "y"}), ("tiny-sd1", {"sampler": "euler_a"}),
])  # fmt: skip
def test_a_painting_from_a_pictures_own_noise_is_written_down_and_painted_again(lab, model, more):
    asked = {"model": model, "init": pixels.from_array(noise()), "strength": 0.8, "steps": 4, **more}
    drawn, found = (lab.result(quick(**asked, invert=on)) for on in (False, True))
    assert drawn.images[0].data != found.images[0].data and found.resolved.steps[0].diffuse.init.invert
    again = lab.result(recipe.replay(recipe.read(found.images[0].data)))
    assert again.images[0].data == found.images[0].data
    if not more:  # no seed has a part in it
        other = lab.exact(**asked, invert=True, seed=99)[0]
        assert np.abs(lab.exact(**asked, invert=True)[0] - other).max() < 1e-5


@pytest.mark.parametrize("model", ["tiny-nine", "tiny-five"])
def test_models_that_cannot_be_walked_back_are_refused(lab, model):
    more = {"depth": pixels.depth_map(ramp())} if model == "tiny-five" else {"mask": pixels.mask(LEFT)}
    with pytest.raises(errors.Unsupported) as caught:
        lab.result(quick(model=model, **INIT, invert=True, **more))
    assert caught.value.field == "steps[0].diffuse.init.invert"
