"""What of a run is sent to the engine again: its views, and its objects where they stood when they were seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import bpy
import numpy as np

from . import asking, asking_views, capture, likeness
from .views import VelaturaRun, VelaturaView, find, pixels_of


def sights(key: str, anew: set[int]) -> Iterator[asking_views.Sight]:
    """A run's views for a job, one after the other, whatever becomes of the scene between two of them; those whose
    numbers are in `anew` show nothing yet, those not in use are left out. Raises ValueError where the run is gone."""
    number = 0
    while number < len(_run(key).views):
        view = _run(key).views[number]
        if view.use or number in anew:
            yield sight(view, painted=number not in anew)
        number += 1


def _run(key: str) -> VelaturaRun:
    found = find(key)
    if found is None:
        raise ValueError("The views are gone: texture the object again")
    return found[1]


def sight(view: VelaturaView, *, painted: bool) -> asking_views.Sight:
    """One view for a job. Raises ValueError where its images were deleted."""
    if view.depth is None or (painted and view.image is None):
        raise ValueError(f"{view.name} has lost its picture: texture the object again")
    depth, mask = _depth(view.depth)
    return asking_views.Sight(
        camera=asking.camera(np.array(view.world_to_camera), np.array(view.camera_to_clip), view.orthographic),
        depth=depth,
        mask=mask,
        color=pixels_of(view.image) if painted else None,
        words=view.words,
        weight=view.weight,
    )


Surfaces = tuple[dict[int, capture.Piece], list[str]]
"""A run's surfaces where they stood when they were seen, by their numbers, and in words what is left out."""


def surfaces(run: VelaturaRun, depsgraph: bpy.types.Depsgraph) -> Callable[[], Surfaces]:
    """What reckons a run's surfaces as they are now, and touches no Blender data. Raises ValueError there for none."""
    read, forms = [], {}
    for number, target in enumerate(run.targets):
        thing = target.thing
        there = thing is not None and thing.name in depsgraph.scene.objects
        found = capture.reading(thing, depsgraph, target.layer, forms) if there else None
        read.append((number, thing.name if there else target.name, there, target.shape, found))

    def reckon() -> Surfaces:
        found, left_out = {}, []
        for number, *each in read:
            try:
                found[number] = _surface(*each)
            except ValueError as error:
                left_out.append(str(error))
        if not found:
            raise ValueError("; ".join(left_out))
        return found, left_out

    return reckon


def _surface(name: str, there: bool, shape: str, read: capture.Reading | None) -> capture.Piece:
    if not there:
        raise ValueError(f"{name} is not in this scene any more")
    if read is None or read.laid is None:
        raise ValueError(f"{name} loses its UV map in its modifiers: keep it there, or apply them")
    (piece,) = capture.pieces([read])
    back = likeness.way_back(shape, piece.positions, piece.triangles)
    if back is None:
        raise ValueError(
            f"the shape of {name} is another than when it was painted: bring that back, or texture it again"
        )
    matrix, shift = back
    mirrored = np.linalg.det(matrix) < -1e-6 * np.linalg.norm(matrix) ** 3
    return dataclasses.replace(
        piece,
        positions=piece.positions @ matrix + shift,
        triangles=piece.triangles[:, ::-1] if mirrored else piece.triangles,
        uvs=piece.uvs[:, ::-1] if mirrored else piece.uvs,
    )


def _depth(image: bpy.types.Image) -> tuple[np.ndarray, np.ndarray]:
    width, height = image.size
    flat = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(flat)
    values = flat.reshape(height, width, 4)[::-1]
    depth = np.where(values[..., 0] > 0, values[..., 0], np.float32(np.inf))
    return np.ascontiguousarray(depth), np.ascontiguousarray(values[..., 1] > 0.5)
