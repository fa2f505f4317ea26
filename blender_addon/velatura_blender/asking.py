"""Jobs for the engine from what was captured, and pictures from what it sent. No bpy here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .client import (
    Result,
    catalog_pb2,
    diffuse_pb2,
    geometry_pb2,
    jobs_pb2,
    knobs_pb2,
    pixels,
    pixels_pb2,
    recipe,
    spec,
)
from .offer import models
from .styles import Style

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
    style: Style | None = None
    sampler: str = ""
    schedule: str = ""
    guidance: float | None = None
    knobs: Mapping[str, bool | int | float | str] = field(default_factory=dict)
    controls: tuple[diffuse_pb2.Control, ...] = ()
    hints: object = None
    """What more of them are to be made of; they have to be made before anything is asked."""
    adapters: tuple[diffuse_pb2.Adapter, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    """What is in sight and its hints do not show: why, by names. The engine is not asked with it."""

    def said(self) -> dict[str, object]:
        """As arguments of `spec.diffuse`."""
        if self.hints is not None:
            raise TypeError("the hints are not made yet")
        (width, height), prompt, negative = self.size, self.prompt, self.negative
        if self.style is not None:
            prompt, negative = self.style.dress(prompt, negative)
        more = {name: getattr(self, name) for name in ("seed", "steps", "model", "sampler", "schedule", "guidance")}
        more |= {name: getattr(self, name) for name in ("knobs", "controls", "adapters")}
        return {"prompt": prompt, "negative": negative, "width": width, "height": height, **more}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A picture to start from, (H, W, 3) uint8; with a mask (H, W) uint8 only that part of it is painted anew.

    `strength`: 0 keeps it, 1 paints anew. `grow` and `feather` widen and soften the mask, pixels.
    """

    image: np.ndarray
    strength: float
    mask: np.ndarray | None = None
    grow: int = 0
    feather: int = 0


def painting(wish: Wish, tile: str = "", source: Source | None = None) -> jobs_pb2.JobSpec:
    """A picture from words, from another, or in a part of another, whose size it then has."""
    said = wish.said()
    if source is None:
        return _job(spec.diffuse(**said, tile=tile))
    said["height"], said["width"] = source.image.shape[:2]
    said |= {"init": pixels.from_array(source.image), "strength": source.strength}
    if source.mask is not None:
        said["mask"] = pixels.mask(source.mask)
        said["inpaint"] = spec.inpaint(grow=source.grow or None, feather=source.feather or None)
    return _job(spec.diffuse(**said, tile=tile))


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
    return models(catalog, "checkpoint")


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


def diffusion(made: jobs_pb2.Recipe) -> diffuse_pb2.Diffuse:
    """The painting in a recipe. Raises ValueError where there is none."""
    for step in made.spec.steps:
        if step.HasField("diffuse"):
            return step.diffuse
    raise ValueError("Nothing was painted for this: there is no prompt or seed in its recipe")


def again(made: jobs_pb2.Recipe, seed: int | None) -> jobs_pb2.JobSpec:
    """The job of a recipe once more, its paintings with other seeds from `seed` on; None: as they were."""
    asked = recipe.replay(made)
    for number, step in enumerate(step for step in asked.steps if step.HasField("diffuse")):
        if seed is not None:
            step.diffuse.seed = seed + number
    return asked


def knob_values(given: Mapping[str, knobs_pb2.KnobValue]) -> dict[str, bool | int | float | str]:
    """Knobs of a message as plain values."""
    return {name: getattr(value, value.WhichOneof("value")) for name, value in given.items()}


def _slim(message: object) -> None:
    for known, value in message.ListFields():  # type: ignore[attr-defined]
        if isinstance(value, bytes):
            if len(value) > KEEP:
                message.ClearField(known.name)  # type: ignore[attr-defined]
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
