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
    """The mesh in a PLY file as the engine writes it. Raises ValueError for another file."""
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
    return Sheet(
        positions=np.ascontiguousarray(vertices["place"]),
        triangles=np.ascontiguousarray(np.frombuffer(body[first:], face)["vertices"]),
        uvs=np.ascontiguousarray(vertices["uv"]),
    )
