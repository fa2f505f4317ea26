"""UV layers that are made for jobs when they are asked for, and taken back where a job comes to nothing.

Nothing is unwrapped when a result comes: Blender unwraps in Edit Mode alone, and the artist may be in another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import bpy

from . import host, resume
from .held import Held, hold
from .session import session
from .tasks import Task


@contextmanager
def unwrapped() -> Iterator[list[Held]]:
    """A list for the layers that are made for a job; they are taken back where it cannot be asked for, or is stopped
    before it is."""
    made: list[Held] = []
    try:
        yield made
    except (Exception, GeneratorExit):
        drop_layers(made)
        raise


def choose(
    things: Sequence[bpy.types.Object], made: list[Held], layer_of: Callable[[bpy.types.Object], tuple[str, bool]]
) -> list[Held]:
    """The things with the layers that `layer_of` says; those that are there for jobs alone are added to `made`."""
    found = []
    for thing in things:
        layer, new = layer_of(thing)
        found.append(hold(thing, layer))
        if new or any(_are_same(found[-1], other) for task in session.tasks for other in _made_for(task)):
            made.append(found[-1])
    return found


def words(made: Sequence[Held]) -> list[str]:
    """Which were unwrapped, for the artist."""
    return [f"unwrapped {each.name} into «{each.layer}»" for each in made]


@resume.resumable
def drop_layers(made: list[Held]) -> None:
    """Take back the layers of a job that came to nothing, but those that another job or a material uses."""
    others = [each for task in session.tasks if _made_for(task) is not made for each in _made_for(task)]
    for each in made:
        thing = each.find()
        if thing is None or each.layer not in thing.data.uv_layers or any(_are_same(each, other) for other in others):
            continue
        if not _is_worn(thing.data, each.layer):
            thing.data.uv_layers.remove(thing.data.uv_layers[each.layer])


def _made_for(task: Task) -> list[Held]:
    """The layers that a task takes back where it comes to nothing."""
    return getattr(task.take_back, "keywords", {}).get("made", [])


def _are_same(one: Held, other: Held) -> bool:
    """Whether both are the same layer of the same mesh."""
    thing, another = one.find(), other.find()
    return one.layer == other.layer and None not in (thing, another) and thing.data == another.data


def _is_worn(mesh: bpy.types.Mesh, layer: str) -> bool:
    """Whether a material that somebody wears reads this layer by its name."""
    worn = {slot.material for thing in bpy.data.objects if thing.data == mesh for slot in thing.material_slots}
    nodes = [node for each in worn if each is not None for node in host.nodes_of(each)]
    return any(node.type in ("UVMAP", "NORMAL_MAP") and node.uv_map == layer for node in nodes)
