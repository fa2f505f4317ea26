"""What the camera sees, against Cycles."""

import bpy
import numpy as np
import pytest
from scenes import add, cycles_depth, place_camera, select, state, suzanne
from velatura_blender import capture, offscreen, pace


def graph():
    return bpy.context.evaluated_depsgraph_get()


def build():
    suzanne("Suzanne", (0, 0, 0.2), levels=2)
    box = add("cube", "Cube", (1.6, 1.2, 0), size=1)
    box.scale = (1, -1.5, 0.8)  # mirrored
    ring = add("torus", "Torus", (-1.5, 0.4, 0.3))
    ring.rotation_euler = (0.5, 0.3, 0)
    add("plane", "Ground", (0, 0, -1), size=8)
    instances(add("cone", "Source", radius1=0.5, depth=1), "Group").location = (-0.3, 1.8, 0.6)
    bpy.context.view_layer.update()


def instances(thing, name):
    """An empty that shows a collection with this thing in it, which is nowhere else."""
    scene = bpy.context.scene
    group = bpy.data.collections.new(name)
    scene.collection.objects.unlink(thing)
    group.objects.link(thing)
    empty = bpy.data.objects.new("Instances", None)
    empty.instance_type, empty.instance_collection = "COLLECTION", group
    scene.collection.objects.link(empty)
    return empty


def camera_of(kind):
    camera = bpy.context.scene.camera
    if kind == "orthographic":
        camera.data.type, camera.data.ortho_scale = "ORTHO", 5.0
    if kind == "lens shift":
        camera.data.shift_x, camera.data.shift_y = 0.15, -0.1
    if kind == "wide, not square":
        camera.data.lens = 20
        bpy.context.scene.render.resolution_y = 144
    if kind == "scaled":
        camera.scale = (2, 2, 2)
    return camera


@pytest.mark.parametrize("kind", ["perspective", "orthographic", "lens shift", "wide, not square", "scaled"])
def test_depth_equals_cycles(scene, tmp_path, kind):
    build()
    camera = camera_of(kind)
    size = scene.render.resolution_x, scene.render.resolution_y
    seen = capture.frame(camera, graph(), *size)
    assert seen.mask(["Suzanne"]).any() and seen.mask(["Instances"]).any()
    truth = cycles_depth(tmp_path)
    hit, known = np.isfinite(seen.depth), truth < 1e9
    assert (hit == known).mean() > 0.999
    both = hit & known
    error = np.abs(seen.depth[both] / truth[both] - 1)
    assert np.median(error) < 1e-5 and (error < 1e-3).mean() > 0.99


def test_casting_rays_gives_the_same_as_the_graphics_card(scene):
    build()
    drawn = capture.frame(scene.camera, graph(), 96, 96)
    cast = capture.frame(scene.camera, graph(), 96, 96, gpu=False)
    assert (drawn.objects == cast.objects).mean() > 0.998
    both = np.isfinite(drawn.depth) & np.isfinite(cast.depth)
    assert np.median(np.abs(drawn.depth[both] / cast.depth[both] - 1)) < 1e-5


def test_what_is_drawn_in_pieces_is_what_is_drawn_at_once(scene, monkeypatch):
    build()
    pieces, lens = list(capture.solids(graph())), capture.lens_of(scene.camera, graph(), 96, 96)
    whole = capture.see(lens, pieces, 96, 96)
    monkeypatch.setattr(offscreen, "AT_ONCE", 100)
    monkeypatch.setattr(pace, "PIECE", 0)
    walk, pauses = capture.look(lens, pieces, (96, 96), pace.Breath()), 0
    with pytest.raises(StopIteration) as end:
        while True:
            next(walk)
            pauses += 1
            capture.see(lens, pieces[:1], 64, 64)  # Blender draws too meanwhile
    assert pauses > sum(len(piece.triangles) for piece in pieces) // 100
    np.testing.assert_array_equal(end.value.value.depth, whole.depth)
    np.testing.assert_array_equal(end.value.value.objects, whole.objects)


def test_the_mask_shows_one_object_and_hidden_ones_are_not_seen(scene):
    build()
    seen = capture.frame(scene.camera, graph(), 128, 128)
    assert 0.01 < seen.mask(["Suzanne"]).mean() < 0.5
    assert seen.mask(["Suzanne", "Ground"]).sum() == seen.mask(["Suzanne"]).sum() + seen.mask(["Ground"]).sum()
    bpy.data.objects["Suzanne"].hide_set(True)
    assert "Suzanne" not in capture.frame(scene.camera, graph(), 64, 64).names
    bpy.data.objects["Cube"].hide_render = True
    assert "Cube" not in capture.frame(scene.camera, graph(), 64, 64).names


def test_instances_are_seen_as_the_object_that_makes_them(scene):
    instances(add("cube", "Source", size=1), "Group")
    bpy.context.view_layer.update()
    seen = capture.frame(scene.camera, graph(), 64, 64)
    assert seen.names == ("Instances",) and seen.mask(["Instances"]).any()


def test_a_mirrored_object_still_faces_outwards(scene):
    box = add("cube", "Cube", size=1)
    box.scale = (1, -1, 1)
    bpy.context.view_layer.update()
    piece = capture.surface(box, graph(), "UVMap")
    a, b, c = piece.positions[piece.triangles].transpose(1, 0, 2)
    outwards = (np.cross(b - a, c - a) * (a + b + c)).sum(1)
    assert (outwards > 0).all() and piece.uvs.shape == (12, 3, 2)


def test_modifiers_count_and_uvs_follow_them(scene):
    thing = suzanne(levels=1)
    plain = len(thing.data.polygons)
    piece = capture.surface(thing, graph(), "UVMap")
    assert len(piece.triangles) > 4 * plain and piece.uvs is not None
    assert capture.surface(thing, graph(), "none").uvs is None


def test_capturing_leaves_the_scene_alone(scene):
    build()
    select(bpy.data.objects["Cube"], bpy.data.objects["Torus"])
    before = state()
    capture.frame(scene.camera, graph(), 64, 64)
    capture.surface(bpy.data.objects["Suzanne"], graph(), "UVMap")
    assert state() == before


def test_a_panoramic_camera_is_refused(scene):
    scene.camera.data.type = "PANO"
    with pytest.raises(ValueError, match="Panoramic cameras cannot project: make Camera a perspective"):
        capture.frame(place_camera((1, 2, 3)), graph(), 32, 32)
