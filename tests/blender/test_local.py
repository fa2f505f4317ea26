"""Local edit in real Blender, against an engine that paints by arithmetic, and projects with the real kernel."""

import threading
import time
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from scenes import accepted, add, after_the_button, come, faces_of_texels, place_camera, select, state, suzanne
from velatura import pixels
from velatura.testing import Script, painter
from velatura.v1 import jobs_pb2
from velatura_blender import canvas, capture, flat, looks, pace, place, texels, vantage
from velatura_blender import session as sessions
from velatura_blender.errands import errands
from velatura_blender.session import session

pytestmark = pytest.mark.usefixtures("addon")

SIDE = 128
PAINT = (10, 200, 90)
DICE = np.random.default_rng(5)


def dress(thing, *, float_buffer=False, name="Own"):
    """Gives an object a material with an image of random numbers, worn by its mesh; returns the image."""
    image = bpy.data.images.new(name, SIDE, SIDE, alpha=True, float_buffer=float_buffer)
    numbers = DICE.random((SIDE, SIDE, 4), np.float32) * (3 if float_buffer else 1)
    image.pixels.foreach_set(numbers.ravel())
    image.update()
    material = place.material(name, image, "UVMap")
    del material[place.RECIPE]
    thing.data.materials.clear()
    thing.data.materials.append(material)
    return image


def numbers(image):
    """(H, W, 4) float32 as they are, row 0 on top."""
    flat_ = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(flat_)
    return flat_.reshape(image.size[1], image.size[0], 4)[::-1].copy()


def image_of(thing):
    (slot,) = thing.material_slots
    return next(node.image for node in slot.material.node_tree.nodes if node.type == "TEX_IMAGE")


def choose(thing, wanted):
    """Select the faces whose middles satisfy something."""
    for polygon in thing.data.polygons:
        polygon.select = bool(wanted(polygon))


def edit(**more):
    asked = {"prompt": "moss", "size": 128, "seed": 5, "wait": True, "part": "FACES"} | more
    return bpy.ops.velatura.local_edit(**asked)


def seen_flat(lens, pieces, size, **more):
    return pace.finished(flat.see(lens, flat.corners(lens, pieces), size, pace.Breath(), **more))


@pytest.fixture
def paints(fake, monkeypatch):
    """The fake engine paints `PAINT`: all over textures, and into layers as its masks say."""

    def outputs(step, size):
        if step.WhichOneof("operation") == "project":
            whole = np.full((SIDE, SIDE, 4), (*PAINT, 255), np.uint8)
            yield jobs_pb2.Artifact(kind="texture", name=step.project.targets[0].id, image=pixels.from_array(whole))
            return
        mask = step.diffuse.mask.image
        alpha = np.frombuffer(fake.blobs[mask.blob_id], np.uint8).reshape(mask.height, mask.width, 1)
        layer = np.concatenate([np.broadcast_to(np.uint8(PAINT), (*alpha.shape[:2], 3)), alpha], 2)
        top, left = (int(alpha[..., 0].any(axis).argmax()) for axis in (1, 0))  # as a layer that is cropped
        image = pixels.from_array(np.ascontiguousarray(layer[top:, left:]))
        yield jobs_pb2.Artifact(kind="image", image=image, seed=step.diffuse.seed, offset_x=left, offset_y=top)

    monkeypatch.setattr(painter, "_outputs", outputs)
    return fake


def build():
    """A cube seen from its front, its right and above, and a wall behind it."""
    box = add("cube", "Box")
    place_camera((3, -4, 2.5))
    select(box)
    return box


KINDS = pytest.mark.parametrize("float_buffer", [False, True], ids=["8 bits", "floats"])


@KINDS
@pytest.mark.parametrize("way", ["VIEW", "UV"])
def test_only_texels_of_the_chosen_faces_change_and_all_others_are_the_same_to_the_bit(
    scene, paints, tmp_path, way, float_buffer
):
    box = build()
    image = dress(box, float_buffer=float_buffer)
    before = numbers(image)
    choose(box, lambda polygon: polygon.normal.y < -0.9 or polygon.normal.y > 0.9)
    assert edit(way=way) == {"FINISHED"}
    made = image_of(box)
    assert made.name == "Own.001" and made != image and np.array_equal(numbers(image), before)
    face = faces_of_texels(box, SIDE)
    front, back = (next(p.index for p in box.data.polygons if p.normal.y * sign > 0.9) for sign in (-1, 1))
    changed = (numbers(made) != before).any(2)
    chosen = (face == front) | (face == back)
    assert changed[chosen].mean() > 0.99
    assert not changed[(face >= 0) & ~chosen].any()
    near = np.zeros_like(changed)
    rows, columns = np.nonzero(chosen)
    near[max(rows.min() - 8, 0) : rows.max() + 9, max(columns.min() - 8, 0) : columns.max() + 9] = True
    assert not changed[~near].any()
    wanted = np.float32(PAINT) / 255
    deep = face == front
    deep[1:-1, 1:-1] &= (face[2:, 1:-1] == front) & (face[:-2, 1:-1] == front)
    np.testing.assert_allclose(
        numbers(made)[deep][:, :3], np.broadcast_to(looks.linear(wanted) if float_buffer else wanted, (deep.sum(), 3)),
        atol=2e-3 if float_buffer else 1e-6,
    )  # fmt: skip
    assert np.array_equal(numbers(made)[..., 3], before[..., 3])
    kept = numbers(made)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "kept.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "kept.blend"))
    assert np.array_equal(numbers(bpy.data.images["Own.001"]), kept)


def test_backs_cannot_be_painted(scene, fake):
    wall = add("plane", "Wall", (0, 2, 0), size=4)
    wall.rotation_euler = (np.pi / 2, 0, 0)
    dress(wall)
    choose(wall, lambda _: True)
    place_camera((0, 8, 0))
    select(wall)
    found = state()
    with pytest.raises(RuntimeError, match="turn the view so that it faces you"):
        edit()
    assert state() == found
    place_camera((0, -8, 0))
    add("cube", "Box", (0, 0, 0), size=5)
    select(wall)
    with pytest.raises(RuntimeError, match="turn the view"):
        edit()


def test_a_mask_image_says_texel_by_texel_how_far_it_changes(scene, paints):
    box = build()
    image = dress(box)
    mask = bpy.data.images.new("Where", SIDE // 2, SIDE // 2, is_data=True)
    values = np.zeros((SIDE // 2, SIDE // 2, 4), np.float32)
    values[..., :3], values[..., 3] = np.linspace(0, 1, SIDE // 2)[:, None, None], 1
    mask.pixels.foreach_set(values.ravel())
    before = numbers(image)
    assert edit(part="IMAGE", mask="Where", way="UV") == {"FINISHED"}
    after, level = numbers(image_of(box)), np.repeat(np.linspace(0, 1, SIDE // 2)[::-1], 2)
    island = faces_of_texels(box, SIDE) >= 0
    away = np.float32(PAINT) / 255 - before[..., :3]
    far = island[..., None] & (np.abs(away) > 0.2)  # where it can be told from rounding
    share = (after - before)[..., :3][far] / away[far]
    np.testing.assert_allclose(share, np.broadcast_to(level[:, None, None], far.shape)[far], atol=0.04)


def test_the_view_shows_the_textures_as_they_are_and_only_the_part_around_the_mask(scene, fake):
    box = build()
    image = dress(box)
    choose(box, lambda polygon: polygon.normal.y < -0.9)
    edit(surroundings=0.1)
    painting, projection = fake.specs[0].steps
    task = painting.diffuse
    assert painting.hidden and not task.inpaint.color_match and task.HasField("depth")
    shown, mask = (pixels.to_array(each) for each in (task.init.image, task.mask.image))
    assert max(shown.shape[:2]) == 128 and (task.width, task.height) == shown.shape[1::-1]
    assert 0.4 < (mask > 0).mean() < 0.9
    view = projection.project.views[0]
    lens = np.array(view.camera.camera_to_clip).reshape(4, 4) @ np.array(view.camera.world_to_camera).reshape(4, 4)
    depth = pixels.to_array(view.depth.image)[..., 0]
    # Of points on the front: where they are seen, what colour the texture has there, and how far away it is.
    layer = box.data.uv_layers[0].uv
    polygon = next(p for p in box.data.polygons if p.normal.y < -0.9)
    places = np.array([box.data.vertices[v].co[:] for v in polygon.vertices])
    uvs = np.array([layer[loop].vector[:] for loop in polygon.loop_indices])
    colors = place.read(image)[..., :3]
    for a, b in DICE.uniform(0.2, 0.8, (20, 2)):
        point = places[0] + a * (places[1] - places[0]) + b * (places[3] - places[0])
        uv = uvs[0] + a * (uvs[1] - uvs[0]) + b * (uvs[3] - uvs[0])
        x, y, _, w = lens @ [*point, 1]
        column, row = ((x / w + 1) / 2 * depth.shape[1]), ((1 - y / w) / 2 * depth.shape[0])
        near = shown[int(row) - 1 : int(row) + 2, int(column) - 1 : int(column) + 2].reshape(-1, 3).astype(int)
        texel = colors[int((1 - uv[1]) * SIDE), int(uv[0] * SIDE)].astype(int)
        around = colors[int((1 - uv[1]) * SIDE) - 1 :, int(uv[0] * SIDE) - 1 :][:3, :3].reshape(-1, 3)
        assert (near.min(0) - 12 <= around.max(0)).all() and (near.max(0) + 12 >= around.min(0)).all(), (texel, near)
        assert abs(depth[int(row), int(column)] - w) < 0.05


def test_depth_leads_also_where_the_engine_is_only_just_being_asked_what_it_has(window, fake, monkeypatch):
    box, learn = build(), sessions._learn
    dress(box)
    choose(box, lambda polygon: polygon.normal.y < -0.9)
    monkeypatch.setattr(sessions, "_learn", lambda endpoint: time.sleep(0.5) or learn(endpoint))
    assert session.engine is None and edit(wait=False) == {"FINISHED"}
    (errand,) = errands.running
    errands.wait(errand, 20)
    accepted()
    assert fake.specs[0].steps[0].diffuse.HasField("depth")


def test_depth_leads_only_where_it_is_wanted(scene, fake):
    box = build()
    dress(box)
    choose(box, lambda polygon: polygon.normal.y < -0.9)
    edit(follow_depth=False)
    assert not fake.specs[0].steps[0].diffuse.HasField("depth") and fake.specs[0].steps[1].project.views[0].HasField(
        "depth"
    )


@pytest.mark.parametrize("mode", ["OBJECT", "EDIT", "TEXTURE_PAINT"])
@pytest.mark.parametrize("way", ["VIEW", "UV"])
def test_it_works_in_every_mode_stays_there_and_is_one_step_back(scene, fake, mode, way):
    box = build()
    dress(box)
    choose(box, lambda polygon: polygon.normal.y < -0.9)
    bpy.ops.object.mode_set(mode=mode)
    bpy.ops.ed.undo_push(message="before")
    assert edit(way=way) == {"FINISHED"} and box.mode == mode
    assert image_of(box).name == "Own.001" and len(bpy.context.scene.velatura.history) == 1
    bpy.ops.ed.undo()
    box = bpy.data.objects["Box"]
    assert image_of(box).name == "Own" and "Own.001" not in bpy.data.images and len(bpy.data.materials) == 1
    assert not bpy.context.scene.velatura.history


def test_others_that_wear_the_same_material_keep_it_and_edits_add_up(scene, fake):
    box = build()
    image = dress(box)
    other = add("cube", "Other", (5, 5, 0))
    other.data.materials.append(box.data.materials[0])
    select(box)
    choose(box, lambda polygon: polygon.normal.y < -0.9)
    edit()
    assert image_of(other) == image and other.material_slots[0].material == box.data.materials[0]
    copied = box.material_slots[0].material
    assert copied.name == "Own.001" and box.material_slots[0].link == "OBJECT" and place.RECIPE in copied
    first = numbers(image_of(box))
    choose(box, lambda polygon: polygon.normal.z > 0.9)
    edit(seed=6)
    assert image_of(box).name == "Own.002" and copied.use_fake_user and copied in {*bpy.data.materials}
    front = faces_of_texels(box, SIDE) == next(p.index for p in box.data.polygons if p.normal.y < -0.9)
    assert np.array_equal(numbers(image_of(box))[front], first[front])


def test_of_several_materials_only_the_active_ones_faces_count(scene, fake):
    box = build()
    image = dress(box)
    second = place.material("Second", place.image("Second", np.zeros((SIDE, SIDE, 3), np.uint8)), "UVMap")
    box.data.materials.append(second)
    for polygon in box.data.polygons:
        polygon.material_index = int(polygon.normal.y < -0.9)
    choose(box, lambda _: True)
    box.active_material_index = 0
    edit(way="UV")
    made, face = box.material_slots[0].material, faces_of_texels(box, SIDE)
    changed = (numbers(next(n.image for n in made.node_tree.nodes if n.type == "TEX_IMAGE")) != numbers(image)).any(2)
    front = next(p.index for p in box.data.polygons if p.normal.y < -0.9)
    assert box.material_slots[1].material == second and not changed[face == front].any() and changed[face == 1].any()
    choose(box, lambda polygon: polygon.index == front)
    with pytest.raises(RuntimeError, match="make their material slot active"):
        edit()


def test_of_faces_that_share_texels_those_that_face_the_view_are_sent_first(scene, fake):
    box = build()
    dress(box)
    box.location.x = -1.5
    bpy.context.view_layer.update()
    box.modifiers.new("Mirror", "MIRROR").use_axis = (False, True, False)  # through its middle: backs behind fronts
    choose(box, lambda _: True)
    assert edit() == {"FINISHED"}
    projection = fake.specs[0].steps[1].project
    read = lambda held, kind, *shape: np.frombuffer(held.data or fake.blobs[held.blob_id], kind).reshape(*shape)  # noqa: E731
    mesh, view = projection.targets[0].mesh, np.array(projection.views[0].camera.world_to_camera).reshape(4, 4)
    there = read(mesh.positions, "<f4", -1, 3) @ view[:3, :3].T + view[:3, 3]
    a, b, c = np.moveaxis(there[read(mesh.triangles, "<u4", -1, 3)], 1, 0)
    faces = (np.cross(b - a, c - a) * -a).sum(1) > 0
    assert faces.any() and not faces.all() and (np.diff(faces.astype(int)) <= 0).all()


def test_results_are_remembered_varied_and_found_again_when_the_file_is_opened(scene, fake, tmp_path):
    box = build()
    dress(box).pack()
    choose(box, lambda polygon: polygon.normal.y < -0.9)
    fake.once(Script(delay=0.1))
    edit(wait=False)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "midway.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "midway.blend"))
    assert bpy.ops.velatura.collect(wait=True) == {"FINISHED"} and not session.failed
    box = bpy.data.objects["Box"]
    first = image_of(box)
    assert first.name == "Own.001" and first.packed_file is not None and first[place.RECIPE]
    (entry,) = bpy.context.scene.velatura.history
    assert entry.kind == "Local Edit" and entry.image == first and entry.material == box.material_slots[0].material
    assert bpy.ops.velatura.history_vary(wait=True) == {"FINISHED"}
    assert fake.specs[1].steps[0].diffuse.seed != fake.specs[0].steps[0].diffuse.seed
    assert len(bpy.context.scene.velatura.history) == 2


def nothing(box):
    choose(box, lambda _: False)


def no_uvs(box):
    box.data.uv_layers.remove(box.data.uv_layers[0])


def no_image(box):
    box.data.materials.clear()


def by_nodes(box):
    tree = box.data.materials[0].node_tree
    image = next(node for node in tree.nodes if node.type == "TEX_IMAGE")
    tree.nodes.remove(image)


def not_there(box):
    image = image_of(box)
    image.source, image.filepath = "FILE", "//gone.png"
    image.reload()


def tiled(box):
    image_of(box).source = "TILED"


def without_camera(box):
    bpy.data.objects.remove(bpy.context.scene.camera)


def flat_uvs(box):
    box.data.uv_layers[0].uv.foreach_set("vector", np.zeros(len(box.data.loops) * 2, np.float32))


WRONG = {
    "nothing selected": (nothing, {}, "choose some in Edit Mode"),
    "no UVs": (no_uvs, {}, "unwrap it"),
    "no material": (no_image, {}, "shows no image texture"),
    "other nodes": (by_nodes, {}, "shows no image texture"),
    "file is gone": (not_there, {}, "find or pack its file"),
    "UDIM": (tiled, {}, "UDIM tiles"),
    "no camera": (without_camera, {}, "add a camera"),
    "no area": (flat_uvs, {}, "have no texels"),
    "no mask": (lambda box: None, {"part": "AUTO"}, "press New Mask"),
    "unknown mask": (lambda box: None, {"part": "IMAGE", "mask": "Where"}, "no image «Where»"),
    "black mask": (lambda box: bpy.data.images.new("Where", 8, 8), {"part": "IMAGE", "mask": "Where"}, "paint white"),
    "no words": (lambda box: None, {"prompt": " "}, "the prompt is empty"),
    "unknown model": (lambda box: None, {"model": "oils"}, "No model is called 'oils'"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_done_is_said_and_leaves_the_scene_as_it_was(scene, fake, wrong):
    box = build()
    dress(box)
    choose(box, lambda polygon: polygon.normal.y < -0.9)
    spoil, more, words = WRONG[wrong]
    spoil(box)
    before = state()
    with pytest.raises(RuntimeError, match=words):
        edit(**more)
    assert state() == before and session.failed


def test_a_linked_object_is_refused_by_name_and_linked_data_are_not_written(scene, fake, tmp_path):
    box = build()
    dress(box).pack()
    choose(box, lambda polygon: polygon.normal.y < -0.9)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "library.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (_, here):
        here.objects = ["Box"]
    linked = bpy.data.objects["Box"]
    bpy.context.scene.collection.objects.link(linked)
    place_camera((3, -4, 2.5))
    bpy.context.view_layer.objects.active = linked
    with pytest.raises(RuntimeError, match="Make Local"):
        edit()
    mine = bpy.data.objects.new("Mine", linked.data)  # its own object of the library's mesh
    bpy.context.scene.collection.objects.link(mine)
    bpy.context.scene.collection.objects.unlink(linked)
    select(mine)
    assert edit() == {"FINISHED"}
    made = image_of(mine)
    assert made.library is None and made.name.startswith("Own") and mine.material_slots[0].link == "OBJECT"
    assert mine.data.materials[0].library is not None and mine.material_slots[0].material.library is None


def test_a_new_mask_is_black_and_the_stencil(scene, fake):
    box = build()
    dress(box)
    assert bpy.ops.velatura.new_mask() == {"FINISHED"}
    paint = scene.tool_settings.image_paint
    mask = scene.velatura_local.mask
    assert mask == paint.stencil_image and paint.use_stencil_layer and tuple(mask.size) == (SIDE, SIDE)
    with pytest.raises(RuntimeError, match="black everywhere"):
        edit(part="AUTO")
    mask.pixels.foreach_set(np.ones(SIDE * SIDE * 4, np.float32))
    assert edit(part="AUTO") == {"FINISHED"} and edit(part="STENCIL", way="UV") == {"FINISHED"}


def test_a_stencil_that_is_switched_off_does_not_hide_the_mask_that_is_chosen(scene, fake):
    box = build()
    dress(box)
    bpy.ops.velatura.new_mask()  # black all over
    scene.velatura_local.mask = place.image("Mine", np.full((SIDE, SIDE, 3), 255, np.uint8), data=True)
    with pytest.raises(RuntimeError, match="Own mask is black"):
        edit(part="AUTO")
    scene.tool_settings.image_paint.use_stencil_layer = False
    assert edit(part="AUTO") == {"FINISHED"}


def test_strokes_that_were_not_saved_are_not_lost_and_said(scene, fake):
    box = build()
    image = dress(box)
    choose(box, lambda polygon: polygon.normal.y < -0.9)
    assert image.is_dirty
    edit()
    assert image.use_fake_user and "save or pack it" in session.message


def test_small_textures_are_painted_larger_and_large_parts_smaller(scene, fake):
    box = build()
    dress(box)
    choose(box, lambda _: True)
    edit(way="UV", size=64)
    task = fake.specs[0].steps[0].diffuse
    assert max(task.width, task.height) == 64 and task.inpaint.HasField("context")
    choose(box, lambda polygon: polygon.normal.y < -0.9)
    edit(way="UV", size=512, edges="xy")
    task = fake.specs[1].steps[0].diffuse
    assert (task.width, task.height) == (SIDE, SIDE) and task.tiling.x and not task.inpaint.HasField("context")


def test_the_graphics_card_and_rays_see_the_same(scene):
    thing = suzanne(levels=0)
    dress(thing)
    add("cube", "Box", (1.2, -1.2, 0), size=0.8)
    found = canvas.canvas_of(thing)
    depsgraph = bpy.context.evaluated_depsgraph_get()
    looks = lambda each, slot: found.look if each == thing else None  # noqa: E731
    pieces = flat.patches(depsgraph, looks, {})()
    lens = capture.lens_of(scene.camera, depsgraph, 48, 48)
    one, other = (seen_flat(lens, pieces, (48, 48), drawn=drawn) for drawn in (True, False))
    both = (one.patch == other.patch) & (one.front == other.front)
    assert both.mean() > 0.995 and {*np.unique(one.patch)} == {-1, 0, 1}
    np.testing.assert_allclose(one.uvs[both], other.uvs[both], atol=1e-4)
    seen = capture.frame(scene.camera, depsgraph, 48, 48)
    np.testing.assert_allclose(one.depth, seen.depth, rtol=1e-5)


@pytest.mark.parametrize("kind", ["PERSP", "ORTHO"])
def test_a_3d_view_is_looked_through_as_a_camera_there_would(scene, kind):
    build()
    scene.camera.data.type, scene.camera.data.shift_x = kind, 0.1
    bpy.context.view_layer.update()
    depsgraph = bpy.context.evaluated_depsgraph_get()
    camera = capture.lens_of(scene.camera, depsgraph, 64, 48)
    shown = SimpleNamespace(
        view_matrix=camera.world_to_camera, window_matrix=camera.camera_to_clip.copy(), is_perspective=kind == "PERSP"
    )
    forward = 0.0
    if kind == "ORTHO":  # Blender's own orthographic views have as much before them as behind
        forward = 40.0
        shown.window_matrix[2, 3] += shown.window_matrix[2, 2] * -forward
    lens = vantage.of_view(shown)
    pieces = list(capture.solids(depsgraph))
    one, other = (capture.see(each, pieces, 64, 48).depth for each in (camera, lens))
    hit = np.isfinite(one)
    assert np.array_equal(hit, np.isfinite(other)) and (other[hit] > 0).all()
    assert np.ptp(other[hit] - one[hit]) < 1e-3


def test_zooming_shows_the_same_from_the_same_place(scene):
    thing = suzanne(levels=0)
    depsgraph = bpy.context.evaluated_depsgraph_get()
    lens = capture.lens_of(scene.camera, depsgraph, 256, 192)
    part = np.zeros((192, 256), bool)
    part[60:100, 100:180] = True
    closer, size = vantage.zoomed(lens, part, 160, 0.0)
    assert size == (160, 80)
    pieces = flat.patches(depsgraph, lambda *_: None, {})()
    one = seen_flat(lens, pieces, (512, 384)).depth[120:200, 200:360]
    other = seen_flat(closer, pieces, (160, 80)).depth
    same = np.isfinite(one) == np.isfinite(other)
    assert same.mean() > 0.9 and thing.name == pieces[0].name
    both = np.isfinite(one) & np.isfinite(other)
    assert np.median(np.abs(one[both] - other[both])) < 0.02


def test_texels_are_drawn_as_blender_lays_faces(scene):
    box = build()
    dress(box)
    found = canvas.canvas_of(box)
    face = faces_of_texels(box, SIDE)
    choose(box, lambda polygon: polygon.index == 2)
    drawn = canvas.faces(found, {})() > 0
    assert (drawn == (face == 2)).mean() > 0.99 and texels.PADDING > 0
    assert (
        np.array_equal(canvas.covered(found, {})(), face >= 0)
        or (canvas.covered(found, {})() == (face >= 0)).mean() > 0.99
    )


def half(top):
    """A mask of the upper or the lower half of the texture."""
    mask = np.zeros((SIDE, SIDE, 3), np.uint8)
    mask[: SIDE // 2] = 255 * top
    mask[SIDE // 2 :] = 255 * (not top)
    return place.image("Upper" if top else "Lower", mask, data=True).name


@pytest.fixture
def board(scene):
    """A board that wears an image all over."""
    thing = add("plane", "Board")
    select(thing)
    return thing


def in_half(top, **more):
    return edit(**{"part": "IMAGE", "mask": half(top), "way": "UV", "wait": False} | more)


@KINDS
def test_of_two_edits_that_are_asked_for_in_a_row_the_second_lies_over_the_first(board, paints, float_buffer):
    before = numbers(dress(board, float_buffer=float_buffer))
    wanted = np.float32(PAINT) / 255
    wanted = looks.linear(wanted) if float_buffer else wanted
    in_half(True)
    in_half(False)
    board.name = "Shelf"
    come()
    found = numbers(image_of(board))
    assert np.abs(found[..., :3] - wanted).max() < (2e-3 if float_buffer else 1e-6)
    assert np.array_equal(found[..., 3], before[..., 3])


def test_soft_edges_of_an_edit_from_view_show_nothing_of_the_look_before_another_that_came_meanwhile(
    board, fake, monkeypatch
):
    asked, red, green = np.zeros((SIDE, SIDE, 3), np.uint8), np.uint8((255, 0, 0)), np.uint8((0, 255, 0))
    asked[...] = (0, 0, 255)
    place.wear(board, place.material("Own", place.image("Own", asked), "UVMap"))
    soft = np.broadcast_to(np.linspace(0, 255, SIDE)[:, None, None], (SIDE, SIDE, 3)).astype(np.uint8)
    place.image("Soft", soft, data=True)
    place.image("All", np.full((SIDE, SIDE, 3), 255, np.uint8), data=True)
    blends = iter([(red, np.float32(1)), (green, soft / np.float32(255))])

    def outputs(step, size):
        if step.WhichOneof("operation") == "project":
            paint, share = next(blends)  # as the engine lays paint over what it is shown
            seen = np.concatenate([asked * (1 - share) + paint * share, np.full((SIDE, SIDE, 1), 255)], 2)
            image = pixels.from_array(np.rint(seen).astype(np.uint8))
            yield jobs_pb2.Artifact(kind="texture", name=step.project.targets[0].id, image=image)

    monkeypatch.setattr(painter, "_outputs", outputs)
    for mask in ("All", "Soft"):
        edit(part="IMAGE", mask=mask, wait=False)
    come()
    found = numbers(image_of(board))
    assert found[..., 2].max() < 0.02 and found[0, :, 0].min() > 0.9 and found[-1, :, 1].min() > 0.98


def test_varying_an_edit_changes_what_is_worn_now_and_no_texel_beside_it(board, paints):
    before = numbers(dress(board))
    in_half(True, wait=True)
    first = image_of(board)
    assert bpy.ops.velatura.history_vary(wait=True) == {"FINISHED"}
    assert image_of(board) != first and np.array_equal(numbers(image_of(board))[SIDE // 2 :], before[SIDE // 2 :])


@pytest.mark.parametrize("gone", ["object", "texture", "other size"])
def test_an_edit_that_finds_no_texture_is_in_the_history(board, paints, gone):
    image = dress(board)
    in_half(True)
    if gone == "object":
        bpy.data.objects.remove(board)
    if gone == "texture":
        board.data.materials.clear()
        bpy.data.images.remove(image)
    if gone == "other size":
        image.scale(8, 8)
    come()
    (entry,) = bpy.context.scene.velatura.history
    found = numbers(entry.image)
    assert np.abs(found[: SIDE // 2, :, :3] - np.float32(PAINT) / 255).max() < 1e-6
    assert entry.image.size[0] == SIDE and "only in the history" in session.message


def test_paint_is_laid_over_a_texture_beside_blenders_thread(scene, paints, monkeypatch):
    box, threads, lay = build(), [], canvas.laid_over
    dress(box)
    choose(box, lambda polygon: polygon.normal.y < -0.9)
    monkeypatch.setattr(canvas, "laid_over", lambda *a, **k: threads.append(threading.get_ident()) or lay(*a, **k))
    assert edit(way="UV") == {"FINISHED"}
    assert len(threads) == 1 and threading.get_ident() not in threads


def test_strokes_that_come_while_paint_is_laid_over_a_texture_are_in_the_new_one_too(scene, paints, monkeypatch):
    box, read = build(), place.raw
    image = dress(box)
    choose(box, lambda polygon: polygon.normal.y < -0.9)
    stroked = []

    def read_and_stroke(picture, rooms=None):
        found = read(picture, rooms)
        if picture == image and session.tasks and session.tasks[0].job.done and not stroked:
            stroked.append(True)
            image.pixels.foreach_set(np.tile(np.float32([1, 0, 0, 1]), SIDE * SIDE))
        return found

    monkeypatch.setattr(place, "raw", read_and_stroke)
    assert edit(way="UV") == {"FINISHED"} and stroked
    colors = np.rint(numbers(image_of(box))[..., :3] * 255).astype(int)
    assert ((colors == (255, 0, 0)).all(2) | (colors == PAINT).all(2)).mean() > 0.95


@pytest.mark.parametrize("way", ["VIEW", "UV"])
def test_the_part_is_what_was_marked_when_the_button_was_pressed(scene, paints, monkeypatch, way):
    box = build()
    dress(box)
    before = numbers(image_of(box))

    def change():
        choose(box, lambda polygon: polygon.normal.z > 0.9)
        scene.camera.location.y = 9
        box.location.x += 1

    choose(box, lambda polygon: polygon.normal.y < -0.9)
    after_the_button(monkeypatch, change)
    assert edit(way=way) == {"FINISHED"}
    face = faces_of_texels(box, SIDE)
    front, top = (
        next(p.index for p in box.data.polygons if p.normal[axis] * sign > 0.9) for axis, sign in [(1, -1), (2, 1)]
    )
    changed = (numbers(image_of(box)) != before).any(2)
    assert changed[face == front].mean() > 0.9 and not changed[face == top].any()


def test_what_takes_long_of_a_part_is_reckoned_beside_blenders_thread(scene, paints, monkeypatch):
    threads = []

    def noted(module, name):
        reckon = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *a, **k: threads.append((name, threading.get_ident())) or reckon(*a, **k)
        )

    for module, name in [(texels, "drawn"), (texels, "padded"), (flat, "corners"), (flat, "colors"), (flat, "values")]:
        noted(module, name)
    box = build()
    dress(box)
    choose(box, lambda polygon: polygon.normal.y < -0.9)
    assert edit(way="VIEW") == {"FINISHED"}
    assert {name for name, _ in threads} == {"drawn", "padded", "corners", "colors", "values"}
    assert threading.get_ident() not in {number for _, number in threads}
