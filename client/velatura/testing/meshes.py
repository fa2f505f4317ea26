"""The mesh that the fake engine makes of every picture."""

from __future__ import annotations

import struct

QUAD = (
    b"""ply
format binary_little_endian 1.0
element vertex 4
property float x
property float y
property float z
property float s
property float t
property uchar red
property uchar green
property uchar blue
element face 2
property list uchar int vertex_indices
end_header
"""
    + b"".join(
        struct.pack("<5f3B", x, y, -2 - x, (1 + x) / 2, (1 + y) / 2, 0, 0, 0)
        for x, y in ((-1, 1), (-1, -1), (1, -1), (1, 1))
    )
    + struct.pack("<B3i", 3, 0, 1, 2)
    + struct.pack("<B3i", 3, 0, 2, 3)
)
"""A PLY file as the engine writes it: a square that leans away, its left side 1 m from the camera."""
