"""One picture by the engine's own planning and painting, in this process."""

from __future__ import annotations

import numpy as np
from velatura_engine.events import Artifact
from velatura_engine.models.index import ModelIndex
from velatura_engine.planning.job import make
from velatura_engine.request import Diffuse, Request, Step
from velatura_engine.run import Runner


def paint(runner: Runner, index: ModelIndex, model: str, **ask: object) -> np.ndarray:
    """The pixels (H, W, 3) of what is asked of a model."""
    step, said = Step(id="0", operation=Diffuse(**ask, model=model)), []
    runner.run(make(Request(steps=(step,)), index), lambda: None, said.append)
    return next(event.picture.pixels for event in said if isinstance(event, Artifact))
