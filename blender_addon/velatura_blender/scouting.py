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

SIDE = 256  # pixels; side of the depth maps by which views are chosen. Coarser ones cannot tell a ball from its lid
AROUND, CLOSE = 0.1, 0.005  # how far before what is looked at all else is cut off, in parts of the distance
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
            viewpoints.strew([(piece.positions, piece.triangles, None)], 1)
        except ValueError as error:
            raise ValueError(f"{piece.name} {error}") from None
    cloud = viewpoints.strew([(piece.positions, piece.triangles, piece.uvs) for piece in found])
    return Ground(solids=list(capture.pieces(solids)), meant=found, cloud=cloud)


def choose(
    there: Ground, side: int, number: int, *, orthographic: bool, named: bool, breath: Breath
) -> Generator[None, None, list[View]]:
    """Views from around that show most, at most so many, of pictures `side` pixels square. Where something lies
    inside, such as eyes behind lids, the last ones look there, with what is before it cut away."""
    around = [(way, there.cloud.corners, AROUND) for way in viewpoints.directions()]
    lenses, seen = yield from _tried(there.cloud, there.solids, around, orthographic, breath)
    inside = viewpoints.insides(there.cloud, seen)
    if inside and len(there.solids) > len(there.meant):
        # What other objects hide stays hidden.
        _, alone = yield from _tried(there.cloud, there.meant, around, orthographic, breath)
        inside = viewpoints.insides(there.cloud, alone)
    closer = [(way, points, CLOSE) for way, points in inside]
    more, within = yield from _tried(there.cloud, there.solids, closer, orthographic, breath)
    words = [viewpoints.words(way) if named else "" for way, *_ in around] + [""] * len(inside)
    return [((lenses + more)[each], (side, side), words[each]) for each in viewpoints.choose(seen, within, number)]


def _tried(
    cloud: viewpoints.Cloud,
    solids: Sequence[capture.Piece],
    ways: Sequence[tuple[np.ndarray, np.ndarray, float]],
    orthographic: bool,
    breath: Breath,
) -> Generator[None, None, tuple[list[capture.Lens], np.ndarray]]:
    """Lenses from ways onto points, with the gap before those, and the cosines (C, N) at which they see the cloud."""
    lenses, cosines = [], np.zeros((len(ways), len(cloud.points)))
    for number, (way, points, gap) in enumerate(ways):
        pose, clip = viewpoints.lens_from(way, points, orthographic=orthographic, gap=gap)
        lens = capture.Lens(world_to_camera=pose, camera_to_clip=clip, orthographic=orthographic)
        depth = capture.see(lens, solids, SIDE, SIDE).depth
        lenses.append(lens)
        cosines[number] = viewpoints.seen(cloud, pose, clip, depth)
        if breath.is_due():
            yield
    return lenses, cosines


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
