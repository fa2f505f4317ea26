"""Whether a surface still has the shape that it had when it was seen, and the way back to where it stood. No bpy here.

A sample of its vertices is kept. What was only moved, turned, scaled or mirrored since comes to lie on it by one affine
map; what was posed, sculpted or remodelled does not.
"""

from __future__ import annotations

import base64

import numpy as np

VERTICES = 1000
"""Vertices in a sample."""
SLACK = 1e-3
"""How far, in parts of the whole, a vertex may lie beside its place."""


def sample(positions: np.ndarray, triangles: np.ndarray) -> str:
    """What is kept of a surface of positions (V, 3) and triangles (T, 3), as text."""
    chosen = positions[_chosen(len(positions))].astype("<f4")
    return f"{len(positions)} {len(triangles)} {base64.b64encode(chosen.tobytes()).decode()}"


def way_back(kept: str, positions: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """A matrix (3, 3) and a shift (3,) that take positions (V, 3), @ the matrix + the shift, to where they were; None
    where the shape is another."""
    vertices, faces, text = kept.split()
    if (len(positions), len(triangles)) != (int(vertices), int(faces)):
        return None
    then = np.frombuffer(base64.b64decode(text), "<f4").reshape(-1, 3).astype(np.float64)
    now = positions[_chosen(len(positions))].astype(np.float64)
    # Directions in which it has next to no extent are left out: they would be made of rounding.
    matrix = np.linalg.lstsq(now - now.mean(0), then - then.mean(0), rcond=1e-5)[0]
    shift = then.mean(0) - now.mean(0) @ matrix
    allowed = max(SLACK * float(np.ptp(then, axis=0).max()), 1e-6 * float(np.abs(then).max()))
    return (matrix, shift) if np.abs(now @ matrix + shift - then).max() <= allowed else None


def _chosen(count: int) -> np.ndarray:
    return np.linspace(0, count - 1, min(count, VERTICES)).astype(int)
