"""SDXL with everything beside ControlNets: references, variations, windows, embeddings for both its text encoders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from contract.lab import LEFT, SIDE, TASKS, Lab, flat, noise, quick
from fakes import adapters as fake
from fakes.tiny_models import XL_TEXT, make_tiny
from fakes.tiny_references import make_adapter, make_encoder
from velatura import errors, pixels, recipe, spec
from velatura.v1 import diffuse_pb2

PATCHES = np.kron(np.random.default_rng(4).integers(0, 256, (4, 4, 3), np.uint8), np.ones((12, 12, 1), np.uint8))
PICTURE = pixels.from_array(PATCHES)


@pytest.fixture(scope="module")
def xl(tmp_path_factory) -> Iterator[Lab]:
    """An engine with SDXL, and SD 1 beside it."""
    home = tmp_path_factory.mktemp("xl")
    make_tiny(home / "a-xl", "sdxl")
    make_tiny(home / "sd1", "sd1")
    for name, variant in (("", "plain"), ("-plus", "plus"), ("-face", "full face")):
        make_adapter(home / "ip_adapter" / f"likeness{name}.safetensors", home / "a-xl", variant)
    make_encoder(home / "clip_vision" / "eyes")
    first, second = XL_TEXT
    pair = {"clip_l": fake.embedding(2, first), "clip_g": fake.embedding(2, second, seed=1)}
    fake.save(home / "embeddings" / "mossgone.safetensors", pair)
    torn = {"clip_l": fake.embedding(2, first), "clip_g": fake.embedding(3, second)}
    fake.save(home / "embeddings" / "torngone.safetensors", torn)
    running = Lab(tmp_path_factory.mktemp("home"), home)
    yield running
    running.close()


def paint(xl: Lab, **more: Any) -> np.ndarray:
    return xl.exact(**({"steps": 4, "guidance": 3.0} | more))[0]


def different(*painted: np.ndarray) -> bool:
    return all(np.isfinite(one).all() for one in painted) and not any(
        np.array_equal(one, other) for number, one in enumerate(painted) for other in painted[number + 1 :]
    )


@pytest.mark.parametrize("task", TASKS)
def test_a_picture_is_taken_after_in_each_role(xl, task):
    roles = [[spec.reference(PICTURE, role)] for role in ("content", "style", "face")]
    assert different(*(paint(xl, references=asked, **TASKS[task]) for asked in (*roles, [])))


def test_several_pictures_with_masks_go_with_a_composed_prompt_tiling_and_windows(xl):
    two = [
        spec.reference(PICTURE, "content", 0.8, mask=pixels.mask(LEFT)),
        spec.reference(flat(40), "style", model="likeness"),
    ]
    more = {"prompt": "moss AND (brick:1.2)", "tile": "x"}
    both, other_way = paint(xl, references=two, **more), paint(xl, references=two[::-1], **more)
    assert np.array_equal(both, other_way)
    assert different(both, paint(xl, references=two[:1], **more), paint(xl, references=two[1:], **more))
    wide = {"width": 2 * SIDE, "windows": diffuse_pb2.Windows(size=SIDE, overlap=32)}
    assert different(paint(xl, references=two[1:], **wide), paint(xl, **wide))


@pytest.mark.parametrize("model", ["a-xl", "sd1"])
def test_a_reference_counts_in_its_part_of_the_run(xl, model):
    if model == "sd1":  # has none installed: what was made for SDXL is refused
        with pytest.raises(errors.Unsupported) as refusal:
            xl.result(quick(model=model, references=[spec.reference(PICTURE, model="likeness")]))
        assert refusal.value.reason == "WRONG_BASE"
        return
    said = [{}, {"start": 0.0, "end": 1.0}, {"end": 0.5}, {"start": 0.5}, {"start": 0.1, "end": 0.2}]
    whole, named, early, late, never = (
        paint(xl, references=[spec.reference(PICTURE, **part)], steps=6, model=model) for part in said
    )
    free = paint(xl, steps=6, model=model)
    assert np.array_equal(whole, named) and different(whole, early, late, free)
    assert np.array_equal(never, free), "no step lies within that part"


def test_the_part_of_the_run_is_in_the_recipe_and_must_not_end_before_it_begins(xl):
    first = xl.paint(references=[spec.reference(PICTURE, end=0.5)])
    found = recipe.read(first)
    assert found is not None
    asked = found.spec.steps[0].diffuse.references[0]
    assert (asked.start, asked.end) == (0.0, 0.5) and asked.HasField("start")
    assert xl.result(recipe.replay(found)).images[0].data == first
    for part, field in (({"start": 0.6, "end": 0.4}, "start"), ({"end": 1.5}, "end")):
        with pytest.raises(errors.Invalid) as refusal:
            xl.result(quick(references=[spec.reference(PICTURE, **part)]))
        assert refusal.value.field == f"steps[0].diffuse.references[0].{field}"


@pytest.mark.parametrize("task", TASKS)
def test_variations_turn_the_noise_from_one_seeds_towards_anothers(xl, task):
    none, some, whole = (
        paint(xl, seed=5, variation=diffuse_pb2.Variation(subseed=90, strength=share), **TASKS[task])
        for share in (0.0, 0.5, 1.0)
    )
    plain, other = (paint(xl, seed=seed, **TASKS[task]) for seed in (5, 90))
    assert np.allclose(none, plain, atol=1e-5) and np.allclose(whole, other, atol=1e-5)
    assert different(plain, some, other)


@pytest.mark.parametrize("task", ["txt2img", "img2img"])
def test_a_canvas_is_painted_through_windows(xl, task):
    init = {"init": pixels.from_array(noise(width=2 * SIDE)), "strength": 0.7} if task == "img2img" else {}
    init["width"] = 2 * SIDE
    sizes = {name: diffuse_pb2.Windows(size=size, overlap=32) for name, size in (("one", 2 * SIDE), ("small", SIDE))}
    whole, one, small = (paint(xl, windows=windows, **init) for windows in (None, sizes["one"], sizes["small"]))
    assert whole.shape == (SIDE, 2 * SIDE, 3) and np.allclose(whole, one, atol=1e-5) and different(whole, small)


def test_an_embedding_speaks_to_both_text_encoders(xl):
    assert {"mossgone", "torngone"} <= {model.id for model in xl.engine.catalog().models if model.kind == "embedding"}
    said, spelled, negative = (
        paint(xl, prompt="mossgone wall"), paint(xl, prompt="wall"), paint(xl, prompt="wall", negative="mossgone")
    )  # fmt: skip
    assert different(said, spelled, negative)
    assert different(said, paint(xl, prompt="(mossgone:1.4) wall"), paint(xl, prompt="[mossgone:wall:0.5] wall"))
    with pytest.raises(errors.Unsupported, match="more vectors for one"):
        xl.result(quick("torngone wall"))
    used = recipe.read(xl.paint("mossgone wall"))
    assert used is not None and {"a-xl", "mossgone"} == {model.id for model in used.models}
    assert np.array_equal(paint(xl, prompt="mossgone wall"), said)
