"""Objects that a job is for: found again when its result comes, whatever the artist has called them meanwhile.

In memory they go by a number that outlives renaming and undoing, as long as the file is open. What is written into the
file (`resume.py`) names them as they are called at that moment, and says which are gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy

WORD = "held_object"
"""Marks an object in what is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An object by what it was called when it was held, and its number; 0 is that of none."""

    name: str
    uid: int

    def find(self) -> bpy.types.Object | None:
        """The object; None where it is gone."""
        return next((thing for thing in bpy.data.objects if self.uid and thing.session_uid == self.uid), None)


def hold(thing: bpy.types.Object) -> Held:
    """An object, to be found again."""
    return Held(name=thing.name, uid=thing.session_uid)


def write(held: Any) -> dict[str, Any]:
    """Words for JSON, which `read` takes; TypeError for anything that is not held, as `json` wants it."""
    if not isinstance(held, Held):
        raise TypeError(f"{type(held).__name__} cannot be written down")
    thing = held.find()
    return {WORD: held.name if thing is None else thing.name, "gone": thing is None}


def read(words: dict[str, Any]) -> Any:
    """What was written, of an object that is in the file now; other words as they are."""
    if WORD not in words:
        return words
    thing = None if words["gone"] else bpy.data.objects.get((words[WORD], None))
    return Held(name=words[WORD], uid=0) if thing is None else hold(thing)
