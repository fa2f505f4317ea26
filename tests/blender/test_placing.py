"""Results that take long to place come in pieces, and are one step to be undone all the same."""

import threading
import time

import bpy
import numpy as np
import pytest
from scenes import select, state, suzanne
from velatura_blender import asking, canvas, host, operators, place, repeating, sheets
from velatura_blender.session import session

pytestmark = pytest.mark.usefixtures("addon")
MAPS = ["albedo", "normal", "height", "roughness", "metallic", "occlusion"]


@pytest.fixture
def window(scene, monkeypatch):
    """As if there were one; its timer never comes, so the tests pump."""
    session.disconnect()
    monkeypatch.setattr(host, "has_window", lambda: True)
    select(suzanne())
    yield scene
    while session.looking is not None:
        session.pump()
    session.forget()
    session.disconnect()


@pytest.fixture
def held(monkeypatch):
    """The files of pictures are being made, in their thread, until this is set."""
    go, picture = threading.Event(), asking.picture

    def waits(*given, **more):
        go.wait(10)
        return picture(*given, **more)

    monkeypatch.setattr(asking, "picture", waits)
    yield go
    go.set()


def material(**more):
    """Ask for one and wait until its job is done, and nothing of it is placed yet."""
    assert bpy.ops.velatura.material(**{"prompt": "moss", "size": 64, "seed": 3} | more) == {"FINISHED"}
    task = session.tasks[-1]
    until = time.monotonic() + 10
    while not task.job.done and time.monotonic() < until:
        time.sleep(0.01)
    return task


def place_all(task):
    """Pump until it is placed; how many images there were after each pump, and how many of them were packed."""
    seen = []
    while not task.done:
        session.pump()
        images = [each for each in bpy.data.images if each.get(place.RECIPE)]
        seen.append((len(images), sum(each.packed_file is not None for each in images)))
    return seen


def test_the_window_hears_of_one_change_alone(window, fake):
    task = material()
    seen = place_all(task)
    assert set(seen) <= {(0, 0), (6, 6)} and seen[-1] == (6, 6), seen
    assert task.error is None and bpy.data.objects["Suzanne"].material_slots[0].material.name == "moss"
    assert len(window.velatura.history) == 1


def test_all_of_it_is_undone_in_one_step(window, fake):
    bpy.ops.ed.undo_push(message="before")
    place_all(material())
    assert "moss" in bpy.data.materials
    bpy.ops.ed.undo()
    assert not bpy.data.materials and not [each for each in bpy.data.images if each.get(place.RECIPE)]


def test_an_undo_in_between_takes_nothing_from_the_result(window, fake, held):
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.mesh.primitive_cube_add()
    select(bpy.data.objects["Suzanne"])
    bpy.ops.ed.undo_push(message="a cube")
    task = material()
    session.pump()
    bpy.ops.ed.undo()
    held.set()
    place_all(task)
    assert task.error is None, task.message
    made = bpy.data.objects["Suzanne"].material_slots[0].material
    shown = {node.image.name for node in made.node_tree.nodes if node.type == "TEX_IMAGE"}
    assert len(shown) == 6 and "Cube" not in bpy.data.objects
    assert all(bpy.data.images[name].packed_file for name in shown)


def test_two_results_are_placed_one_after_the_other(window, fake):
    first, second = material(), material(prompt="bark")
    seen = []
    while not (first.done and second.done):
        session.pump()
        seen.append((first.done, second.done))
    names = [entry.name for entry in bpy.context.scene.velatura.history]
    assert (False, True) not in seen and names == ["bark", "moss"]


def test_what_fails_midway_leaves_nothing(window, fake, monkeypatch):
    task = material()
    before = state()

    def fail(*_, **__):
        raise RuntimeError("no room")

    monkeypatch.setattr(operators.wiring, "surface", fail)
    place_all(task)
    assert "could not be placed" in task.message and state() == before


def test_a_file_that_is_opened_midway_ends_it(window, fake, held):
    material()
    session.pump()
    assert session.tasks
    bpy.ops.wm.read_factory_settings(use_empty=True)
    assert not session.tasks and not session.pump() and not bpy.data.images


ASKED = {
    "texture": {"prompt": "moss", "size": 64},
    "generate": {"prompt": "moss", "size": 64},
    "tile_set": {"prompt": "moss", "size": 64, "count": 2},
    "make_seamless": {"prompt": "moss", "image": "Photo", "band": 8},
    "restyle": {"prompt": "moss", "size": 64, "origin": "VIEWPORT"},
    "relief_plane": {"image": "Photo"},
}


@pytest.mark.parametrize("name", list(ASKED))
def test_pictures_are_opened_and_made_files_beside_blenders_thread(scene, fake, monkeypatch, name):
    select(suzanne())
    place.image("Photo", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    threads = {"opened": [], "made": []}

    def noted(what, work):
        def note(*given, **more):
            threads[what].append(threading.get_ident())
            return work(*given, **more)

        return note

    monkeypatch.setattr(asking, "picture", noted("opened", asking.picture))
    monkeypatch.setattr(sheets, "sheet", noted("made", sheets.sheet))
    for module in (place, canvas, repeating):
        monkeypatch.setattr(module, "sheet", sheets.sheet)
    assert getattr(bpy.ops.velatura, name)(wait=True, **ASKED[name]) == {"FINISHED"}
    assert threads["opened"] and threads["made"]
    assert threading.get_ident() not in threads["opened"] + threads["made"]
