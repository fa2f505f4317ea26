"""Objects that a job is for: found again when its result comes, whatever the artist has called them meanwhile.

In memory they go by a number that outlives renaming and undoing, as long as the file is open. What is written into the
file (`resume.py`) names them as they are called at that moment, and says which are gone. The UV layer that a job is
painted for is held with its numbers: the artist may undo its making, or change it, and one that is only lent
(`lent.py`) is nowhere else.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import bpy
import numpy as np

from . import place, uvs

WORD = "held_object"
"""Marks an object in what is written."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """An object by what it was called when it was held, its number, 0 for none, and its type.

    `layer` is the UV layer that is meant, `uvs` (2 L,) what it held, and `faces` a digest of whose corners these are;
    `lent` says that it comes with the result, and that nothing of the file has its numbers before.
    """

    name: str
    uid: int
    kind: str = "MESH"
    layer: str = ""
    uvs: np.ndarray | None = None
    faces: str = ""
    lent: bool = False

    def find(self) -> bpy.types.Object | None:
        """The object; None where it is gone, or of another type by now.

        Deleted ones stay in the file while anything names them, in no scene.
        """
        thing = next((thing for thing in bpy.data.objects if self.uid and thing.session_uid == self.uid), None)
        return thing if thing is not None and thing.users_scene and thing.type == self.kind else None

    def lay(self) -> str:
        """The layer's name with what it held: made again where it is missing or was changed; "" where it cannot be.

        In Edit Mode, under Dyntopo, and where corners have come or gone, a layer of this name is taken as it is.
        """
        thing = self.find()
        there = self.layer if self.layer in thing.data.uv_layers else ""
        if self.uvs is None or thing.use_dynamic_topology_sculpting or (there and thing.data.is_editmode):
            return there
        if uvs.faces(thing.data) != self.faces:
            return there
        if there and np.array_equal(uvs.values(thing.data, there), self.uvs):
            return there
        return uvs.add(thing.data, self.layer if not there else place.LAYER, self.uvs)

    def lay_any(self) -> str:
        """The layer's name, whatever it holds now; where it cannot be had, that of the active one, or ""."""
        layers = self.find().data.uv_layers
        if self.layer in layers:
            return self.layer
        return self.lay() or (layers.active.name if layers.active is not None else "")


def hold(thing: bpy.types.Object, layer: str = "", *, lent: bool = False) -> Held:
    """An object, to be found again, with a UV layer of it, which may be only lent."""
    known = {"name": thing.name, "uid": thing.session_uid, "kind": thing.type, "layer": layer}
    mesh = thing.data
    if not layer or layer not in mesh.uv_layers or being_edited(thing):
        return Held(**known)
    return Held(**known, uvs=uvs.values(mesh, layer), faces=uvs.faces(mesh), lent=lent)


def being_edited(thing: bpy.types.Object) -> bool:
    """Whether its mesh is not the one that is seen: in Edit Mode, and in Sculpt Mode with Dyntopo."""
    return thing.data.is_editmode or thing.use_dynamic_topology_sculpting


def write(held: Any) -> dict[str, Any]:
    """Words for JSON, which `read` takes; TypeError for anything that is not held, as `json` wants it."""
    if not isinstance(held, Held):
        raise TypeError(f"{type(held).__name__} cannot be written down")
    thing = held.find()
    words = {WORD: held.name if thing is None else thing.name, "gone": thing is None, "layer": held.layer}
    if held.lent and thing is not None and held.layer not in thing.data.uv_layers:
        words |= {"uvs": _packed(held), "faces": held.faces}
    return words


def read(words: dict[str, Any]) -> Any:
    """What was written, of an object that is in the file now; other words as they are. Raises ValueError for UVs that
    are no numbers, or more than the object has corners."""
    if WORD not in words:
        return words
    thing = None if words["gone"] else bpy.data.objects.get((words[WORD], None))
    if thing is None:
        return Held(name=words[WORD], uid=0, layer=words["layer"])
    if "uvs" not in words or words["layer"] in thing.data.uv_layers:
        return hold(thing, words["layer"])
    numbers = np.frombuffer(_unpacked(words["uvs"], 8 * len(thing.data.loops)), np.float32)
    known = {"name": thing.name, "uid": thing.session_uid, "layer": words["layer"]}
    return Held(**known, uvs=numbers, faces=words["faces"], lent=True)


@lru_cache(maxsize=16)  # jobs are written down whenever one begins, ends, or a step is undone
def _packed(held: Held) -> str:
    return base64.b64encode(zlib.compress(held.uvs.tobytes(), 1)).decode()


def _unpacked(text: str, most: int) -> bytes:
    # Files come from others: a few bytes may stand for all memory there is.
    try:
        stream = zlib.decompressobj()
        found = stream.decompress(base64.b64decode(text), most + 1)
    except zlib.error as error:
        raise ValueError(f"what was packed is broken: {error}") from None
    if len(found) > most:
        raise ValueError("more was packed than the object has corners")
    return found
