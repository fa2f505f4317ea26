"""Lines over a picture in real Blender, and the camera that they give."""

from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector
from scenes import add, place_camera, render, state
from test_panel import Layout
from velatura_blender import lines_panel, place, relief_panel
from velatura_blender.session import session

pytestmark = pytest.mark.usefixtures("addon")

CORNERS = [(x, y, z) for x in (0, 2) for y in (0, 1.5) for z in (0, 1)]


def drawn(scene, *, length=0.0, shift=(0, 0)):
    """A picture of a box by a known camera, with lines along its edges; one of them of known length."""
    scene.render.resolution_x, scene.render.resolution_y = 320, 200
    camera = place_camera((5, -5, 3), (1, 0.75, 0.5))
    camera.data.lens, (camera.data.shift_x, camera.data.shift_y) = 28, shift
    bpy.context.view_layer.update()
    picture = place.image("House", np.full((200, 320, 3), 90, np.uint8))
    edges = [(a, b) for a in CORNERS for b in CORNERS if sum(p != q for p, q in zip(a, b, strict=True)) == 1 and a < b]
    for a, b in edges:
        axis = "XYZ"[next(n for n in range(3) if a[n] != b[n])]
        start, end = (world_to_camera_view(scene, camera, Vector(each))[:2] for each in (a, b))
        known = length if (a, axis) == ((0, 0, 0), "X") else 0.0
        bpy.ops.velatura.line_add(image="House", axis=axis, start=start, end=end, length=known)
    assert len(picture.velatura_perspective.lines) == 12
    return picture, camera


def same(one, other, *, turn_only=False):
    pose = np.array(one.matrix_world), np.array(other.matrix_world)
    angle = np.degrees(np.arccos(np.clip((np.trace(pose[0][:3, :3].T @ pose[1][:3, :3]) - 1) / 2, -1, 1)))
    assert angle < 0.1
    if not turn_only:
        assert np.allclose(pose[0][:3, 3], pose[1][:3, 3], atol=1e-3)


def test_the_camera_that_saw_a_box_is_found_again_and_shows_the_picture(scene):
    picture, camera = drawn(scene, length=2.0)
    assert bpy.ops.velatura.camera_from_lines(image="House") == {"FINISHED"}
    found = scene.camera
    assert found != camera and found.name == "House camera" and camera.name in scene.objects
    bpy.context.view_layer.update()
    same(found, camera)
    assert abs(np.degrees(found.data.angle - camera.data.angle)) < 0.1
    for corner in CORNERS:
        seen = [world_to_camera_view(scene, each, Vector(corner)) for each in (found, camera)]
        assert np.allclose(seen[0], seen[1], atol=1e-4)
    (behind,) = found.data.background_images
    assert behind.image == picture and found.data.show_background_images
    assert scene.render.resolution_x == 320 and "28.0 mm" in session.message


def test_without_a_length_the_message_says_that_the_distance_is_made_up(scene):
    _, camera = drawn(scene)
    bpy.ops.velatura.camera_from_lines(image="House")
    same(scene.camera, camera, turn_only=True)
    assert "no line has a length" in session.message


def test_a_cropped_picture_shifts_the_lens(scene):
    picture, camera = drawn(scene, length=2.0, shift=(0.11, -0.06))
    picture.velatura_perspective.free_centre = True
    bpy.ops.velatura.camera_from_lines(image="House")
    bpy.context.view_layer.update()
    same(scene.camera, camera)
    shift = scene.camera.data.shift_x, scene.camera.data.shift_y
    assert np.allclose(shift, (0.11, -0.06), atol=1e-4)


def test_renders_take_the_pictures_size_only_where_that_is_wanted(scene):
    picture, _ = drawn(scene, length=2.0)
    scene.render.resolution_x = 500
    picture.velatura_perspective.match_size = False
    bpy.ops.velatura.camera_from_lines(image="House")
    assert scene.render.resolution_x == 500 and "another shape" in session.message
    picture.velatura_perspective.match_size = True
    bpy.ops.velatura.camera_from_lines(image="House")
    assert (scene.render.resolution_x, scene.render.resolution_y) == (320, 200)


def test_a_known_lens_is_used_and_what_does_not_fit_it_is_told(scene):
    picture, _ = drawn(scene, length=2.0)
    picture.velatura_perspective.focal = 60.0
    bpy.ops.velatura.camera_from_lines(image="House")
    assert scene.camera.data.lens == pytest.approx(60) and "off right angles" in session.message


def test_lines_that_tell_nothing_are_said_and_leave_the_scene(scene):
    place.image("House", np.zeros((8, 8, 3), np.uint8))
    before = state()
    with pytest.raises(RuntimeError, match="Draw two lines along each of at least two axes"):
        bpy.ops.velatura.camera_from_lines(image="House")
    with pytest.raises(RuntimeError, match="There is no image «Barn»"):
        bpy.ops.velatura.camera_from_lines(image="Barn")
    assert state() == before


def test_lines_begin_as_a_box_and_are_removed_one_by_one_or_all(scene):
    held = place.image("House", np.zeros((8, 8, 3), np.uint8)).velatura_perspective
    bpy.ops.velatura.line_add(image="House")
    assert [line.axis for line in held.lines] == ["X", "X", "Y", "Y"]
    bpy.ops.velatura.camera_from_lines(image="House")  # they tell a camera as they are
    bpy.ops.velatura.line_add(image="House", axis="Z")
    assert held.lines[4].axis == "Z" and tuple(held.lines[4].start) != tuple(held.lines[4].end)
    bpy.ops.velatura.line_remove(image="House")
    assert len(held.lines) == 4 and held.index == 3
    bpy.ops.velatura.line_remove(image="House", all=True)
    assert not held.lines


def test_the_mouse_takes_hold_of_the_nearest_end(scene):
    held = place.image("House", np.zeros((8, 8, 3), np.uint8)).velatura_perspective
    bpy.ops.velatura.line_add(image="House")

    def to_screen(u, v):
        return u * 400 + 10, v * 300 + 20

    line, name = lines_panel.nearest(held, (0.4 * 400 + 14, 0.2 * 300 + 23), to_screen)
    assert (line, name) == (held.lines[0], "end")
    assert lines_panel.nearest(held, (200, 200), to_screen) is None


def test_a_picture_is_matched_by_what_its_camera_renders(scene, tmp_path):
    """A box is rendered, its edges are lines, and the found camera renders the same picture."""
    thing = add("cube", "Box", (1, 0.75, 0.5))
    thing.scale = 1, 0.75, 0.5
    light = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    light.rotation_euler = 0.6, 0.3, 0
    scene.collection.objects.link(light)
    drawn(scene, length=2.0)
    first = render(tmp_path / "first.png", samples=1)
    bpy.ops.velatura.camera_from_lines(image="House")
    again = render(tmp_path / "again.png", samples=1)
    assert first.max() > 0.2 and (np.abs(first - again).max(2) > 0.05).mean() < 0.01


@pytest.mark.parametrize("kind", [lines_panel.VELATURA_PT_lines, relief_panel.VELATURA_PT_image_relief,
                                  relief_panel.VELATURA_PT_view_relief])  # fmt: skip
def test_the_panels_draw_what_exists(scene, kind, monkeypatch):
    picture = place.image("House", np.zeros((8, 8, 3), np.uint8))
    monkeypatch.setattr(lines_panel.host, "shown_image", lambda _: picture)
    scene.velatura_relief.depth = picture
    layout = Layout()
    kind.draw(SimpleNamespace(layout=layout, bl_space_type=kind.bl_space_type), bpy.context)
    assert any(str(each).startswith("velatura.") for each in layout.drawn)
