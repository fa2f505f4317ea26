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
