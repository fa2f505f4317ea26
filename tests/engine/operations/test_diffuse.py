"""Settings of a painting at the ends of their ranges."""

from pathlib import Path

import numpy as np
import pytest
from fakes.tiny_models import make_tiny
from velatura_engine.events import Artifact
from velatura_engine.models.index import ModelIndex
from velatura_engine.pixels.picture import Picture, as_srgb
from velatura_engine.plan import make
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
def paint(index, runner):
    """Paints with two steps unless told otherwise, and gives the first picture back as sRGB."""

    def paint(layout: str = "starter", **more) -> np.ndarray:
        fields = {"sampling": Sampling(steps=2), "seed": 3, "width": 64, "height": 64} | more
        steps = (Step(id="0", operation=Diffuse(prompt="moss", model=layout, **fields)),)
        events = []
        runner.run(make(Request(steps=steps), index), lambda: None, events.append)
        return next(as_srgb(event.picture) for event in events if isinstance(event, Artifact))

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
