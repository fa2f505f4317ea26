"""Where to look from so that a few pictures show all of a surface. Places and directions only: no Blender here.

Candidates stand around the selection at the faces, edges and corners of a cube. Points strewn over the surfaces tell
how well each candidate sees them, by its depth map; views are then taken greedily, each adding the most. Where much
lies inside, such as the backs of eyes, other candidates look there, with all that is before it cut away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

POINTS = 8000
"""Points strewn over the surfaces."""
STEEP = math.cos(math.radians(82))
"""Cosine of the angle between surface and view up to which a point does not count as seen."""
PLENTY = 0.5
"""Cosine from which on a point is seen as well as need be; below it counts in proportion."""
LITTLE = 0.001
"""Part of the surface below which another view is not worth it."""
INSIDE = 0.005
"""Part of the surface that a view inside shows at least, and that nobody sees from outside."""
GAP = 0.002
"""How far before what is inside all else is cut away, in parts of the selection's size."""
FRONT = 9
"""Of the candidates the first ones look from the front, where artists begin; one of them is the first view."""
ROOM = 1.06
"""How much wider than the selection a view is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """Points (N, 3) strewn evenly over surfaces and the directions (N, 3) that those face; `corners` (V, 3) of all."""

    points: np.ndarray
    normals: np.ndarray
    corners: np.ndarray


def strew(surfaces: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray | None]], count: int = POINTS) -> Cloud:
    """Points over surfaces of positions (V, 3), triangles (T, 3) and UVs (T, 3, 2) or None; with UVs half of them are
    even over textures, since those are what is painted. Raises ValueError where there is no area."""
    corners = np.concatenate([positions[triangles] for positions, triangles, _ in surfaces])  # (T, 3, 3)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normals, axis=1)
    if not np.isfinite(area).all() or area.sum() <= 0:
        raise ValueError("has no faces with an area: nothing can be painted on it")
    share = area / area.sum()
    laid = np.concatenate([_laid(uvs, len(triangles)) for _, triangles, uvs in surfaces]) * (area > 0)
    if laid.sum() > 0:
        share = (share + laid / laid.sum()) / 2
    chance = np.random.default_rng(0)
    which = np.searchsorted(np.cumsum(share), (np.arange(count) + chance.random(count)) / count * 0.999999)
    a, b = np.sort(chance.random((2, count)), axis=0)
    parts = np.stack([a, b - a, 1 - b], 1)
    used = np.concatenate([positions[np.unique(triangles)] for positions, triangles, _ in surfaces])
    return Cloud(
        points=(corners[which] * parts[..., None]).sum(1),
        normals=normals[which] / area[which, None],
        corners=used,
    )


def _laid(uvs: np.ndarray | None, count: int) -> np.ndarray:
    """Areas of triangles in a texture, (T,); where they are no numbers, or there are none, 0."""
    if uvs is None:
        return np.zeros(count)
    (x, y), (across, down) = (uvs[:, 1] - uvs[:, 0]).T, (uvs[:, 2] - uvs[:, 0]).T
    return np.nan_to_num(np.abs(x * down - y * across), nan=0.0, posinf=0.0)


def directions() -> np.ndarray:
    """The 26 ways (26, 3) from the selection to candidates, from the front (-y) and its neighbours on."""
    ways = np.array([(x, y, z) for x in (0, 1, -1) for y in (-1, 1, 0) for z in (0, 1, -1) if x or y or z], float)
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    return ways[np.argsort(ways @ np.array([-0.01, 1.0, -0.02]), kind="stable")]


def lens_from(
    way: np.ndarray, corners: np.ndarray, *, orthographic: bool, degrees: float = 35.0, cut: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """World-to-camera and camera-to-clip matrices (4, 4) of a square view from a way, framed on corners (V, 3).

    What stands before all corners is cut off: a wall between camera and selection hides nothing. `cut`: so is what is
    farther along the way than this.
    """
    up = np.array([0.0, 0.0, 1.0]) if abs(way[2]) < 0.9 else np.array([0.0, 1.0, 0.0])
    right = np.cross(up, way)
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(way, right), way])
    seen = turn @ corners.T  # (3, V): reckoned with along rows, which takes a fifth of the time
    low, high = seen.min(1), seen.max(1)
    middle, half = (low + high) / 2, max(float((high - low).max()) / 2, 1e-6)
    flat = np.maximum(np.abs(seen[0] - middle[0]), np.abs(seen[1] - middle[1]))
    if orthographic:
        distance, reach = 3 * half, max(float(flat.max()), 1e-6) * ROOM
        near = 0.5 * half if cut is None else distance - (cut - middle[2])
        far = 6 * half
        clip = np.diag([1 / reach, 1 / reach, -2 / (far - near), 1.0])
        clip[2, 3] = -(far + near) / (far - near)
    else:
        slope = math.tan(math.radians(degrees) / 2)
        # Each corner must lie within the frame at its own distance.
        distance = float((flat * ROOM / slope + (seen[2] - middle[2])).max())
        nearest = max(distance - (high[2] - middle[2]), 1e-3 * half)
        near = 0.9 * nearest if cut is None else max(distance - (cut - middle[2]), 0.9 * nearest)
        far = distance + 4 * half
        clip = np.diag([1 / slope, 1 / slope, -(far + near) / (far - near), 0.0])
        clip[2, 3], clip[3, 2] = -2 * far * near / (far - near), -1.0
    pose = np.eye(4)
    pose[:3, :3] = turn
    pose[:3, 3] = -np.array([middle[0], middle[1], middle[2] + distance])
    return pose, clip


def seen(cloud: Cloud, pose: np.ndarray, clip: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Cosine (N,) at which a view with this depth map (H, W) sees each point; 0 where it does not."""
    height, width = depth.shape
    places = cloud.points @ pose[:3, :3].T + pose[:3, 3]
    flat = np.concatenate([places, np.ones((len(places), 1))], 1) @ clip.T
    with np.errstate(divide="ignore", invalid="ignore"):
        across, down = flat[:, 0] / flat[:, 3], flat[:, 1] / flat[:, 3]
    inside = (flat[:, 3] > 0) & (flat[:, 2] >= -flat[:, 3]) & (np.abs(across) < 1) & (np.abs(down) < 1)
    column = np.where(inside, (across + 1) / 2 * width, 0).astype(int).clip(0, width - 1)
    row = np.where(inside, (1 - down) / 2 * height, 0).astype(int).clip(0, height - 1)
    towards = -places if clip[3, 2] else np.broadcast_to([0.0, 0.0, 1.0], places.shape)
    towards = towards / np.linalg.norm(towards, axis=1, keepdims=True)
    cosine = ((cloud.normals @ pose[:3, :3].T) * towards).sum(1)
    pixel = 2 / width / clip[0, 0] * np.where(clip[3, 2], -places[:, 2], 1.0)
    tangent = np.sqrt(1 - np.clip(cosine, 0.05, 1) ** 2) / np.clip(cosine, 0.05, 1)
    shown = -places[:, 2] <= depth[row, column] + pixel * (1 + tangent)
    return np.where(inside & shown & (cosine > STEEP), cosine, 0.0)


def insides(cloud: Cloud, cosines: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Ways (3,) to look inside, and how far along each begins what no view of (C, N) cosines sees."""
    hidden = ~(cosines > 0).any(0)
    size = float(np.ptp(cloud.corners, axis=0).max())
    found = []
    for way in directions():
        facing = hidden & (cloud.normals @ way > STEEP)
        if facing.mean() >= INSIDE:
            found.append((way, float((cloud.points[facing] @ way).max()) + GAP * size))
    return found


def choose(cosines: np.ndarray, inside: np.ndarray, most: int) -> list[int]:
    """Numbers of at most `most` views of (C, N) cosines, each adding the most to what is seen, and how well; the first
    is one of the first `FRONT`. Views inside, (I, N) cosines, have the numbers from C on and come last; they count for
    what none of the others sees."""
    unseen = ~(cosines > 0).any(0)
    worth = np.minimum(np.concatenate([cosines, inside * unseen]) / PLENTY, 1.0)
    least = np.repeat([LITTLE, INSIDE], [len(cosines), len(inside)])
    best, chosen = np.zeros(cosines.shape[1]), []
    for _ in range(min(most, len(worth))):
        gains = np.maximum(worth - best, 0).mean(1)
        gains[chosen] = -1
        if not chosen and gains[:FRONT].max() > LITTLE:
            gains[FRONT:] = -1
        gains[gains < least] = -1
        # Among equals the earlier one: the front before the back.
        taken = int(np.flatnonzero(gains >= gains.max() - 1e-3)[0])
        if chosen and gains[taken] < 0:
            break
        chosen.append(taken)
        best = np.maximum(best, worth[taken])
    return sorted(chosen, key=lambda number: number >= len(cosines))


def words(way: np.ndarray) -> str:
    """What a view from a way is called, such as "front view"."""
    if abs(way[2]) > 0.8:
        return "top view" if way[2] > 0 else "bottom view"
    if abs(way[1]) >= abs(way[0]) - 1e-6:
        return "front view" if way[1] < 0 else "back view"
    return "side view"
