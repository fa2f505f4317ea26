"""Meshes that are hard to texture."""

import bmesh
import bpy
from mathutils import Vector
from scenes import add, select, suzanne


def chair():
    parts = []
    for where, size in [((0, 0, 0), (1, 1, 0.1)), ((0, 0.45, 0.5), (1, 0.1, 1))] + [
        ((x, y, -0.5), (0.1, 0.1, 1)) for x in (-0.45, 0.45) for y in (-0.45, 0.45)
    ]:
        parts.append(add("cube", "Chair", where, size=1))
        parts[-1].scale = size
    select(*parts)
    bpy.ops.object.join()
    bpy.ops.object.transform_apply()
    return [bpy.context.object]


def shell():
    """An open bowl, whose inside has faces of its own a hair away."""
    bowl = add("uv_sphere", "Shell", segments=24, ring_count=16)
    mesh = bmesh.new()
    mesh.from_mesh(bowl.data)
    bmesh.ops.delete(mesh, geom=[vertex for vertex in mesh.verts if vertex.co.z > 0.1], context="VERTS")
    mesh.to_mesh(bowl.data)
    bowl.modifiers.new("Thick", "SOLIDIFY").thickness = 0.02
    return [bowl]


def mirrored():
    """Two cubes of one mesh whose UVs lie over each other, mirrored."""
    thing = add("cube", "Mirrored", size=1)
    mesh = bmesh.new()
    mesh.from_mesh(thing.data)
    made = bmesh.ops.duplicate(mesh, geom=mesh.verts[:] + mesh.edges[:] + mesh.faces[:])["geom"]
    bmesh.ops.scale(mesh, vec=(-1, 1, 1), verts=[each for each in made if isinstance(each, bmesh.types.BMVert)])
    bmesh.ops.reverse_faces(mesh, faces=[each for each in made if isinstance(each, bmesh.types.BMFace)])
    bmesh.ops.translate(mesh, vec=(1.5, 0, 0), verts=[each for each in made if isinstance(each, bmesh.types.BMVert)])
    mesh.to_mesh(thing.data)
    return [thing]


def loose():
    """A cube with a third face at an edge, a lone vertex, and a face without area."""
    thing = add("cube", "Loose", size=1)
    mesh = bmesh.new()
    mesh.from_mesh(thing.data)
    a, b = (next(v for v in mesh.verts if v.co == Vector((0.5, y, 0.5))) for y in (-0.5, 0.5))
    c, d = (mesh.verts.new((1.0, y, 1.0)) for y in (0.5, -0.5))
    mesh.faces.new((a, b, c, d))
    mesh.faces.new([mesh.verts.new((0, 0, 2)) for _ in range(3)])
    mesh.verts.new((0, 0, 1))
    mesh.to_mesh(thing.data)
    return [thing]


def modified():
    thing = add("cube", "Modified", size=1)
    thing.modifiers.new("Bevel", "BEVEL").width = 0.1
    array = thing.modifiers.new("Array", "ARRAY")
    array.count, array.relative_offset_displace = 2, (1.3, 0, 0)
    return [thing]


MESHES = {
    "cube": lambda: [add("cube", "Cube", size=2)],
    "sphere": lambda: [add("uv_sphere", "Sphere")],
    "torus": lambda: [add("torus", "Torus", minor_radius=0.35)],
    "Suzanne": lambda: [suzanne()],
    "chair": chair,
    "thin shell": shell,
    "mirrored UVs": mirrored,
    "two objects": lambda: [
        add("cube", "Cube", size=1),
        add("ico_sphere", "Ball", (1.3, 0, 0), subdivisions=3, radius=0.5),
    ],
    "modifiers": modified,
    "non-manifold": loose,
}
