"""Surface directions of a picture, by way of its depth."""

from dataclasses import replace
from typing import Annotated

import numpy as np

from ..shelf import Range
from . import PREPROCESSORS, Given, normal_from_depth


@PREPROCESSORS.part("normal_estimate", "Estimated normals", annotator="depth", hints="normal")
def build(
    given: Given,
    *,
    field_of_view: Annotated[float, Range(1, 170, 1), "The camera's, along the longer side, degrees"] = 50.0,
    relief: Annotated[float, Range(1.01, 100, 0.1), "The farthest is so many times as far as the nearest"] = 5.0,
    background: Annotated[float, Range(0, 1, 0.01), "What lies farther than this, 0 to 1, faces the viewer"] = 0.0,
) -> np.ndarray:
    """Which way surfaces face, of the depth that a model estimates (DPT, Depth Anything): red right, green up, blue
    toward the viewer.
    """
    assert given.estimate is not None
    near = given.estimate(given.colours)
    disparity = np.where(near >= background, np.maximum(near, 1e-6), 0).astype(np.float32)
    seen = replace(given, z=None, disparity=disparity)
    return normal_from_depth.build(seen, field_of_view=field_of_view, relief=relief)
