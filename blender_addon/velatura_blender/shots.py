"""Pictures of what the scene's camera shows, rendered or drawn as a 3D view draws. The scene is left as it was.

What takes long is a generator: it yields while there is nothing to do but wait, so that the window stays alive, and
whoever closes it gets everything put back.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import bpy
import gpu
import numpy as np

from . import capture, drawing, host, looks, offscreen, place
from .pace import Pieces, beside

FIRST = ("media_type", "file_format", "color_mode", "color_depth")
"""Properties that decide which values others can have."""
RESULT = "Render Result"
LARGEST = 4096
"""Pixels a side that are drawn off screen at most."""
TREES = ("node_tree", "compositing_node_group")  # of a scene, before and since Blender 5.0


def camera_of(scene: bpy.types.Scene) -> bpy.types.Object:
    """The camera, which can be captured. Raises ValueError that says what to do."""
    if scene.camera is None:
        raise ValueError("The scene has no camera: add one and look through it (Ctrl Alt 0)")
    if scene.camera.data.type == "PANO":
        raise ValueError("Panoramic cameras have no depth that can be followed: use a perspective or orthographic one")
    if scene.render.use_multiview:
        raise ValueError("Stereoscopy renders two pictures: switch it off in the output properties")
    return scene.camera


def notes(scene: bpy.types.Scene) -> dict[str, object]:
    """How the picture came to be, for its recipe: renderer, camera, frame and colour management."""
    view, made = scene.view_settings, scene.render.engine
    return {
        "blender": bpy.app.version_string, "renderer": made, "camera": scene.camera.name, "frame": scene.frame_current,
        "display": scene.display_settings.display_device, "view_transform": view.view_transform, "look": view.look,
        "exposure": round(view.exposure, 6), "gamma": round(view.gamma, 6), "curves": view.use_curve_mapping,
    }  # fmt: skip


@contextmanager
def as_it_was(*owners: Any) -> Iterator[None]:
    """Afterwards all plain properties of these have the values that they have now."""
    before = [(owner, _values(owner)) for owner in owners]
    try:
        yield
    finally:
        for owner, values in before:
            for name in sorted(values, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST)):
                if _value(owner, name) != values[name]:
                    with suppress(TypeError, AttributeError):  # what cannot be set now could not be changed either
                        setattr(owner, name, values[name])


def _values(owner: Any) -> dict[str, Any]:
    plain = [known for known in owner.bl_rna.properties if known.type not in ("POINTER", "COLLECTION")]
    return {known.identifier: _value(owner, known.identifier) for known in plain if not known.is_readonly}


def _value(owner: Any, name: str) -> Any:
    value = getattr(owner, name)
    return tuple(value) if hasattr(value, "__len__") and not isinstance(value, str | bytes | set) else value


@contextmanager
def at_frame(scene: bpy.types.Scene, number: int) -> Iterator[None]:
    """The scene at another frame; afterwards at its own, with its own camera."""
    before, part, camera = scene.frame_current, scene.frame_subframe, scene.camera
    scene.frame_set(number)
    try:
        yield
    finally:
        scene.frame_set(before, subframe=part)
        if scene.camera != camera:  # a marker chose another one
            scene.camera = camera


@contextmanager
def _for_a_picture(scene: bpy.types.Scene, size: tuple[int, int]) -> Iterator[None]:
    """Render settings for one whole picture of this size that nobody else gets; the artist's own afterwards."""
    render = scene.render
    with as_it_was(render, render.image_settings, bpy.context.preferences.view), _without_files(scene):
        render.resolution_x, render.resolution_y = size
        render.resolution_percentage = 100
        render.pixel_aspect_x = render.pixel_aspect_y = 1.0  # the size has the render's shape already
        render.use_border = render.use_sequencer = render.use_stamp = False
        if hasattr(render.image_settings, "media_type"):
            render.image_settings.media_type = "IMAGE"
        render.image_settings.file_format = "PNG"
        render.image_settings.color_mode, render.image_settings.color_depth = "RGBA", "8"
        render.image_settings.compression = 0  # it is read at once, and to deflate it takes long
        if hasattr(render.image_settings, "color_management"):
            render.image_settings.color_management = "FOLLOW_SCENE"
        if host.has_window():
            render.use_lock_interface = True
            bpy.context.preferences.view.render_display_type = "NONE"
        yield


@contextmanager
def _without_files(scene: bpy.types.Scene) -> Iterator[None]:
    """File Output nodes of the compositor write nothing meanwhile: their files are the artist's."""
    muted = [node for node in _nodes(scene) if node.type == "OUTPUT_FILE" and not node.mute]
    try:
        for node in muted:
            node.mute = True
        yield
    finally:
        for node in muted:
            node.mute = False


def _nodes(scene: bpy.types.Scene) -> list[bpy.types.Node]:
    """All nodes of a scene's compositor, those in groups too."""
    trees = [tree for tree in (getattr(scene, name, None) for name in TREES) if tree is not None]
    found, seen = [], set()
    while trees:
        tree = trees.pop()
        if tree.as_pointer() in seen:
            continue
        seen.add(tree.as_pointer())
        found += list(tree.nodes)
        trees += [node.node_tree for node in tree.nodes if node.type == "GROUP" and node.node_tree is not None]
    return found


@contextmanager
def _own_result() -> Iterator[None]:
    """The artist's last render stays: ours goes into another slot, or away where there was none."""
    before = bpy.data.images.get(RESULT)
    slots = before.render_slots if before is not None else None
    active = slots.active_index if slots is not None else 0
    if slots is not None and len(slots) > 1:
        slots.active_index = len(slots) - 1 if active != len(slots) - 1 else 0
    try:
        yield
    finally:
        made = bpy.data.images.get(RESULT)
        if before is None and made is not None and not bpy.app.is_job_running("RENDER"):
            bpy.data.images.remove(made)
        elif before is not None and made is not None and made.render_slots.active_index != active:
            made.render_slots.active_index = active


def rendered(scene: bpy.types.Scene, size: tuple[int, int]) -> Pieces[np.ndarray]:
    """What a final render of this size shows, (H, W, 4) uint8 as it is displayed, straight alpha, row 0 on top.

    In the window the interface is locked meanwhile, as renders can lock it, and Escape stops it. Raises ValueError
    where nothing was rendered.
    """
    handle, name = tempfile.mkstemp(suffix=".png", dir=bpy.app.tempdir)
    os.close(handle)
    try:
        with ExitStack() as put_back:
            put_back.enter_context(_own_result())
            put_back.enter_context(_for_a_picture(scene, size))
            yield from _render(scene)
            try:
                bpy.data.images[RESULT].save_render(name, scene=scene)
            except (RuntimeError, KeyError) as error:
                raise ValueError(f"The render came to nothing: {error}") from None
        read = _read(Path(name))
        (found,) = yield from beside([read.texels])
        return found
    finally:
        Path(name).unlink(missing_ok=True)


def _render(scene: bpy.types.Scene) -> Pieces[None]:
    stopped: list[bool] = []

    def note(*_: Any) -> None:
        stopped.append(True)

    bpy.app.handlers.render_cancel.append(note)
    try:
        if host.has_window():
            with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
                bpy.ops.render.render("INVOKE_DEFAULT", scene=scene.name)
            yield
            while bpy.app.is_job_running("RENDER"):
                yield
        else:
            bpy.ops.render.render(scene=scene.name)
    except RuntimeError as error:
        raise ValueError(f"The render failed: {str(error).strip().removeprefix('Error: ')}") from None
    finally:
        bpy.app.handlers.render_cancel.remove(note)
    if stopped:
        raise ValueError("The render was stopped")


def _read(file: Path) -> looks.Numbers:
    loaded = bpy.data.images.load(str(file), check_existing=False)
    try:
        if not all(loaded.size):
            raise ValueError("The render came to nothing: its picture cannot be read")
        return place.raw(loaded)
    finally:
        bpy.data.images.remove(loaded)


def drawn(scene: bpy.types.Scene, size: tuple[int, int], *, layer: bpy.types.ViewLayer | None = None) -> np.ndarray:
    """What a 3D view shows through the scene's camera, without overlays; (H, W, 4) uint8, alpha 255, row 0 on top.

    In Workbench's shading it is drawn once, at twice the size: Blender's own anti-aliasing would draw it eight times,
    and the window wait. Raises ValueError where there is no 3D view or no graphics card to draw with.
    """
    found = drawing.view()
    if found is None:
        raise ValueError("There is no 3D view to draw as: open one, or take the render")
    if not offscreen.ready():
        raise ValueError("There is no graphics card to draw with here: take the render")
    layer = layer or scene.view_layers[0]
    lens = capture.lens_of(scene.camera, layer.depsgraph, *size, square=True)
    if found[0].shading.type not in ("SOLID", "WIREFRAME") or max(size) > LARGEST // 2:
        return _drawn_as(found, (scene, layer), lens, size)
    haste = drawing.Haste()
    haste.begin()
    try:
        color = _drawn_as(found, (scene, layer), lens, (2 * size[0], 2 * size[1]))
    finally:
        haste.end()
    parts = color.reshape(size[1], 2, size[0], 2, 4)
    return np.rint(parts.mean((1, 3))).astype(np.uint8)


def _drawn_as(
    found: drawing.View, where: tuple[bpy.types.Scene, bpy.types.ViewLayer], lens: capture.Lens, size: tuple[int, int]
) -> np.ndarray:
    target = gpu.types.GPUOffScreen(*size)
    try:
        return drawing.draw(target, found, where, lens.world_to_camera, lens.camera_to_clip, size)[0]
    finally:
        target.free()
