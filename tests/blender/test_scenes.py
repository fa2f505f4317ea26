"""Files of several scenes: what was asked in one comes there, whichever is open when it comes."""

import bpy
import numpy as np
import pytest
from scenes import add, after_the_button, come, place_camera, select
from shapes import mirrored
from velatura import pixels
from velatura_blender import place, resume
from velatura_blender.errands import errands
from velatura_blender.session import session

pytestmark = pytest.mark.usefixtures("addon")


ASKED = {
    "texture": {}, "material": {}, "generate": {}, "project": {"texture_size": 64},
    "texture_object": {"texture_size": 64, "views": 4}, "local_edit": {"part": "FACES", "way": "UV"},
}  # fmt: skip


def ask(operator):
    given = {"prompt": "moss", "size": 64, "seed": 3} | ASKED[operator]
    assert getattr(bpy.ops.velatura, operator)(**given) == {"FINISHED"}


def go_on():
    """As the timer does, which has no window, until all is sent."""
    with bpy.context.temp_override(window=None):
        while errands.running:
            errands.further(errands.running[0])


def finish():
    """And then until the results are there."""
    go_on()
    with bpy.context.temp_override(window=None):
        return come()


def elsewhere():
    """Another scene, which is opened."""
    bpy.context.window.scene = bpy.data.scenes.new("Other")
    return bpy.context.scene


@pytest.mark.parametrize("operator", ASKED)
def test_a_result_is_in_the_history_of_the_scene_that_it_was_asked_in(window, operator):
    thing = add("cube", "Cube")
    place.wear(thing, place.material("Own", place.image("Own", np.full((64, 64, 3), 99, np.uint8)), "UVMap"))
    select(thing)
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


def test_each_piece_finds_the_view_layer_that_the_artist_works_in(window):
    bpy.context.window.view_layer = second = window.view_layers.new("Second")
    found = []

    def steps():
        yield
        found.append((bpy.context.scene, bpy.context.view_layer))
        return ""

    errands.start("Looking", steps())
    finish()
    assert found == [(window, second)]


@pytest.fixture
def unwrapping(window, monkeypatch):
    """An object from views that needs a new UV map, and another scene that was opened before that is known."""
    (thing,) = mirrored()
    select(thing)
    after_the_button(monkeypatch, elsewhere)
    ask("texture_object")
    select(add("cube", "Kept"))
    return thing


def test_a_uv_map_is_made_also_while_another_scene_is_open(window, unwrapping):
    finish()
    kept = bpy.data.objects["Kept"]
    assert len(window.velatura_runs) == 1 and place.LAYER in unwrapping.data.uv_layers
    assert (
        bpy.context.scene.objects[:] == [kept] and kept.select_get() and bpy.context.view_layer.objects.active == kept
    )


def test_no_uv_map_is_made_while_something_is_edited_in_another_scene(window, unwrapping, fake):
    bpy.ops.object.mode_set(mode="EDIT")
    go_on()
    assert bpy.context.mode == "EDIT_MESH" and "Leave Edit Mode first" in session.message and not fake.specs
    bpy.ops.object.mode_set(mode="OBJECT")


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
