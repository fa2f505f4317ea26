"""Meshes as files: GLB for what shows pictures on them, PLY for what reads numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image

from .relief import Surface


def glb(surface: Surface, picture: np.ndarray) -> bytes:
    """A binary glTF 2.0 file: one mesh, seen from both sides, dull, with the picture (H, W, 3) uint8 as its colour."""
    import trimesh  # only where it is needed: it looks for many other libraries
    from trimesh.exchange.gltf import export_glb
    from trimesh.visual.material import PBRMaterial
    from trimesh.visual.texture import TextureVisuals

    material = PBRMaterial(
        baseColorTexture=Image.fromarray(picture), metallicFactor=0.0, roughnessFactor=1.0, doubleSided=True,
        name="Picture",
    )  # fmt: skip
    visual = TextureVisuals(uv=surface.uvs.astype(np.float64), material=material)
    mesh = trimesh.Trimesh(surface.positions, surface.triangles, visual=visual, process=False, validate=False)
    return export_glb(trimesh.Scene({"relief": mesh}), include_normals=False)


def ply(surface: Surface, picture: np.ndarray) -> bytes:
    """A binary PLY file: x y z, texture coordinates s t (v up), and the picture's colour there, sRGB."""
    height, width = picture.shape[:2]
    u, v = surface.uvs.T.astype(np.float64)
    columns = np.clip((u * width).astype(int), 0, width - 1)
    rows = np.clip(((1 - v) * height).astype(int), 0, height - 1)
    fields = [*((name, "<f4") for name in ("x", "y", "z", "s", "t")), *((name, "u1") for name in COLOURS)]
    vertices = np.empty(len(u), fields)
    for name, values in zip("xyz", surface.positions.T, strict=True):
        vertices[name] = values
    vertices["s"], vertices["t"] = surface.uvs.T
    for name, values in zip(COLOURS, picture[rows, columns].T, strict=True):
        vertices[name] = values
    faces = np.empty(len(surface.triangles), [("corners", "u1"), ("vertices", "<i4", 3)])
    faces["corners"], faces["vertices"] = 3, surface.triangles
    header = [
        "ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}",
        *(f"property float {name}" for name in ("x", "y", "z", "s", "t")),
        *(f"property uchar {name}" for name in COLOURS),
        f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header\n",
    ]  # fmt: skip
    return "\n".join(header).encode() + vertices.tobytes() + faces.tobytes()


COLOURS = ("red", "green", "blue")
WRITERS: Mapping[str, Callable[[Surface, np.ndarray], bytes]] = {"glb": glb, "ply": ply}
