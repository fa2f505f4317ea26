"""A mesh of many faces. Needs nothing but Blender, so that a whole one can be tried with it."""

import bpy
import numpy as np


def ball(around, down):
    """A sphere of many faces, whose UVs are a grid. Blender's own takes a minute for its UVs."""
    u, v = np.meshgrid(np.linspace(0, 1, around + 1), np.linspace(0.01, 0.99, down + 1))
    across, along = u * 2 * np.pi, v * np.pi
    places = np.stack([np.sin(along) * np.cos(across), np.sin(along) * np.sin(across), -np.cos(along)], -1)
    row, column = (each.ravel() for each in np.mgrid[:down, :around])
    first = row * (around + 1) + column
    faces = np.stack([first, first + 1, first + around + 2, first + around + 1], 1)
    mesh = bpy.data.meshes.new("Dense")
    mesh.from_pydata(places.reshape(-1, 3), [], faces)
    grid = np.stack([u, v], -1).reshape(-1, 2)[faces.ravel()].astype(np.float32)
    mesh.uv_layers.new(name="UVMap").uv.foreach_set("vector", grid.ravel())
    return mesh
