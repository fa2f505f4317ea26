"""Lines, and skeletons of people in the colours of OpenPose, drawn as numpy arrays."""

from collections.abc import Sequence

import numpy as np

Point = tuple[float, float]

LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0),
    (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
"""Pairs of OpenPose's 18 joints that are joined, in the order in which they are drawn."""
COLOURS = np.array([
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
    (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255),
    (255, 0, 170), (255, 0, 85),
], np.float32) / 255  # fmt: skip
"""Of the joints, and of the limbs in their order, which are drawn darker."""
DARKER = 0.6
_OF_COCO = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""Which of COCO's 17 joints OpenPose's are; the neck, its second, lies between the shoulders."""


def line(canvas: np.ndarray, start: Point, end: Point) -> None:
    """Sets the pixels (H, W) of a line one pixel wide between two points x, y; parts outside are left out."""
    height, width = canvas.shape
    # Lines may lie far outside: only so many points as the canvas can show.
    count = int(np.ceil(min(max(abs(end[0] - start[0]), abs(end[1] - start[1])), 4 * (height + width)))) + 1
    x, y = (np.rint(np.linspace(start[axis], end[axis], count)).astype(int) for axis in (0, 1))
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    canvas[y[inside], x[inside]] = True


def openpose_joints(people: np.ndarray) -> np.ndarray:
    """People as COCO has them, (N, 17, 3) of x, y and sureness, as OpenPose has them, (N, 18, 3)."""
    found = np.zeros((len(people), len(_OF_COCO), 3), np.float32)
    for joint, source in enumerate(_OF_COCO):
        if source is None:
            left, right = people[:, 5], people[:, 6]
            found[:, joint] = (left + right) / 2
            found[:, joint, 2] = np.minimum(left[:, 2], right[:, 2])
        else:
            found[:, joint] = people[:, source]
    return found


def skeletons(people: np.ndarray, size: tuple[int, int], sure: float, width: float) -> np.ndarray:
    """People (N, 18, 3) drawn on black, (H, W, 3) float32; joints less than `sure` are left out. `width` in pixels: of
    half a limb, and a joint's radius. `size` is (height, width).
    """
    canvas = np.zeros((*size, 3), np.float32)
    for person in people:
        for (one, other), colour in zip(LIMBS, COLOURS, strict=False):
            if min(person[one, 2], person[other, 2]) >= sure:
                _ellipse(canvas, person[one, :2], person[other, :2], width, colour)
    canvas *= DARKER
    for person in people:
        for joint, colour in zip(person, COLOURS, strict=True):
            if joint[2] >= sure:
                _ellipse(canvas, joint[:2], joint[:2], width, colour)
    return canvas


def _ellipse(
    canvas: np.ndarray, start: Sequence[float], end: Sequence[float], width: float, colour: np.ndarray
) -> None:
    """Paints an ellipse between two points, `width` to each side of the line; a disc where both are one."""
    height, across = canvas.shape[:2]
    (x0, y0), (x1, y1) = start, end
    half = float(np.hypot(x1 - x0, y1 - y0)) / 2
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    reach = max(half, width) + 1
    left, right = max(0, int(x - reach)), min(across, int(x + reach) + 2)
    top, bottom = max(0, int(y - reach)), min(height, int(y + reach) + 2)
    if left >= right or top >= bottom:
        return
    columns, rows = np.meshgrid(np.arange(left, right) - x, np.arange(top, bottom) - y)
    along = ((x1 - x0) / (2 * half), (y1 - y0) / (2 * half)) if half > 0 else (1.0, 0.0)
    on = columns * along[0] + rows * along[1]
    beside = rows * along[0] - columns * along[1]
    inside = (on / max(half, width)) ** 2 + (beside / width) ** 2 <= 1
    canvas[top:bottom, left:right][inside] = colour
