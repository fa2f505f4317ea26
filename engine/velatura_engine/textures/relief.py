"""A mesh of what a camera saw: each pixel of a depth map at its place in space, cut where one thing hides another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .thinning import joined, thinned


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Positions (V, 3) float32 in metres, triangles (T, 3) uint32, counter-clockwise from the camera, and uvs (V, 2)
    float32 into the picture, v up."""

    positions: np.ndarray
    triangles: np.ndarray
    uvs: np.ndarray


def unproject(z: np.ndarray, camera_to_clip: np.ndarray) -> np.ndarray:
    """Places (H, W, 3) float64 in camera space (x right, y up, looking along -z) of the centres of pixels `z` (H, W)
    metres along the camera's axis; for perspective and orthographic cameras, shifted or not."""
    height, width = z.shape
    across = (np.arange(width) + 0.5) / width * 2 - 1
    down = 1 - (np.arange(height)[:, None] + 0.5) / height * 2
    # A place p is seen at x where (row 0 - x row 3) p = 0, at y where (row 1 - y row 3) p = 0: two lines in x and y.
    clip = camera_to_clip.astype(np.float64)
    a, b, c = (clip[0, n] - across * clip[3, n] for n in range(3))
    d, e, f = (clip[1, n] - down * clip[3, n] for n in range(3))
    right = -(-c * z + clip[0, 3] - across * clip[3, 3]), -(-f * z + clip[1, 3] - down * clip[3, 3])
    turn = a * e - b * d
    return np.stack([(right[0] * e - b * right[1]) / turn, (a * right[1] - right[0] * d) / turn, -z], 2)


def sheet(z: np.ndarray, jump: float) -> np.ndarray:
    """Two triangles (T, 3) for each four pixels of `z` (H, W) that hang together, named by y * W + x; z 0 is a hole.

    Of the two diagonals that one is taken that keeps more of the surface, then the one along which it bends less.
    """
    number = np.arange(z.size).reshape(z.shape)
    corners = number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]  # counter-clockwise from the top left
    flat = z.ravel().astype(np.float64)
    nearness = np.divide(1, flat, out=np.zeros_like(flat), where=flat > 0)
    a, b, c, d = (corner.ravel() for corner in corners)
    sides = [joined(flat, *pair, jump) for pair in ((a, b), (b, c), (c, d), (d, a))]
    falling, rising = joined(flat, a, c, jump), joined(flat, b, d, jump)
    choices = (
        (falling & sides[0] & sides[1], (a, b, c)), (falling & sides[2] & sides[3], (a, c, d)),
        (rising & sides[0] & sides[3], (a, b, d)), (rising & sides[1] & sides[2], (b, c, d)),
    )  # fmt: skip
    kept = [choices[n][0].astype(np.int8) + choices[n + 1][0] for n in (0, 2)]
    bends = [np.abs(nearness[p] - nearness[q]) for p, q in ((a, c), (b, d))]
    other = (kept[1] > kept[0]) | ((kept[1] == kept[0]) & (bends[1] < bends[0]))
    found = [
        np.stack([corner[there & (other == (n > 1))] for corner in names], 1)
        for n, (there, names) in enumerate(choices)
    ]
    return np.concatenate(found)


def relief(
    z: np.ndarray,
    camera_to_clip: np.ndarray,
    world_to_camera: np.ndarray | None = None,
    *,
    jump: float = 0.05,
    most: int | None = None,
) -> Surface:
    """The mesh of depth `z` (H, W) metres along the camera's axis, 0 where nothing is.

    It lies in camera space, or in world space where `world_to_camera` (4, 4) is given. Edges along which distance
    changes by more than `jump` of itself are left out. `most`: triangles at most. Without any triangle it is empty.
    """
    triangles = sheet(z, jump) if most is None or 2 * z.size <= most else thinned(z, jump, most)
    used, triangles = np.unique(triangles, return_inverse=True)
    height, width = z.shape
    places = unproject(np.where(z > 0, z, 1).astype(np.float64), camera_to_clip).reshape(-1, 3)[used]
    if world_to_camera is not None:
        pose = np.linalg.inv(world_to_camera.astype(np.float64))
        places = places @ pose[:3, :3].T + pose[:3, 3]
    rows, columns = np.divmod(used, width)
    uvs = np.stack([(columns + 0.5) / width, 1 - (rows + 0.5) / height], 1)
    return Surface(
        positions=places.astype(np.float32),
        triangles=triangles.reshape(-1, 3).astype(np.uint32),
        uvs=uvs.astype(np.float32),
    )
