"""Depth as models read it: metric distance or relative disparity -> disparity in 0..1, near = 1, background = 0.

The convention of MiDaS-trained ControlNets and of depth-conditioned UNets, made independent of the camera: perspective
and orthographic views of the same distances give the same map. A flat surface gives a flat map, never NaN.
"""

from __future__ import annotations

import numpy as np

FLOOR = 0.05
"""Disparity of the farthest object pixel: apart from the background's 0."""

_FLAT = 0.6
"""Disparity of a surface without relief: neither near nor far."""


def hit(z: np.ndarray, far: float | None = None) -> np.ndarray:
    """Which pixels of a metric depth map (H, W) hold a surface: finite, above 0, nearer than 1e9 m and than `far`."""
    held = np.isfinite(z) & (z > 0) & (z < 1e9)
    return held if far is None else held & (z <= far)


def disparity(
    z: np.ndarray, valid: np.ndarray | None = None, near: float | None = None, far: float | None = None
) -> np.ndarray:
    """Metric z (H, W) in metres -> disparity (H, W) float32 in 0..1.

    `d = (1/z - 1/zf) / (1/zn - 1/zf)`, with zn, zf the 1st and 99th percentile of the valid pixels unless given; the
    farthest surface keeps `FLOOR`, pixels that hold nothing are 0. All zeros where no pixel is valid.
    """
    valid = hit(z) if valid is None else hit(z) & valid
    result = np.zeros(z.shape, np.float32)
    if not valid.any():
        return result
    surface = z[valid].astype(np.float64)
    low, high = np.percentile(surface, (1, 99))
    low, high = near or low, far or high
    span = 1 / low - 1 / high
    # A plane that faces the camera has no span; dividing by it is the NaN of the stock pipeline.
    relative = (1 / surface - 1 / high) / span if span > 1e-6 / low else np.full(surface.shape, _FLAT)
    result[valid] = FLOOR + (1 - FLOOR) * np.clip(relative, 0, 1)
    return result


def hint(values: np.ndarray) -> np.ndarray:
    """Disparity (H, W) -> control picture (H, W, 3) float32."""
    return np.repeat(values[..., None], 3, axis=2)
