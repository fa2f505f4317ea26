"""From view to view: what earlier views painted, as another camera sees it, and what of it is worth painting anew.

The same gather as onto meshes (`projection.py`), with the pixels of a depth map in the place of texels: each pixel is a
place on a surface, and asks every earlier view for its colour. No mesh, no UVs and no texture lie between, so what is
carried over is as sharp as it was painted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ..pixels import masks
from ..pixels.fills import spread
from .eyes import Eye
from .sight import Rules, look

SURE, UNSURE = 0.35, 0.15
"""Cosines: what an earlier view saw from a flatter angle than the second is unknown, from the first on it is known."""
FLOOR = 0.012
"""How much a pixel counts that only repeats what another view painted: it closes gaps, and is outvoted elsewhere."""
PART = 1 << 18  # pixels asked for at once


@dataclass(frozen=True, slots=True)
class Carried:
    """A view before it is painted: `color` (h, w, 3) of earlier views, `known` (h, w) the best cosine at which one of
    them saw the surface, 0 for none, `facing` (h, w) the cosine at which this one does, 0 where nothing is."""

    color: np.ndarray
    known: np.ndarray
    facing: np.ndarray


def carry(
    view: Eye, earlier: Sequence[Eye], size: tuple[int, int], *, exponent: float = 4.0,
    check: Callable[[], None] = lambda: None,
) -> Carried:  # fmt: skip
    """What `earlier` views painted, seen through `view` at `size` (width, height); its own colours are not used."""
    points, normal, facing = (at_size(values, size).flatten(0, 1) for values in surface(view))
    width, height = size
    total, color, known = torch.zeros(len(points)), torch.zeros(len(points), 3), torch.zeros(len(points))
    points, normal = in_world(view, points, normal)
    rules = Rules(max_angle=89.0, exponent=exponent, depth_tolerance=0.002)
    for other in earlier:
        rows = other.rows()
        for pixels in torch.nonzero(facing > 0)[:, 0].split(PART):
            check()
            seen, mask, cosine = look(other, rows, points[pixels], normal[pixels], rules)
            counts = torch.where(mask > 0, seen[:, 3], 0.0)
            weight = other.weight * counts * cosine.float() ** exponent
            total[pixels] += weight
            color[pixels] += weight[:, None] * seen[:, :3]
            known[pixels] = torch.maximum(known[pixels], counts * cosine.float())
    color = color / total.clamp_min(1e-30)[:, None]
    shape = (height, width)
    return Carried(
        color.view(*shape, 3).numpy(), torch.where(total > 0, known, 0.0).view(shape).numpy(),
        facing.float().view(shape).numpy(),
    )  # fmt: skip


def at_size(values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Of a depth map's values (H, W, ...) those in the middle of each pixel of a picture of `size` (width, height)."""
    (rows, columns), (width, height) = values.shape[:2], size
    v = ((torch.arange(height) + 0.5) / height * rows).long()[:, None]
    u = ((torch.arange(width) + 0.5) / width * columns).long()[None]
    return values[v, u]


def surface(view: Eye) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Places and directions (H, W, 3) of what each pixel of the depth map shows, in camera space, and the cosine."""
    rows, columns = view.depth.shape
    x = ((torch.arange(columns) + 0.5) * 2 / columns - 1).expand(rows, columns)
    y = (1 - (torch.arange(rows) + 0.5) * 2 / rows)[:, None].expand(rows, columns)
    start, way = view.rays(x, y)
    along = (-view.depth - start[..., 2]) / way[..., 2]
    points = start + along[..., None] * way
    normal = torch.linalg.cross(_step(points, view.hit, 1), -_step(points, view.hit, 0))
    normal = normal / normal.norm(dim=-1, keepdim=True).clamp_min(1e-30)
    cosine = -(way * normal).sum(-1) / way.norm(dim=-1)
    return points, normal, torch.where(view.hit, cosine.clamp_min(0), 0.0)


def in_world(view: Eye, points: torch.Tensor, normal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Places and directions (N, 3) in camera space -> in the world."""
    back = torch.linalg.inv(view.world_to_camera)
    return points @ back[:3, :3].T + back[:3, 3], normal @ back[:3, :3].T


def _step(points: torch.Tensor, hit: torch.Tensor, axis: int) -> torch.Tensor:
    """The way to the next place along an axis, to the side where the surface goes on the more evenly."""
    points, hit = points.movedim(axis, 0), hit.movedim(axis, 0)
    way = points[1:] - points[:-1]
    usable = hit[1:] & hit[:-1]
    ahead, behind = (F.pad(way.movedim(0, -1), side).movedim(-1, 0) for side in ((0, 1), (1, 0)))
    can_go, can_come = (F.pad(usable.movedim(0, -1), side).movedim(-1, 0) for side in ((0, 1), (1, 0)))
    goes = can_go & (~can_come | (ahead[..., 2].abs() <= behind[..., 2].abs()))
    found = torch.where(goes[..., None], ahead, torch.where(can_come[..., None], behind, 0.0))
    return found.movedim(0, axis)


def wanted(carried: Carried, refine: float, gain: float) -> np.ndarray:
    """How far each pixel is to be painted anew, (h, w) 0..1: all of what nobody saw, `refine` of what this view sees
    better by a cosine of `gain` or more, nothing of the rest. What shows no surface is painted along."""
    better = carried.facing - carried.known
    unknown = 1 - _ramp(carried.known, UNSURE, SURE)
    unknown = np.where(carried.known > 0, unknown * _ramp(better, -0.1, 0.0), 1.0)
    surface = carried.facing > 0
    unit = max(1, round(max(unknown.shape) / 128))
    grown = masks.widen(((unknown > 0.5) & surface).astype(np.float32), unit, 2 * unit)
    asked = np.maximum(np.maximum(unknown, grown), refine * _ramp(better, gain, gain + 0.2))
    return np.where(surface, asked, 1.0).astype(np.float32)


def counts(wanted: np.ndarray, refine: float) -> np.ndarray:
    """How much each pixel of a painted view counts, (h, w): fully where it was painted, next to nothing where kept."""
    return np.clip(wanted / max(0.5 * refine, 0.1), FLOOR, 1).astype(np.float32)


def start(carried: Carried) -> np.ndarray:
    """The picture (h, w, 3) to paint from: what is known, carried on smoothly into what is not."""
    known = carried.known > 0
    return np.clip(spread(np.where(known[..., None], carried.color, 0).astype(np.float32), known), 0, 1)


def _ramp(values: np.ndarray, low: float, high: float) -> np.ndarray:
    part = np.clip((values - low) / (high - low), 0, 1)
    return part * part * (3 - 2 * part)
