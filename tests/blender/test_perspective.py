"""Cameras from lines: known cameras look at a box, and its edges give them back."""

import numpy as np
import pytest
from velatura_blender.perspective import AXES, DISTANCE, Line, solve

BOX = np.array([0.2, 0.3, 0.1]), np.array([1.7, 2.5, 1.3])
"""Two corners, metres."""


class Camera:
    """A camera at a place that looks at a target, with a focal length in longer sides and a principal point."""

    def __init__(self, place, target, focal, size=(1500, 1000), centre=(0.0, 0.0), roll=0.0):
        back = np.array(place, float) - np.array(target, float)
        back /= np.linalg.norm(back)
        right = np.cross([0, 0, 1.0], back)
        right = right / np.linalg.norm(right) if np.linalg.norm(right) > 1e-9 else np.array([1.0, 0, 0])
        up = np.cross(back, right)
        cosine, sine = np.cos(np.radians(roll)), np.sin(np.radians(roll))
        right, up = cosine * right + sine * up, cosine * up - sine * right
        self.turn, self.place = np.stack([right, up, back]), np.array(place, float)
        self.focal, self.size, self.centre = focal, size, np.array(centre)

    def sees(self, point):
        """(u, v) of a place."""
        x, y, z = self.turn @ (np.array(point, float) - self.place)
        assert z < 0
        flat = np.array([x, y]) / -z * self.focal + self.centre
        return tuple(flat * max(self.size) / np.array(self.size) + 0.5)

    def line(self, axis, beside, start=0, length=0.0):
        """The edge of the box along an axis, at which of its sides `beside` (2,) says."""
        number = AXES.index(axis)
        low, high = np.zeros(3), np.zeros(3)
        for other, side in zip([n for n in range(3) if n != number], beside, strict=True):
            low[other] = high[other] = BOX[side][other]
        low[number], high[number] = BOX[start][number], BOX[1 - start][number]
        return Line(axis=axis, start=self.sees(low), end=self.sees(high), length=length)

    def lines(self, axes):
        return [
            self.line(axis, beside) for axis in axes for beside in ((0, 0), (1, 1), (0, 1))[: 3 if axis == "X" else 2]
        ]


def between(one, other):
    """The angle between two rotations, degrees."""
    return np.degrees(np.arccos(np.clip((np.trace(one.T @ other) - 1) / 2, -1, 1)))


def angle(focal):
    return np.degrees(2 * np.arctan(0.5 / focal))


CAMERAS = [
    Camera((6, -7, 4), (1, 1, 0.5), 1.2),
    Camera((-4, -5, 1.7), (1, 1.5, 1.2), 0.6, size=(800, 1200)),
    Camera((5, -3, 6), (0.5, 1, 0), 2.5, size=(1000, 1000), roll=7),
    Camera((-3, -9, 0.9), (1, 1, 1.4), 0.9, roll=-12),
    Camera((9, -8, 5), (1, 1, 0.5), 5.0),
]


@pytest.mark.parametrize("axes", ["XY", "XZ", "YZ", "XYZ"])
@pytest.mark.parametrize("camera", CAMERAS)
def test_a_known_camera_is_found_again(camera, axes):
    found = solve(camera.lines(axes), *camera.size)
    assert abs(found.field_of_view - angle(camera.focal)) < 1e-5
    assert between(found.turn, camera.turn) < 1e-4
    assert np.allclose(found.turn @ found.turn.T, np.eye(3)) and np.linalg.det(found.turn) > 0
    assert found.skew < 1e-5


@pytest.mark.parametrize("camera", CAMERAS)
def test_a_length_tells_where_the_camera_stands(camera):
    for axis in AXES:
        for start in (0, 1):
            lines = camera.lines("XYZ")
            length = float((BOX[1] - BOX[0])[AXES.index(axis)])
            lines.append(camera.line(axis, (1, 0), start=start, length=length))
            found = solve(lines, *camera.size)
            corner = BOX[0].copy()
            others = [n for n in range(3) if n != AXES.index(axis)]
            corner[AXES.index(axis)] = BOX[start][AXES.index(axis)]
            corner[others[0]], corner[others[1]] = BOX[1][others[0]], BOX[0][others[1]]
            assert found.measured and np.allclose(found.place, camera.place - corner, atol=1e-5), (axis, start)


def test_without_a_length_the_first_line_begins_at_the_origin_at_a_round_distance():
    camera = CAMERAS[0]
    found = solve(camera.lines("XY"), *camera.size)
    assert not found.measured and np.linalg.norm(found.place) == pytest.approx(DISTANCE)
    away = camera.place - BOX[0]
    assert np.allclose(found.place / DISTANCE, away / np.linalg.norm(away), atol=1e-6)


def test_three_vanishing_points_tell_the_centre_of_a_cropped_picture():
    for turn in (0, 9):
        camera = Camera((6, -7, 5), (1, 1, 0.5), 1.1, centre=(0.12, -0.07), roll=turn)
        found = solve(camera.lines("XYZ"), *camera.size, free_centre=True)
        assert np.allclose(found.centre, camera.centre, atol=1e-6)
        assert abs(found.field_of_view - angle(1.1)) < 1e-4 and between(found.turn, camera.turn) < 1e-3


def test_lines_that_were_drawn_to_the_pixel_are_right_to_a_tenth_of_a_degree():
    """Rounded ends, all twelve edges of the box in a picture of 4000 pixels."""
    camera = Camera((6, -7, 4), (1, 1, 0.7), 1.2, size=(4000, 3000))
    size = np.array(camera.size)
    edges = [camera.line(axis, (a, b)) for axis in AXES for a in (0, 1) for b in (0, 1)]
    drawn = [
        Line(axis=line.axis, start=tuple(np.rint(line.start * size) / size), end=tuple(np.rint(line.end * size) / size))
        for line in edges
    ]
    found = solve(drawn, *camera.size)
    assert 0 < abs(found.field_of_view - angle(1.2)) < 0.1 and between(found.turn, camera.turn) < 0.1


def upright():
    """A camera that looks level, so that what is upright stays so in the picture."""
    return Camera((6, -7, 1), (1, 1, 1), 1.2)


def test_upright_lines_that_are_parallel_in_the_picture_help_without_telling_the_lens():
    camera = upright()
    for axes in ("XY", "XYZ"):
        found = solve(camera.lines(axes), *camera.size)
        assert abs(found.field_of_view - angle(1.2)) < 1e-5 and between(found.turn, camera.turn) < 1e-4


def test_parallel_lines_need_a_third_direction_or_the_lens():
    camera = upright()
    with pytest.raises(ValueError, match=r"lines along Z are parallel in the picture.*third axis that meet, or give"):
        solve(camera.lines("YZ"), *camera.size)
    found = solve(camera.lines("YZ"), *camera.size, focal=1.2)
    assert between(found.turn, camera.turn) < 1e-4


def test_a_wall_seen_straight_on_needs_the_lens_and_then_looks_straight():
    camera = Camera((1, -6, 0.7), (1, 1, 0.7), 1.0)
    with pytest.raises(ValueError, match="along X and Z are parallel"):
        solve(camera.lines("XZ"), *camera.size)
    found = solve(camera.lines("XZ"), *camera.size, focal=1.0)
    assert between(found.turn, camera.turn) < 1e-4
    deep = solve(camera.lines("XY"), *camera.size, focal=1.0)  # one-point perspective
    assert between(deep.turn, camera.turn) < 1e-4


def test_looking_straight_down_z_comes_toward_the_viewer():
    camera = Camera((1, 1.4, 8), (1, 1.4, 0), 1.0)
    found = solve(camera.lines("XY"), *camera.size, focal=1.0)
    assert np.allclose(found.turn[:, 2], (0, 0, 1), atol=1e-6) and np.linalg.det(found.turn) > 0


def test_directions_that_are_not_at_right_angles_are_told_by_their_skew():
    camera = CAMERAS[0]
    found = solve(camera.lines("XY"), *camera.size, focal=2 * camera.focal)
    assert found.skew > 5 and np.allclose(found.turn @ found.turn.T, np.eye(3))


def line(axis, *ends, length=0.0):
    return Line(axis=axis, start=ends[:2], end=ends[2:], length=length)


TWO = [line("X", 0.1, 0.2, 0.9, 0.3), line("X", 0.1, 0.8, 0.9, 0.6)]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "Draw two lines along each of at least two axes"),
        (TWO, "Draw two lines along each of at least two axes"),
        ([*TWO, line("Y", 0, 0, 1, 1)], "one line along Y"),
        ([*TWO, line("Y", 0.5, 0.5, 0.5, 0.5), line("Y", 0, 0, 1, 1)], "A line along Y is a point"),
        ([*TWO, line("Y", 0, 0, 0.5, 0.5), line("Y", 0.2, 0.2, 1, 1)], "lines along Y lie on one another"),
        ([*TWO, line("W", 0, 0, 1, 1)], "say X, Y or Z"),
        ([*TWO, line("Y", 0, 0, float("nan"), 1)], "no numbers"),
        ([line("X", 0, 0, 1, 1, length=1), line("X", 0, 1, 1, 0, length=2), *TWO], "Two lines have a length"),
        # both directions vanish on the right: no lens sees them at right angles
        ([*TWO, line("Y", 0.1, 0.1, 0.9, 0.25), line("Y", 0.1, 0.9, 0.9, 0.7)], "cannot be at right angles"),
    ],
)
def test_lines_that_tell_no_camera_are_refused_by_name(lines, words):
    with pytest.raises(ValueError, match=words):
        solve(lines, 1500, 1000)


def test_two_directions_do_not_tell_the_centre():
    with pytest.raises(ValueError, match="Only three directions"):
        solve(CAMERAS[0].lines("XY"), 1500, 1000, free_centre=True)
