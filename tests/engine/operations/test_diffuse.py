"""Settings of a painting at the ends of their ranges."""

from pathlib import Path

import numpy as np
import pytest
from fakes.tiny_models import make_tiny
from velatura_engine.events import Artifact
from velatura_engine.models.index import ModelIndex
from velatura_engine.pixels.picture import Picture, as_srgb
from velatura_engine.planning.job import make
from velatura_engine.request import Depth, Diffuse, Request, Sampling, Step
from velatura_engine.run import Runner

LAYOUTS = ("starter", "sd1_inpaint", "sd2_depth")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ModelIndex:
    folder: Path = tmp_path_factory.mktemp("models")
    for layout in LAYOUTS:
        make_tiny(folder / layout, layout)
    return ModelIndex([folder], starter=False)


@pytest.fixture(scope="module")
def runner() -> Runner:
    return Runner(device="cpu", threads=1)


@pytest.fixture
def paint(pictures):
    """Paints with two steps unless told otherwise, and gives the first picture back as sRGB."""

    def paint(layout: str = "starter", **more) -> np.ndarray:
        return pictures(layout, **more)[0]

    return paint


@pytest.fixture
def pictures(index, runner):
    """All the pictures of such a painting."""

    def paint(layout: str = "starter", **more) -> list[np.ndarray]:
        fields = {"sampling": Sampling(steps=2), "seed": 3, "width": 64, "height": 64} | more
        steps = (Step(id="0", operation=Diffuse(**({"prompt": "moss"} | fields), model=layout)),)
        events = []
        runner.run(make(Request(steps=steps), index), lambda: None, events.append)
        return [as_srgb(event.picture) for event in events if isinstance(event, Artifact)]

    return paint


NOISE = Picture(np.random.default_rng(0).random((64, 64, 3), np.float32))
WHOLE = Picture(np.ones((64, 64, 1), np.float32), "data")
RAMP = Depth(image=Picture(np.tile(np.linspace(1, 5, 64, dtype=np.float32), (64, 1))[..., None], "data"))
ASKS = {
    "a picture": ("starter", {"init": NOISE}),
    "a mask": ("starter", {"init": NOISE, "mask": WHOLE}),
    "a model for masks": ("sd1_inpaint", {"init": NOISE, "mask": WHOLE}),
    "a model for depth": ("sd2_depth", {"init": NOISE, "depth": RAMP}),
}


@pytest.mark.parametrize("case", ASKS)
def test_no_strength_at_all_keeps_the_picture(paint, case):
    layout, more = ASKS[case]
    assert paint(layout, strength=0.0, **more) == pytest.approx(NOISE.pixels, abs=1e-6)


@pytest.mark.parametrize("case", ASKS)
def test_a_strength_of_less_than_a_step_paints_one_step(paint, case):
    layout, more = ASKS[case]
    less, one = (paint(layout, strength=strength, **more) for strength in (0.01, 0.5))
    assert np.array_equal(less, one) and not np.allclose(less, NOISE.pixels, atol=0.01)


def test_a_layer_of_the_text_encoder_can_be_left_out(paint):
    plain, none, one = (paint(sampling=Sampling(steps=2, clip_skip=skip)) for skip in (None, 0, 1))
    assert np.array_equal(plain, none) and not np.array_equal(plain, one)


def spoken(paint, prompt: str, steps: int = 4, **more) -> np.ndarray:
    return paint(prompt=prompt, sampling=Sampling(steps=steps, guidance=3.0), **more)


@pytest.mark.parametrize(
    "same", ["(red brick:1)", "[moss:red brick:0]", "[red brick:moss:1.0]", "[red brick|red brick]"]
)
def test_what_comes_to_the_plain_prompt_paints_the_same_picture(paint, same):
    assert spoken(paint, same) == pytest.approx(spoken(paint, "red brick"), abs=1e-5)


@pytest.mark.parametrize(
    "other",
    ["(red:1.5) brick", "[red] brick", "[red brick:moss:0.5]", "[red brick|moss]", "red brick AND moss :0.5",
     "red BREAK brick", '("red brick", "moss").blend(0.5, 0.5)'],
)  # fmt: skip
def test_every_way_to_say_a_prompt_otherwise_paints_another_picture(paint, other):
    assert np.abs(spoken(paint, other) - spoken(paint, "red brick")).max() > 1e-4


def test_an_edit_near_the_end_changes_less_than_one_near_the_start(paint):
    plain = spoken(paint, "red brick", 8)
    early, late = (np.abs(spoken(paint, f"[red brick:moss:{share}]", 8) - plain).mean() for share in ("0.2", "0.8"))
    assert 0 < late < early


def test_a_prompt_past_one_window_is_heard_to_its_end(paint):
    long = "moss " * 30
    assert np.abs(spoken(paint, long + "red brick") - spoken(paint, long + "blue stone")).max() > 1e-4


def test_a_literal_prompt_is_taken_as_it_stands(paint):
    said = spoken(paint, "(red:1.5) brick", prompt_literal=True)
    assert np.abs(said - spoken(paint, "(red:1.5) brick")).max() > 1e-4
    assert np.array_equal(said, spoken(paint, r"\(red\:1.5\) brick"))


@pytest.mark.parametrize("case", ASKS)
def test_prompts_are_composed_in_every_task(paint, case):
    layout, more = ASKS[case]
    one, two = (spoken(paint, prompt, layout=layout, **more) for prompt in ("moss", "moss AND red brick"))
    assert np.abs(one - two).max() > 1e-4


def test_a_batch_hears_composed_and_changing_prompts_as_each_picture_would_alone(pictures):
    asked = {"prompt": "[red|blue] brick AND (moss:1.3)", "negative": "mud BREAK sand"}
    together = pictures(count=2, **asked)
    alone = [pictures(seed=seed, **asked)[0] for seed in (3, 4)]
    # Random weights make much of the last bits: a plain prompt's pictures differ as much here.
    assert np.abs(np.stack(together) - np.stack(alone)).max() < 1e-3 < np.abs(alone[0] - alone[1]).max() / 50
