"""Texels that no view saw, coloured like the nearest painted places: in space, not across the texture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

NEAREST = 12
"""Painted places that each unseen one takes the mean of."""
MOST = 150_000
"""Painted places that are looked at; more only make it slower."""
NEARLY = 0.3
"""Those that are asked may be this much farther away than the nearest: found in half the time, and as good a mean."""
TURN = 0.3
"""What a surface's direction counts against distance: one turned round is as if this much of the whole size away."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """For U unseen places: which of the M seen ones they take after, (U, n), and how much of each, (U, n), sum 1."""

    which: np.ndarray
    share: np.ndarray


def some(seen: torch.Tensor) -> torch.Tensor:
    """Of painted places (M,) those that are looked at, evenly among them."""
    return seen[:: max(1, -(-len(seen) // MOST))]


def neighbours(
    seen: np.ndarray, seen_normals: np.ndarray, unseen: np.ndarray, unseen_normals: np.ndarray
) -> Neighbours:
    """Which `seen` places (M, 3) with normals, at least one, colour `unseen` ones (U, 3).

    A Gaussian mean over the nearest in position and direction, so that a thin wall's inside is not like its outside
    where something else is near.
    """
    from scipy.spatial import KDTree  # here, because few jobs need it

    both = np.concatenate([seen, unseen])
    corner, scale = both.min(0), max(float(np.linalg.norm(np.ptp(both, axis=0))), 1e-12)
    tree = KDTree(_keys(seen - corner, seen_normals, scale))
    count = min(NEAREST, len(seen))
    distance, which = tree.query(_keys(unseen - corner, unseen_normals, scale), k=count, eps=NEARLY, workers=-1)
    distance, which = distance.reshape(len(unseen), count), which.reshape(len(unseen), count)
    width = np.maximum(distance[:, :1] * 1.5, distance[:, -1:] * 0.5) + 1e-9
    weight = np.exp(-((distance / width) ** 2))
    return Neighbours(which.astype(np.int32), (weight / weight.sum(1, keepdims=True)).astype(np.float32))


def _keys(places: np.ndarray, normals: np.ndarray, scale: float) -> np.ndarray:
    # Away from 0: where denormals are flushed, the tree's builder finds no number next to 0 and recurses without end.
    return np.concatenate([places / scale, normals * (TURN / 2)], axis=1).astype(np.float32) + 1
