"""Jobs that change a part of a texture. No bpy here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import asking
from .client import geometry_pb2, jobs_pb2, pixels, pixels_pb2, spec, tiles

PAINTING, TEXTURE = "painting", "texture"
"""Names of a job's steps."""
STEEPEST = 85.0  # degrees; beyond, a pixel of the view is smeared over many texels


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is painted over: `image` (H, W, 3) uint8, the part of it `mask` (H, W) uint8, and how far, 0 keeps it and 1
    paints anew. `context`: pixels around the part that are shown to the model; None is the whole picture. `match`:
    bring the new colours to those around."""

    image: np.ndarray
    mask: np.ndarray
    strength: float
    context: int | None = None
    match: bool = False


def from_view(
    wish: asking.Wish,
    change: Change,
    depth: np.ndarray,
    camera: geometry_pb2.Camera,
    shown: np.ndarray,
    targets: Sequence[geometry_pb2.ProjectionTarget],
    follow_depth: bool,
) -> jobs_pb2.JobSpec:
    """Change a part of what a camera sees, with depth (H, W) metres, and lay the picture onto the targets where they
    are `shown` (H, W). The textures have no base: they hold paint, and alpha where the camera sees them."""
    seen = {"depth": pixels.depth_map(depth)} if follow_depth else {}
    painting = spec.diffuse(**_said(wish, change), **seen, id=PAINTING, hidden=True)
    view = geometry_pb2.View(
        camera=camera, color=pixels.from_step(PAINTING), depth=pixels.depth_map(depth), mask=pixels.mask(shown)
    )
    return _job(painting, spec.project(targets, [view], max_angle=STEEPEST, id=TEXTURE))


def in_texture(wish: asking.Wish, change: Change, tile: str) -> jobs_pb2.JobSpec:
    """Change a part of a texture itself. A layer comes back, RGBA with an offset: new pixels and how they count."""
    return _job(spec.diffuse(**_said(wish, change, layer=True), tile=tile, id=TEXTURE))


def seamless(wish: asking.Wish, image: np.ndarray, band: int, tile: str) -> jobs_pb2.JobSpec:
    """Make the edges of a picture (H, W, 3) uint8 meet; `band` pixels along them are painted anew."""
    said = wish.said() | {"width": None, "height": None}
    prompt = said.pop("prompt")
    return _job(spec.make_seamless(pixels.from_array(image), prompt, band=band, tile=tile, **said))


def tile_set(wish: asking.Wish, count: int, shared: int, difference: float, axes: str) -> jobs_pb2.JobSpec:
    """Tiles that share a band of pixels along the axes that meet; 0: what suits their size."""
    said = wish.said()
    size, prompt = (said.pop("width"), said.pop("height")), said.pop("prompt")
    more = {"size": size, "band": shared or None, "tile": axes, "strength": difference}
    return _job(tiles.tile_set(prompt, count, **more, **said))


def _said(wish: asking.Wish, change: Change, *, layer: bool = False) -> dict[str, object]:
    # Anew, nothing of what is there shall tint it, unless it is to fit in.
    fill = "" if change.match or change.strength < 1 else "neutral"
    inpaint = spec.inpaint(fill=fill, color_match=change.match, context=change.context, layer=layer)
    height, width = change.image.shape[:2]
    return wish.said() | {
        "width": width, "height": height, "init": pixels.from_array(change.image), "strength": change.strength,
        "mask": pixels.mask(change.mask), "inpaint": inpaint,
    }  # fmt: skip


def _job(*parts: jobs_pb2.JobSpec) -> jobs_pb2.JobSpec:
    return spec.job(*parts, output=pixels_pb2.PIXEL_FORMAT_RGBA8, labels=asking.LABELS)


def target(
    name: str, positions: np.ndarray, triangles: np.ndarray, uvs: np.ndarray, width: int, height: int
) -> geometry_pb2.ProjectionTarget:
    """A surface whose texture is to hold paint alone."""
    mesh = spec.mesh(positions.astype("<f4"), triangles.astype("<u4"), uvs.astype("<f4"))
    return geometry_pb2.ProjectionTarget(id=name, mesh=mesh, width=width, height=height)


def layer_of(artifact: jobs_pb2.Artifact, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A layer on its whole picture: colours (H, W, 3) uint8 and how much they count (H, W) 0..1."""
    given = asking.picture(artifact)
    paint, share = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.float32)
    top, left = artifact.offset_y, artifact.offset_x
    part = slice(top, top + given.shape[0]), slice(left, left + given.shape[1])
    paint[part], share[part] = given[..., :3], given[..., 3] / np.float32(255)
    return paint, share


def follows_depth(painters: Sequence, model: str) -> bool:
    """Whether one of the engine's models leads another ("" is the default) by depth; a guess by their families."""
    painter = next((each for each in painters if (each.id == model if model else each.is_default)), None)
    if painter is None:
        return False
    family = painter.family.partition("_")[0]
    return any(
        each.kind in ("controlnet", "t2i")
        and (each.control_kind == "depth" or (not each.control_kind and "depth" in each.description))
        and each.family.partition("_")[0] in ("", family)
        for each in painters
    )
