"""Numbers of meshes, read fast, are those that Blender tells row by row."""

import bpy
import numpy as np
import pytest
from scenes import add, suzanne
from velatura_blender import meshes

pytestmark = pytest.mark.usefixtures("addon")


@pytest.mark.parametrize("kind", ["monkey", "cone", "torus"])
@pytest.mark.parametrize("evaluated", [False, True])
def test_all_numbers_are_those_of_the_rows(scene, kind, evaluated):
    thing = suzanne() if kind == "monkey" else add(kind, kind)
    for number, face in enumerate(thing.data.polygons):
        face.material_index = number % 3
    thing.data.update()
    mesh = thing.data
    if evaluated:
        shown = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
        mesh = shown.to_mesh()
    check(mesh)


def test_numbers_of_a_mesh_that_is_edited_are_those_of_its_rows(scene):
    thing = suzanne()
    bpy.ops.object.mode_set(mode="EDIT")
    check(thing.data)
    check(thing.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh())
    bpy.ops.object.mode_set(mode="OBJECT")


def check(mesh):
    def equal(found, rows):
        np.testing.assert_array_equal(found, np.array(rows).reshape(found.shape))

    mesh.calc_loop_triangles()
    equal(meshes.positions(mesh), [vertex.co[:] for vertex in mesh.vertices])
    equal(meshes.corners(mesh), [loop.vertex_index for loop in mesh.loops])
    equal(meshes.starts(mesh), [face.loop_start for face in mesh.polygons])
    equal(meshes.loops(mesh), [triangle.loops[:] for triangle in mesh.loop_triangles])
    equal(meshes.owners(mesh), [triangle.polygon_index for triangle in mesh.loop_triangles])
    equal(meshes.corners(mesh)[meshes.loops(mesh)], [triangle.vertices[:] for triangle in mesh.loop_triangles])
    equal(meshes.slots(mesh, [None] * 2), [min(face.material_index, 1) for face in mesh.polygons])
    assert len(mesh.polygons)


def quads(noise, seed=3, side=30):
    """A grid of quads whose vertices are moved about, and so are dents, bow ties and folds."""
    dice = np.random.default_rng(seed)
    places = np.stack([*np.meshgrid(np.arange(side), np.arange(side)), np.zeros((side, side))], -1).reshape(-1, 3)
    places += dice.normal(0, noise, places.shape)
    row, column = (each.ravel() for each in np.mgrid[: side - 1, : side - 1])
    first = row * side + column
    mesh = bpy.data.meshes.new("Quads")
    mesh.from_pydata(places, [], np.stack([first, first + 1, first + side + 1, first + side], 1))
    return mesh


@pytest.mark.parametrize("noise", [0.05, 0.4, 2.0])
def test_quads_are_halved_as_blender_halves_them(scene, noise):
    mesh = quads(noise)
    found = meshes.form(mesh)
    assert found.read is None
    np.testing.assert_array_equal(found.loops, meshes.loops(mesh))
    straight = np.arange(len(mesh.loops)).reshape(-1, 4)[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)
    assert noise < 0.1 or (found.loops != straight).any(), "some are dents"
    shown = bpy.data.objects.new("Quads", mesh)
    scene.collection.objects.link(shown)
    shown.modifiers.new("Wave", "WAVE")
    bpy.context.view_layer.update()
    moved = shown.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    [face.normal[:] for face in moved.polygons]
    np.testing.assert_array_equal(meshes.form(moved).loops, meshes.loops(moved))


def test_triangles_are_what_they_are(scene):
    thing = add("uv_sphere", "Ball")
    thing.modifiers.new("Triangulate", "TRIANGULATE")
    mesh = thing.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    found = meshes.form(mesh)
    assert found.read is None
    np.testing.assert_array_equal(found.loops, meshes.loops(mesh))


def test_faces_with_different_numbers_of_corners_are_read(scene):
    mesh = bpy.data.meshes.new("Mixed")
    places = [(x, y, 0) for y in range(2) for x in range(6)]
    mesh.from_pydata(places, [], [(0, 1, 7), (1, 2, 3, 9, 8), (3, 4, 10, 9), (4, 5, 11, 10)])
    found = meshes.form(mesh)
    assert found.read is not None and len(mesh.loops) == 4 * len(mesh.polygons)
    np.testing.assert_array_equal(found.loops, meshes.loops(mesh))


def test_which_corners_make_triangles_is_read_once_where_modifiers_only_deform(scene):
    thing = suzanne(levels=0)
    wave = thing.modifiers.new("Wave", "WAVE")
    shown = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    form = meshes.form(shown.to_mesh())
    assert meshes.form(thing.data, form).loops is form.loops
    thing.modifiers.remove(wave)
    thing.modifiers["Subdivision"].levels = 1
    shown = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    own, finer = meshes.form(thing.data), meshes.form(shown.to_mesh())
    np.testing.assert_array_equal(meshes.form(thing.data, finer).loops, own.loops)
    assert len(finer.loops) > len(own.loops)
