"""Looking at whole objects: where cameras show most of them, and what those see. In pieces, so that the window goes on.

All that Blender has to say is taken in before the first piece. Later ones draw what was taken in, whatever becomes of
the scene meanwhile.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from . import capture, viewpoints
from .errands import Breath

SIDE = 96  # pixels; side of the depth maps by which views are chosen
View = tuple[capture.Lens, tuple[int, int], str]
"""A lens, the size of its picture, and words for this view alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Everything solid, the surfaces of the objects that are meant, with their UVs, and points over those."""

    solids: Sequence[capture.Piece]
    meant: Sequence[capture.Piece]
    cloud: viewpoints.Cloud

    @property
    def names(self) -> list[str]:
        """Those of the objects that are meant."""
        return [piece.name for piece in self.meant]


def ground(solids: Sequence[capture.Reading], meant: Sequence[capture.Reading]) -> Ground:
    """What was read, to be looked at. Raises ValueError naming what has no area. Touches no Blender data."""
    found = list(capture.pieces(meant))
    for piece in found:
        try:
            viewpoints.strew([(piece.positions, piece.triangles)], 1)
        except ValueError as error:
            raise ValueError(f"{piece.name} {error}") from None
    cloud = viewpoints.strew([(piece.positions, piece.triangles) for piece in found])
    return Ground(solids=list(capture.pieces(solids)), meant=found, cloud=cloud)


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
