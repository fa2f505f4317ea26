"""What is kept of an object that was textured from several views: the views, what they wear, and how they were blended.

A run lives with the scene, so it is saved, undone and copied with it. Views are ordinary packed images that can be
painted on; their alpha says how much a pixel counts against other views. Depth lies beside them as plain numbers, so
that nothing has to be looked at again: a run can be blended anew after the objects were moved.
"""

from __future__ import annotations

import uuid

import bpy
import numpy as np

from . import asking, asking_views, capture, resume


class VelaturaView(bpy.types.PropertyGroup):
    """One view of a run."""

    image: bpy.props.PointerProperty(type=bpy.types.Image, name="Picture")  # type: ignore[valid-type]
    depth: bpy.props.PointerProperty(type=bpy.types.Image, name="Depth")  # type: ignore[valid-type]
    use: bpy.props.BoolProperty(name="Use", description="Blend this view in", default=True)  # type: ignore[valid-type]
    weight: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Weight", description="How much this view counts against the others", default=1.0, min=0.01, max=100.0
    )
    words: bpy.props.StringProperty(name="Words", description="Words for this view only")  # type: ignore[valid-type]
    seed: bpy.props.IntProperty(name="Seed")  # type: ignore[valid-type]
    world_to_camera: bpy.props.FloatVectorProperty(size=16)  # type: ignore[valid-type]
    camera_to_clip: bpy.props.FloatVectorProperty(size=16)  # type: ignore[valid-type]
    orthographic: bpy.props.BoolProperty()  # type: ignore[valid-type]


class VelaturaTarget(bpy.types.PropertyGroup):
    """One object of a run, as it stood then, and what it wears since."""

    thing: bpy.props.PointerProperty(type=bpy.types.Object)  # type: ignore[valid-type]
    layer: bpy.props.StringProperty()  # type: ignore[valid-type]
    made: bpy.props.BoolProperty()  # type: ignore[valid-type]
    pose: bpy.props.FloatVectorProperty(size=16)  # type: ignore[valid-type]
    material: bpy.props.PointerProperty(type=bpy.types.Material)  # type: ignore[valid-type]
    coverage: bpy.props.FloatProperty(name="Coverage")  # type: ignore[valid-type]


class VelaturaRun(bpy.types.PropertyGroup):
    """Objects that were textured together."""

    key: bpy.props.StringProperty()  # type: ignore[valid-type]
    done: bpy.props.BoolProperty()  # type: ignore[valid-type]
    prompt: bpy.props.StringProperty(name="Prompt")  # type: ignore[valid-type]
    negative: bpy.props.StringProperty(name="Avoid")  # type: ignore[valid-type]
    model: bpy.props.StringProperty(name="Model")  # type: ignore[valid-type]
    steps: bpy.props.IntProperty(name="Steps")  # type: ignore[valid-type]
    texture_size: bpy.props.IntProperty(name="Texture Size", default=1024, min=16, max=8192)  # type: ignore[valid-type]
    sharpness: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Sharpness",
        description="How strongly each place takes the view that faces it most; low values mix views",
        default=4.0, min=0.0, max=32.0,
    )  # fmt: skip
    refine: bpy.props.FloatProperty(name="Refine", default=0.4, min=0.0, max=1.0)  # type: ignore[valid-type]
    views: bpy.props.CollectionProperty(type=VelaturaView)  # type: ignore[valid-type]
    targets: bpy.props.CollectionProperty(type=VelaturaTarget)  # type: ignore[valid-type]


def begin(
    scene: bpy.types.Scene, wish: asking.Wish, settings: dict, frames: list[tuple[capture.Frame, np.ndarray, str]]
) -> VelaturaRun:
    """A new run with its views, each a frame, the mask (H, W) of what is textured, and its words. `settings` are
    properties of the run."""
    run = scene.velatura_runs.add()
    run.key = uuid.uuid4().hex
    run.prompt, run.negative, run.model, run.steps = wish.prompt, wish.negative, wish.model, wish.steps or 0
    for name, value in settings.items():
        setattr(run, name, value)
    for number, (frame, mask, said) in enumerate(frames, 1):
        view = run.views.add()
        view.name, view.words = f"View {number}", said
        view.depth = _keep_depth(f"{wish.prompt[:32]} depth {number}", frame.depth, mask)
        view.world_to_camera = frame.lens.world_to_camera.ravel().tolist()
        view.camera_to_clip = frame.lens.camera_to_clip.ravel().tolist()
        view.orthographic = frame.lens.orthographic
    return run


def find(key: str) -> tuple[bpy.types.Scene, VelaturaRun] | None:
    """A run by its key, and its scene; None where it is gone."""
    for scene in bpy.data.scenes:
        for run in scene.velatura_runs:
            if run.key == key:
                return scene, run
    return None


def run_of(thing: bpy.types.Object | None, scene: bpy.types.Scene) -> VelaturaRun | None:
    """The newest run that an object belongs to and still wears; None where there is none."""
    worn = [] if thing is None else [slot.material for slot in thing.material_slots if slot.material is not None]
    for run in reversed(scene.velatura_runs):
        if run.done and any(target.thing == thing and target.material in worn for target in run.targets):
            return run
    return None


def get(key: str) -> VelaturaRun:
    """A run by its key. Raises ValueError where it is gone."""
    found = find(key)
    if found is None:
        raise ValueError("What was textured is no longer in this file, so its views have no place: texture it again")
    return found[1]


@resume.resumable
def drop(key: str) -> None:
    """Take back a run that came to nothing: its views, and the UV layers that were made for it."""
    found = find(key)
    if found is None:
        return
    scene, run = found
    images = [image for view in run.views for image in (view.image, view.depth) if image is not None]
    for target in run.targets:
        layers = target.thing.data.uv_layers if target.thing is not None else {}
        if target.made and target.layer in layers:
            layers.remove(layers[target.layer])
    scene.velatura_runs.remove(next(n for n, each in enumerate(scene.velatura_runs) if each.key == key))
    for image in images:
        if not image.users:
            bpy.data.images.remove(image)


def sights(run: VelaturaRun, anew: set[int]) -> list[asking_views.Sight]:
    """The run's views for a job; those whose numbers are in `anew` show nothing yet, those not in use are left out."""
    return [
        sight(view, painted=number not in anew) for number, view in enumerate(run.views) if view.use or number in anew
    ]


def sight(view: VelaturaView, *, painted: bool) -> asking_views.Sight:
    """One view for a job. Raises ValueError where its images were deleted."""
    if view.depth is None or (painted and view.image is None):
        raise ValueError(f"{view.name} has lost its picture: texture the object again")
    depth, mask = _depth(view.depth)
    return asking_views.Sight(
        camera=asking.camera(np.array(view.world_to_camera), np.array(view.camera_to_clip), view.orthographic),
        depth=depth,
        mask=mask,
        color=pixels_of(view.image) if painted else None,
        words=view.words,
        weight=view.weight,
    )


def targets(run: VelaturaRun, depsgraph: bpy.types.Depsgraph) -> list:
    """The run's surfaces for a job, where they stood when they were seen. Raises ValueError where one is gone."""
    found = []
    for target in run.targets:
        if target.thing is None:
            raise ValueError("An object of this run was deleted: texture the others again")
        piece = capture.surface(target.thing, depsgraph, target.layer)
        if piece is None or piece.uvs is None:
            raise ValueError(f"{target.thing.name} loses its UV map in its modifiers: keep it there, or apply them")
        then, now = np.array(target.pose).reshape(4, 4), np.array(target.thing.matrix_world)
        moved = then @ np.linalg.inv(now)
        positions = (
            piece.positions
            if np.allclose(moved, np.eye(4), atol=1e-6)
            else (piece.positions @ moved[:3, :3].T + moved[:3, 3])
        )
        found.append(asking_views.target(target.thing.name, positions, piece.triangles, piece.uvs, run.texture_size))
    return found


def pixels_of(image: bpy.types.Image) -> np.ndarray:
    """(H, W, 4) uint8, row 0 on top."""
    width, height = image.size
    flat = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(flat)
    return np.rint(np.clip(flat.reshape(height, width, 4)[::-1], 0, 1) * 255).astype(np.uint8)


def _keep_depth(name: str, depth: np.ndarray, mask: np.ndarray) -> bpy.types.Image:
    """A packed image of plain numbers: depth in metres, 0 for nothing, and the mask."""
    height, width = depth.shape
    made = bpy.data.images.new(name, width, height, float_buffer=True, is_data=True)
    made.colorspace_settings.name = "Non-Color"
    flat = np.ones((height, width, 4), np.float32)
    flat[..., 0] = np.where(np.isfinite(depth), depth, 0)[::-1]
    flat[..., 1] = mask[::-1]
    made.pixels.foreach_set(flat.ravel())
    made.update()
    made.pack()
    return made


def _depth(image: bpy.types.Image) -> tuple[np.ndarray, np.ndarray]:
    width, height = image.size
    flat = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(flat)
    values = flat.reshape(height, width, 4)[::-1]
    depth = np.where(values[..., 0] > 0, values[..., 0], np.float32(np.inf))
    return np.ascontiguousarray(depth), np.ascontiguousarray(values[..., 1] > 0.5)


CLASSES = (VelaturaView, VelaturaTarget, VelaturaRun)


def register() -> None:
    """Let scenes keep runs."""
    for each in CLASSES:
        bpy.utils.register_class(each)
    bpy.types.Scene.velatura_runs = bpy.props.CollectionProperty(type=VelaturaRun)


def unregister() -> None:
    """No longer."""
    del bpy.types.Scene.velatura_runs
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
