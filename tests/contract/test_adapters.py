"""LoRAs, embeddings and hypernetworks through the whole engine, with everything else that a painting can have."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from contract.lab import LEFT, PATIENCE, SIDE, Lab, array, noise, quick, ramp, slow
from diffusers import StableDiffusionPipeline
from fakes import adapters as fake
from fakes.tiny_models import TEXT, make_control, make_tiny
from velatura import errors, pixels, recipe
from velatura.spec import adapter, control
from velatura_engine.commands.importing import take_in

LAYERS = (
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k",
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
    "mid_block.attentions.0.transformer_blocks.0.attn2.to_v",
    "up_blocks.1.attentions.1.transformer_blocks.0.attn1.to_out.0",
    "up_blocks.1.resnets.0.conv1",
)
WORN = "adapters[0]"
WORDS = ("encoder.layers.0.self_attn.q_proj", "encoder.layers.1.mlp.fc1")

TURNED: dict[str, dict[str, Any]] = {"turned": {"alpha": 0.01}, "woven": {"layers": 2, "prefix": "lora_unet"}}
"""Adapters that turn weights, OFT and BOFT."""


def furnish(folder: Path) -> None:
    """A models folder with a tiny checkpoint and adapters of every kind for it, and some for other bases."""
    pipeline = StableDiffusionPipeline.from_pretrained(make_tiny(folder / "tiny"))
    make_control(folder / "tiny-depth", folder / "tiny")
    make_control(folder / "tiny-canny", folder / "tiny", seed=1)
    unet = fake.matrices(pipeline.unet, LAYERS)
    text = fake.matrices(pipeline.text_encoder, WORDS)
    old = {f"text_model.{path}": pair for path, pair in text.items()}
    loras = folder / "loras"
    fake.save(loras / "Rust.safetensors", fake.kohya(unet) | fake.kohya(old, "lora_te"))
    fake.save(loras / "rust-peft.safetensors", fake.peft(unet) | fake.peft(old, "text_encoder"))
    fake.save(loras / "gold.safetensors", fake.kohya(fake.matrices(pipeline.unet, LAYERS[:2], seed=5)))
    wide = {LAYERS[0]: (torch.zeros(4, 768), torch.zeros(16, 4))}
    fake.save(loras / "sd15.safetensors", fake.kohya(wide))
    fake.save(loras / "sd15-partly.safetensors", fake.kohya(wide | fake.matrices(pipeline.unet, LAYERS[2:4])))
    fake.save(loras / "holed.safetensors", {k: v / 0 for k, v in fake.kohya(unet).items()})
    turned = {name: fake.oft(pipeline.unet, LAYERS, **facts) for name, facts in TURNED.items()}
    for name, tensors in (turned | {"general": fake.glora(pipeline.unet, LAYERS)}).items():
        fake.save(loras / f"{name}.safetensors", tensors)
    fake.save(folder / "embeddings" / "mudgone.safetensors", {"emb_params": fake.embedding(3, TEXT)})
    fake.save(folder / "embeddings" / "widegone.safetensors", {"emb_params": fake.embedding(3, 768)})
    fake.save(folder / "embeddings" / "anything.safetensors", {"<cat-toy>": fake.embedding(1, TEXT, seed=4)})
    import_from = fake.torch_file(folder.parent / "style.pt", fake.hypernetwork([TEXT]))
    take_in(import_from, folder)


@pytest.fixture(scope="module")
def worn_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """An engine that has adapters."""
    folder = tmp_path_factory.mktemp("adapters") / "models"
    folder.mkdir()
    furnish(folder)
    running = Lab(tmp_path_factory.mktemp("home"), folder)
    yield running
    running.close()


@pytest.fixture
def lab(worn_lab: Lab) -> Iterator[Lab]:
    """The same engine; after each test it paints, to the bit, what it painted before any."""
    if not hasattr(worn_lab, "plain"):
        worn_lab.plain = worn_lab.exact()[0]  # type: ignore[attr-defined]
    yield worn_lab
    assert np.array_equal(worn_lab.exact()[0], worn_lab.plain)  # type: ignore[attr-defined]


def test_adapters_are_listed_by_what_they_are(lab):
    found = {model.id: model.kind for model in lab.engine.catalog().models}
    assert found == {
        "tiny": "checkpoint", "tiny-depth": "controlnet", "tiny-canny": "controlnet", "rust": "lora",
        "rust-peft": "lora", "gold": "lora", "sd15": "lora", "sd15-partly": "lora", "holed": "lora",
        "mudgone": "embedding", "widegone": "embedding", "anything": "embedding", "style": "hypernetwork",
        "turned": "lora", "woven": "lora", "general": "lora",
    }  # fmt: skip


def test_both_layouts_the_list_and_the_tag_wear_the_same(lab):
    listed = lab.exact(adapters=[adapter("rust", 0.5)])[0]
    assert not np.array_equal(listed, lab.plain)
    others = [
        {"adapters": [adapter("rust-peft", 0.5)]}, {"prompt": "moss<lora:Rust:0.5>"},
        {"prompt": "<lyco:rust-peft:0.5:0.5>moss"},
    ]  # fmt: skip
    for other in others:
        assert np.array_equal(lab.exact(**other)[0], listed), other


@pytest.mark.parametrize("name", [*TURNED, "general"])
def test_adapters_that_turn_weights_are_worn_like_others(lab, name):
    whole, half = (lab.exact(adapters=[adapter(name, weight)])[0] for weight in (1, 0.5))
    both = lab.exact(adapters=[adapter(name), adapter("gold")])[0]
    painted = [lab.plain, whole, half, both]
    for number, one in enumerate(painted):
        assert np.isfinite(one).all() and not any(np.array_equal(one, other) for other in painted[number + 1 :])
    assert np.array_equal(lab.exact(prompt=f"moss<lora:{name}:0.5>")[0], half)


def test_text_and_denoiser_have_weights_of_their_own(lab):
    whole, text, unet = (
        lab.exact(adapters=[adapter("rust", weight, text_weight)])[0]
        for weight, text_weight in ((1, 1), (0, 1), (1, 0))
    )
    assert not any(np.array_equal(one, other) for one, other in ((whole, text), (text, unet), (unet, lab.plain)))
    assert np.array_equal(lab.exact(prompt="moss<lora:rust:0:1>")[0], unet)
    assert np.array_equal(lab.exact(adapters=[adapter("rust", 0)])[0], lab.plain)


def test_block_weights_leave_blocks_out(lab):
    some = lab.exact(adapters=[adapter("rust", block_weights={"IN01": 0, "mid": 0.5})])[0]
    none = lab.exact(
        adapters=[adapter("rust", block_weights=dict.fromkeys(("IN01", "M00", "OUT02", "OUT03", "BASE"), 0))]
    )
    assert not np.array_equal(some, lab.exact(adapters=[adapter("rust")])[0])
    assert not np.array_equal(some, lab.plain)
    assert np.array_equal(none[0], lab.plain)


def test_several_are_worn_at_once(lab):
    both = lab.exact(adapters=[adapter("rust", 0.6), adapter("gold", -0.5)])[0]
    assert not any(np.array_equal(both, lab.exact(adapters=[adapter(name, 0.6)])[0]) for name in ("rust", "gold"))
    assert np.array_equal(lab.exact(prompt="moss<lora:gold:-0.5>", adapters=[adapter("rust", 0.6)])[0], both)


def test_a_hypernetwork_is_worn_and_several_are(lab):
    once, twice = (lab.exact(prompt="moss" + "<hypernet:style:0.5>" * count)[0] for count in (1, 2))
    assert not np.array_equal(once, lab.plain) and not np.array_equal(once, twice)
    assert np.array_equal(lab.exact(adapters=[adapter("style", 0.5)])[0], once)
    assert np.array_equal(lab.exact(prompt="moss<hypernet:style:0>")[0], lab.plain)


def test_an_embedding_is_heard_by_its_name_in_both_prompts(lab):
    said = {
        words: lab.exact(**{"guidance": 3.0} | facts)[0]
        for words, facts in {
            "none": {}, "mudgone": {"prompt": "moss, mudgone"}, "in any case": {"prompt": "moss, MudGone"},
            "negative": {"negative": "mudgone"}, "weighted": {"prompt": "moss, (mudgone:1.3)"},
            "by its token": {"prompt": "moss, <cat-toy>"}, "by its file": {"prompt": "moss, anything"},
            "part of a word": {"prompt": "moss, mudgones"},
        }.items()
    }  # fmt: skip
    assert np.array_equal(said["mudgone"], said["in any case"])
    assert np.array_equal(said["by its token"], said["by its file"])
    different = ("none", "mudgone", "negative", "weighted", "by its token", "part of a word")
    for number, one in enumerate(different):
        assert not any(np.array_equal(said[one], said[other]) for other in different[number + 1 :]), one


def test_an_embedding_for_another_base_is_read_as_words_and_told(lab):
    result = lab.result(quick("moss, widegone"))
    (warning,) = result.warnings
    assert warning.reason == "WRONG_BASE" and "widegone" in warning.message


EXTRAS: dict[str, dict[str, Any]] = {
    "adapters": {"adapters": [adapter("rust", 0.7), adapter("style", 0.4)]},
    "embedding": {"negative": "mudgone"},
    "depth": {"depth": pixels.depth_map(ramp())},
    "tiling": {"tile": "xy"},
    "editing": {"prompt": "[moss:red brick:0.4] AND (anything:1.3) stone"},
}


@pytest.mark.parametrize("start", [{}, {"init": pixels.from_array(noise()), "strength": 0.7}], ids=["words", "picture"])
def test_adapters_go_with_everything_else(lab, start):
    def paint(*names: str) -> np.ndarray:
        asked: dict[str, Any] = {"prompt": "moss", "guidance": 3.0, "steps": 4} | start
        for name in names:
            asked |= EXTRAS[name]
        return array(lab.result(quick(**asked)).images[0].data).astype(int)

    whole = paint(*EXTRAS)
    for left_out in EXTRAS:
        rest = paint(*(name for name in EXTRAS if name != left_out))
        assert np.abs(whole - rest).max() > 0, f"{left_out} changes nothing"


PICTURE = pixels.from_array(np.kron(noise(width=8, height=8), np.ones((8, 8, 1), np.uint8)))
STARTS: dict[str, dict[str, Any]] = {"img2img": {}, "inpaint": {"mask": pixels.mask(LEFT)}}
PARTS: dict[str, dict[str, Any]] = {
    "depth": {"depth": pixels.depth_map(ramp())},
    "canny": {"controls": [control("canny", PICTURE, preprocessor="canny")]},
    "tiling": {"tile": "xy"},
    "lora": {"adapters": [adapter("rust", 0.7)]},
    "editing": {"prompt": "[moss:red brick:0.4]"},
}


@pytest.mark.parametrize("start", STARTS)
def test_two_hints_tiling_a_lora_and_editing_go_together_in_every_combination_and_each_counts(lab, start):
    asked = {"init": pixels.from_array(noise()), "strength": 0.7, "steps": 4, "prompt": "moss"} | STARTS[start]
    every = [chosen for size in range(len(PARTS) + 1) for chosen in combinations(PARTS, size)]
    painted = {
        chosen: lab.exact(**functools.reduce(operator.or_, (PARTS[name] for name in chosen), asked))[0]
        for chosen in every
    }
    for chosen, picture in painted.items():
        assert np.isfinite(picture).all()
        for left_out in chosen:
            rest = painted[tuple(name for name in chosen if name != left_out)]
            assert not np.array_equal(picture, rest), f"{left_out} changes nothing in {chosen}"


def test_a_recipe_names_what_was_worn_and_paints_the_same_pixels(lab):
    worn = [adapter("rust", 0.7, block_weights={"IN01": 0.5})]
    first = lab.paint("moss, mudgone <lora:gold:0.3:0.4>", adapters=worn, seed=8)
    found = recipe.read(first)
    assert found is not None
    assert [used.id for used in found.models] == ["tiny", "rust", "gold", "mudgone"]
    assert all(len(used.sha256) == 64 for used in found.models)
    (listed,) = found.spec.steps[0].diffuse.adapters
    assert (listed.model, listed.text_weight) == ("rust", listed.weight)
    assert lab.result(recipe.replay(found)).images[0].data == first


def test_a_lora_for_another_base_is_refused_by_name_before_anything_loads(lab):
    for facts in ({"adapters": [adapter("sd15")]}, {"prompt": "moss<lora:sd15:1>"}):
        with pytest.raises(errors.Unsupported) as caught:
            lab.result(quick(**facts))
        trouble = caught.value
        assert trouble.reason == "WRONG_BASE" and "768" in trouble.message and "rust" in trouble.remedy
        assert trouble.field.startswith("steps[0].diffuse.")


def test_forced_it_wears_what_fits_and_says_what_does_not(lab):
    result = lab.result(quick(adapters=[adapter("sd15-partly", force=True)]))
    (warning,) = result.warnings
    assert warning.reason == "LAYERS_LEFT_OUT" and "1 of the 3 layers" in warning.message
    with pytest.raises(errors.Unsupported) as caught:
        lab.result(quick(adapters=[adapter("sd15", force=True)]))
    assert caught.value.reason == "WRONG_BASE"


@pytest.mark.parametrize(
    ("facts", "kind", "field", "words"),
    [
        ({"prompt": "moss<lora:rsut:1>"}, errors.NotFound, "prompt", "Rust"),
        ({"adapters": [adapter("glod")]}, errors.NotFound, f"{WORN}.model", "gold"),
        ({"adapters": [adapter("tiny")]}, errors.NotFound, f"{WORN}.model", ""),
        ({"adapters": [adapter("")]}, errors.Invalid, f"{WORN}.model", ""),
        ({"adapters": [adapter("../rust.safetensors")]}, errors.Invalid, f"{WORN}.model", ""),
        ({"adapters": [adapter("mudgone")]}, errors.Invalid, f"{WORN}.model", "prompt"),
        ({"adapters": [adapter("rust", 4.1)]}, errors.Invalid, f"{WORN}.weight", ""),
        ({"adapters": [adapter("rust", 1, float("nan"))]}, errors.Invalid, f"{WORN}.text_weight", ""),
        ({"adapters": [adapter("rust", block_weights={"IN99x": 1})]}, errors.Invalid, f"{WORN}.block_weights", "IN00"),
        ({"adapters": [adapter("rust", block_weights={"IN01": 9})]}, errors.Invalid, f"{WORN}.block_weights[IN01]", ""),
        ({"adapters": [adapter("style", block_weights={"IN01": 1})]}, errors.Unsupported, f"{WORN}.block_weights", ""),
        ({"adapters": [adapter("rust")] * 33}, errors.Invalid, "adapters", ""),
        ({"prompt": "moss" + "<lora:rust:0.1>" * 33}, errors.Invalid, "adapters", ""),
        ({"prompt": "moss<lora:rust:50>"}, errors.Invalid, "prompt", "4"),
        ({"negative": "<lora:rust:1>"}, errors.Invalid, "negative", "prompt"),
        ({"adapters": [adapter("holed")]}, errors.Unsupported, f"{WORN}.model", "again"),
    ],
)  # fmt: skip
def test_what_cannot_be_worn_is_refused_with_a_way_out(lab, facts, kind, field, words):
    with pytest.raises(kind) as caught:
        lab.result(quick(**facts))
    assert caught.value.field == f"steps[0].diffuse.{field}"
    assert caught.value.remedy and words in caught.value.remedy


def test_a_cancelled_painting_leaves_nothing_on(lab):
    job = lab.engine.generate(slow(width=128, height=128, adapters=[adapter("rust"), adapter("style")]))
    for event in job.events():
        if event.HasField("progress") and event.progress.stage.endswith("diffuse") and event.progress.step:
            break
    job.cancel()
    with pytest.raises(errors.Cancelled):
        job.result(PATIENCE)
    lab.until(running=0)
    # The fixture looks whether the engine paints as before.


def test_a_literal_prompt_names_nothing(lab):
    from velatura.v1 import diffuse_pb2

    job = quick("moss, mudgone <lora:rust:1>")
    job.steps[0].diffuse.prompt.syntax = diffuse_pb2.PROMPT_SYNTAX_PLAIN
    found = recipe.read(lab.result(job).images[0].data)
    assert found is not None and [used.id for used in found.models] == ["tiny"]


def test_a_texture_of_an_adapted_model_is_as_large_as_any(lab):
    assert array(lab.paint(adapters=[adapter("rust")])).shape == (SIDE, SIDE, 3)
