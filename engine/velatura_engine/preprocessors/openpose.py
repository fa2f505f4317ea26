"""Skeletons of people."""

from typing import Annotated

import numpy as np

from ..shelf import Range
from . import PREPROCESSORS, Given
from ._drawing import openpose_joints, skeletons

WIDTH = 4 / 512
"""Half the width of a limb, for each pixel of the picture's shorter side, as ControlNets were trained."""
MOST = 32
"""People in a picture."""


@PREPROCESSORS.part("openpose", "Poses (OpenPose)", annotator="openpose", helper="person", hints="openpose")
def build(
    given: Given,
    *,
    confidence: Annotated[float, Range(0, 1, 0.01), "Joints that are less sure are left out"] = 0.3,
    people: Annotated[float, Range(0, 1, 0.01), "People that are less sure are left out"] = 0.5,
) -> np.ndarray:
    """Skeletons of people in OpenPose's colours, found by learned models: ViTPose, which finds joints, and DETR,
    RT-DETR or YOLOS, which finds people. Without one of these the whole picture is taken for one person.
    """
    assert given.estimate is not None
    height, width = given.colours.shape[:2]
    boxes = np.array([[0, 0, width, height, 1]], np.float32)
    if given.find is not None:
        found = given.find(given.colours)
        boxes = found[found[:, 4] >= people][:MOST]
    joints = openpose_joints(given.estimate(given.colours, boxes[:, :4]))
    return skeletons(joints, (height, width), confidence, max(1.0, WIDTH * min(height, width)))
