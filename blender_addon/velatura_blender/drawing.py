"""What a 3D view draws, off screen: colours in its shading, and the depth of the same draw."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import gpu
import numpy as np
from mathutils import Matrix

EEVEE = ("BLENDER_EEVEE", "BLENDER_EEVEE_NEXT")
"""Its name in all versions."""
View = tuple[bpy.types.SpaceView3D, bpy.types.Region]


class Haste:
    """Draws off screen without anti-aliasing between `begin` and `end`, as Blender draws a view while it is navigated.

    Else a 3D view is drawn off screen once for each sample, eight times by default. Each change of the preference has
    the whole window drawn anew, so that it holds for many draws.
    """

    def __init__(self) -> None:
        self._before = ""

    def begin(self) -> None:
        """From now on."""
        system = bpy.context.preferences.system
        if not self._before and system.viewport_aa != "OFF":
            self._before = system.viewport_aa
            _set_samples("OFF")

    def end(self) -> None:
        """As the artist has it, unless they have chosen otherwise meanwhile."""
        before, self._before = self._before, ""
        if before and bpy.context.preferences.system.viewport_aa == "OFF":
            _set_samples(before)


def _set_samples(samples: str) -> None:
    preferences = bpy.context.preferences
    changed = preferences.is_dirty
    preferences.system.viewport_aa = samples
    preferences.is_dirty = changed  # nothing that is to be saved


def view(chosen: int = 0) -> View | None:
    """The 3D view whose area has this address, else one that is open, else any workspace's; None: there is none."""
    open_ones = [window.screen for window in bpy.context.window_manager.windows]
    areas = [area for screen in (*open_ones, *bpy.data.screens) for area in screen.areas if area.type == "VIEW_3D"]
    if not areas:
        return None
    area = next((area for area in areas if area.as_pointer() == chosen), areas[0])
    return area.spaces.active, next(each for each in area.regions if each.type == "WINDOW")


def draw(
    target: gpu.types.GPUOffScreen,
    shown: View,
    where: tuple[bpy.types.Scene, bpy.types.ViewLayer],
    pose: np.ndarray,
    clip: np.ndarray,
    size: tuple[int, int],
    *,
    background: bool = True,
    managed: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Colours (H, W, 4) uint8 as they are displayed, and depth (H, W) float32 metres, infinity where nothing is drawn.

    `pose` is world_to_camera, `clip` camera_to_clip, both (4, 4); row 0 is on top. Not `managed`: without the display's
    own colours; without `background` what is behind the scene is black.
    """
    (space, region), (scene, layer), (width, height) = shown, where, size
    with without_overlays(space):
        target.draw_view3d(
            scene, layer, space, region, Matrix(pose.tolist()), Matrix(clip.tolist()), do_color_management=managed,
            draw_background=background,
        )  # fmt: skip
    with target.bind():
        buffer = gpu.state.active_framebuffer_get()
        colors, depths = buffer.read_color(0, 0, width, height, 4, 0, "UBYTE"), buffer.read_depth(0, 0, width, height)
    colors.dimensions, depths.dimensions = width * height * 4, width * height
    color = np.array(colors, np.uint8).reshape(height, width, 4)[::-1].copy()
    color[..., 3] = 255
    return color, _metric(np.array(depths, np.float32).reshape(height, width)[::-1], clip)


def _metric(window: np.ndarray, clip: np.ndarray) -> np.ndarray:
    """Metres along the view's axis of what a depth buffer holds, 0 to 1; 1 is nothing."""
    place = window.astype(np.float64) * 2 - 1
    if abs(clip[3][3]) > 0.5:  # orthographic; a 3D view's own reaches behind the eye
        depth = (clip[2][3] - place) / clip[2][2]
        nearest = depth[window < 1].min(initial=np.inf)
        depth = depth - nearest + 1 if nearest <= 0 else depth
    else:
        depth = clip[2][3] / (place + clip[2][2])
    return np.where(window < 1, depth, np.inf).astype(np.float32)


@contextmanager
def without_overlays(space: bpy.types.SpaceView3D) -> Iterator[None]:
    """Nothing is drawn but the scene: no grid, no outlines, no cameras' background images."""
    shown = space.overlay.show_overlays
    if shown:
        space.overlay.show_overlays = False
    try:
        yield
    finally:
        if shown:
            space.overlay.show_overlays = True
