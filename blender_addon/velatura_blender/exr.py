"""Float pictures as OpenEXR files, which Blender packs as they are. No bpy here.

Scan lines of full floats, not compressed (https://openexr.com/en/latest/OpenEXRFileLayout.html). Blender's own writer
deflates them on the thread that draws windows.
"""

from __future__ import annotations

import struct

import numpy as np

MAGIC, VERSION, FLOAT = 20000630, 2, 2


def encode(pixels: np.ndarray) -> bytes:
    """Pixels (H, W, 3 or 4) float32, row 0 on top, as a file."""
    height, width, channels = pixels.shape
    names = "RGBA"[:channels]
    head = struct.pack("<II", MAGIC, VERSION) + b"".join(_attributes(width, height, names)) + b"\0"
    line = np.dtype([("row", "<i4"), ("size", "<i4"), ("values", "<f4", (channels, width))])
    lines = np.empty(height, line)
    lines["row"], lines["size"] = np.arange(height), line["values"].itemsize
    for place, name in enumerate(sorted(names)):
        lines["values"][:, place] = pixels[..., names.index(name)]
    first = len(head) + 8 * height
    return head + (first + line.itemsize * np.arange(height, dtype="<u8")).astype("<u8").tobytes() + lines.tobytes()


def _attributes(width: int, height: int, names: str) -> list[bytes]:
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    channels = b"".join(name.encode() + struct.pack("<xiB3xii", FLOAT, 0, 1, 1) for name in sorted(names)) + b"\0"
    told = [
        ("channels", "chlist", channels),
        ("compression", "compression", b"\0"),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)),
        ("screenWindowCenter", "v2f", struct.pack("<2f", 0, 0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
    ]
    return [f"{name}\0{kind}\0".encode() + struct.pack("<i", len(value)) + value for name, kind, value in told]
