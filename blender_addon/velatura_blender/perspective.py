"""A camera from lines in a picture that run along the world's axes. Numbers alone; no bpy here.

Lines that are parallel in space meet in the picture at a vanishing point, and the ray through it has their direction
(Hartley and Zisserman, Multiple View Geometry, chapter 8). Directions at right angles tell the focal length. Places in
the picture are measured from its middle in longer sides, x right, y up; camera space is Blender's, looking along -z.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

AXES = ("X", "Y", "Z")
FAR = 1000.0
"""Longer sides; lines that meet farther away are parallel in the picture."""
POINT = 1e-4
"""Longer sides; shorter lines have no direction."""
DISTANCE = 5.0
"""Metres from the camera to the world's origin where no length is known."""
LEVEL = 1e-3
"""Of a direction's parts: smaller ones do not tell which way it goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line along an axis, "X", "Y" or "Z"; its ends (u, v) in the picture, 0..1 from the lower left.

    `length`: how long it is in the world, metres, 0 where that is not known; it then begins at the world's origin.
    """

    axis: str
    start: tuple[float, float]
    end: tuple[float, float]
    length: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A camera. `focal` and `centre` (2,), the principal point, in the picture's longer sides.

    `turn` (3, 3): world to camera space; `place` (3,) metres in the world; `skew`: degrees by which what was drawn as
    right angles is none; `measured` says that a length was known.
    """

    focal: float
    centre: np.ndarray
    turn: np.ndarray
    place: np.ndarray
    skew: float
    measured: bool

    @property
    def field_of_view(self) -> float:
        """Along the longer side, degrees."""
        return float(np.degrees(2 * np.arctan(0.5 / self.focal)))


def solve(
    lines: Sequence[Line], width: int, height: int, *, focal: float | None = None, free_centre: bool = False
) -> Found:
    """The camera that saw these lines in a picture of this size.

    `focal` is the focal length where it is known, in longer sides. With `free_centre` three vanishing points also tell
    the principal point, as in a picture that was cropped; else it is the picture's middle. Raises ValueError that says
    which lines are missing or do not tell what is asked.

    Which way an axis goes a line does not tell: Z goes up in the picture, Y away from the viewer, X as these say.
    """
    ends = {axis: [_ends(line, width, height) for line in lines if line.axis == axis] for axis in AXES}
    _check(lines, ends)
    points = {axis: _vanishing(axis, np.array(pairs)) for axis, pairs in ends.items() if len(pairs) > 1}
    finite = {axis: point[:2] / point[2] for axis, point in points.items() if abs(point[2]) * FAR > 1}
    centre = _centre(finite) if free_centre else np.zeros(2)
    if focal is None:
        focal = _focal({axis: point - centre for axis, point in finite.items()}, points)
    ways = {axis: _way(point, centre, focal, axis in finite) for axis, point in points.items()}
    turn, skew = _turn(ways)
    place, measured = _place(lines, turn, focal, centre, width, height)
    return Found(focal=focal, centre=centre, turn=turn, place=place, skew=skew, measured=measured)


def _ends(line: Line, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    longer = np.array([width, height]) / max(width, height)
    start, end = ((np.array(point, np.float64) - 0.5) * longer for point in (line.start, line.end))
    return start, end


def _check(lines: Sequence[Line], ends: dict[str, list[tuple[np.ndarray, np.ndarray]]]) -> None:
    """Raises ValueError where a direction lacks lines."""
    for number, line in enumerate(lines, 1):
        if line.axis not in AXES:
            raise ValueError(f"Line {number} runs along «{line.axis}»: say X, Y or Z")
        if not np.isfinite([*line.start, *line.end, line.length]).all() or line.length < 0:
            raise ValueError(f"Line {number} has ends or a length that are no numbers: draw it again")
        if line.length and sum(other.length > 0 for other in lines) > 1:
            raise ValueError("Two lines have a length: one is enough, and begins at the world's origin")
    for axis, pairs in ends.items():
        if any(np.linalg.norm(end - start) < POINT for start, end in pairs):
            raise ValueError(f"A line along {axis} is a point: draw it longer")
        alone = len(pairs) == 1 and not any(line.axis == axis and line.length for line in lines)
        if alone:
            raise ValueError(f"There is one line along {axis}: a direction needs two that are parallel in space")
    if sum(len(pairs) > 1 for pairs in ends.values()) < 2:
        raise ValueError("Draw two lines along each of at least two axes")


def _vanishing(axis: str, ends: np.ndarray) -> np.ndarray:
    """Where lines (N, 2, 2) meet best, (3,) homogeneous with (x, y) of length 1 or shorter where they do not run apart.

    A line's weight is its length: its direction is known the better the longer it is.
    """
    whole = np.concatenate([ends, np.ones((*ends.shape[:2], 1))], 2)
    across = np.cross(whole[:, 0], whole[:, 1])
    _, strengths, ways = np.linalg.svd(across)
    if strengths[1] < 1e-6 * strengths[0]:
        raise ValueError(f"The lines along {axis} lie on one another: draw them apart")
    point = ways[-1]
    return point / max(np.hypot(*point[:2]), 1e-12)


def _centre(finite: dict[str, np.ndarray]) -> np.ndarray:
    """The principal point: where the heights of the triangle of three vanishing points meet."""
    if len(finite) < 3:
        raise ValueError("Only three directions whose lines meet tell where the picture's centre was: use its middle")
    a, b, c = finite.values()
    sides = np.stack([c - b, c - a])
    if abs(np.linalg.det(sides)) < 1e-9 * np.abs(sides).max() ** 2:
        raise ValueError(
            "The three vanishing points lie on a line and do not tell the centre: use the picture's middle"
        )
    return np.linalg.solve(sides, np.array([a @ (c - b), b @ (c - a)]))


def _focal(finite: dict[str, np.ndarray], points: dict[str, np.ndarray]) -> float:
    """The focal length at which directions through vanishing points (from the centre) are at right angles.

    Of three points each two tell it; they are weighed by how exactly they do.
    """
    parallel = [axis for axis in points if axis not in finite]
    if len(finite) < 2:
        raise ValueError(
            f"The lines along {' and '.join(parallel)} are parallel in the picture, so that nothing tells the lens: "
            "draw two along the third axis that meet, or give the focal length"
        )
    pairs = list(combinations(finite.values(), 2))
    products = np.array([-(a @ b) for a, b in pairs])
    square, lengths = max(float(products.max()), 1e-6), [(a @ a, b @ b) for a, b in pairs]
    for _ in range(20):
        weights = np.array([1 / ((a + square) * (b + square)) for a, b in lengths])
        square = float((weights * products).sum() / weights.sum())
        if square <= 1e-6:
            raise ValueError(
                f"The lines along {' and '.join(finite)} cannot be at right angles in space: "
                "check that each line runs along the axis that it is named by"
            )
    return float(np.sqrt(square))


def _way(point: np.ndarray, centre: np.ndarray, focal: float, finite: bool) -> np.ndarray:
    """The direction (3,) in camera space that vanishes there, away from the viewer."""
    way = np.array([*(point[:2] / point[2] - centre), -focal]) if finite else np.array([*point[:2], 0.0])
    return way / np.linalg.norm(way)


def _turn(ways: dict[str, np.ndarray]) -> tuple[np.ndarray, float]:
    """World to camera space (3, 3), the nearest rotation to two or three directions, and the greatest skew, degrees."""
    skew = max(abs(90 - float(np.degrees(np.arccos(np.clip(a @ b, -1, 1))))) for a, b in combinations(ways.values(), 2))
    whole = [ways.get(axis) for axis in AXES]
    for number in range(3):
        if whole[number] is None:
            other = np.cross(whole[(number + 1) % 3], whole[(number + 2) % 3])
            whole[number] = other / max(np.linalg.norm(other), 1e-12)
    x, y, z = whole
    z = z * _sign(z[1], z[2])  # up in the picture; where it goes neither up nor down, toward the viewer from above
    y = y * _sign(-y[2], np.cross(y, z)[0])  # away; where it goes neither way, so that X goes to the right
    x = x * _sign(x @ np.cross(y, z), 1.0)
    left, _, right = np.linalg.svd(np.stack([x, y, z], 1))
    return left @ right, skew


def _sign(part: float, otherwise: float) -> float:
    return float(np.sign(part if abs(part) > LEVEL else otherwise) or 1.0)


def _place(
    lines: Sequence[Line], turn: np.ndarray, focal: float, centre: np.ndarray, width: int, height: int
) -> tuple[np.ndarray, bool]:
    """Where the camera stands (3,): so that the first line, or the one of known length, begins at the origin."""
    known = next((line for line in lines if line.length), None)
    start, end = (np.array([*(point - centre), -focal]) for point in _ends(known or lines[0], width, height))
    if known is None:
        return -turn.T @ start * (DISTANCE / np.linalg.norm(start)), False
    # s * start + length * axis is seen at `end`: their product with that ray is nothing.
    axis, both = turn[:, AXES.index(known.axis)] * known.length, np.cross(start, end)
    scale = abs(float(np.cross(axis, end) @ both) / float(both @ both))
    if scale * np.linalg.norm(start) < 1e-6 * known.length:
        raise ValueError("The line of known length runs into its own vanishing point: measure another one")
    return -turn.T @ start * scale, True
