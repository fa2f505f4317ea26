"""UV layers that a job is asked with: lent to be measured, gone while it runs, and given when its result is placed.

In between they are kept as numbers, so that nothing of the file is changed before there is a result, and then all in
one step that can be undone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import bmesh
import bpy
import numpy as np

from . import place, uvs


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer of an object. `uvs` (2 L,) of the mesh's L corners where it has to be made, None where it is there;
    `faces` tells the mesh from one with other faces; `why` is what was wrong with the layer before, in words."""

    name: str
    uvs: np.ndarray | None = None
    faces: str = ""
    why: str = ""


@contextmanager
def layers(things: Sequence[bpy.types.Object], choices: Sequence[uvs.Choice]) -> Iterator[list[Layer]]:
    """The layer of each object, as was chosen; what had to be made is there within the block only.

    Objects that share a mesh share what was made for it. Raises ValueError where a mesh cannot be given a layer.
    """
    found: list[Layer] = []
    made: dict[bpy.types.Mesh, Layer] = {}
    try:
        for thing, choice in zip(things, choices, strict=True):
            mesh = thing.data
            if mesh not in made:
                name, new = (choice.layer, False) if choice.layer else place.layer_to_paint(thing, fresh=True)
                if not new:
                    found.append(Layer(name=name))
                    continue
                made[mesh] = Layer(name=name, uvs=uvs.values(mesh, name), faces=uvs.faces(mesh), why=choice.why)
            found.append(made[mesh])
        yield found
    finally:
        for mesh, layer in made.items():
            mesh.uv_layers.remove(mesh.uv_layers[layer.name])


def give(thing: bpy.types.Object, layer: Layer) -> str:
    """The name of an object's layer, made where need be; one of ours with the very UVs serves again. Raises ValueError
    where the mesh is not the one that it was meant for any more."""
    mesh = thing.data
    if layer.uvs is None:
        if layer.name not in mesh.uv_layers:
            raise ValueError(f"{thing.name} has lost its UV map «{layer.name}»")
        return layer.name
    if thing.use_dynamic_topology_sculpting:  # the mesh's own numbers are old then
        raise ValueError(f"{thing.name} is being sculpted with Dyntopo")
    if uvs.faces(mesh) != layer.faces:
        raise ValueError(f"the faces of {thing.name} are others by now")
    for known in mesh.uv_layers:
        if known.name.startswith(place.LAYER) and np.array_equal(uvs.values(mesh, known.name), layer.uvs):
            return known.name
    return _made(mesh, layer.uvs, thing.name)


def _made(mesh: bpy.types.Mesh, values: np.ndarray, owner: str) -> str:
    if len(mesh.uv_layers) >= place.MOST_LAYERS:
        raise ValueError(f"{owner} has {place.MOST_LAYERS} UV maps already")
    if mesh.is_editmode:
        edited = bmesh.from_edit_mesh(mesh)
        key = edited.loops.layers.uv.new(place.LAYER)
        for loop, uv in zip(uvs.loops(edited), values.reshape(-1, 2).tolist(), strict=True):
            loop[key].uv = uv
        bmesh.update_edit_mesh(mesh)
        return key.name
    return place.add_layer(mesh, place.LAYER, values)
