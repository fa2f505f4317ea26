"""Looking at whole objects: where cameras show most of them, and what those see. In pieces, so that the window goes on.

All that Blender has to say is taken in before the first piece. Later ones draw what was taken in, whatever becomes of
the scene meanwhile.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from . import capture, viewpoints
from .pace import Breath, beside

SIDE = 256  # pixels; side of the depth maps by which views are chosen. Coarser ones cannot tell a ball from its lid


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A lens, the size of its picture, words for this view alone, and whether it shows what the others do not alone."""

    lens: capture.Lens
    size: tuple[int, int]
    words: str = ""
    inside: bool = False


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
    around = [(way, None) for way in viewpoints.directions()]
    lenses, seen = yield from _tried(there.cloud, there.solids, around, orthographic, breath)
    inside = viewpoints.insides(there.cloud, seen)
    if inside and len(there.solids) > len(there.meant):
        # What other objects hide stays hidden.
        _, alone = yield from _tried(there.cloud, there.meant, around, orthographic, breath)
        inside = viewpoints.insides(there.cloud, alone)
    more, within = yield from _tried(there.cloud, there.solids, inside, orthographic, breath)
    found = [
        View(lens=lens, size=(side, side), words=viewpoints.words(way) if named else "")
        for lens, (way, _) in zip(lenses, around, strict=True)
    ] + [View(lens=lens, size=(side, side), inside=True) for lens in more]
    return [found[each] for each in viewpoints.choose(seen, within, number)]


def _tried(
    cloud: viewpoints.Cloud,
    solids: Sequence[capture.Piece],
    ways: Sequence[tuple[np.ndarray, float | None]],
    orthographic: bool,
    breath: Breath,
) -> Generator[None, None, tuple[list[capture.Lens], np.ndarray]]:
    """Lenses from ways, with what is cut away before them, and the cosines (C, N) at which they see the cloud."""
    lenses, cosines = [], np.zeros((len(ways), len(cloud.points)))
    for number, (way, cut) in enumerate(ways):
        pose, clip = viewpoints.lens_from(way, cloud.corners, orthographic=orthographic, cut=cut)
        lens = capture.Lens(world_to_camera=pose, camera_to_clip=clip, orthographic=orthographic)
        depth = (yield from capture.look(lens, solids, (SIDE, SIDE), breath)).depth
        lenses.append(lens)
        cosines[number] = viewpoints.seen(cloud, pose, clip, depth)
        yield from breath.pause()
    return lenses, cosines


def look(
    there: Ground, wanted: Sequence[View], breath: Breath
) -> Generator[None, None, list[tuple[capture.Frame, np.ndarray, str]]]:
    """What the views see, with masks of what is meant and their words; those that see nothing of it are left out.
    Raises ValueError where all are."""
    frames = []
    for view in wanted:
        frames.append((yield from capture.look(view.lens, there.solids, view.size, breath)))
    around = [frame for frame, view in zip(frames, wanted, strict=True) if not view.inside]
    found = []
    for frame, view in zip(frames, wanted, strict=True):
        mask = frame.mask(there.names)
        if view.inside:
            (mask,) = yield from beside([partial(hidden_from, frame, mask, around)])
        if mask.any():
            found.append((frame, mask, view.words))
    if not found:
        raise ValueError("No view sees any of the selected objects: move what hides them, or select others")
    return found


def hidden_from(frame: capture.Frame, mask: np.ndarray, others: Sequence[capture.Frame]) -> np.ndarray:
    """The pixels of a mask that show what other frames do not: all else is painted already. Touches no Blender data."""
    lens, (height, width) = frame.lens, frame.depth.shape
    start, way = capture.rays(lens, width, height)
    far = -np.where(np.isfinite(frame.depth), frame.depth, 0).astype(float) - start[..., 2]
    at = start + way * (far / way[..., 2])[..., None]
    across, down = np.gradient(at, axis=(1, 0))
    normals = np.cross(across, -down)[mask]  # a row down is a step against y
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    turn = lens.world_to_camera[:3, :3]
    points = (at[mask] - lens.world_to_camera[:3, 3]) @ turn
    cloud = viewpoints.Cloud(points=points, normals=normals @ turn, corners=points)
    shown = np.zeros(len(points), bool)
    for other in others:
        shown |= viewpoints.seen(cloud, other.lens.world_to_camera, other.lens.camera_to_clip, other.depth) > 0
    left = mask.copy()
    left[mask] = ~shown
    return left
