"""Small questions to Blender: what is selected, what is allowed, what may be undone."""

from __future__ import annotations

from contextlib import suppress

import bpy

from .client import Endpoint, errors


def selected_meshes(context: bpy.types.Context) -> list[bpy.types.Object]:
    """The selected meshes that are shown, the active one first."""
    chosen = [thing for thing in context.view_layer.objects if thing.select_get() and thing.type == "MESH"]
    active = context.view_layer.objects.active
    return sorted((thing for thing in chosen if thing.visible_get()), key=lambda thing: thing != active)


def frame_size(scene: bpy.types.Scene, longest: int) -> tuple[int, int]:
    """Width and height with the render's aspect, multiples of 8, `longest` pixels at the longer side."""
    render = scene.render
    width = render.resolution_x * render.pixel_aspect_x
    height = render.resolution_y * render.pixel_aspect_y
    scale = longest / max(width, height)
    return tuple(max(round(side * scale / 8) * 8, 64) for side in (width, height))  # type: ignore[return-value]


def check_online(endpoint: Endpoint) -> None:
    """Raises where Blender's «Allow Online Access» is off and the engine is on another computer."""
    if not endpoint.is_local and not bpy.app.online_access:
        raise errors.Unreachable(
            "Blender's online access is off, and the engine is on another computer",
            remedy="Switch it on in Preferences > System > Network.",
        )


def undo_step(message: str) -> None:
    """Everything since the last one can be undone as one step."""
    with suppress(RuntimeError):  # no undo here, as in some background runs
        bpy.ops.ed.undo_push(message=message)


def redraw() -> None:
    """Show the panel anew."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()
