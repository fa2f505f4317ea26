"""What an artist does between asking for something and its coming: nothing is lost, and nothing lands elsewhere."""

import threading
import time

import bpy
import numpy as np
import pytest
from scenes import accepted, add, come, place_camera, select, sent, state, suzanne, uv_bytes
from velatura import pixels
from velatura.testing import Script, painter
from velatura.v1 import jobs_pb2
from velatura_blender import canvas, place
from velatura_blender.errands import errands
from velatura_blender.session import session

pytestmark = pytest.mark.usefixtures("addon")


def ask(operator, **more):
    given = {"prompt": "moss", "size": 64, "seed": 3} | ({"texture_size": 64} if operator == "project" else {}) | more
    assert getattr(bpy.ops.velatura, operator)(**given) == {"FINISHED"}
    sent()


def bare(thing):
    """Take its UV maps away."""
    while thing.data.uv_layers:
        thing.data.uv_layers.remove(thing.data.uv_layers[0])
    return thing


def as_unwrapped():
    """The UVs of a cube that is unwrapped anew, as bytes."""
    thing = bare(add("cube", "Copy"))
    place.uv_layer(thing)
    numbers = uv_bytes(thing.data.uv_layers[0])
    bpy.data.objects.remove(thing)
    bpy.context.view_layer.update()
    return numbers


def layers(thing):
    return [layer.name for layer in thing.data.uv_layers]


def worn(thing):
    """The image that gives an object its colour, and the UV map that lays it."""
    (slot,) = thing.material_slots
    nodes = {node.type: node for node in slot.material.node_tree.nodes}
    return nodes["BSDF_PRINCIPLED"].inputs["Base Color"].links[0].from_node.image.name, nodes["UVMAP"].uv_map


def leave_with_an_autosave(folder):
    """Write a file as autosaves do, end as a crash does, and open that file."""
    bpy.data.libraries.write(str(folder / "autosave.blend"), set(bpy.data.scenes))  # calls no handler
    for task in session.tasks:
        task.job.leave()
    session.tasks.clear()
    bpy.ops.wm.open_mainfile(filepath=str(folder / "autosave.blend"))


WAYS = pytest.mark.parametrize("operator", ["texture", "material", "project"])


@WAYS
def test_a_renamed_object_gets_its_result_and_another_of_its_name_does_not(window, operator):
    thing = add("cube", "Cube")
    select(thing)
    ask(operator)
    thing.name = "Wall"
    other = add("cube", "Cube", (4, 0, 0))
    come()
    assert worn(thing)[0].startswith("moss") and not other.material_slots
    assert "Wall" in session.message or worn(thing)[0] == "moss on Wall"


@WAYS
def test_a_file_that_is_saved_after_renaming_finds_the_object_when_it_is_opened(window, tmp_path, operator):
    select(bare(add("cube", "Cube")))
    ask(operator)
    bpy.data.objects["Cube"].name = "Wall"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "midway.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "midway.blend"))
    assert bpy.ops.velatura.collect(wait=True) == {"FINISHED"}
    assert worn(bpy.data.objects["Wall"])[0].startswith("moss") and worn(bpy.data.objects["Wall"])[1] == place.LAYER


@WAYS
def test_stopping_in_edit_mode_takes_the_uv_map_back(window, fake, operator):
    thing = bare(add("cube", "Cube"))
    select(thing)
    fake.once(Script(hang=True))
    ask(operator)
    bpy.ops.object.mode_set(mode="EDIT")
    session.cancel()
    until = time.monotonic() + 20
    while session.tasks and time.monotonic() < until:
        session.pump()
    bpy.ops.object.mode_set(mode="OBJECT")
    assert not layers(thing) and session.message == "Stopped"


@WAYS
def test_what_was_painted_for_an_object_that_is_gone_is_in_the_history(window, operator):
    thing = add("cube", "Cube")
    select(thing)
    ask(operator)
    bpy.data.objects.remove(thing)
    other = add("cube", "Cube", (4, 0, 0))
    come()
    (entry,) = window.velatura.history
    assert entry.image is not None and entry.material is not None and "Cube is gone" in session.message
    assert not other.material_slots


@WAYS
def test_an_object_that_was_made_a_curve_is_gone_and_what_was_painted_for_it_is_in_the_history(window, operator):
    thing = add("cube", "Cube")
    select(thing)
    ask(operator)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.delete(type="ONLY_FACE")
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.ops.object.convert(target="CURVE")
    come()
    (entry,) = window.velatura.history
    assert entry.material is not None and "Cube is gone" in session.message and thing.type == "CURVE"


@pytest.mark.parametrize("operator", ["texture", "project", "local_edit"])
def test_an_object_that_was_deleted_is_gone_also_where_the_history_still_names_it(window, operator):
    thing = add("plane", "Ground", size=4)
    select(thing)
    ask("project")
    come()
    assert window.velatura.history[0].owner == thing
    ask(operator, **({"part": "FACES", "way": "UV"} if operator == "local_edit" else {}))
    bpy.ops.object.delete()
    come()
    assert "Ground is gone" in session.message and "Ground" in bpy.data.objects


@pytest.mark.parametrize("operator", ["texture", "material"])
def test_a_texture_whose_object_is_gone_can_be_put_on_another(window, operator):
    thing = add("cube", "Cube")
    select(thing)
    ask(operator)
    bpy.data.objects.remove(thing)
    come()
    other = bare(add("cube", "Other", (4, 0, 0)))
    select(other)
    bpy.ops.velatura.history_apply()
    assert worn(other) == ("moss", place.LAYER) and layers(other) == [place.LAYER]


@WAYS
def test_a_mesh_that_is_being_edited_wears_it_in_the_uv_map_that_was_made_for_it(window, operator):
    numbers, thing = as_unwrapped(), bare(add("cube", "Cube"))
    select(thing)
    ask(operator)
    bpy.ops.object.mode_set(mode="EDIT")
    come()
    assert bpy.context.mode == "EDIT_MESH"
    bpy.ops.object.mode_set(mode="OBJECT")
    assert layers(thing) == [place.LAYER] and uv_bytes(thing.data.uv_layers[0]) == numbers
    assert worn(thing)[0].startswith("moss") and worn(thing)[1] == place.LAYER


def test_a_mesh_that_has_other_faces_and_no_uv_map_while_it_is_edited_is_told(window):
    thing = bare(add("cube", "Cube"))
    select(thing)
    ask("texture")
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.subdivide()
    come()
    bpy.ops.object.mode_set(mode="OBJECT")
    assert not layers(thing) and worn(thing) == ("moss", "") and "Cube has no UV map: unwrap it" in session.message


def test_an_edited_mesh_is_left_alone_while_another_gets_its_texture(window, monkeypatch):
    thing, other = bare(add("cube", "Cube")), add("cube", "Other", (4, 0, 0))
    select(thing)
    ask("texture")
    select(other)
    bpy.ops.object.mode_set(mode="EDIT")
    monkeypatch.setattr(place, "_alone", None)  # nothing is unwrapped any more
    bare(thing)
    come()
    assert bpy.context.mode == "EDIT_MESH" and worn(thing) == ("moss", place.LAYER) and layers(thing) == [place.LAYER]


@WAYS
def test_nothing_of_the_file_is_changed_while_it_is_painted(window, operator):
    select(bare(add("cube", "Cube")))
    before = state()
    ask(operator)
    assert state() == before
    come()
    assert layers(bpy.data.objects["Cube"]) == [place.LAYER]


@WAYS
def test_one_step_back_takes_all_of_it_also_where_others_were_made_meanwhile(window, operator):
    select(bare(add("cube", "Cube")))
    bpy.ops.ed.undo_push(message="before")
    before = state()
    ask(operator)
    bpy.ops.ed.undo_push(message="something")
    come()
    assert layers(bpy.data.objects["Cube"]) == [place.LAYER]
    bpy.ops.ed.undo()
    assert state() == before and not bpy.context.scene.velatura.history
    bpy.ops.ed.redo()
    assert worn(bpy.data.objects["Cube"])[1] == place.LAYER


@pytest.mark.parametrize("operator", ["project", "texture_object"])
def test_a_file_that_is_saved_before_the_job_is_ready_finds_its_result(window, tmp_path, operator):
    thing = bare(add("cube", "Cube"))
    select(thing)
    getattr(bpy.ops.velatura, operator)(prompt="moss", size=64, texture_size=64)
    assert not session.tasks and session.message.endswith("being got ready …")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "early.blend"))
    for task in session.tasks:
        task.job.leave()
    session.tasks.clear()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "early.blend"))
    assert bpy.ops.velatura.collect(wait=True) == {"FINISHED"}
    assert worn(bpy.data.objects["Cube"])[1] == place.LAYER


@pytest.mark.parametrize("number", [-1, 1])
def test_what_is_not_sent_yet_can_be_stopped_as_the_last_of_the_queue(window, fake, number):
    select(bare(add("cube", "Cube")))
    ask("texture")
    before = state()
    bpy.ops.velatura.project(prompt="moss", size=64, texture_size=64)
    assert bpy.ops.velatura.cancel(number=number) == {"FINISHED"}
    assert not errands.running and state() == before and len(session.tasks) == 1
    come()
    assert len(window.velatura.history) == (number == 1)


@WAYS
def test_an_autosave_finds_its_result_with_its_uv_map(window, tmp_path, operator):
    numbers = as_unwrapped()
    select(bare(add("cube", "Cube")))
    ask(operator)
    accepted()
    leave_with_an_autosave(tmp_path)
    assert bpy.ops.velatura.collect(wait=True) == {"FINISHED"}
    thing = bpy.data.objects["Cube"]
    assert worn(thing)[1] == place.LAYER and uv_bytes(thing.data.uv_layers[0]) == numbers


@WAYS
def test_an_autosave_after_renaming_finds_the_object(window, tmp_path, operator):
    select(add("cube", "Cube"))
    ask(operator)
    accepted()
    bpy.data.objects["Cube"].name = "Wall"
    bpy.context.view_layer.update()  # as the window does after whatever an artist does
    leave_with_an_autosave(tmp_path)
    add("cube", "Cube", (4, 0, 0))
    assert bpy.ops.velatura.collect(wait=True) == {"FINISHED"}
    assert worn(bpy.data.objects["Wall"])[0].startswith("moss") and not bpy.data.objects["Cube"].material_slots


@WAYS
def test_a_uv_map_comes_also_where_steps_were_undone_meanwhile(window, operator):
    numbers = as_unwrapped()
    select(bare(add("cube", "Cube")))
    bpy.ops.ed.undo_push(message="before")
    ask(operator)
    bpy.ops.ed.undo_push(message="something")
    bpy.ops.ed.undo()
    come()
    thing = bpy.data.objects["Cube"]
    assert worn(thing)[1] == place.LAYER and uv_bytes(thing.data.uv_layers[0]) == numbers


def test_a_uv_map_that_was_unwrapped_anew_is_kept_and_the_paint_lies_in_the_former_one(window):
    thing = add("cube", "Cube")
    select(thing)
    ask("project")
    numbers = uv_bytes(thing.data.uv_layers[0])
    thing.data.uv_layers[0].uv.foreach_set("vector", np.full(len(thing.data.loops) * 2, 0.25, np.float32))
    come()
    assert layers(thing) == ["UVMap", place.LAYER] and worn(thing)[1] == place.LAYER
    assert uv_bytes(thing.data.uv_layers[1]) == numbers and "the UV map UVMap has changed" in session.message


def test_where_there_is_no_room_for_the_former_uv_map_the_picture_is_in_the_history(window):
    thing = add("cube", "Cube")
    while thing.data.uv_layers.new() is not None:
        pass
    select(thing)
    ask("project")
    thing.data.uv_layers[0].uv.foreach_set("vector", np.full(len(thing.data.loops) * 2, 0.25, np.float32))
    come()
    (entry,) = window.velatura.history
    assert not thing.material_slots and entry.image.name == "moss on Cube" and len(thing.data.uv_layers) == 8
    assert "Cube has changed its UV map «UVMap», and has no room for another" in session.message


def test_a_mesh_with_other_faces_keeps_its_look_and_the_picture_is_in_the_history(window):
    thing = bare(add("cube", "Cube"))
    select(thing)
    ask("project")
    thing.data.clear_geometry()
    thing.data.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    come()
    (entry,) = window.velatura.history
    assert not thing.material_slots and entry.image.name == "moss on Cube"
    assert "Cube has other faces now" in session.message


@pytest.mark.parametrize("stopped", [0, 1])
def test_stopping_one_of_two_jobs_leaves_the_uv_map_to_the_other(window, fake, stopped):
    thing = bare(suzanne())
    select(thing)
    ask("project")
    place_camera((-3, 4.5, 2.5))
    ask("project", prompt="gold")
    bpy.ops.velatura.cancel(number=stopped)
    come()
    assert layers(thing) == [place.LAYER] and worn(thing)[1] == place.LAYER


def test_stopping_all_jobs_leaves_no_uv_map(window, fake):
    thing = bare(suzanne())
    select(thing)
    fake.once(Script(hang=True))
    ask("texture")
    ask("project")
    bpy.ops.velatura.cancel()
    until = time.monotonic() + 20
    while session.tasks and time.monotonic() < until:
        session.pump()
    assert not layers(thing)


@pytest.fixture
def halves(fake, monkeypatch):
    """Projections paint the left half red at first, then the right half green, over the base that they were given."""
    colors = iter([((200, 10, 10), slice(0, 32)), ((10, 200, 10), slice(32, 64))])

    def outputs(step, size):
        if step.WhichOneof("operation") == "project":
            color, part = next(colors)
            base = step.project.targets[0].base
            data = fake.blobs[base.blob_id] if base.blob_id else base.data
            image = np.frombuffer(data, np.uint8).reshape(base.height, base.width, 3)
            image = np.concatenate([image, np.zeros_like(image[..., :1])], 2)
            part = slice(part.start * base.width // 64, part.stop * base.width // 64)
            image[:, part] = (*color, 255)
            yield jobs_pb2.Artifact(kind="texture", name=step.project.targets[0].id, image=pixels.from_array(image))

    monkeypatch.setattr(painter, "_outputs", outputs)


@pytest.mark.parametrize("side", [64, 128])
def test_the_second_of_two_projections_is_laid_over_the_first(window, halves, side):
    thing = add("plane", "Ground", size=4)
    select(thing)
    ask("project")
    ask("project", texture_size=side)
    come()
    found = place.read(place.look(thing).image)
    assert found.shape == (side, side, 4)
    shown = found[:, [side // 4, side * 3 // 4], :3]
    assert (shown[:, 0] == (200, 10, 10)).all() and (shown[:, 1] == (10, 200, 10)).all()


def test_strokes_that_came_meanwhile_stay_where_nothing_is_painted(window, halves):
    thing = add("plane", "Ground", size=4)
    image = place.image("Own", np.full((64, 64, 3), 77, np.uint8))
    place.wear(thing, place.material("Own", image, "UVMap"))
    select(thing)
    ask("project")
    image.pixels.foreach_set(np.full(64 * 64 * 4, 0.2, np.float32))
    image.update()
    come()
    found = place.read(place.look(thing).image)[..., :3]
    assert (found[:, :32] == (200, 10, 10)).all() and (found[:, 32:] == 51).all()


def stroke(image, gray):
    image.pixels.foreach_set(np.full(64 * 64 * 4, gray, np.float32))
    image.update()


@pytest.mark.parametrize("first", [0.2, 77 / 255], ids=["another look", "the same look"])
def test_strokes_that_come_while_a_projection_is_laid_over_others_are_there_too(window, halves, monkeypatch, first):
    thing = add("plane", "Ground", size=4)
    image = place.image("Own", np.full((64, 64, 3), 77, np.uint8))
    place.wear(thing, place.material("Own", image, "UVMap"))
    select(thing)
    ask("project")
    stroke(image, first)
    look, looked = place.shown, []

    def look_and_stroke(*given):
        found = look(*given)
        if not looked:
            stroke(image, 0.4)
        looked.append(found)
        return found

    monkeypatch.setattr(place, "shown", look_and_stroke)
    come()
    found = place.read(place.look(thing).image)[..., :3]
    assert len(looked) == 2 and (found[:, :32] == (200, 10, 10)).all() and (found[:, 32:] == 102).all()


def test_a_projection_is_laid_over_another_beside_blenders_thread(window, halves, monkeypatch):
    select(add("plane", "Ground", size=4))
    ask("project")
    ask("project")
    threads = []
    for name in ("look_since", "over"):
        reckon = getattr(canvas, name)
        noted = lambda *given, reckon=reckon: threads.append(threading.get_ident()) or reckon(*given)  # noqa: E731
        monkeypatch.setattr(canvas, name, noted)
    come()
    assert len(threads) >= 2 and threading.get_ident() not in threads


def test_projections_add_up_also_while_another_object_with_that_mesh_is_edited(window, halves):
    thing = add("plane", "Ground", size=4)
    twin = bpy.data.objects.new("Twin", thing.data)
    window.collection.objects.link(twin)
    twin.location.z = -9
    bpy.context.view_layer.update()
    select(thing)
    ask("project")
    ask("project")
    select(twin)
    bpy.ops.object.mode_set(mode="EDIT")
    come()
    shown = place.read(place.look(thing).image)[:, [16, 48], :3]
    assert (shown[:, 0] == (200, 10, 10)).all() and (shown[:, 1] == (10, 200, 10)).all()


def test_what_is_stopped_before_it_is_sent_leaves_nothing(window):
    select(bare(add("cube", "Cube")))
    before = state()
    assert bpy.ops.velatura.project(prompt="moss", size=64, texture_size=64) == {"FINISHED"}
    assert state() == before
    errands.stop(errands.running[0])
    assert state() == before and not session.tasks


def test_an_object_that_is_gone_before_its_look_was_read_is_said(window, fake):
    thing = add("cube", "Cube")
    select(thing)
    assert bpy.ops.velatura.project(prompt="moss", size=64, texture_size=64) == {"FINISHED"}
    bpy.data.objects.remove(thing)
    bpy.context.view_layer.update()
    with pytest.raises(ValueError, match="Cube is gone"):
        sent()
    assert session.failed and "Cube is gone" in session.message and not fake.specs


def test_the_camera_and_what_it_sees_are_those_of_when_the_button_was_pressed(window, fake):
    thing = add("cube", "Cube")
    select(thing)
    assert bpy.ops.velatura.project(prompt="moss", size=64, texture_size=64) == {"FINISHED"}
    place_camera((0, 0, 9), (0, 0, 20))
    thing.location.x += 5
    come()
    assert fake.specs[0].steps[1].project.views[0].mask.image.width == 64 and worn(thing)[0] == "moss on Cube"
