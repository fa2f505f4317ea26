"""Runs that are asked for and not yet painted: what an engine was shown of objects, until their result is placed.

Nothing of the file is changed for one. While its job runs a scene knows it as plain bytes beside the jobs that it waits
for (`resume.py`), so that files which are written in between can place the result too, autosaves among them.
"""

from __future__ import annotations

import io
import json
import zlib
from dataclasses import dataclass
from functools import partial

import bpy
import numpy as np

from . import capture, host, resume
from .lent import Layer
from .session import Task, session

NOTED = "velatura_drafts"
"""Property of a scene while jobs run, and in the files of that time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A view before it is painted: depth (H, W) metres, infinity for nothing, and the mask (H, W) of what is meant."""

    lens: capture.Lens
    depth: np.ndarray
    mask: np.ndarray
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """An object as it stood: its name, its layer, and a sample of its shape (`likeness.py`)."""

    name: str
    layer: Layer
    shape: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A run before it is painted; `settings` are properties of the run."""

    settings: dict
    views: tuple[Seen, ...]
    targets: tuple[Meant, ...]


HELD: dict[str, tuple[int, bytes]] = {}
"""Drafts of this session, each with its scene's number, which outlives an undo and a new name."""


def hold(key: str, data: bytes, scene: int) -> None:
    """Keep a packed draft while its job runs; `scene` is the `session_uid` of the one that it is for."""
    HELD[key] = scene, data


def known(key: str) -> bytes | None:
    """A packed draft; None where nobody knows it."""
    if key in HELD:
        return HELD[key][1]
    scene = _scene_that_knows(key)
    return None if scene is None else bytes(scene[NOTED][key])


def take(key: str) -> bpy.types.Scene | None:
    """The scene of a draft; None where nobody knows it. It is forgotten."""
    scene = host.scene_of(HELD[key][0]) if key in HELD else _scene_that_knows(key)
    drop(key)
    return scene


@resume.resumable
def drop(key: str) -> None:
    """Forget a draft."""
    HELD.pop(key, None)
    scene = _scene_that_knows(key)
    if scene is not None:
        del scene[NOTED][key]
        if not len(scene[NOTED]):
            del scene[NOTED]


def keep() -> None:
    """Write down in their scenes the drafts of running jobs, and none that nobody waits for."""
    running = {task.place.keywords.get("key") for task in session.tasks if isinstance(task.place, partial)}
    waiting = "".join(scene.get(resume.WAITING, "") for scene in bpy.data.scenes)
    noted = [key for scene in bpy.data.scenes for key in scene.get(NOTED, {}).keys()]  # noqa: SIM118
    for key in noted:
        if key not in running and key not in waiting:
            drop(key)
    for key in running.intersection(HELD).difference(noted):
        number, data = HELD[key]
        scene = host.scene_of(number)
        if NOTED not in scene:
            scene[NOTED] = {}
        scene[NOTED][key] = data


def _scene_that_knows(key: str) -> bpy.types.Scene | None:
    return next((scene for scene in bpy.data.scenes if key in scene.get(NOTED, {})), None)


def packed(draft: Draft) -> bytes:
    """A draft as bytes. Touches no Blender data."""
    arrays = {}
    for number, seen in enumerate(draft.views):
        arrays |= {f"depth{number}": seen.depth, f"mask{number}": np.packbits(seen.mask),
                   f"pose{number}": seen.lens.world_to_camera, f"clip{number}": seen.lens.camera_to_clip}  # fmt: skip
    for number, meant in enumerate(draft.targets):
        if meant.layer.uvs is not None:
            arrays[f"uvs{number}"] = meant.layer.uvs
    told = {
        "settings": draft.settings,
        "views": [[seen.words, seen.lens.orthographic] for seen in draft.views],
        "targets": [
            [meant.name, meant.shape, meant.layer.name, meant.layer.faces, meant.layer.why] for meant in draft.targets
        ],
    }
    file = io.BytesIO()
    np.savez(file, told=np.array(json.dumps(told)), **arrays)
    return zlib.compress(file.getvalue(), 1)


def unpacked(data: bytes) -> Draft:
    """The draft that was made bytes."""
    with np.load(io.BytesIO(zlib.decompress(data))) as file:
        arrays = dict(file)
    told = json.loads(str(arrays["told"]))
    views = []
    for number, (words, orthographic) in enumerate(told["views"]):
        depth = arrays[f"depth{number}"]
        mask = np.unpackbits(arrays[f"mask{number}"], count=depth.size).reshape(depth.shape).astype(bool)
        lens = capture.Lens(
            world_to_camera=arrays[f"pose{number}"], camera_to_clip=arrays[f"clip{number}"], orthographic=orthographic
        )
        views.append(Seen(lens=lens, depth=depth, mask=mask, words=words))
    targets = [
        Meant(name=name, shape=shape,
              layer=Layer(name=layer, uvs=arrays.get(f"uvs{number}"), faces=faces, why=why))
        for number, (name, shape, layer, faces, why) in enumerate(told["targets"])
    ]  # fmt: skip
    return Draft(settings=told["settings"], views=tuple(views), targets=tuple(targets))


@bpy.app.handlers.persistent
def _keep(*_: object) -> None:
    keep()


@bpy.app.handlers.persistent
def _forget(*_: object) -> None:
    HELD.clear()


def _heard(_: Task) -> None:
    keep()


HANDLERS = (
    (bpy.app.handlers.save_pre, _keep),
    (bpy.app.handlers.undo_post, _keep),
    (bpy.app.handlers.redo_post, _keep),
    (bpy.app.handlers.load_pre, _forget),
)


def register() -> None:
    """Watch for files being saved and opened, and for steps being undone."""
    for where, handler in HANDLERS:
        where.append(handler)
    session.heard.append(_heard)


def unregister() -> None:
    """Watch no more."""
    session.heard.remove(_heard)
    for where, handler in HANDLERS:
        where.remove(handler)
