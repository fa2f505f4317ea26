"""Draws depth and object numbers on the graphics card, off screen: one pass, no render settings touched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader
from mathutils import Matrix

VERTEX = "void main() { depth = -place.z; gl_Position = to_clip * vec4(place, 1.0); }"
FRAGMENT = "void main() { seen = vec4(depth, number, 0.0, 1.0); }"
Drawable = tuple[int, np.ndarray, np.ndarray]
"""An object's number, positions (V, 3) float32 in camera space, triangles (T, 3)."""


def ready() -> bool:
    """Whether the graphics card (or its software stand-in) can be drawn with; wakes it up in background mode."""
    if _works():
        return True
    if not bpy.app.background:
        return False
    _wake()
    return _works()


def _works() -> bool:
    try:
        gpu.types.GPUOffScreen(8, 8, format="RGBA32F").free()
        return True
    except Exception:  # SystemError, ValueError or RuntimeError, by version and platform
        return False


def _wake() -> None:
    """Blender makes its drawing context in background mode only when something needs it: a tiny render does."""
    if hasattr(gpu, "init"):
        with suppress(Exception):
            gpu.init()
        return
    before = {image.name for image in bpy.data.images}
    scene = bpy.data.scenes.new("Velatura wake")
    try:
        scene.render.engine = "BLENDER_WORKBENCH"
        scene.render.resolution_x = scene.render.resolution_y = 4
        scene.render.resolution_percentage = 100
        scene.camera = bpy.data.objects.new("Velatura wake", bpy.data.cameras.new("Velatura wake"))
        scene.collection.objects.link(scene.camera)
        with suppress(RuntimeError):
            bpy.ops.render.render(scene=scene.name)
    finally:
        camera = scene.camera
        bpy.data.scenes.remove(scene)
        if camera is not None:
            bpy.data.cameras.remove(camera.data)
        for image in [image for image in bpy.data.images if image.name not in before]:
            bpy.data.images.remove(image)


def _shader() -> gpu.types.GPUShader:
    info = gpu.types.GPUShaderCreateInfo()
    info.push_constant("MAT4", "to_clip")
    info.push_constant("FLOAT", "number")
    info.vertex_in(0, "VEC3", "place")
    between = gpu.types.GPUStageInterfaceInfo("velatura_depth")
    between.smooth("FLOAT", "depth")
    info.vertex_out(between)
    info.fragment_out(0, "VEC4", "seen")
    info.vertex_source(VERTEX)
    info.fragment_source(FRAGMENT)
    return gpu.shader.create_from_info(info)


def draw(things: Sequence[Drawable], to_clip: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Depth (H, W) float32, infinity for nothing, and object numbers (H, W) int32, -1 for nothing."""
    shader = _shader()

    def draw() -> None:
        shader.bind()
        shader.uniform_float("to_clip", Matrix(to_clip.tolist()))
        for number, positions, triangles in things:
            batch = batch_for_shader(shader, "TRIS", {"place": positions}, indices=triangles.astype(np.int32))
            shader.uniform_float("number", float(number))
            batch.draw(shader)

    seen = read(draw, width, height)
    hit = seen[..., 3] > 0.5
    depth = np.where(hit, seen[..., 0], np.float32(np.inf)).astype(np.float32)
    return depth, np.where(hit, np.rint(seen[..., 1]), -1).astype(np.int32)


def read(draw: Callable[[], None], width: int, height: int) -> np.ndarray:
    """What `draw` draws off screen, nearest first: (H, W, 4) float32, row 0 on top, zeros for nothing."""
    target = gpu.types.GPUOffScreen(width, height, format="RGBA32F")
    try:
        with target.bind():
            buffer = gpu.state.active_framebuffer_get()
            buffer.clear(color=(0.0, 0.0, 0.0, 0.0), depth=1.0)
            gpu.state.depth_test_set("LESS_EQUAL")
            gpu.state.depth_mask_set(True)
            gpu.state.blend_set("NONE")
            draw()
            pixels = buffer.read_color(0, 0, width, height, 4, 0, "FLOAT")
            gpu.state.depth_test_set("NONE")
            gpu.state.depth_mask_set(False)
    finally:
        target.free()
    pixels.dimensions = width * height * 4
    return np.array(pixels, np.float32).reshape(height, width, 4)[::-1]
