"""Texels that no view saw, coloured like the nearest painted places: in space, not across the texture."""

from __future__ import annotations

import numpy as np

NEAREST = 12
"""Painted places that each unseen one takes the mean of."""
MOST = 150_000
"""Painted places that are looked at; more only make it slower."""
TURN = 0.3
"""What a surface's direction counts against distance: one turned round is as if this much of the whole size away."""


def colors(
    seen: np.ndarray, seen_normals: np.ndarray, paint: np.ndarray, unseen: np.ndarray, unseen_normals: np.ndarray
) -> np.ndarray:
    """Colours (N, 3) float32 of `unseen` places (N, 3) with normals, from `seen` ones (M, 3) and their `paint` (M, 3).

    A Gaussian mean over the nearest in position and direction, so that a thin wall's inside is not like its outside
    where something else is near. `paint` must not be empty.
    """
    from scipy.spatial import KDTree  # here, because few jobs need it

    every = max(1, -(-len(seen) // MOST))
    seen, seen_normals, paint = seen[::every], seen_normals[::every], paint[::every]
    both = np.concatenate([seen, unseen])
    scale = max(float(np.linalg.norm(np.ptp(both, axis=0))), 1e-12)
    tree = KDTree(_keys(seen, seen_normals, scale))
    count = min(NEAREST, len(seen))
    distance, which = tree.query(_keys(unseen, unseen_normals, scale), k=count)
    distance, which = distance.reshape(len(unseen), count), which.reshape(len(unseen), count)
    width = np.maximum(distance[:, :1] * 1.5, distance[:, -1:] * 0.5) + 1e-9
    weight = np.exp(-((distance / width) ** 2))
    return ((paint[which] * weight[..., None]).sum(1) / weight.sum(1, keepdims=True)).astype(np.float32)


def _keys(places: np.ndarray, normals: np.ndarray, scale: float) -> np.ndarray:
    return np.concatenate([places / scale, normals * (TURN / 2)], axis=1).astype(np.float32)
