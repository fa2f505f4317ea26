"""Pictures to take after, through the whole engine and together with everything else that a painting can have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contract.lab import SIDE, array, flat, noise, quick
from velatura import errors, pixels, recipe, spec
from velatura.v1 import diffuse_pb2

PATCHES = np.kron(np.random.default_rng(4).integers(0, 256, (4, 4, 3), np.uint8), np.ones((12, 12, 1), np.uint8))
PICTURE = pixels.from_array(PATCHES)
RAMP = np.tile(np.linspace(1, 5, SIDE, dtype=np.float32), (SIDE, 1))
LEFT = np.zeros((SIDE, SIDE), np.float32)
LEFT[:, : SIDE // 2] = 1
STARTS: dict[str, dict[str, Any]] = {
    "txt2img": {},
    "img2img": {"init": pixels.from_array(noise()), "strength": 0.7},
    "inpaint": {"init": pixels.from_array(noise()), "mask": pixels.mask(LEFT), "strength": 0.7},
}
TWO = [
    spec.reference(PICTURE, "content", 0.8, mask=pixels.mask(LEFT)),
    spec.reference(flat(40), "style", model="likeness"),
]
EXTRAS: dict[str, dict[str, Any]] = {
    "references": {"references": TWO},
    "depth": {"depth": pixels.depth_map(RAMP)},
    "tiling": {"tile": "xy"},
    "editing": {"prompt": "[moss:red brick:0.4] AND (old:1.3) stone"},
}
ALL = tuple(EXTRAS)


def paint(lab, start: str, chosen: tuple[str, ...]) -> np.ndarray:
    asked = {"prompt": "moss", "guidance": 3.0, "steps": 4} | STARTS[start]
    for name in chosen:
        asked |= EXTRAS[name]
    return array(lab.result(quick(**asked)).images[0].data).astype(int)


@pytest.fixture(scope="module")
def painted(lab) -> dict[tuple[str, tuple[str, ...]], np.ndarray]:
    """Everything at once, all but one of each, references alone, and nothing."""
    asked = [ALL, *(tuple(name for name in ALL if name != left_out) for left_out in ALL), ("references",), ()]
    return {(start, chosen): paint(lab, start, chosen) for start in STARTS for chosen in asked}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("chosen", [ALL, ("references",)], ids=" and ".join)
def test_whatever_is_combined_every_part_of_it_counts(painted, start: str, chosen: tuple[str, ...]):
    whole = painted[start, chosen]
    for left_out in chosen:
        rest = tuple(name for name in chosen if name != left_out)
        assert np.abs(whole - painted[start, rest]).max() > 0, f"{left_out} changes nothing"
    if start == "inpaint":
        assert np.array_equal(whole[:, SIDE // 2 :], noise()[:, SIDE // 2 :])


@pytest.mark.parametrize("model", ["tiny-five", "tiny-nine", "tiny-sd1", "tiny-one-file"])
def test_models_of_every_layout_take_after_pictures(lab, model: str):
    more = EXTRAS["depth"] if model == "tiny-five" else STARTS["inpaint"] if model == "tiny-nine" else {}
    asked = {"model": model, "guidance": 3.0} | more
    assert lab.paint(references=[spec.reference(PICTURE)], **asked) != lab.paint(**asked)


@pytest.mark.parametrize("role", ["content", "style", "face"])
def test_every_role_counts_with_and_without_guidance(lab, role: str):
    for guidance in (1.0, 4.0):
        with_it, without = (
            lab.paint(references=ask, guidance=guidance) for ask in ([spec.reference(PICTURE, role)], [])
        )
        assert with_it != without


def test_no_strength_is_no_reference_to_the_bit(lab):
    (with_it,), (without,) = (lab.exact(references=ask) for ask in ([spec.reference(PICTURE, strength=0.0)], []))
    assert np.array_equal(with_it, without)


def test_nothing_stays_behind_after_success_cancelling_and_refusal(lab):
    before = lab.exact(guidance=3.0)
    taken = lab.exact(guidance=3.0, references=TWO)
    assert not np.array_equal(before[0], taken[0])
    assert np.array_equal(lab.exact(guidance=3.0)[0], before[0])
    job = lab.engine.generate(quick(references=TWO, steps=1000))
    lab.until(running=1)
    for event in job.events():
        if event.HasField("progress") and event.progress.step > 1:
            job.cancel()
            break
    lab.until(running=0, queued=0)
    assert np.array_equal(lab.exact(guidance=3.0)[0], before[0])
    with pytest.raises(errors.VelaturaError):
        lab.result(quick(references=[spec.reference(PICTURE, model="deep-likeness")]))
    assert np.array_equal(lab.exact(guidance=3.0)[0], before[0])


def test_an_earlier_steps_picture_is_taken_after(lab):
    first = quick("brick", id="first", hidden=True)
    both = lab.paint(references=[spec.reference(pixels.from_array(array(lab.paint("brick"))))])
    chained = lab.result(spec.job(first, quick(references=[spec.reference(pixels.from_step("first"))]))).images[0].data
    assert np.abs(array(both).astype(int) - array(chained)).max() <= 1


def test_a_recipe_names_what_read_the_picture_and_paints_the_same_again(lab):
    first = lab.paint(references=[spec.reference(PICTURE), TWO[1]], seed=8, guidance=3.0)
    found = recipe.read(first)
    assert found is not None
    asked = found.spec.steps[0].diffuse.references
    assert [(one.role, one.model, one.strength) for one in asked] == [
        ("content", "likeness-plus", 1.0), ("style", "likeness", 1.0),
    ]  # fmt: skip
    assert {"likeness", "likeness-plus", "eyes", "tiny"} == {used.id for used in found.models}
    assert lab.result(recipe.replay(found)).images[0].data == first


def test_the_catalog_tells_adapters_and_encoders(lab):
    kinds = {model.id: model.kind for model in lab.engine.catalog().models}
    assert kinds["likeness"] == kinds["likeness-face"] == "ip_adapter" and kinds["eyes"] == "image_encoder"


BAD: dict[str, tuple[dict[str, Any], type[errors.VelaturaError], str]] = {
    "an unknown role": ({"role": "smell"}, errors.Invalid, "role"),
    "an edit": ({"role": "edit"}, errors.Unsupported, "role"),
    "too strong": ({"strength": 2.5}, errors.Invalid, "strength"),
    "less than nothing": ({"strength": -1.0}, errors.Invalid, "strength"),
    "no number": ({"strength": float("nan")}, errors.Invalid, "strength"),
    "a path": ({"model": "../likeness.safetensors"}, errors.Invalid, "model"),
    "nobody": ({"model": "likenes"}, errors.NotFound, "model"),
    "a checkpoint": ({"model": "tiny"}, errors.NotFound, "model"),
    "an adapter of another base": ({"model": "deep-likeness"}, errors.Unsupported, "model"),
    "a face for those who read none": ({"role": "face", "model": "likeness"}, errors.Unsupported, "role"),
    "a mask of another shape": ({"mask": pixels.mask(np.ones((SIDE, SIDE // 2), bool))}, errors.Invalid, "mask"),
    "no picture": ({"image": None}, errors.Invalid, "image"),
    "a later step's picture": ({"image": pixels.from_step("later")}, errors.Invalid, "image"),
}


@pytest.mark.parametrize("case", BAD)
def test_is_refused_by_its_field_with_a_way_out(lab, case: str):
    facts, kind, field = BAD[case]
    job = quick(references=[diffuse_pb2.Reference(**({"image": PICTURE} | facts))])
    for ask in (lab.result, lab.engine.plan):
        with pytest.raises(kind) as caught:
            ask(job)
        assert caught.value.field.startswith(f"steps[0].diffuse.references[0].{field}")
        assert caught.value.remedy or caught.value.suggestions


def test_more_than_eight_are_refused(lab):
    with pytest.raises(errors.Invalid) as caught:
        lab.result(quick(references=[spec.reference(PICTURE)] * 9))
    assert caught.value.field == "steps[0].diffuse.references"
