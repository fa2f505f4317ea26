"""Small questions to Blender: what is selected, what is allowed, what may be undone."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import bpy

from .client import Endpoint, errors
from .status import OFFLINE

EDITORS = ("VIEW_3D", "IMAGE_EDITOR", "NODE_EDITOR")
"""Those that show our panels."""
PARTS_MARKED_IN = ("EDIT_MESH", "PAINT_TEXTURE")
"""Modes in which an artist marks a part of a surface."""


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
            reason=OFFLINE,
        )


def shown_image(context: bpy.types.Context) -> bpy.types.Image | None:
    """The picture of the Image editor that asks, else of the first one that shows any."""
    space = context.space_data
    if space is not None and space.type == "IMAGE_EDITOR":
        return space.image
    return next((space.image for space in _image_editors() if space.image is not None), None)


def show_image(image: bpy.types.Image, before: str) -> None:
    """Show an image in the Image editors that showed the image named `before`, or nothing."""
    for space in _image_editors():
        if space.image is None or space.image.name == before:
            space.image = image


def _image_editors():
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR":
                yield area.spaces.active


def view_of(context: bpy.types.Context) -> tuple[bpy.types.Region, bpy.types.RegionView3D] | None:
    """The 3D view that is worked in, else the largest one; None where nobody looks."""
    if not has_window():
        return None
    here, shown = context.space_data, context.region_data
    areas = [area for window in context.window_manager.windows for area in window.screen.areas]
    for area in sorted(areas, key=lambda area: -area.width * area.height):
        if area.type != "VIEW_3D" or (here is not None and here.type == "VIEW_3D" and area.spaces.active != here):
            continue
        region = next(region for region in area.regions if region.type == "WINDOW")
        return region, shown or area.spaces.active.region_3d
    return None


def has_editor() -> bool:
    """An Image editor is open."""
    return any(True for _ in _image_editors())


def take_editor(image: bpy.types.Image) -> tuple[int, str]:
    """Show an image in one Image editor, one that shows nothing before others; which one, and what it showed before."""
    found = sorted(_image_editors(), key=lambda space: space.image is not None)
    if not found:
        return 0, ""
    before = found[0].image.name if found[0].image is not None else ""
    found[0].image = image
    return found[0].as_pointer(), before


def give_editor_back(taken: tuple[int, str]) -> None:
    """Show again what an editor showed before it was taken."""
    for space in _image_editors():
        if space.as_pointer() == taken[0]:
            space.image = bpy.data.images.get(taken[1])


def edited_material(context: bpy.types.Context) -> str:
    """The name of the material that the Shader editor which asks shows, else ""."""
    space = context.space_data
    if space is None or space.type != "NODE_EDITOR" or space.tree_type != "ShaderNodeTree":
        return ""
    return space.id.name if isinstance(space.id, bpy.types.Material) else ""


def scene_of(number: int) -> bpy.types.Scene:
    """A scene by its `session_uid`, whatever it is called by now; where it is gone, the one that is open."""
    here, scenes = bpy.context.scene, bpy.data.scenes
    return next((scene for scene in scenes if scene.session_uid == number), here or scenes[0])


def open_scene() -> int:
    """The `session_uid` of the scene that is open; 0 where none is."""
    return bpy.context.scene.session_uid if bpy.context.scene is not None else 0


@contextmanager
def within(number: int) -> Iterator[None]:
    """Blender's context as if the scene of this number were open; the artist sees the one that is.

    Timers have no window, and so none of the view layers is the artist's: that of a window which shows the scene is.
    """
    scene, here = scene_of(number), bpy.context
    if scene == here.scene and here.window is not None:
        yield
        return
    shown = next((window for window in here.window_manager.windows if window.scene == scene), None)
    if shown is not None:
        with _as_in(shown):
            yield
    else:
        with here.temp_override(scene=scene, view_layer=scene.view_layers[0]):
            yield


@contextmanager
def in_a_window() -> Iterator[None]:
    """The context of a window, whichever scene it shows: Blender's operators work in no other one."""
    window = bpy.context.window or next(iter(bpy.context.window_manager.windows), None)
    if window is None or (window == bpy.context.window and window.scene == bpy.context.scene):
        yield
    else:
        with _as_in(window):
            yield


def _as_in(window: bpy.types.Window) -> AbstractContextManager[None]:
    # The window alone would leave a scene that is overridden already.
    return bpy.context.temp_override(window=window, scene=window.scene, view_layer=window.view_layer)


def is_editing() -> bool:
    """The artist is in an Edit Mode."""
    with in_a_window():
        return bpy.context.mode.startswith("EDIT")


def undo_step(message: str) -> None:
    """Everything since the last one can be undone as one step."""
    with suppress(RuntimeError):  # no undo here, as in some background runs
        bpy.ops.ed.undo_push(message=message)


def ids() -> set[int]:
    """The images and materials that there are, by numbers that outlive an undo."""
    return {each.session_uid for kind in (bpy.data.materials, bpy.data.images) for each in kind}


def nodes_of(owner: bpy.types.Material | bpy.types.World) -> Collection[bpy.types.Node]:
    """The nodes that a material or a world is made of; none where it does without."""
    # Since Blender 5.0 none does without, and even to ask warns.
    tree = owner.node_tree if bpy.app.version >= (5, 0) or owner.use_nodes else None
    return tree.nodes if tree is not None else ()


def give_nodes(owner: bpy.types.Material | bpy.types.World) -> bpy.types.NodeTree:
    """The node tree of a material or a world, made where there is none."""
    if bpy.app.version < (5, 0):
        owner.use_nodes = True
    return owner.node_tree


def remove_unused(known: set[int]) -> None:
    """Remove the materials and images that are not among those known, and that nothing uses."""
    for kind in (bpy.data.materials, bpy.data.images):
        for each in [each for each in kind if each.session_uid not in known and not each.users]:
            kind.remove(each)


def has_window() -> bool:
    """Somebody looks, timers run, and nothing may wait."""
    return not bpy.app.background


def redraw() -> None:
    """Show the panels anew, and nothing else: a whole 3D view takes long to draw."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in (*EDITORS, "PREFERENCES"):
                for region in area.regions:
                    if region.type == "UI" or area.type == "PREFERENCES":
                        region.tag_redraw()


def redraw_pictures() -> None:
    """Show Image editors anew, and 3D views, which may have a picture behind them."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in ("IMAGE_EDITOR", "VIEW_3D"):
                for region in area.regions:
                    if region.type == "WINDOW":
                        region.tag_redraw()
