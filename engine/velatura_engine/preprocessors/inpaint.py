"""What is to stay, for inpainting ControlNets."""

import numpy as np

from . import PREPROCESSORS, Given


@PREPROCESSORS.part("inpaint", "What is repainted", reads="masked", hints="inpaint")
def build(given: Given) -> np.ndarray:
    """The picture with -1 in the place of every pixel that is repainted, as inpainting ControlNets read it. Only
    within a painting that has a mask.
    """
    assert given.mask is not None
    return np.where(given.mask[..., None] > 0.5, np.float32(-1), given.colours)
