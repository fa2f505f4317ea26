"""What lies beside a picture: depth, normals and masks as the camera has them, and as OpenEXR files for compositors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from . import capture, offscreen
from .pace import Breath, Pieces, beside, finished

NOTHING = 1e10
"""Depth where nothing is, metres, as Cycles writes it."""
SHADER = offscreen.Shader(
    vertex="void main() { way = facing; gl_Position = to_clip * vec4(place, 1.0); }",
    fragment="void main() { seen = vec4(gl_FrontFacing ? way : -way, number); }",
    given={"facing": 3},
    between={"way": 3},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """A frame with its normals (H, W, 3) float32: the camera's axes, length 1, 0 where nothing is; None: not wanted."""

    frame: capture.Frame
    normal: np.ndarray | None

    def world_normal(self) -> np.ndarray:
        """Normals in the world's axes, as Blender's own pass has them."""
        turn = self.frame.lens.world_to_camera[:3, :3]
        return (self.normal @ turn).astype(np.float32)


def take(lens: capture.Lens, depsgraph: bpy.types.Depsgraph, width: int, height: int, *, card: bool = True) -> Passes:
    """Depth, objects and normals as a lens sees them; without a graphics `card` normals come from the depth."""
    found = list(capture.readings(depsgraph, {}, shaded=True))
    return finished(look(lens, found, (width, height), Breath(), card=card))


def look(
    lens: capture.Lens,
    found: Sequence[capture.Reading],
    size: tuple[int, int],
    breath: Breath,
    *,
    normals: bool = True,
    card: bool = True,
) -> Pieces[Passes]:
    """The same of what was read, `shaded` where `normals` are wanted, in pieces; `size` is (width, height)."""
    (pieces,) = yield from beside([lambda: list(capture.pieces(found))])
    frame = yield from capture.look(lens, pieces, size, breath, gpu=card)
    if not normals:
        return Passes(frame=frame, normal=None)
    if not (card and offscreen.ready()):
        return Passes(frame=frame, normal=_of_depth(frame))
    (facing,) = yield from beside([lambda: list(facings(lens, found))])
    seen = yield from offscreen.draw(SHADER, facing, lens.camera_to_clip, size, breath)
    way = seen[..., :3] * (seen[..., 3:] > 0.5)
    return Passes(frame=frame, normal=way / np.maximum(np.linalg.norm(way, axis=2, keepdims=True), 1e-12))


def facings(lens: capture.Lens, found: Sequence[capture.Reading]) -> Iterator[offscreen.Drawable]:
    """What was read, `shaded`, before a lens, with the directions that shading uses. Touches no Blender data."""
    for each in found:
        form, turn = each.form, each.matrix[:3, :3]
        if abs(np.linalg.det(turn)) < 1e-30:
            continue  # flat: it has no area from anywhere
        places = form.positions.astype(np.float64) @ turn.T + each.matrix[:3, 3]
        ways = form.normals.astype(np.float64) @ np.linalg.inv(turn) @ lens.world_to_camera[:3, :3].T
        ways /= np.maximum(np.linalg.norm(ways, axis=1, keepdims=True), 1e-12)
        # Where it is mirrored the triangles' other side is the outer one.
        triangles = form.loops if np.linalg.det(turn) > 0 else form.loops[:, ::-1]
        rows = {"place": lens.before(places)[form.corners], "facing": ways.astype(np.float32)}
        yield offscreen.Drawable(number=1, triangles=triangles, rows=rows)


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
