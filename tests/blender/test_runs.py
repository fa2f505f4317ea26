"""What is kept of objects that were textured from views: when it comes into the file, what it changes, when it goes."""

import time

import bpy
import numpy as np
import pytest
from scenes import add, select
from velatura.testing import Script
from velatura_blender import place, views
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


def come():
    """Until all results are there; what the artist is told."""
    until = time.monotonic() + 20
    while session.tasks and time.monotonic() < until:
        session.pump()
        time.sleep(0.01)
    assert not session.tasks and not session.failed, session.message
    return session.message


def accepted():
    until = time.monotonic() + 5
    while not session.tasks[0].accepted and time.monotonic() < until:
        session.pump()
        time.sleep(0.01)


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


def delete(thing):
    select(thing)
    bpy.ops.object.delete()


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
