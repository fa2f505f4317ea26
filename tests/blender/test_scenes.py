"""Files of several scenes: what was asked in one comes there, whichever is open when it comes."""

import bpy
import numpy as np
import pytest
from scenes import add, come, place_camera, select
from velatura import pixels
from velatura.testing import Script
from velatura_blender import host, place, resume
from velatura_blender.errands import errands
from velatura_blender.session import session

pytestmark = pytest.mark.usefixtures("addon")


@pytest.fixture
def window(scene, fake, monkeypatch):
    """As if there were one, with a job that takes a moment; the tests pump."""
    session.disconnect()
    monkeypatch.setattr(host, "has_window", lambda: True)
    fake.once(Script(steps=5, delay=0.02))
    yield scene
    session.forget()
    session.disconnect()


ASKED = {
    "texture": {}, "material": {}, "generate": {}, "project": {"texture_size": 64},
    "texture_object": {"texture_size": 64, "views": 4},
}  # fmt: skip


def ask(operator):
    given = {"prompt": "moss", "size": 64, "seed": 3} | ASKED[operator]
    assert getattr(bpy.ops.velatura, operator)(**given) == {"FINISHED"}


def finish():
    """As the timer does: what is sent in pieces, and then until the results are there."""
    while errands.running:
        errands.further(errands.running[0])
    return come()


def elsewhere():
    """Another scene, which is opened."""
    bpy.context.window.scene = bpy.data.scenes.new("Other")
    return bpy.context.scene


@pytest.mark.parametrize("operator", ASKED)
def test_a_result_is_in_the_history_of_the_scene_that_it_was_asked_in(window, operator):
    select(add("cube", "Cube"))
    ask(operator)
    other = elsewhere()
    window.name = "Renamed"
    finish()
    assert bpy.context.scene == other and not other.velatura.history
    assert len(window.velatura.history) == 1


def test_a_mesh_of_a_picture_comes_into_the_scene_that_it_was_asked_in(window):
    place.image("Photo", np.full((16, 16, 3), 99, np.uint8))
    assert bpy.ops.velatura.relief_mesh(image="Photo") == {"FINISHED"}
    other = elsewhere()
    kept = add("cube", "Kept")
    select(kept)
    finish()
    (made,) = [thing for thing in bpy.data.objects if thing.data.name.startswith("Photo")]
    assert list(made.users_scene) == [window] and made not in list(other.objects)
    assert kept.select_get() and bpy.context.view_layer.objects.active == kept
    assert made.select_get(view_layer=window.view_layers[0])


def test_a_result_whose_scene_is_gone_comes_into_the_one_that_is_open(window):
    select(add("cube", "Cube"))
    ask("texture")
    other = elsewhere()
    bpy.data.scenes.remove(window)
    finish()
    assert len(other.velatura.history) == 1


def test_a_file_that_is_opened_in_another_scene_puts_results_into_theirs(window, tmp_path):
    select(add("cube", "Cube"))
    ask("texture")
    name = window.name
    elsewhere()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "midway.blend"))
    assert resume.WAITING in bpy.data.scenes[name] and resume.WAITING not in bpy.data.scenes["Other"]
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "midway.blend"))
    assert bpy.context.scene.name == "Other"
    assert bpy.ops.velatura.collect(wait=True) == {"FINISHED"}
    assert len(bpy.data.scenes[name].velatura.history) == 1 and not bpy.data.scenes["Other"].velatura.history
    assert resume.WAITING not in bpy.data.scenes[name]


def test_objects_from_views_come_where_their_run_is(window):
    thing = add("cube", "Cube")
    select(thing)
    ask("texture_object")
    other = elsewhere()
    place_camera((0, -5, 0))
    finish()
    assert len(window.velatura_runs) == 1 and not other.velatura_runs
    assert thing.material_slots[0].material is not None


def test_an_animation_goes_on_with_its_own_scene_and_objects_whatever_they_are_called(window, fake, tmp_path):
    thing = add("cube", "Cube")
    select(thing)
    window.velatura.controls.add().kind = "depth"
    given = {"prompt": "moss", "size": 64, "seed": 3, "folder": str(tmp_path), "origin": "VIEWPORT"}
    assert bpy.ops.velatura.restyle_animation(**given, only=True, start=1, end=2) == {"FINISHED"}
    other = elsewhere()
    other.velatura.controls.add().use = False
    window.name, thing.name = "Renamed", "Wall"
    (errand,) = errands.running
    while not errand.done:
        errands.further(errand)
    assert errand.error is None
    first, second = (spec.steps[0].diffuse for spec in fake.specs)
    for sent in (first, second):
        assert len(sent.controls) == 1 and pixels.to_array(sent.mask.image).any()
