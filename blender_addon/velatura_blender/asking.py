"""Jobs for the engine from what was captured, and pictures from what it sent. No bpy here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .client import Result, catalog_pb2, geometry_pb2, jobs_pb2, pixels, pixels_pb2, recipe, spec

KEEP = 16384  # bytes; longer pictures and meshes inside a recipe stay at the engine
STEEPEST = 90.0  # degrees; one view is best painted right up to its silhouettes
LABELS = {"host": "blender"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to paint, as the artist said it. None and "" are the model's own default."""

    prompt: str
    negative: str = ""
    size: tuple[int, int] = (512, 512)
    seed: int | None = None
    steps: int | None = None
    model: str = ""

    def said(self) -> dict[str, object]:
        """As arguments of `spec.diffuse`."""
        width, height = self.size
        more = {"negative": self.negative, "seed": self.seed, "steps": self.steps, "model": self.model}
        return {"prompt": self.prompt, "width": width, "height": height, **more}


def texture(wish: Wish, tile: str) -> jobs_pb2.JobSpec:
    """A seamless texture."""
    return _job(spec.diffuse(**wish.said(), tile=tile))


def material(wish: Wish, tile: str) -> jobs_pb2.JobSpec:
    """A seamless texture and its material's maps, with 16 bits a channel: 8 would make stairs of heights."""
    painting = spec.diffuse(**wish.said(), tile=tile, id="painting", hidden=True)
    maps = spec.material(pixels.from_step("painting"), tile=tile, id="material")
    return _job(painting, maps, output=pixels_pb2.PIXEL_FORMAT_RGBA16)


def maps_of(result: Result) -> dict[str, jobs_pb2.Artifact]:
    """The maps of a material by their names."""
    return {artifact.name: artifact for artifact in result.artifacts}


def projection(
    wish: Wish,
    targets: Sequence[geometry_pb2.ProjectionTarget],
    lens: geometry_pb2.Camera,
    depth: np.ndarray,
    mask: np.ndarray,
) -> jobs_pb2.JobSpec:
    """A picture that follows depth (H, W), painted from the lens onto the targets where the mask (H, W) is set."""
    seen = pixels.depth_map(depth)
    view = geometry_pb2.View(
        camera=lens, color=pixels.from_step("painting"), depth=pixels.depth_map(depth), mask=pixels.mask(mask)
    )
    painting = spec.diffuse(**wish.said(), depth=seen, id="painting", hidden=True)
    return _job(painting, spec.project(targets, [view], max_angle=STEEPEST, id="projection"))


def camera(world_to_camera: np.ndarray, camera_to_clip: np.ndarray, orthographic: bool) -> geometry_pb2.Camera:
    """A camera's message."""
    return spec.camera(
        np.asarray(world_to_camera).ravel().tolist(),
        np.asarray(camera_to_clip).ravel().tolist(),
        orthographic=orthographic,
    )


def target(
    name: str, positions: np.ndarray, triangles: np.ndarray, uvs: np.ndarray, base: np.ndarray
) -> geometry_pb2.ProjectionTarget:
    """A surface with its present look, base (H, W, 3) uint8, whose size its texture gets."""
    mesh = spec.mesh(positions.astype("<f4"), triangles.astype("<u4"), uvs.astype("<f4"))
    height, width = base.shape[:2]
    return geometry_pb2.ProjectionTarget(id=name, mesh=mesh, width=width, height=height, base=pixels.from_array(base))


def _job(*parts: jobs_pb2.JobSpec, output: int = pixels_pb2.PIXEL_FORMAT_RGBA8) -> jobs_pb2.JobSpec:
    return spec.job(*parts, output=output, labels=LABELS)


def painters(catalog: catalog_pb2.Catalog) -> tuple[tuple[str, str, str], ...]:
    """The models that paint: id, title, and what it is."""
    return tuple(
        (model.id, model.title or model.id, model.description or f"A model of the family {model.family}")
        for model in catalog.models
        if model.kind == "checkpoint"
    )


def picture(artifact: jobs_pb2.Artifact, *, deep: bool = False) -> np.ndarray:
    """An artifact's picture, (H, W, C) uint8, row 0 on top; with `deep` 16 bits where it has as many."""
    values = pixels.to_array(artifact.image)
    return np.rint(values / 257).astype(np.uint8) if values.dtype == np.uint16 and not deep else values


def recipe_of(artifact: jobs_pb2.Artifact) -> str:
    """How it was made, as JSON to keep with it; pictures and meshes longer than KEEP are left out."""
    kept = type(artifact.recipe)()
    kept.CopyFrom(artifact.recipe)
    _slim(kept)
    return recipe.dumps(kept)


def _slim(message: object) -> None:
    for field, value in message.ListFields():  # type: ignore[attr-defined]
        if isinstance(value, bytes):
            if len(value) > KEEP:
                message.ClearField(field.name)  # type: ignore[attr-defined]
        elif hasattr(value, "ListFields"):
            _slim(value)
        elif isinstance(value, Mapping):
            for inner in value.values():
                if hasattr(inner, "ListFields"):
                    _slim(inner)
        elif not isinstance(value, str | int | float):
            for inner in value:
                if hasattr(inner, "ListFields"):
                    _slim(inner)
