"""A mesh's numbers as arrays. Most are read as Blender keeps them, which is a copy; to ask for them row by row takes
fifty times as long, and the window waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import bpy
import numpy as np


def numbers(rows: Any, field: str, kind: type, width: int) -> np.ndarray:
    """A field (N, width) of all of a collection's rows."""
    values = np.empty(len(rows) * width, kind)
    rows.foreach_get(field, values)
    return values.reshape(-1, width)


def positions(mesh: bpy.types.Mesh) -> np.ndarray:
    """Where the vertices are (V, 3) float32."""
    kept = _kept(mesh, "position", mesh.vertices)
    return numbers(mesh.vertices, "co", np.float32, 3) if kept is None else numbers(kept, "vector", np.float32, 3)


def corners(mesh: bpy.types.Mesh) -> np.ndarray:
    """The vertex (L,) that each corner is at."""
    kept = _kept(mesh, ".corner_vert", mesh.loops)
    found = numbers(mesh.loops, "vertex_index", np.int32, 1) if kept is None else numbers(kept, "value", np.int32, 1)
    return found[:, 0]


def loops(mesh: bpy.types.Mesh) -> np.ndarray:
    """The corners (T, 3) of the triangles that faces are made of."""
    mesh.calc_loop_triangles()
    return numbers(mesh.loop_triangles, "loops", np.int32, 3)


def owners(mesh: bpy.types.Mesh) -> np.ndarray:
    """The face (T,) of each of those triangles."""
    mesh.calc_loop_triangles()
    return numbers(mesh.loop_triangle_polygons, "value", np.int32, 1)[:, 0]


def starts(mesh: bpy.types.Mesh) -> np.ndarray:
    """The first corner (F,) of each face."""
    return numbers(mesh.polygons, "loop_start", np.int32, 1)[:, 0]


def slots(mesh: bpy.types.Mesh, worn: Sequence[Any]) -> np.ndarray:
    """The number (F,) of each face's material, among an object's slots."""
    kept = _kept(mesh, "material_index", mesh.polygons)
    if "material_index" not in mesh.attributes:
        found = np.zeros((len(mesh.polygons), 1), np.int32)  # that is what its absence says
    elif kept is None:
        found = numbers(mesh.polygons, "material_index", np.int32, 1)
    else:
        found = numbers(kept, "value", np.int32, 1)
    return np.minimum(found[:, 0], max(len(worn) - 1, 0))


def laid(mesh: bpy.types.Mesh, layer: str) -> np.ndarray:
    """The UVs (L, 2) float32 of each corner in a layer."""
    return numbers(mesh.uv_layers[layer].uv, "vector", np.float32, 2)


@dataclass(frozen=True, kw_only=True, eq=False)
class Form:
    """What a mesh is made of: `positions` (V, 3) float32, the vertices that its `corners` (L,) are at, and how many
    `faces` it has. `normals` (L, 3) float32 are those that corners are shaded with, where they were asked for.

    `read` are the corners of triangles as Blender has them, None where all faces have three or all four: to read them
    takes longer than all else, and these are soon reckoned.
    """

    positions: np.ndarray
    corners: np.ndarray
    faces: int
    read: np.ndarray | None
    normals: np.ndarray | None = None

    @cached_property
    def loops(self) -> np.ndarray:
        """The corners (T, 3) of the triangles that faces are made of. Touches no Blender data."""
        if self.read is not None:
            return self.read
        corners = np.arange(len(self.corners), dtype=np.int32).reshape(self.faces, -1)
        return corners if corners.shape[1] == 3 else _halved(corners, self.positions[self.corners[corners]])

    @property
    def triangles(self) -> np.ndarray:
        """The vertices (T, 3) of its triangles. Touches no Blender data."""
        return self.corners[self.loops]

    def has_faces_of(self, other: Form) -> bool:
        """Whether corners and faces are those of another one, wherever its vertices are."""
        return self.faces == other.faces and np.array_equal(self.corners, other.corners)

    def is_as(self, other: Form) -> bool:
        """Whether both are the same. Touches no Blender data."""
        names = ("positions", "corners", "loops", "normals")
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in names)


def form(mesh: bpy.types.Mesh, like: Form | None = None, *, shaded: bool = False) -> Form:
    """A mesh's form, with the normals that it is `shaded` with where those are asked for. Where triangles have to be
    read they are taken from `like`, if faces are the same, as with modifiers that only deform."""
    known = Form(
        positions=positions(mesh), corners=corners(mesh), faces=len(mesh.polygons), read=None,
        normals=numbers(mesh.corner_normals, "vector", np.float32, 3) if shaded else None,
    )  # fmt: skip
    if _is_even(mesh):
        return known
    alike = like is not None and like.read is not None and known.has_faces_of(like)
    return replace(known, read=like.read if alike else loops(mesh))


def _is_even(mesh: bpy.types.Mesh) -> bool:
    """Whether all faces have three corners, or all four."""
    sides, rest = divmod(len(mesh.loops), max(len(mesh.polygons), 1))
    if rest or sides not in (3, 4):
        return False
    return sides == 3 or np.array_equal(starts(mesh), np.arange(0, len(mesh.loops), 4))


def _halved(corners: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The triangles (2 F, 3) of quads (F, 4) whose corners are at places (F, 4, 3), as Blender divides them: from the
    first corner to the third, or where that lies outside, since the second and the fourth are on the same side of it,
    from the second to the fourth."""
    second, third, fourth = (places[:, number] - places[:, 0] for number in (1, 2, 3))
    outside = (np.cross(second, third) * np.cross(fourth, third)).sum(1) > 0
    return np.where(outside[:, None], corners[:, [0, 1, 3, 1, 2, 3]], corners[:, [0, 1, 2, 0, 2, 3]]).reshape(-1, 3)


def _kept(mesh: bpy.types.Mesh, name: str, rows: Any) -> Any:
    """An attribute's rows; None where there is none of this name, or it is not the mesh's own, as in Edit Mode."""
    found = mesh.attributes.get(name)
    return found.data if found is not None and len(found.data) == len(rows) else None
