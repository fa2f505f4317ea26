"""Jobs that paint over what a camera shows, following its true depth and normals. No bpy here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from . import asking
from .client import catalog_pb2, jobs_pb2, pixels, pixels_pb2, spec

PRINT = "restyle"
"""Label that says what a frame was made of, so that the next run knows it again."""
LABEL_BYTES = 256  # the contract's limit for each


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """What a camera shows: color (H, W, 4) uint8 in sRGB with straight alpha, and its passes where they are wanted.

    `depth` (H, W) metres along the camera's axis, infinity for nothing. `normal` (H, W, 3) in the camera's axes (x
    right, y up, z toward the viewer), 0 for nothing. `mask` (H, W) bool: what may change; None: everything.
    """

    color: np.ndarray
    depth: np.ndarray | None = None
    normal: np.ndarray | None = None
    mask: np.ndarray | None = None


def restyle(
    wish: asking.Wish, shot: Shot, strength: float, labels: Mapping[str, str], *, batch: bool = False
) -> jobs_pb2.JobSpec:
    """Paint over a shot, `strength` 0 keeps it, 1 paints anew; `batch` lets jobs that somebody waits for go first.

    Raises ValueError where the mask holds nothing.
    """
    said = wish.said()
    said["height"], said["width"] = shot.color.shape[:2]
    said |= {"init": pixels.from_array(np.ascontiguousarray(shot.color[..., :3])), "strength": strength}
    if shot.depth is not None:
        said["depth"] = pixels.depth_map(shot.depth)
    if shot.normal is not None:
        said["controls"] = (*said["controls"], spec.control("normal", pixels.from_array(hint(shot.normal))))
    if shot.mask is not None:
        if not shot.mask.any():
            raise ValueError("The camera sees none of the selected objects: move it, or select others")
        said["mask"] = pixels.mask(shot.mask)
    made = spec.diffuse(**said)
    return spec.job(made, output=pixels_pb2.PIXEL_FORMAT_RGBA8, batch=batch, labels={**asking.LABELS, **labels})


def hint(normal: np.ndarray) -> np.ndarray:
    """Normals as models read them, (H, W, 3) uint8: 0.5 + 0.5 n, and nothing faces the viewer."""
    nothing = ~normal.any(2, keepdims=True)
    facing = np.where(nothing, np.float32([0, 0, 1]), normal)
    return np.rint(np.clip(0.5 + 0.5 * facing, 0, 1) * 255).astype(np.uint8)


def can_follow(catalog: catalog_pb2.Catalog, model: str, kind: str) -> bool:
    """Whether a hint of this kind can be read for a model ("" is the default), as far as the catalog tells."""
    families = [each.family for each in catalog.models if (each.id == model if model else each.is_default)]
    readers = [each.family for each in catalog.models if each.control_kind == kind]  # «sd1» reads for «sd1_inpaint»
    return any(family.startswith(reader) for family in families for reader in readers)


def labels(given: Mapping[str, object]) -> dict[str, str]:
    """Notes that a recipe can carry: each value cut to what the contract allows."""
    return {key: str(value).encode()[:LABEL_BYTES].decode("utf-8", "ignore") for key, value in given.items()}


def fingerprint(wish: asking.Wish, settings: Mapping[str, object], shapes: Iterable[bytes]) -> str:
    """What a frame is made of, in 64 hexadecimal digits: words, settings, and the shapes that are seen."""
    said = wish.said()
    made = hashlib.sha256()
    for name in sorted(said):
        value = said[name]
        if name in ("controls", "adapters"):
            value = [each.SerializeToString(deterministic=True) for each in value]  # type: ignore[union-attr]
        made.update(repr((name, value)).encode())
    made.update(repr(sorted(settings.items())).encode())
    for shape in shapes:
        made.update(shape)
    return made.hexdigest()
