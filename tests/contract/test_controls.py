"""Hints through the whole engine: made on the way, several at once, held back by masks, brought to size."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from contract.lab import SIDE, array, flat, noise, quick, ramp
from velatura import errors, pixels, recipe, spec
from velatura.v1 import diffuse_pb2, pixels_pb2

BLOCKS = np.kron(noise(width=8, height=8), np.ones((8, 8, 1), np.uint8))
PICTURE = pixels.from_array(BLOCKS)
LEFT = np.zeros((SIDE, SIDE), np.float32)
LEFT[:, : SIDE // 2] = 1
ALL, NONE = np.ones_like(LEFT), np.zeros_like(LEFT)
STARTS: dict[str, dict[str, Any]] = {
    "txt2img": {},
    "img2img": {"init": pixels.from_array(noise()), "strength": 0.7},
    "inpaint": {"init": pixels.from_array(noise()), "mask": pixels.mask(LEFT), "strength": 0.7},
}
REPAINTED = ("img2img", "inpaint")
LEADS = {
    "depth": spec.control("depth", preprocessor="depth", depth=pixels.depth_map(ramp()), strength=0.8, end=0.7),
    "canny": spec.control("canny", PICTURE, preprocessor="canny", strength=1.2, start=0.2),
    "sketch": spec.control("scribble", PICTURE, preprocessor="scribble", knobs={"threshold": 10}),
}
OTHERS: dict[str, dict[str, Any]] = {
    "tiling": {"tile": "xy"},
    "editing": {"prompt": "[moss:red brick:0.4] AND (old:1.3) stone"},
}
PARTS = [*LEADS, *OTHERS]
CHOSEN = [("depth", "canny"), ("depth", "canny", "tiling"), ("depth", "canny", "editing"),
          ("depth", "canny", "tiling", "editing"), tuple(PARTS)]  # fmt: skip


def paint(lab, **more: Any) -> np.ndarray:
    """The painted pixels, (H, W, 3) float32."""
    return lab.exact(**({"steps": 5, "guidance": 3.0} | more))[0]


def combined(lab, start: str, chosen: tuple[str, ...]) -> np.ndarray:
    asked = dict(STARTS[start])
    for name in chosen:
        asked |= OTHERS.get(name, {})
    return paint(lab, controls=[LEADS[name] for name in chosen if name in LEADS], **asked)


@pytest.fixture(scope="module")
def painted(lab) -> dict[tuple[str, tuple[str, ...]], np.ndarray]:
    """Every combination, and each with one part left out."""
    wanted = {*CHOSEN, *(tuple(n for n in c if n != out) for c in CHOSEN for out in c)}
    return {(start, chosen): combined(lab, start, chosen) for start in REPAINTED for chosen in wanted}


@pytest.mark.parametrize("start", REPAINTED)
@pytest.mark.parametrize("chosen", CHOSEN, ids=" and ".join)
def test_several_hints_go_together_with_all_else_and_each_counts(painted, start: str, chosen: tuple[str, ...]):
    whole = painted[start, chosen]
    assert np.isfinite(whole).all()
    for left_out in chosen:
        rest = tuple(name for name in chosen if name != left_out)
        assert np.abs(whole - painted[start, rest]).max() > 0, f"{left_out} changes nothing"


@pytest.mark.parametrize("name", ["canny", "sketch"])
@pytest.mark.parametrize("start", STARTS)
def test_a_mask_of_ones_is_no_mask_and_a_mask_of_zeros_is_no_control(lab, start: str, name: str):
    def led(mask: np.ndarray | None) -> np.ndarray:
        lead = diffuse_pb2.Control()
        lead.CopyFrom(LEADS[name])
        if mask is not None:
            lead.mask.CopyFrom(pixels.mask(mask))
        return paint(lab, controls=[LEADS["depth"], lead], **STARTS[start])

    free, everywhere, nowhere, left = led(None), led(ALL), led(NONE), led(LEFT)
    assert np.array_equal(free, everywhere) and not np.array_equal(free, nowhere)
    assert np.array_equal(nowhere, paint(lab, controls=[LEADS["depth"]], **STARTS[start]))
    assert not np.array_equal(left, free) and not np.array_equal(left, nowhere)


@pytest.mark.parametrize("name", ["canny", "sketch"])
@pytest.mark.parametrize("tile", ["", "x"])
def test_hints_and_their_masks_count_through_windows_too(lab, name: str, tile: str):
    canvas = {"width": 2 * SIDE, "height": SIDE, "tile": tile}
    one, small = (diffuse_pb2.Windows(size=size, overlap=16) for size in (2 * SIDE, SIDE))

    def led(mask: np.ndarray | None, windows: diffuse_pb2.Windows | None) -> np.ndarray:
        lead = diffuse_pb2.Control()
        lead.CopyFrom(LEADS[name])
        if mask is not None:
            lead.mask.CopyFrom(pixels.mask(mask))
        return paint(lab, controls=[LEADS["depth"], lead], windows=windows, **canvas)

    free, nowhere, left = led(None, small), led(NONE, small), led(LEFT, small)
    assert np.array_equal(free, led(ALL, small)) and not np.array_equal(free, nowhere)
    assert np.array_equal(nowhere, paint(lab, controls=[LEADS["depth"]], windows=small, **canvas))
    assert not np.array_equal(left, free) and not np.array_equal(left, nowhere)
    assert np.array_equal(led(LEFT, one), led(LEFT, None)), "one window over all changes something"


def test_one_model_can_read_two_hints_each_with_its_mask_and_a_composed_prompt(lab):
    def led(*masks: np.ndarray) -> np.ndarray:
        hints = (PICTURE, pixels.from_array(BLOCKS[::-1].copy()))
        pairs = zip(hints, masks, strict=True)
        leads = [spec.control("canny", hint, preprocessor="canny", mask=pixels.mask(mask)) for hint, mask in pairs]
        return paint(lab, controls=leads, prompt="moss AND stone")

    one = paint(lab, controls=[LEADS["canny"]], prompt="moss AND stone")
    first_alone, second_alone = led(ALL, NONE), led(NONE, ALL)
    assert not np.array_equal(first_alone, second_alone) and not np.array_equal(first_alone, led(ALL, ALL))
    assert np.isfinite(one).all()


@pytest.mark.parametrize("name", ["canny", "sketch"])
def test_a_hint_made_on_the_way_is_the_hint_that_a_step_before_makes(lab, name: str):
    lead = LEADS[name]
    whole = paint(lab, controls=[lead])
    knobs = {key: value.integer for key, value in lead.knobs.items()}
    step = spec.preprocess(lead.preprocessor, PICTURE, knobs=knobs, id="hint", hidden=True)
    ready = diffuse_pb2.Control()
    ready.CopyFrom(lead)
    ready.ClearField("preprocessor"), ready.ClearField("knobs")
    ready.image.CopyFrom(pixels.from_step("hint"))
    job = spec.job(step, quick(steps=5, guidance=3.0, controls=[ready]), output=pixels_pb2.PIXEL_FORMAT_RGB32F)
    assert np.array_equal(pixels.to_array(lab.result(job).images[0]), whole)


def test_a_preprocessor_without_a_picture_takes_the_one_to_start_from(lab):
    start = {"init": PICTURE, "strength": 0.8}
    named = paint(lab, controls=[spec.control("canny", PICTURE, preprocessor="canny")], **start)
    assert np.array_equal(paint(lab, controls=[spec.control("canny", preprocessor="canny")], **start), named)


def test_normals_come_from_the_depth_of_the_painting(lab):
    made = lab.result(spec.preprocess("normal_from_depth", depth=pixels.depth_map(ramp()), tile="y"))
    normals = array(made.images[0].data)
    assert made.artifacts[0].kind == "hint" and (normals[:, 4:-4, 0] > 128).all() and (normals[..., 1] == 128).all()


def test_repainting_can_tell_a_control_model_what_stays(lab):
    lead = spec.control("canny", preprocessor="inpaint")  # the tiny model takes anything for its hint
    assert not np.array_equal(paint(lab, controls=[lead], **STARTS["inpaint"]), paint(lab, **STARTS["inpaint"]))


def test_depth_is_estimated_by_a_model_that_is_installed(lab):
    made = lab.result(spec.preprocess("depth_estimate", PICTURE))
    assert array(made.images[0].data).shape == (SIDE, SIDE, 3)
    assert {"tiny-estimator"} == {used.id for used in made.artifacts[0].recipe.models}
    leads = [spec.control("depth", PICTURE, preprocessor=name) for name in ("depth_estimate", "gray")]
    estimated, grey = (paint(lab, controls=[lead]) for lead in leads)
    assert not np.array_equal(estimated, grey)


WIDE = np.kron(noise(width=16, height=8), np.ones((8, 8, 1), np.uint8))  # twice as wide as high


def test_a_hint_of_other_proportions_is_stretched_or_fitted_or_cut(lab):
    led = {mode: paint(lab, controls=[spec.control("canny", pixels.from_array(WIDE), resize=mode)])
           for mode in ("", "stretch", "fit", "fill")}  # fmt: skip
    assert np.array_equal(led[""], led["stretch"])
    for one, other in itertools.combinations(("stretch", "fit", "fill"), 2):
        assert not np.array_equal(led[one], led[other])
    cut = pixels.from_array(WIDE[:, SIDE // 2 : SIDE // 2 + SIDE].copy())
    assert np.array_equal(led["fill"], paint(lab, controls=[spec.control("canny", cut)]))


def test_hints_of_a_tile_are_made_of_a_tile(lab):
    made = [lab.result(spec.preprocess("canny", PICTURE, tile=tile)).images[0] for tile in ("xy", "")]
    rolled = pixels.from_array(np.roll(BLOCKS, (20, 12), (0, 1)))
    moved = lab.result(spec.preprocess("canny", rolled, tile="xy")).images[0]
    assert np.array_equal(np.roll(array(made[0].data), (20, 12), (0, 1)), array(moved.data))
    assert not np.array_equal(array(made[0].data), array(made[1].data))


def test_a_recipe_holds_every_knob_and_paints_the_same_pixels(lab):
    first = lab.paint(controls=[spec.control("canny", PICTURE, preprocessor="canny", knobs={"low": 30.0}, resize="fit"),
                                LEADS["sketch"]])  # fmt: skip
    found = recipe.read(first)
    assert found is not None
    asked = found.spec.steps[0].diffuse.controls[0]
    assert {name: value.WhichOneof("value") for name, value in asked.knobs.items()} == {
        "low": "integer", "high": "integer", "blur": "number", "measure": "text",
    }  # fmt: skip
    assert (asked.model, asked.resize) == ("tiny-canny", diffuse_pb2.RESIZE_MODE_FIT)
    assert lab.result(recipe.replay(found)).images[0].data == first


def test_the_catalog_knows_preprocessors_and_kinds_of_hints(lab):
    shelves = {shelf.name: {part.id: part for part in shelf.parts} for shelf in lab.engine.catalog().shelves}
    canny = shelves["preprocessors"]["canny"]
    assert canny.available and {knob.name for knob in canny.knobs} == {"low", "high", "blur", "measure"}
    assert shelves["preprocessors"]["depth_estimate"].available
    assert not shelves["preprocessors"]["openpose"].available and shelves["preprocessors"]["openpose"].reason
    assert shelves["controls"]["canny"].available and not shelves["controls"]["mlsd"].available
    assert "preprocess" in shelves["operations"]


def controlled(**facts: Any):
    return lambda: quick(controls=[spec.control(**({"kind": "canny", "image": flat()} | facts))])


def of(name: str, **facts: Any):
    return lambda: spec.preprocess(name, **facts)


CONTROL, ALONE = "steps[0].diffuse.controls[0]", "steps[0].preprocess"
BAD = {
    "a preprocessor nobody knows": (controlled(preprocessor="cany"), errors.NotFound, f"{CONTROL}.preprocessor"),
    "a path as a preprocessor": (controlled(preprocessor="../x"), errors.Invalid, f"{CONTROL}.preprocessor"),
    "knobs of nothing": (controlled(knobs={"low": 1}), errors.Invalid, f"{CONTROL}.knobs"),
    "a knob nobody knows": (
        controlled(preprocessor="canny", knobs={"lo": 1}), errors.NotFound, f"{CONTROL}.knobs[lo]",
    ),
    "a knob beyond its range": (
        controlled(preprocessor="canny", knobs={"low": 10**6}), errors.Invalid, f"{CONTROL}.knobs[low]",
    ),
    "a knob that is no number": (
        controlled(preprocessor="blur", knobs={"sigma": float("nan")}), errors.Invalid, f"{CONTROL}.knobs[sigma]",
    ),
    "a knob of another type": (
        controlled(preprocessor="blur", knobs={"sigma": "much"}), errors.Invalid, f"{CONTROL}.knobs[sigma]",
    ),
    "a preprocessor without depth": (
        controlled(image=None, preprocessor="normal_from_depth"), errors.Invalid, f"{CONTROL}.depth",
    ),
    "a picture that is not read": (controlled(preprocessor="normal_from_depth"), errors.Invalid, f"{CONTROL}.image"),
    "a preprocessor without a picture": (
        controlled(image=None, preprocessor="canny"), errors.Invalid, f"{CONTROL}.image",
    ),
    "no mask to tell of": (controlled(preprocessor="inpaint"), errors.Invalid, f"{CONTROL}.preprocessor"),
    "a preprocessor whose model is missing": (
        controlled(preprocessor="openpose"), errors.Unsupported, f"{CONTROL}.preprocessor",
    ),
    "a control model for other pictures": (
        controlled(model="tiny-sketch"), errors.Unsupported, f"{CONTROL}.model",
    ),
    "an estimator as a control model": (controlled(model="tiny-estimator"), errors.NotFound, f"{CONTROL}.model"),
    "a mask from nowhere": (
        controlled(mask=pixels_pb2.Mask(image=pixels.from_step("x"))), errors.Invalid, f"{CONTROL}.mask.image",
    ),
    "a hint of nothing": (of("canny"), errors.Invalid, f"{ALONE}.image"),
    "a hint by nothing": (of("", image=flat()), errors.Invalid, f"{ALONE}.preprocessor"),
    "a hint of a mask that is none": (of("inpaint", image=flat()), errors.Unsupported, f"{ALONE}.preprocessor"),
    "a hint by a model that is missing": (of("hed", image=flat()), errors.Unsupported, f"{ALONE}.preprocessor"),
    "depth that is not read": (
        of("canny", image=flat(), depth=pixels.depth_map(ramp())), errors.Invalid, f"{ALONE}.depth",
    ),
    "depth of nothing": (of("depth", depth=pixels.depth_map(ramp() * 0)), errors.Invalid, f"{ALONE}.depth.image"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_is_refused_before_any_step_with_the_field_and_a_way_out(lab, case: str):
    build, kind, field = BAD[case]
    with pytest.raises(kind) as caught:
        lab.result(build())
    assert caught.value.field == field and caught.value.remedy


def test_a_resize_mode_of_tomorrow_is_refused(lab):
    job = controlled()()
    job.steps[0].diffuse.controls[0].resize = 9
    with pytest.raises(errors.Invalid, match="Resize"):
        lab.result(job)


def test_a_missing_annotator_says_what_to_install_or_do(lab):
    with pytest.raises(errors.Unsupported) as caught:
        lab.result(spec.preprocess("openpose", flat()))
    assert caught.value.reason == "NO_ANNOTATOR"


def test_a_hint_that_no_model_reads_is_told_what_there_is(lab):
    with pytest.raises(errors.NotFound) as caught:
        lab.result(controlled(kind="mlsd")())
    assert caught.value.reason == "NO_CONTROL_MODEL" and set(caught.value.suggestions) == {"canny", "depth", "scribble"}
