"""Draws triangles on the graphics card, off screen: what a lens sees of arrays. No render settings are touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader
from mathutils import Matrix

from .pace import Breath, Pieces

AT_ONCE = 1 << 16
"""Triangles that are drawn at once; software needs some ten milliseconds for them."""
KINDS = {1: "FLOAT", 2: "VEC2", 3: "VEC3"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shader:
    """A program that draws triangles before a lens. Its sources are GLSL: `to_clip` is the lens's matrix, `number` that
    of what is drawn, `place` a corner, `seen` (vec4) what becomes of a pixel. `given` is what a corner has besides and
    `between` what goes from the vertex to the fragment: how many numbers, by their names.
    """

    vertex: str
    fragment: str
    given: Mapping[str, int]
    between: Mapping[str, int]

    def made(self) -> gpu.types.GPUShader:
        """It on the graphics card."""
        info = gpu.types.GPUShaderCreateInfo()
        info.push_constant("MAT4", "to_clip")
        info.push_constant("FLOAT", "number")
        for place, (name, width) in enumerate({"place": 3, **self.given}.items()):
            info.vertex_in(place, KINDS[width], name)
        across = gpu.types.GPUStageInterfaceInfo("velatura_seen")
        for name, width in self.between.items():
            across.smooth(KINDS[width], name)
        info.vertex_out(across)
        info.fragment_out(0, "VEC4", "seen")
        info.vertex_source(self.vertex)
        info.fragment_source(self.fragment)
        return gpu.shader.create_from_info(info)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawable:
    """Triangles (T, 3) of rows (V, n) float32, "place" in camera space and what the shader is given, and a number."""

    number: int
    triangles: np.ndarray
    rows: Mapping[str, np.ndarray]


DEPTH = Shader(
    vertex="void main() { depth = -place.z; gl_Position = to_clip * vec4(place, 1.0); }",
    fragment="void main() { seen = vec4(depth, number, 0.0, 1.0); }",
    given={},
    between={"depth": 1},
)
"""Depth, and the number of what is seen."""


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


def draw(
    shader: Shader, things: Sequence[Drawable], to_clip: np.ndarray, size: tuple[int, int], breath: Breath
) -> Pieces[np.ndarray]:
    """What a lens sees of things, nearest first: (H, W, 4) float32, row 0 on top, zeros for nothing; `size` is (width,
    height). In pieces: what has been drawn is kept meanwhile."""
    target = gpu.types.GPUOffScreen(*size, format="RGBA32F")
    try:
        with _onto(target) as buffer:
            buffer.clear(color=(0.0, 0.0, 0.0, 0.0), depth=1.0)
        program, matrix = shader.made(), Matrix(to_clip.tolist())
        for thing in things:
            for start in range(0, len(thing.triangles), AT_ONCE):
                part = thing.triangles[start : start + AT_ONCE].ravel()
                batch = batch_for_shader(program, "TRIS", {name: rows[part] for name, rows in thing.rows.items()})
                with _onto(target):
                    program.bind()
                    program.uniform_float("to_clip", matrix)
                    program.uniform_float("number", float(thing.number))
                    batch.draw(program)
                yield from breath.pause()
        return _read(target, *size)
    finally:
        target.free()


@contextmanager
def _onto(target: gpu.types.GPUOffScreen) -> Iterator[gpu.types.GPUFrameBuffer]:
    """What is drawn goes there, the nearest before all else."""
    with target.bind():
        gpu.state.depth_test_set("LESS_EQUAL")
        gpu.state.depth_mask_set(True)
        gpu.state.blend_set("NONE")
        try:
            yield gpu.state.active_framebuffer_get()
        finally:
            gpu.state.depth_test_set("NONE")
            gpu.state.depth_mask_set(False)


def _read(target: gpu.types.GPUOffScreen, width: int, height: int) -> np.ndarray:
    with _onto(target) as buffer:
        pixels = buffer.read_color(0, 0, width, height, 4, 0, "FLOAT")
    pixels.dimensions = width * height * 4
    return np.array(pixels, np.float32).reshape(height, width, 4)[::-1]
