"""Areas by what they show."""

import numpy as np

from . import PREPROCESSORS, Given
from ._ade20k import COLOURS


@PREPROCESSORS.part("segmentation", "Segmentation", annotator="seg", hints="seg")
def build(given: Given) -> np.ndarray:
    """Areas in the colours of ADE20K's 150 classes, as a model that has learned those tells them (SegFormer, UPerNet,
    DPT). Where edges are to meet, its answer need not.
    """
    assert given.estimate is not None
    return COLOURS[given.estimate(given.colours)].astype(np.float32) / 255
