"""UV layers to texture whole objects in: the artist's own where it serves, else a new one; none is ever changed. And
what a layer holds, to be compared and made again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

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


def layer_for(thing: bpy.types.Object, policy: str) -> tuple[str, bool, str]:
    """The layer to texture an object in, whether it was made for that, and why, for the artist.

    `policy`: "KEEP" the layer it has, "NEW" one, or "AUTO": a new one where UVs are missing, overlap, leave the square
    or have no area. Raises ValueError where a mesh cannot be given one.
    """
    if policy != "NEW":
        if not thing.data.uv_layers:
            return (*place.layer_to_paint(thing, fresh=True), "had no UV map")
        layer, made = place.layer_to_paint(thing)
        fault = _fault(thing.data, layer) if policy == "AUTO" else ""
        if not fault:
            return layer, made, ""
        return (*place.layer_to_paint(thing, fresh=True), fault)
    return (*place.layer_to_paint(thing, fresh=True), "")


def _fault(mesh: bpy.types.Mesh, layer: str) -> str:
    """What is wrong with a layer, in words; "" where nothing is."""
    corners = meshes.laid(mesh, layer)[meshes.loops(mesh)].astype(np.float64)
    size = np.empty(len(mesh.loop_triangles), np.float32)
    mesh.loop_triangles.foreach_get("area", size)
    return fault(corners, size)


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
