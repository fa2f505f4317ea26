"""Whole objects are read when it is asked for them, and reckoned with in pieces, whatever the artist does meanwhile."""

import threading

import bmesh
import bpy
import numpy as np
import pytest
from scenes import add, after_the_button, come, select, state
from shapes import mirrored
from velatura_blender import asking_views, drafts, likeness, place, texels, viewpoints

pytestmark = pytest.mark.usefixtures("addon")
SMALL = {"prompt": "waves", "size": 64, "texture_size": 64, "seed": 3, "views": 4}


def texture(**more):
    return bpy.ops.velatura.texture_object(**SMALL | more)


def sent(fake):
    """The vertices and UVs of the only mesh that was sent."""
    (target,) = fake.specs[0].steps[1].project.targets
    return np.frombuffer(target.mesh.positions.data, "<f4").reshape(-1, 3), np.frombuffer(target.mesh.uvs.data, "<f4")


@pytest.mark.parametrize(
    ("module", "name"),
    [(texels, "counted"), (viewpoints, "strew"), (drafts, "packed"), (asking_views, "texture")],
)
def test_what_takes_long_is_reckoned_beside_blenders_thread(scene, fake, monkeypatch, module, name):
    threads, reckon = [], getattr(module, name)

    def noted(*given, **more):
        threads.append(threading.get_ident())
        return reckon(*given, **more)

    monkeypatch.setattr(module, name, noted)
    select(add("cube", "Cube"))
    texture(wait=True)
    assert threads and threading.get_ident() not in threads


@pytest.mark.parametrize("build", [lambda: add("cube", "Cube"), lambda: mirrored()[0]], ids=["UVs serve", "new UVs"])
def test_an_object_is_taken_as_it_stood_when_the_button_was_pressed(scene, fake, monkeypatch, build):
    thing = build()
    select(thing)
    before = sorted(tuple(np.round(thing.matrix_world @ vertex.co, 5)) for vertex in thing.data.vertices)

    def change():
        thing.location.x += 5
        thing.data.vertices[0].co.z += 3
        thing.data.update()
        thing.name = "Wall"
        bpy.context.view_layer.update()

    after_the_button(monkeypatch, change)
    texture()
    come()
    places, _ = sent(fake)
    assert sorted(tuple(np.round(each.astype(float), 5)) for each in places) == before
    assert thing.name == "Wall" and thing.material_slots[0].material.name.startswith("waves on")


def test_where_surfaces_stood_is_reckoned_beside_blenders_thread_too(scene, fake, monkeypatch):
    select(add("cube", "Cube"))
    texture(wait=True)
    threads, reckon = [], likeness.way_back
    monkeypatch.setattr(likeness, "way_back", lambda *given: threads.append(threading.get_ident()) or reckon(*given))
    assert bpy.ops.velatura.reblend(wait=True) == {"FINISHED"}
    assert len(threads) == 1 and threading.get_ident() not in threads


def shorten(thing):
    mesh = bmesh.new()
    mesh.from_mesh(thing.data)
    mesh.faces.ensure_lookup_table()
    bmesh.ops.delete(mesh, geom=mesh.faces[:1], context="FACES")
    mesh.to_mesh(thing.data)
    mesh.free()
    bpy.context.view_layer.update()


def edit(thing):
    bpy.ops.object.mode_set(mode="EDIT")


def remove(thing):
    bpy.data.objects.remove(thing)
    bpy.context.view_layer.update()


@pytest.mark.parametrize(
    ("change", "words"),
    [(shorten, "Mirrored was changed while it was looked at"), (remove, "Mirrored is gone"), (edit, "Leave Edit Mode")],
)
def test_new_uvs_for_an_object_that_was_changed_meanwhile_are_refused_and_nothing_is_left(
    scene, fake, monkeypatch, change, words
):
    (thing,) = mirrored()
    select(thing)
    known = []

    def meddle():
        change(thing)
        known.append(state())

    after_the_button(monkeypatch, meddle)
    with pytest.raises(RuntimeError, match=words):
        texture()
    assert state() == known[0] and not fake.specs and not scene.velatura_runs
    if bpy.context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")


def test_uvs_that_need_no_judging_are_made_when_the_button_is_pressed(scene, fake, monkeypatch):
    thing = add("cube", "Cube")
    select(thing)
    after_the_button(monkeypatch, lambda: shorten(thing))
    texture(uvs="NEW")
    come()
    assert place.LAYER not in thing.data.uv_layers  # other faces by now: kept in the history
    assert len(sent(fake)[0]) == 8
