"""UV layers that a job is asked with: lent to be measured, gone while it runs, and given when its result is placed.

In between they are kept as numbers, so that nothing of the file is changed before there is a result, and then all in
one step that can be undone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import bpy
import numpy as np

from . import place, uvs
from .held import Held, hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer of an object. `uvs` (2 L,) of the mesh's L corners where it has to be made, None where it is there;
    `faces` tells the mesh from one with other faces; `why` is what was wrong with the layer before, in words."""

    name: str
    uvs: np.ndarray | None = None
    faces: str = ""
    why: str = ""


@contextmanager
def layers(things: Sequence[bpy.types.Object], policy: str) -> Iterator[list[Layer]]:
    """The layer of each object, by the policy of `uvs.layer_for`; what had to be made is there within the block only.

    Objects that share a mesh share what was made for it, but those that were painted in another layer of ours.
    """
    found: list[Layer] = []
    made: dict[bpy.types.Mesh, Layer] = {}
    try:
        for thing in things:
            mesh = thing.data
            if mesh not in made or _paints_on(thing):
                name, new, why = uvs.layer_for(thing, policy)
                if not new:
                    found.append(Layer(name=name))
                    continue
                made[mesh] = Layer(name=name, uvs=uvs.values(mesh, name), faces=uvs.faces(mesh), why=why)
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
    made = uvs.add(mesh, place.LAYER, layer.uvs)
    if not made:
        raise ValueError(f"{thing.name} has {place.MOST_LAYERS} UV maps already")
    return made


def unwrapped(things: Sequence[bpy.types.Object], policy: str) -> list[Held]:
    """The objects, held with their layers, which are gone again where they had to be made."""
    with layers(things, policy) as found:
        return held(things, found)


def held(things: Sequence[bpy.types.Object], found: Sequence[Layer]) -> list[Held]:
    """Objects with layers that are there, to be found and made again."""
    return [
        hold(thing, layer.name, lent=layer.uvs is not None) for thing, layer in zip(things, found, strict=True)
    ]  # fmt: skip


def words(things: Sequence[Held]) -> list[str]:
    """Which are unwrapped with their result, for the artist."""
    return [f"unwrapped {each.name} into «{each.layer}»" for each in things if each.lent]


def _paints_on(thing: bpy.types.Object) -> bool:
    """Whether an object's look lies in a layer of ours."""
    worn = place.look(thing)
    return worn is not None and worn.layer.startswith(place.LAYER)
