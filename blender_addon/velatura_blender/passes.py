"""What lies beside a picture: depth, normals and masks as the camera has them, and as OpenEXR files for compositors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader
from mathutils import Matrix

from . import capture, meshes, offscreen

NOTHING = 1e10
"""Depth where nothing is, metres, as Cycles writes it."""
VERTEX = "void main() { way = facing; gl_Position = to_clip * vec4(place, 1.0); }"
FRAGMENT = "void main() { seen = vec4(gl_FrontFacing ? way : -way, 1.0); }"
Facing = tuple[np.ndarray, np.ndarray]
"""Corners of triangles (3 T, 3) and their directions (3 T, 3), float64, in the world or in camera space."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """A frame with its normals (H, W, 3) float32: the camera's axes, length 1, 0 where nothing is."""

    frame: capture.Frame
    normal: np.ndarray

    def world_normal(self) -> np.ndarray:
        """Normals in the world's axes, as Blender's own pass has them."""
        turn = self.frame.lens.world_to_camera[:3, :3]
        return (self.normal @ turn).astype(np.float32)


def take(lens: capture.Lens, depsgraph: bpy.types.Depsgraph, width: int, height: int, *, card: bool = True) -> Passes:
    """Depth, objects and normals as a lens sees them; without a graphics `card` normals come from the depth."""
    frame = capture.see(lens, list(capture.solids(depsgraph)), width, height, gpu=card)
    if not (card and offscreen.ready()):
        return Passes(frame=frame, normal=_of_depth(frame))
    return Passes(frame=frame, normal=_drawn(lens, list(facings(depsgraph)), width, height))


def facings(depsgraph: bpy.types.Depsgraph) -> Iterator[Facing]:
    """The corners of everything solid that is seen, with the directions that shading uses, in the world."""
    shapes: dict[int, Facing | None] = {}
    for instance in capture.visible(depsgraph):
        shown = instance.object
        if shown.type not in capture.SOLID:
            continue
        key = shown.data.as_pointer()
        if key not in shapes:
            shapes[key] = _corners(shown)
        shape = shapes[key]
        if shape is None:
            continue
        matrix = np.array(instance.matrix_world, np.float64)
        turn = matrix[:3, :3]
        if abs(np.linalg.det(turn)) < 1e-30:
            continue  # flat: it has no area from anywhere
        places, ways = shape[0] @ turn.T + matrix[:3, 3], shape[1] @ np.linalg.inv(turn)
        if np.linalg.det(turn) < 0:  # mirrored: the triangles' other side is the outer one
            places, ways = (part.reshape(-1, 3, 3)[:, ::-1].reshape(-1, 3) for part in (places, ways))
        yield places, ways


def _corners(shown: bpy.types.Object) -> Facing | None:
    mesh = shown.to_mesh()
    try:
        if mesh is None or not len(mesh.polygons):
            return None
        loops = meshes.loops(mesh).ravel()
        places = meshes.positions(mesh)[meshes.corners(mesh)[loops]]
        ways = meshes.numbers(mesh.corner_normals, "vector", np.float32, 3)[loops]
        return places.astype(np.float64), ways.astype(np.float64)
    finally:
        shown.to_mesh_clear()


def _shader() -> gpu.types.GPUShader:
    info = gpu.types.GPUShaderCreateInfo()
    info.push_constant("MAT4", "to_clip")
    info.vertex_in(0, "VEC3", "place")
    info.vertex_in(1, "VEC3", "facing")
    between = gpu.types.GPUStageInterfaceInfo("velatura_facing")
    between.smooth("VEC3", "way")
    info.vertex_out(between)
    info.fragment_out(0, "VEC4", "seen")
    info.vertex_source(VERTEX)
    info.fragment_source(FRAGMENT)
    return gpu.shader.create_from_info(info)


def _drawn(lens: capture.Lens, things: list[Facing], width: int, height: int) -> np.ndarray:
    """Normals (H, W, 3) in the camera's axes, drawn on the graphics card."""
    shader, turn = _shader(), lens.world_to_camera
    target = gpu.types.GPUOffScreen(width, height, format="RGBA32F")
    try:
        with target.bind():
            buffer = gpu.state.active_framebuffer_get()
            buffer.clear(color=(0.0, 0.0, 0.0, 0.0), depth=1.0)
            gpu.state.depth_test_set("LESS_EQUAL")
            gpu.state.depth_mask_set(True)
            gpu.state.blend_set("NONE")
            shader.bind()
            shader.uniform_float("to_clip", Matrix(lens.camera_to_clip.tolist()))
            for places, ways in things:
                place = (places @ turn[:3, :3].T + turn[:3, 3]).astype(np.float32)
                facing = (ways @ turn[:3, :3].T).astype(np.float32)
                facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-12)
                batch_for_shader(shader, "TRIS", {"place": place, "facing": facing}).draw(shader)
            pixels = buffer.read_color(0, 0, width, height, 4, 0, "FLOAT")
            gpu.state.depth_test_set("NONE")
            gpu.state.depth_mask_set(False)
    finally:
        target.free()
    pixels.dimensions = width * height * 4
    seen = np.array(pixels, np.float32).reshape(height, width, 4)[::-1]
    way = seen[..., :3] * (seen[..., 3:] > 0.5)
    return way / np.maximum(np.linalg.norm(way, axis=2, keepdims=True), 1e-12)


def _of_depth(frame: capture.Frame) -> np.ndarray:
    """Normals of the points that the pixels show: differences to the neighbour that is nearer in depth."""
    depth = frame.depth.astype(np.float64)
    start, way = capture.rays(frame.lens, *depth.shape[::-1])
    share = (-depth[..., None] - start[..., 2:]) / way[..., 2:]
    points = np.where(np.isfinite(depth)[..., None], start + way * share, np.nan)
    across, down = _step(points, 1), _step(points, 0)
    normal = np.cross(down, across)
    length = np.linalg.norm(normal, axis=2, keepdims=True)
    whole = np.isfinite(length) & (length > 0)
    return np.where(whole, normal / np.where(whole, length, 1), 0).astype(np.float32)


def _step(points: np.ndarray, axis: int) -> np.ndarray:
    """The smaller of the two steps to the neighbours along an axis; NaN where there is none."""
    ahead = np.full_like(points, np.nan)
    inner = (slice(None),) * axis
    ahead[(*inner, slice(None, -1))] = np.diff(points, axis=axis)
    back = np.roll(ahead, 1, axis=axis)
    far = np.abs(ahead[..., 2:]) > np.abs(back[..., 2:])
    return np.where(np.isnan(ahead) | (far & ~np.isnan(back)), back, ahead)


def write_exr(file: Path, values: np.ndarray) -> None:
    """Plain numbers (H, W) or (H, W, 3) float32 as an OpenEXR file of full floats, whole or not at all.

    Raises ValueError where it cannot be written.
    """
    height, width = values.shape[:2]
    flat = np.ones((height, width, 4), np.float32)
    flat[..., :3] = values[::-1, :, None] if values.ndim == 2 else values[::-1]
    part = file.with_name(f".{file.stem}.part.exr")
    made = bpy.data.images.new("Velatura pass", width, height, alpha=False, float_buffer=True, is_data=True)
    try:
        made.pixels.foreach_set(flat.ravel())
        made.filepath_raw, made.file_format, made.use_half_precision = str(part), "OPEN_EXR", False
        made.save()
        part.replace(file)
    except (RuntimeError, OSError) as error:
        with suppress(OSError):
            part.unlink()
        why = str(error).partition("\n")[0].removeprefix("Error: ").rstrip(".")
        raise ValueError(f"{file} cannot be written: {why}. Make room, or choose another folder") from None
    finally:
        bpy.data.images.remove(made)
