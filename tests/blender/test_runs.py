"""What is kept of objects that were textured from views: when it comes into the file, what it changes, when it goes."""

import json

import bpy
import numpy as np
import pytest
from scenes import accepted, add, come, select, state, uv_bytes
from velatura.testing import Script
from velatura_blender import drafts, lent, likeness, place, uvs, views
from velatura_blender.session import session

pytestmark = pytest.mark.usefixtures("addon")
SMALL = {"prompt": "waves", "size": 64, "texture_size": 64, "seed": 3, "views": 4}


def texture(*things, **more):
    select(*things)
    assert bpy.ops.velatura.texture_object(wait=True, **SMALL | more) == {"FINISHED"}
    return views.run_of(things[0], bpy.context.scene)


def ask(fake, *things, **more):
    """Ask, and do not wait for it."""
    select(*things)
    fake.once(Script(steps=5, delay=0.02))
    assert bpy.ops.velatura.texture_object(**SMALL | more) == {"FINISHED"}


def again(operator="reblend", **more):
    assert getattr(bpy.ops.velatura, operator)(wait=True, **more) == {"FINISHED"}
    return session.message


def shown(thing):
    """The names of the images in an object's materials."""
    return sorted(image.name for slot in thing.material_slots for image in views.images_of(slot.material))


def without_uvs(thing):
    while thing.data.uv_layers:
        thing.data.uv_layers.remove(thing.data.uv_layers[0])
    return thing


def history():
    return [entry.image.name for entry in bpy.context.scene.velatura.history]


def paint_by_hand(image):
    """Strokes of pure red; Blender keeps them apart from the packed file until that is written again."""
    image.pixels.foreach_set(np.tile(np.array([1, 0, 0, 1], np.float32), image.size[0] * image.size[1]))
    assert image.is_dirty


def red(image):
    return (place.read(image) == (255, 0, 0, 255)).all()


# When it comes into the file


def test_nothing_of_the_file_is_changed_while_it_is_painted(scene, fake):
    thing = without_uvs(add("cube", "Cube"))
    before = state()
    ask(fake, thing)
    assert state()[1:] == before[1:] and not scene.velatura_runs
    come()
    assert [layer.name for layer in thing.data.uv_layers] == [place.LAYER] and len(scene.velatura_runs) == 1


def test_a_result_comes_also_where_steps_were_undone_meanwhile(scene, fake):
    add("cube", "Cube")
    bpy.ops.ed.undo_push(message="made")
    ask(fake, bpy.data.objects["Cube"], uvs="NEW")
    accepted()
    bpy.ops.ed.undo_push(message="something else")
    bpy.ops.ed.undo()
    come()
    thing = bpy.data.objects["Cube"]
    run = views.run_of(thing, bpy.context.scene)
    assert all(view.image.packed_file and view.depth.packed_file for view in run.views)
    assert shown(thing) == ["waves on Cube"] and run.targets[0].layer == place.LAYER
    assert again().startswith("Blended")


def test_one_step_back_takes_all_of_it_also_where_others_were_made_meanwhile(scene, fake):
    select(add("cube", "Cube"))
    bpy.ops.ed.undo_push(message="made")
    before = state()
    ask(fake, bpy.data.objects["Cube"], uvs="NEW")
    accepted()
    bpy.ops.ed.undo_push(message="something else")
    come()
    bpy.ops.ed.undo()
    scene = bpy.context.scene
    assert state()[1:] == before[1:] and not scene.velatura_runs and not scene.velatura.history
    assert drafts.NOTED not in scene
    bpy.ops.ed.redo()
    assert shown(bpy.data.objects["Cube"]) == ["waves on Cube"]


def test_an_autosave_finds_its_result_with_views_and_uvs(scene, fake, tmp_path):
    ask(fake, without_uvs(add("cube", "Cube")))
    accepted()
    bpy.data.libraries.write(str(tmp_path / "autosave.blend"), set(bpy.data.scenes))  # calls no handler, as autosaves
    for task in session.tasks:
        task.job.leave()
    session.tasks.clear()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "autosave.blend"))
    assert drafts.NOTED in bpy.context.scene
    assert bpy.ops.velatura.collect(wait=True) == {"FINISHED"}
    thing, scene = bpy.data.objects["Cube"], bpy.context.scene
    assert shown(thing) == ["waves on Cube"] and thing.data.uv_layers[0].name == place.LAYER
    assert len(views.run_of(thing, scene).views) == 4 and drafts.NOTED not in scene


def test_blended_again_for_an_object_that_got_another_mesh_it_is_in_the_history(scene, fake):
    thing = add("cube", "Cube")
    texture(thing)
    fake.once(Script(steps=5, delay=0.02))
    assert bpy.ops.velatura.reblend() == {"FINISHED"}
    other = bpy.data.meshes.new("Other")
    other.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    thing.data = other
    assert "no UV map «UVMap» any more: its texture is kept in the history" in come()
    assert not thing.material_slots and len(history()) == 2


def test_an_opened_file_keeps_what_it_needs_until_an_engine_answers(scene, fake, tmp_path, monkeypatch):
    ask(fake, without_uvs(add("cube", "Cube")))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "midway.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    session.disconnect()
    with monkeypatch.context() as away:
        away.setenv("VELATURA_ENGINE", "127.0.0.1:1")
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "midway.blend"))
        with pytest.raises(RuntimeError):
            bpy.ops.velatura.collect(wait=True)
        bpy.ops.wm.save_mainfile()
    session.disconnect()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "midway.blend"))
    assert bpy.ops.velatura.collect(wait=True) == {"FINISHED"}
    assert len(views.run_of(bpy.data.objects["Cube"], bpy.context.scene).views) == 4


def test_a_saved_file_names_objects_as_they_are_called_then(scene, fake, tmp_path):
    ask(fake, add("cube", "Cube"))
    bpy.data.objects["Cube"].name = "Wall"
    add("cube", "Cube", (3, 0, 0))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "midway.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "midway.blend"))
    assert bpy.ops.velatura.collect(wait=True) == {"FINISHED"}
    assert shown(bpy.data.objects["Wall"]) == ["waves on Wall"] and not shown(bpy.data.objects["Cube"])


def test_a_job_that_is_stopped_leaves_nothing(scene, fake):
    thing = without_uvs(add("cube", "Cube"))
    select(thing)
    before = state()
    fake.once(Script(hang=True))
    bpy.ops.velatura.texture_object(**SMALL)
    accepted()
    assert drafts.NOTED in scene
    session.cancel()
    come()
    assert state()[1:] == before[1:] and drafts.NOTED not in scene and not scene.velatura_runs


def test_a_result_that_the_engine_no_longer_has_leaves_nothing_in_the_file(scene, fake, tmp_path):
    select(without_uvs(add("cube", "Cube")))
    before = state()
    fake.once(Script(hang=True))
    bpy.ops.velatura.texture_object(**SMALL)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "midway.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "midway.blend"))
    assert drafts.NOTED in bpy.context.scene
    fake.jobs.clear()
    with pytest.raises(RuntimeError, match="not at the engine any more"):
        bpy.ops.velatura.collect(wait=True)
    assert state()[1:] == before[1:] and drafts.NOTED not in bpy.context.scene


def test_a_draft_is_the_same_in_a_file_as_it_was(scene, fake):
    ask(fake, without_uvs(add("cube", "Cube")), lens="ORTHO", view_words=True)
    ((_, data),) = drafts.HELD.values()
    draft = drafts.unpacked(data)
    seen = fake_views(fake)
    assert len(draft.views) == len(seen) and draft.views[0].words == "front view" and draft.views[0].lens.orthographic
    for kept, sent in zip(draft.views, seen, strict=True):
        np.testing.assert_allclose(kept.lens.world_to_camera.ravel(), sent.camera.world_to_camera, atol=1e-6)
        assert np.isfinite(kept.depth).any() and not np.isfinite(kept.depth).all()
        np.testing.assert_array_equal(kept.mask, np.isfinite(kept.depth))
    (meant,) = draft.targets
    assert len(meant.layer.uvs) == 48 and meant.layer.why == "had no UV map"
    come()


def fake_views(fake):
    accepted()
    return fake.specs[-1].steps[0].diffuse.views


@pytest.mark.parametrize("mode", ["OBJECT", "EDIT", "SCULPT", "TEXTURE_PAINT"])
def test_the_uv_map_comes_in_every_mode_with_the_uvs_that_were_asked_with(scene, fake, mode):
    thing = without_uvs(add("monkey", "Suzanne"))
    ask(fake, thing)
    ((_, data),) = drafts.HELD.values()
    bpy.ops.object.mode_set(mode=mode)
    come()
    assert thing.mode == mode
    bpy.ops.object.mode_set(mode="OBJECT")
    assert uv_bytes(thing.data.uv_layers[place.LAYER]) == drafts.unpacked(data).targets[0].layer.uvs.tobytes()
    assert shown(thing) == ["waves on Suzanne"]


def test_uvs_that_the_artist_changed_meanwhile_are_there_beside_theirs(scene, fake):
    thing = add("cube", "Cube")
    before = uv_bytes(thing.data.uv_layers[0])
    ask(fake, thing)
    thing.data.uv_layers[0].uv.foreach_set("vector", np.frombuffer(before, np.float32) / 2)
    assert "the UV map UVMap has changed, the paint lies in «Velatura UV» as it was" in come()
    assert uv_bytes(thing.data.uv_layers[place.LAYER]) == before
    assert views.run_of(thing, scene).targets[0].layer == place.LAYER


def test_where_there_is_no_room_for_uvs_that_were_changed_the_texture_is_in_the_history(scene, fake):
    thing = add("cube", "Cube")
    while thing.data.uv_layers.new() is not None:
        pass
    ask(fake, thing)
    thing.data.uv_layers[0].uv.foreach_set("vector", np.zeros(len(thing.data.loops) * 2, np.float32))
    assert "Cube has 8 UV maps already: its texture is kept in the history" in come()
    assert not shown(thing) and len(history()) == 1


def test_a_renamed_object_wears_its_texture_and_another_of_that_name_does_not(scene, fake):
    thing = add("cube", "Cube")
    ask(fake, thing)
    thing.name = "Wall"
    other = add("cube", "Cube", (3, 0, 0))
    come()
    assert shown(thing) == ["waves on Wall"] and not shown(other)


def delete(thing):
    select(thing)
    bpy.ops.object.delete()


def subdivide(thing):
    select(thing)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.subdivide()
    bpy.ops.object.mode_set(mode="OBJECT")


@pytest.mark.parametrize(
    ("change", "words"), [(delete, "Cube is gone"), (subdivide, "the faces of Cube are others by now")]
)
def test_what_nothing_can_wear_is_kept_in_the_history_and_said(scene, fake, tmp_path, change, words):
    thing, other = without_uvs(add("cube", "Cube")), add("cube", "Other", (3, 0, 0))
    ask(fake, thing, other)
    change(thing)
    message = come()
    assert f"{words}: its texture is kept in the history" in message
    assert sorted(history()) == ["waves on Cube", "waves on Other"] and shown(other) == ["waves on Other"]
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "kept.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "kept.blend"))
    entry = next(entry for entry in bpy.context.scene.velatura.history if entry.name == "waves on Cube")
    assert entry.image.packed_file and entry.material is not None
    select(bpy.data.objects["Other"])
    assert "Cube" in again()


def test_without_any_of_its_objects_a_result_is_in_the_history_alone(scene, fake):
    ask(fake, add("cube", "Cube"))
    delete(bpy.data.objects["Cube"])
    come()
    assert history() == ["waves on Cube"] and not bpy.context.scene.velatura_runs


def test_objects_that_share_a_mesh_share_its_new_uv_map(scene, fake):
    thing = without_uvs(add("cube", "Cube"))
    others = [bpy.data.objects.new(f"Copy {number}", thing.data) for number in range(9)]
    for number, other in enumerate(others, 1):
        scene.collection.objects.link(other)
        other.location.x = 3 * number
    texture(thing, *others)
    assert [layer.name for layer in thing.data.uv_layers] == [place.LAYER]
    assert shown(others[8]) == ["waves on Copy 8"]


def test_a_layer_is_given_once_and_to_no_other_mesh(scene):
    thing, other = without_uvs(add("cube", "Cube")), without_uvs(add("monkey", "Suzanne"))
    with lent.layers([thing], [uvs.Choice()]) as (layer,):
        assert layer.name in thing.data.uv_layers
    assert not thing.data.uv_layers
    assert lent.give(thing, layer) == lent.give(thing, layer) == place.LAYER and len(thing.data.uv_layers) == 1
    with pytest.raises(ValueError, match="faces of Suzanne"):
        lent.give(other, layer)
    while thing.data.uv_layers.new():
        pass
    thing.data.uv_layers.remove(thing.data.uv_layers[place.LAYER])
    thing.data.uv_layers.new()
    with pytest.raises(ValueError, match="8 UV maps"):
        lent.give(thing, layer)


# What blending anew changes


def normal_map(material):
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = bpy.data.images.new("My normals", 8, 8)


def test_blending_anew_changes_a_copy_of_the_material_and_only_its_texture(scene, fake):
    thing = add("cube", "Cube")
    texture(thing)
    first = thing.material_slots[0].material
    normal_map(first)
    again()
    second = thing.material_slots[0].material
    assert second != first and shown(thing) == ["My normals", "waves on Cube.001"]
    assert sorted(image.name for image in views.images_of(first)) == ["My normals", "waves on Cube"]
    again("redo_view", number=1)
    assert shown(thing) == ["My normals", "waves on Cube.002"]
    bpy.ops.velatura.history_apply(number=2)
    assert shown(thing) == ["My normals", "waves on Cube"]
    again()  # of what is worn now
    assert shown(thing) == ["My normals", "waves on Cube.003"]


def test_a_texture_that_no_material_shows_any_more_gets_a_new_one_and_that_is_said(scene, fake):
    thing = add("cube", "Cube")
    texture(thing)
    other = bpy.data.materials.new("Own")
    thing.material_slots[0].material = other
    assert "no material of Cube showed the texture any more, so it has a new one" in again()
    assert shown(thing) == ["waves on Cube.001"] and other.use_fake_user


def test_a_copied_material_is_blended_too(scene, fake):
    thing = add("cube", "Cube")
    texture(thing)
    thing.material_slots[0].material = thing.material_slots[0].material.copy()
    again()
    assert shown(thing) == ["waves on Cube.001"]


def test_a_copied_scene_is_blended_for_itself(scene, fake):
    thing = add("cube", "Cube")
    texture(thing)
    bpy.ops.scene.new(type="FULL_COPY")
    (copy,) = (each for each in bpy.context.scene.objects if each.type == "MESH")
    select(copy)
    again()
    assert shown(thing) == ["waves on Cube"] and shown(copy) == ["waves on Cube.001"]


def test_a_duplicate_keeps_its_look_when_the_first_is_blended(scene, fake):
    thing = add("cube", "Cube")
    texture(thing)
    select(thing)
    bpy.ops.object.duplicate()
    copy = bpy.context.object
    select(thing)
    again()
    assert shown(copy) == ["waves on Cube"] and shown(thing) == ["waves on Cube.001"]


def test_without_an_object_that_was_deleted_the_others_are_blended(scene, fake):
    thing, other = add("cube", "Cube"), add("cube", "Other", (3, 0, 0))
    texture(thing, other)
    delete(thing)
    select(other)
    assert "Cube is not in this scene any more" in again()
    assert shown(other) == ["waves on Other.001"]


def test_a_texture_whose_object_is_deleted_while_it_is_blended_is_kept(scene, fake):
    texture(add("cube", "Cube"))
    fake.once(Script(steps=5, delay=0.02))
    bpy.ops.velatura.reblend()
    delete(bpy.data.objects["Cube"])
    assert "Cube is gone: its texture is kept in the history" in come()
    assert history() == ["waves on Cube.001", "waves on Cube"]


def test_nothing_is_set_before_the_views_are_blended(scene, fake):
    run = texture(add("cube", "Cube"))
    fake.once(Script(hang=True))
    bpy.ops.velatura.redo_view(number=1, words="rusty")
    fake.once(Script(hang=True))
    bpy.ops.velatura.reblend(sharpness=9.0, texture_size=128)
    session.cancel()
    come()
    assert (run.sharpness, run.texture_size, run.views[0].words) == (4.0, 64, "")
    again(sharpness=9.0, texture_size=128)
    assert (run.sharpness, run.texture_size) == (9.0, 128)


# Shapes


def surfaces_sent(fake):
    return [
        np.frombuffer(target.mesh.positions.data or fake.blobs[target.mesh.positions.blob_id], "<f4").reshape(-1, 3)
        for step in fake.specs[-1].steps if step.HasField("project") for target in step.project.targets
    ]  # fmt: skip


@pytest.mark.parametrize("way", ["moved", "applied", "applied and moved", "mirrored"])
def test_what_was_moved_or_scaled_is_blended_as_it_stood(scene, fake, way):
    thing = add("monkey", "Suzanne")
    thing.scale, thing.rotation_euler = (2, 1, 0.5), (0.3, 0.2, 0.1)
    texture(thing)
    (before,) = surfaces_sent(fake)
    if "applied" in way:
        bpy.ops.object.transform_apply()
    if "moved" in way:
        thing.location, thing.rotation_euler = (5, 2, 1), (1, 0, 0)
    if way == "mirrored":
        thing.scale.x *= -1
    bpy.context.view_layer.update()
    again()
    (after,) = surfaces_sent(fake)
    np.testing.assert_allclose(after, before, atol=1e-5)


def sculpt(thing):
    thing.data.vertices[7].co *= 1.2


def pose(thing):
    modifier = thing.modifiers.new("Bend", "SIMPLE_DEFORM")
    modifier.deform_method, modifier.angle = "BEND", 1.0


@pytest.mark.parametrize("change", [sculpt, pose, subdivide])
def test_another_shape_is_refused_and_the_texture_stays(scene, fake, change):
    thing = add("monkey", "Suzanne")
    texture(thing)
    change(thing)
    bpy.context.view_layer.update()
    with pytest.raises(RuntimeError, match="the shape of Suzanne is another than when it was painted"):
        bpy.ops.velatura.reblend(wait=True)
    assert shown(thing) == ["waves on Suzanne"]


def test_the_way_back_is_the_one_it_came_also_of_what_is_flat_or_far_away():
    chance = np.random.default_rng(1)
    faces = np.zeros((7, 3), int)
    for shape in (chance.random((5000, 3)), chance.random((50, 3)) * (1, 1, 0), chance.random((9, 3)) + 1e4):
        kept = likeness.sample(shape, faces)
        turn = np.linalg.qr(chance.random((3, 3)))[0] * 3
        matrix, shift = likeness.way_back(kept, shape @ turn + 7, faces)
        np.testing.assert_allclose((shape @ turn + 7) @ matrix + shift, shape, rtol=1e-6, atol=1e-4)
        assert likeness.way_back(kept, shape[::-1], faces) is None  # other places, in no order
        assert likeness.way_back(kept, shape, faces[1:]) is None and likeness.way_back(kept, shape[1:], faces) is None


# Views


def test_varying_starts_a_run_of_its_own(scene, fake):
    thing = add("cube", "Cube")
    first = texture(thing)
    key, images = first.key, [view.image for view in first.views]
    assert bpy.ops.velatura.history_vary(wait=True) == {"FINISHED"}
    assert views.run_of(thing, scene).key != key and len(scene.velatura_runs) == 2
    assert [view.image for view in scene.velatura_runs[0].views] == images
    assert not {view.image for view in scene.velatura_runs[1].views} & {*images, None}
    bpy.ops.velatura.history_apply(number=1)
    assert views.run_of(thing, scene).key == key


def test_varying_without_the_views_still_textures_the_object(scene, fake):
    thing = add("cube", "Cube")
    texture(thing)
    bpy.ops.velatura.remove_views()
    assert bpy.ops.velatura.history_vary(wait=True) == {"FINISHED"}
    assert shown(thing) == ["waves on Cube.001"] and not scene.velatura_runs


@pytest.mark.parametrize("packed", [False, True])
def test_a_view_that_was_painted_on_stays_when_it_is_painted_again(scene, fake, tmp_path, packed):
    thing = add("cube", "Cube")
    image = texture(thing).views[0].image
    paint_by_hand(image)
    if packed:
        image.pack()
    name = image.name
    again("redo_view", number=1)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "kept.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "kept.blend"))
    run = views.run_of(bpy.data.objects["Cube"], bpy.context.scene)
    assert red(bpy.data.images[name]) and run.views[0].image.name == f"{name}.001"


def test_strokes_on_a_view_are_saved_with_the_file(scene, fake, tmp_path):
    paint_by_hand(texture(add("cube", "Cube")).views[0].image)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "kept.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "kept.blend"))
    assert red(views.run_of(bpy.data.objects["Cube"], bpy.context.scene).views[0].image)


def test_every_view_tells_how_it_was_made_and_none_is_an_entry_of_its_own(scene, fake):
    run = texture(add("cube", "Cube"))
    again("redo_view", number=2)
    for view in run.views:
        assert json.loads(view.image[place.RECIPE])["spec"]["steps"]
    assert history() == ["waves on Cube.001", "waves on Cube"]


def test_views_are_removed_in_a_step_and_the_texture_stays(scene, fake):
    texture(add("cube", "Cube"))
    bpy.ops.ed.undo_push(message="textured")
    assert bpy.ops.velatura.remove_views() == {"FINISHED"}
    scene = bpy.context.scene
    assert not scene.velatura_runs and [image.name for image in bpy.data.images] == ["waves on Cube"]
    assert shown(bpy.data.objects["Cube"]) == ["waves on Cube"] and history() == ["waves on Cube"]
    bpy.ops.ed.undo_push(message="removed")
    bpy.ops.ed.undo()
    assert len(views.run_of(bpy.data.objects["Cube"], bpy.context.scene).views) == 4


def test_a_view_that_was_painted_on_stays_when_the_views_are_removed(scene, fake):
    image = texture(add("cube", "Cube")).views[1].image
    paint_by_hand(image)
    bpy.ops.velatura.remove_views()
    assert [each.name for each in bpy.data.images] == ["waves on Cube", "waves view 2"]
    assert image.use_fake_user and not image.is_dirty and red(image)


def test_what_is_forgotten_goes_with_its_views_unless_it_is_used_or_shielded(scene, fake):
    thing = add("cube", "Cube", size=1)
    for seed in (3, 4, 5, 6):
        texture(thing, seed=seed)
    _one, two, three = (entry.material for entry in list(scene.velatura.history)[:0:-1])
    two.use_fake_user = False
    two.use_fake_user, two[place.KEPT] = True, False  # the artist's own shield
    other = add("cube", "Other", (3, 0, 0), size=1)
    place.wear(other, three)
    assert len(scene.velatura_runs) == 4
    images = len(bpy.data.images)
    bpy.ops.velatura.history_delete(number=3)
    assert len(scene.velatura_runs) == 3 and len(bpy.data.images) == images - 1 - 2 * 4, "texture, views and depth"
    for _ in range(3):
        bpy.ops.velatura.history_delete(number=0)
    assert {each.name for each in bpy.data.materials} == {"waves on Cube.001", "waves on Cube.002", "waves on Cube.003"}
    assert len(scene.velatura_runs) == 3 and two.use_fake_user
