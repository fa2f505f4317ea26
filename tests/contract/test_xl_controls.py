"""What leads SDXL, through the whole engine: unions of ControlNets, single files, T2I-Adapters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from contract.lab import LEFT, SIDE, TASKS, Lab, noise, quick
from diffusers import T2IAdapter
from fakes.tiny_controls import as_file, make_adapter_xl, make_original_adapter, make_union
from fakes.tiny_models import make_control, make_t2i, make_tiny
from velatura import errors, pixels, recipe, spec
from velatura.v1 import diffuse_pb2

BLOCKS = np.kron(noise(width=8, height=8), np.ones((8, 8, 1), np.uint8))
PICTURE = pixels.from_array(BLOCKS)
OTHER = pixels.from_array(BLOCKS[::-1].copy())


@pytest.fixture(scope="module")
def led(tmp_path_factory) -> Iterator[Lab]:
    """An engine with SDXL, SD 1 and control models for both."""
    home = tmp_path_factory.mktemp("led")
    xl, one = make_tiny(home / "a-xl", "sdxl"), make_tiny(home / "sd1", "sd1")
    as_file(home / "everything.safetensors", make_union(home.parent / "union-away", xl))
    make_union(home / "six", xl, kinds=6, seed=1)
    make_control(home / "xl-tile", xl)
    adapter = T2IAdapter.from_pretrained(make_adapter_xl(home.parent / "xl-away", xl))
    make_original_adapter(home / "sketch-of-xl.safetensors", adapter)
    adapter = T2IAdapter.from_pretrained(make_t2i(home.parent / "sd1-away", one))
    make_original_adapter(home / "sketch-of-one.safetensors", adapter)
    running = Lab(tmp_path_factory.mktemp("home"), home)
    yield running
    running.close()


def paint(led: Lab, *controls: Any, **more: Any) -> np.ndarray:
    return led.exact(**({"steps": 4, "guidance": 3.0, "controls": controls} | more))[0]


def ask(kind: str, picture: Any = PICTURE, model: str = "everything", **more: Any) -> Any:
    return spec.control(kind, picture, model=model, **more)


@pytest.mark.parametrize("task", TASKS)
def test_a_union_reads_each_kind_in_its_own_way_and_several_together(led, task):
    edges, normals, free = (
        paint(led, *controls, **TASKS[task]) for controls in ([ask("canny")], [ask("normal")], [])
    )  # fmt: skip
    both = paint(led, ask("canny"), ask("normal", OTHER), **TASKS[task])
    painted = [edges, normals, free, both]
    assert all(np.isfinite(one).all() for one in painted)
    for number, one in enumerate(painted):
        assert all(not np.array_equal(one, other) for other in painted[number + 1 :])
    assert np.array_equal(edges, paint(led, ask("lineart"), **TASKS[task])), "lines of all kinds have one number"


def test_each_hint_of_a_union_has_its_own_part_of_the_run_and_its_own_mask(led):
    both = paint(led, ask("canny"), ask("normal", OTHER))
    early = paint(led, ask("canny"), ask("normal", OTHER, end=0.5))
    assert not np.array_equal(both, early)
    rests = paint(led, ask("canny"), ask("normal", OTHER, strength=0.0))
    assert np.array_equal(rests, paint(led, ask("canny")))
    masks = [pixels.mask(mask) for mask in (LEFT, np.zeros_like(LEFT))]
    left, nowhere = (paint(led, ask("canny"), ask("normal", OTHER, mask=mask)) for mask in masks)
    assert np.array_equal(nowhere, rests) and not np.array_equal(left, both) and not np.array_equal(left, rests)


def test_a_union_goes_with_other_controls_composed_prompts_tiling_and_windows(led):
    controls = [ask("depth"), ask("tile", model="xl-tile"), ask("scribble", model="sketch-of-xl")]
    more = {"prompt": "moss AND (brick:1.2)", "tile": "x", "width": 2 * SIDE}
    whole = paint(led, *controls, **more)
    for left_out in controls:
        rest = [control for control in controls if control is not left_out]
        assert not np.array_equal(whole, paint(led, *rest, **more)), f"{left_out.kind} changes nothing"
    window = diffuse_pb2.Windows(size=SIDE, overlap=32)
    assert not np.array_equal(paint(led, *controls, **more, windows=window), whole)


def test_an_adapter_in_one_file_leads_the_base_that_it_was_made_for(led):
    for model, name in (("a-xl", "sketch-of-xl"), ("sd1", "sketch-of-one")):
        given, other = (paint(led, ask("scribble", picture, name), model=model) for picture in (PICTURE, OTHER))
        assert not np.array_equal(given, other)


@pytest.mark.parametrize(
    ("model", "control"), [("sd1", "everything"), ("sd1", "sketch-of-xl"), ("a-xl", "sketch-of-one")]
)
def test_what_was_made_for_another_base_is_refused_before_any_step(led, model, control):
    with pytest.raises(errors.Unsupported) as refusal:
        led.result(quick(model=model, controls=[ask("scribble", model=control)]))
    assert (refusal.value.reason, refusal.value.field) == ("WRONG_BASE", "steps[0].diffuse.controls[0].model")


def test_a_union_of_six_kinds_does_not_read_the_seventh(led):
    with pytest.raises(errors.Unsupported) as refusal:
        led.result(quick(controls=[ask("inpaint", model="six")]))
    assert refusal.value.field == "steps[0].diffuse.controls[0].model" and "everything" in refusal.value.remedy
    with pytest.raises(errors.NotFound) as unread:
        led.result(quick(controls=[ask("qrcode", model="")]))
    assert all(kind in unread.value.remedy for kind in ("openpose", "seg", "tile", "inpaint"))


def test_the_catalog_and_the_recipe_name_the_union(led):
    catalog = led.engine.catalog()
    told = {model.id: model for model in catalog.models}["everything"]
    assert (told.kind, told.family) == ("controlnet", "sdxl") and "openpose" in told.description
    kinds = {part.id: part.available for shelf in catalog.shelves if shelf.name == "controls" for part in shelf.parts}
    assert kinds["mlsd"] and kinds["inpaint"] and not kinds["qrcode"]
    first = led.paint(controls=[ask("canny", model=""), ask("seg", OTHER, model="")])
    found = recipe.read(first)
    assert found is not None and {control.model for control in found.spec.steps[0].diffuse.controls} == {"everything"}
    assert led.result(recipe.replay(found)).images[0].data == first
