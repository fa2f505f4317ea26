"""Planning and painting in this process with the models of a module's own `index`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from velatura_engine.events import Artifact
from velatura_engine.planning.job import make
from velatura_engine.request import Diffuse, PreviewAsk, Request, Sampling, Step
from velatura_engine.run import Runner

SIDE = 64


@pytest.fixture(scope="module")
def runner() -> Runner:
    """What paints, on one thread."""
    return Runner(device="cpu", threads=1)


@pytest.fixture
def events(index, runner) -> Callable[..., list]:
    """What a painting of two steps emits; `on` is another runner, `check` raises to stop."""

    def events(model: str, *, on: Runner = runner, check=lambda: None, preview: PreviewAsk | None = None, **more):
        fields = {"prompt": "moss", "sampling": Sampling(steps=2), "seed": 3, "width": SIDE, "height": SIDE} | more
        step, said = Step(id="0", operation=Diffuse(**fields, model=model)), []
        on.run(make(Request(steps=(step,), preview=preview), index), check, said.append)
        return said

    return events


@pytest.fixture
def paint(events) -> Callable[..., np.ndarray]:
    """The first picture of such a painting, (H, W, 3) in 0..1."""

    def paint(model: str, **more) -> np.ndarray:
        return next(event.picture.pixels for event in events(model, **more) if isinstance(event, Artifact))

    return paint
