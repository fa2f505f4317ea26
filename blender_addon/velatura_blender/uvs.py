"""UV layers to texture whole objects in: the artist's own where it serves, else a new one; none is ever changed. And
what a layer holds, to be compared and made again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import bmesh
import bpy
import numpy as np

from . import meshes, place, texels

SIDE = 1024
"""Texels a side at most on which overlaps are told."""
ROWS = 4_000_000
"""Rows of texels that all triangles together may have there: many long ones are told on fewer."""
MOST = 0.02
"""Part of the texture that may be claimed twice, or lie outside, before the layer does not serve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The layer that an object has to be textured in, "" where one has to be made, and `why` it has, in words for the
    artist. `form` of its mesh and the layer's UVs `laid` (L, 2) are what is still to be judged by, or None."""

    layer: str = ""
    why: str = ""
    form: meshes.Form | None = None
    laid: np.ndarray | None = None

    def judged(self) -> Choice:
        """What it comes to. Touches no Blender data, and may take long."""
        if self.form is None or self.laid is None:
            return self
        size = areas(self.form.positions.astype(np.float64), self.form.triangles)
        why = fault(self.laid[self.form.loops].astype(np.float64), size)
        return Choice(why=why) if why else Choice(layer=self.layer)


def choice(thing: bpy.types.Object, policy: str, like: meshes.Form | None = None) -> Choice:
    """The layer to texture an object in; `like` is the form of its evaluated surface.

    `policy`: "ACTIVE" the one that is active, "KEEP" that of its look, else the active one, "NEW" one, or "AUTO": a new
    one where UVs overlap, leave the square or have no area, which is still to be judged. Where there is none it is a
    new one, and where its look lies in one of ours it is that, but with "ACTIVE".
    """
    layers = thing.data.uv_layers
    active = layers.active.name if layers.active is not None else ""
    if policy == "ACTIVE":
        return Choice(layer=active)
    worn = place.look(thing)
    if worn is not None and worn.layer.startswith(place.LAYER):
        return Choice(layer=worn.layer)
    if policy == "NEW":
        return Choice()
    layer = active if worn is None else worn.layer
    if policy == "KEEP" or not layer:
        return Choice(layer=layer, why="" if layers else "had no UV map")
    return Choice(layer=layer, form=meshes.form(thing.data, like), laid=meshes.laid(thing.data, layer))


def areas(positions: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """The areas (T,) of triangles (T, 3) of positions (V, 3)."""
    a, b, c = (positions[triangles[:, number]] for number in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def fault(corners: np.ndarray, size: np.ndarray) -> str:
    """What is wrong with UVs (T, 3, 2) of triangles of these areas (T,) in space, in words; "" where nothing is."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2
    if not area.sum() > 1e-9 or size[area < 1e-10].sum() > MOST / 4 * size.sum():
        return "had faces without UVs"
    outside = ((corners < -1e-4) | (corners > 1 + 1e-4)).any((1, 2))
    if area[outside].sum() > MOST * area.sum():
        return "had UVs outside the square"
    return "had overlapping UVs" if _twice(corners, area) > MOST else ""


def _twice(corners: np.ndarray, area: np.ndarray) -> float:
    """Which part of what triangles cover others cover too, told on a grid of texels; at least that where they cover far
    more than the square."""
    if area.sum() > 1.1:
        return float(1 - 1 / area.sum())
    rows = (corners[..., 1].max(1) - corners[..., 1].min(1)).sum()
    side = int(np.clip(ROWS / rows, 64, SIDE))
    times = texels.counted(corners * side, side, side)
    return float(times[times > 1].sum() / max(times.sum(), 1))


def values(mesh: bpy.types.Mesh, name: str) -> np.ndarray:
    """A layer's UVs of every corner (2 L,), in Edit Mode too."""
    if mesh.is_editmode:
        edited = bmesh.from_edit_mesh(mesh)
        key = edited.loops.layers.uv[name]
        return np.array([loop[key].uv for loop in loops(edited)], np.float32).ravel()
    return meshes.laid(mesh, name).ravel()


def faces(mesh: bpy.types.Mesh) -> str:
    """A digest of which vertex each corner is at, and which face it is of, in Edit Mode too."""
    if mesh.is_editmode:
        edited = bmesh.from_edit_mesh(mesh)
        edited.verts.index_update()
        corners = np.array([loop.vert.index for loop in loops(edited)], np.int32)
        starts = np.cumsum([0, *(len(face.loops) for face in edited.faces)])[:-1].astype(np.int32)
    else:
        corners, starts = meshes.corners(mesh), meshes.starts(mesh)
    return hashlib.blake2b(corners.tobytes() + starts.tobytes(), digest_size=16).hexdigest()


def loops(edited: bmesh.types.BMesh) -> Iterator[bmesh.types.BMLoop]:
    """The corners of a mesh in Edit Mode, face by face."""
    return (loop for face in edited.faces for loop in face.loops)


def add(mesh: bpy.types.Mesh, name: str, numbers: np.ndarray) -> str:
    """A new UV layer with UVs of every corner (2 L,), in Edit Mode too; what it is called, "" where none fits."""
    if len(mesh.uv_layers) >= place.MOST_LAYERS:
        return ""
    if not mesh.is_editmode:
        return place.add_layer(mesh, name, numbers)
    edited = bmesh.from_edit_mesh(mesh)
    key = edited.loops.layers.uv.new(name)
    for loop, uv in zip(loops(edited), numbers.reshape(-1, 2).tolist(), strict=True):
        loop[key].uv = uv
    bmesh.update_edit_mesh(mesh)
    return key.name
