"""Jobs that make meshes of pictures, and the meshes that come back. No bpy here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import asking
from .client import geometry_pb2, jobs_pb2, pixels, pixels_pb2, spec

ESTIMATOR = "depth_estimate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """Depth (H, W) float32, row 0 on top: disparity 0..1 with near 1, or with `metric` metres; 0 is nothing."""

    values: np.ndarray
    metric: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a mesh is made of depth, as `spec.relief` says it; None is the engine's own."""

    camera: geometry_pb2.Camera | None = None
    field_of_view: float | None = None
    nearest: float | None = None
    relief: float | None = None
    jump: float | None = None
    max_triangles: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A mesh: positions (V, 3) float32, triangles (T, 3) int32, and uvs (V, 2) float32, v up."""

    positions: np.ndarray
    triangles: np.ndarray
    uvs: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A mesh as Blender keeps it: positions (V, 3) float32 and edges (E, 2) int32; of faces with as many corners each
    the vertices `corners` and the edges to the next corner `sides`, both (F, N) int32, and `uvs` (F, N, 2) float32."""

    positions: np.ndarray
    edges: np.ndarray
    corners: np.ndarray
    sides: np.ndarray
    uvs: np.ndarray


def mesh(picture: np.ndarray, depth: Depth | None, shape: Shape) -> jobs_pb2.JobSpec:
    """A mesh of a picture (H, W, 3) uint8; without depth the engine estimates it."""
    given = None if depth is None else pixels.depth_map(depth.values, disparity=not depth.metric)
    metric = depth is not None and depth.metric
    said = {name: getattr(shape, name) for name in ("camera", "field_of_view", "jump", "max_triangles")}
    if not metric:
        said |= {"nearest": shape.nearest, "relief": shape.relief}
    made = spec.relief(pixels.from_array(picture), given, format="ply", **said)
    return spec.job(made, labels=asking.LABELS)


def estimate(picture: np.ndarray) -> jobs_pb2.JobSpec:
    """How near things in a picture (H, W, 3) uint8 look, white is near, with 16 bits."""
    made = spec.preprocess(ESTIMATOR, pixels.from_array(picture))
    return spec.job(made, output=pixels_pb2.PIXEL_FORMAT_RGBA16, labels=asking.LABELS)


def opened(content: bytes) -> Sheet:
    """The mesh in a PLY file as the engine writes it. Raises ValueError for another file, and for one whose faces name
    vertices that are not there, or whose numbers are none."""
    head, found, body = content.partition(b"end_header\n")
    count: dict[str, int] = {}
    for line in head.decode("ascii", "replace").splitlines():
        words = line.split()
        if words[:1] == ["element"] and len(words) == 3:
            count[words[1]] = int(words[2])
    vertex = np.dtype([("place", "<f4", 3), ("uv", "<f4", 2), ("color", "u1", 3)])
    face = np.dtype([("corners", "u1"), ("vertices", "<i4", 3)])
    first = count.get("vertex", 0) * vertex.itemsize
    if not found or len(body) != first + count.get("face", 0) * face.itemsize:
        raise ValueError("The engine sent a mesh that this version cannot read: update the two")
    vertices = np.frombuffer(body[:first], vertex)
    triangles = np.ascontiguousarray(np.frombuffer(body[first:], face)["vertices"])
    if triangles.size and not 0 <= triangles.min() <= triangles.max() < len(vertices):
        raise ValueError("The engine sent a mesh whose faces have corners that are not there: ask for it again")
    if not (np.isfinite(vertices["place"]).all() and np.isfinite(vertices["uv"]).all()):
        raise ValueError("The engine sent a mesh with places that are not numbers: ask for it again")
    return Sheet(
        positions=np.ascontiguousarray(vertices["place"]),
        triangles=triangles,
        uvs=np.ascontiguousarray(vertices["uv"]),
    )


def form(positions: np.ndarray, faces: np.ndarray, uvs: np.ndarray) -> Form:
    """A mesh as Blender keeps it, with nothing left to mend: of faces (F, N) those are left out that have a vertex
    twice, and all but the first that have the same ones. `uvs` (V, 2) are the vertices'. Raises ValueError where no
    face is left."""
    corners = np.ascontiguousarray(faces[_sound(faces)], np.int32)
    if not len(corners):
        raise ValueError("The mesh has no faces: choose another depth, or a larger Cut")
    ends = np.sort(np.stack([corners, np.roll(corners, -1, 1)], -1).reshape(-1, 2), 1).astype(np.int64)
    keys, sides = np.unique(ends[:, 0] << 32 | ends[:, 1], return_inverse=True)
    return Form(
        positions=np.ascontiguousarray(positions, np.float32),
        edges=np.stack([keys >> 32, keys & 0xFFFFFFFF], 1).astype(np.int32),
        corners=corners,
        sides=sides.reshape(corners.shape).astype(np.int32),
        uvs=np.ascontiguousarray(uvs[corners], np.float32),
    )


def _sound(faces: np.ndarray) -> np.ndarray:
    """Which faces (F, N) have no vertex twice, and other ones than all before them."""
    ranked = np.sort(faces, 1)
    order = np.lexsort(ranked.T)  # the same ones beside each other, the first of them first
    again = np.zeros(len(faces), bool)
    again[order[1:]] = (ranked[order[1:]] == ranked[order[:-1]]).all(1)
    return ~again & (ranked[:, 1:] != ranked[:, :-1]).all(1)
