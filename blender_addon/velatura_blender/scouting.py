"""Looking at whole objects: where cameras show most of them, and what those see. In pieces, so that the window goes on.

All that Blender has to say is taken in before the first piece. Later ones draw what was taken in, whatever becomes of
the scene meanwhile.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from . import capture, viewpoints
from .errands import Breath

SIDE = 96  # pixels; side of the depth maps by which views are chosen
View = tuple[capture.Lens, tuple[int, int], str]
"""A lens, the size of its picture, and words for this view alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Everything solid, the names of the objects that are meant, and points over their surfaces."""

    solids: Sequence[capture.Piece]
    names: Sequence[str]
    cloud: viewpoints.Cloud


def ground(things: Sequence[bpy.types.Object], depsgraph: bpy.types.Depsgraph) -> Ground:
    """What is there. Raises ValueError naming an object that has no surface."""
    return Ground(
        solids=list(capture.solids(depsgraph)), names=[thing.name for thing in things], cloud=_strewn(things, depsgraph)
    )


def choose(
    there: Ground, side: int, number: int, *, orthographic: bool, named: bool, breath: Breath
) -> Generator[None, None, list[View]]:
    """Views from around that show most, at most so many, of pictures `side` pixels square."""
    ways, lenses, cosines = viewpoints.directions(), [], []
    for way in ways:
        pose, clip = viewpoints.lens_from(way, there.cloud.corners, orthographic=orthographic)
        lens = capture.Lens(world_to_camera=pose, camera_to_clip=clip, orthographic=orthographic)
        depth = capture.see(lens, there.solids, SIDE, SIDE).depth
        lenses.append(lens)
        cosines.append(viewpoints.seen(there.cloud, pose, clip, depth))
        if breath.is_due():
            yield
    chosen = viewpoints.choose(np.stack(cosines), number)
    return [(lenses[each], (side, side), viewpoints.words(ways[each]) if named else "") for each in chosen]


def look(
    there: Ground, lenses: Sequence[View], breath: Breath
) -> Generator[None, None, list[tuple[capture.Frame, np.ndarray, str]]]:
    """What the views see, with masks of what is meant and their words; those that see nothing of it are left out.
    Raises ValueError where all are."""
    found = []
    for lens, size, words in lenses:
        frame = capture.see(lens, there.solids, *size)
        mask = frame.mask(there.names)
        if mask.any():
            found.append((frame, mask, words))
        if breath.is_due():
            yield
    if not found:
        raise ValueError("No view sees any of the selected objects: move what hides them, or select others")
    return found


def _strewn(things: Sequence[bpy.types.Object], depsgraph: bpy.types.Depsgraph) -> viewpoints.Cloud:
    surfaces = []
    for thing in things:
        piece = capture.surface(thing, depsgraph, "")
        if piece is None:
            raise ValueError(f"{thing.name} has no faces: nothing can be painted on it")
        try:
            viewpoints.strew([(piece.positions, piece.triangles)], 1)
        except ValueError as error:
            raise ValueError(f"{thing.name} {error}") from None
        surfaces.append((piece.positions, piece.triangles))
    return viewpoints.strew(surfaces)
