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

from . import capture, place, uvs
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
def layers(things: Sequence[bpy.types.Object], choices: Sequence[uvs.Choice]) -> Iterator[list[Layer]]:
    """The layer of each object, as was chosen; what had to be made is there within the block only.

    Objects that share a mesh share what was made for it. Raises ValueError where a mesh cannot be given a layer.
    """
    found: list[Layer] = []
    made: dict[bpy.types.Mesh, Layer] = {}
    try:
        for thing, choice in zip(things, choices, strict=True):
            mesh = thing.data
            if choice.layer:
                found.append(Layer(name=choice.layer))
                continue
            if mesh not in made:
                name, _ = place.uv_layer(thing, fresh=True)
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
    made = uvs.add(mesh, place.LAYER, layer.uvs)
    if not made:
        raise ValueError(f"{thing.name} has {place.MOST_LAYERS} UV maps already")
    return made


def unwrapped(things: Sequence[bpy.types.Object]) -> list[Held]:
    """The objects, held with their active layers, or with new ones, which are gone again."""
    with layers(things, [uvs.choice(thing, "ACTIVE") for thing in things]) as found:
        return held(things, found)


def held(things: Sequence[bpy.types.Object], found: Sequence[Layer]) -> list[Held]:
    """Objects with layers that are there, to be found and made again."""
    return [hold(thing, layer.name, lent=layer.uvs is not None) for thing, layer in zip(things, found, strict=True)]


def surfaces(
    things: Sequence[bpy.types.Object], found: Sequence[Layer], forms: capture.Forms
) -> list[capture.Reading | None]:
    """The objects' surfaces as Blender has them, with layers that are there; None for what has no faces. `forms` were
    read before, and are of use where no layer was made."""
    bpy.context.view_layer.update()
    depsgraph = bpy.context.evaluated_depsgraph_get()
    forms = {} if any(layer.uvs is not None for layer in found) else forms
    return [capture.reading(thing, depsgraph, layer.name, forms) for thing, layer in zip(things, found, strict=True)]


def need_laid(things: Sequence[bpy.types.Object | capture.Reading], found: Sequence[capture.Reading | None]) -> None:
    """Raises ValueError naming a thing whose surface does not have its layer."""
    for thing, each in zip(things, found, strict=True):
        if each is None or each.laid is None:
            raise ValueError(f"{thing.name} loses its UV map in its modifiers: keep it there, or apply them")


def words(things: Sequence[Held]) -> list[str]:
    """Which are unwrapped with their result, for the artist."""
    return [f"unwrapped {each.name} into «{each.layer}»" for each in things if each.lent]
