"""What is kept of an object that was textured from several views: the views, what they wear, and how they were blended.

A run lives with the scene, so it is saved, undone and copied with it. Views are ordinary packed images that can be
painted on; their alpha says how much a pixel counts against other views. Depth lies beside them as plain numbers, so
that nothing has to be looked at again: a run can be blended anew after the objects were moved or scaled.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import bpy
import numpy as np

from . import drafts, host, place
from .pace import Breath, Pieces

MARK = "velatura_run"
"""Property of a texture: the key of the run that made it, the target's number, and the turn."""


class VelaturaView(bpy.types.PropertyGroup):
    """One view of a run. `packed` is how long the picture's file was when it came: one that was painted on by hand is
    written anew."""

    image: bpy.props.PointerProperty(type=bpy.types.Image, name="Picture")  # type: ignore[valid-type]
    depth: bpy.props.PointerProperty(type=bpy.types.Image, name="Depth")  # type: ignore[valid-type]
    use: bpy.props.BoolProperty(name="Use", description="Blend this view in", default=True)  # type: ignore[valid-type]
    weight: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Weight", description="How much this view counts against the others", default=1.0, min=0.01, max=100.0
    )
    words: bpy.props.StringProperty(name="Words", description="Words for this view only")  # type: ignore[valid-type]
    seed: bpy.props.IntProperty(name="Seed")  # type: ignore[valid-type]
    packed: bpy.props.IntProperty()  # type: ignore[valid-type]
    world_to_camera: bpy.props.FloatVectorProperty(size=16)  # type: ignore[valid-type]
    camera_to_clip: bpy.props.FloatVectorProperty(size=16)  # type: ignore[valid-type]
    orthographic: bpy.props.BoolProperty()  # type: ignore[valid-type]


class VelaturaTarget(bpy.types.PropertyGroup):
    """One object of a run, with a sample of its shape as it stood then. Its textures are marked, see `mark`."""

    thing: bpy.props.PointerProperty(type=bpy.types.Object)  # type: ignore[valid-type]
    layer: bpy.props.StringProperty()  # type: ignore[valid-type]
    shape: bpy.props.StringProperty()  # type: ignore[valid-type]
    coverage: bpy.props.FloatProperty(name="Coverage")  # type: ignore[valid-type]


class VelaturaRun(bpy.types.PropertyGroup):
    """Objects that were textured together."""

    key: bpy.props.StringProperty()  # type: ignore[valid-type]
    turn: bpy.props.IntProperty()  # type: ignore[valid-type]
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


def begin(scene: bpy.types.Scene, key: str, draft: drafts.Draft, depths: Sequence[int] = ()) -> VelaturaRun:
    """A new run in a scene, with its views and targets; those have no objects yet. `depths` are numbers of images that
    `depths_of` made."""
    made = {image.session_uid: image for image in bpy.data.images}
    kept = [made.get(number) for number in depths] or [None] * len(draft.views)
    run = scene.velatura_runs.add()
    run.key = key
    for name, value in draft.settings.items():
        setattr(run, name, value)
    for number, seen in enumerate(draft.views, 1):
        view = run.views.add()
        view.name, view.words = f"View {number}", seen.words
        view.depth = kept[number - 1] or _keep_depth(draft, number)
        view.world_to_camera = seen.lens.world_to_camera.ravel().tolist()
        view.camera_to_clip = seen.lens.camera_to_clip.ravel().tolist()
        view.orthographic = seen.lens.orthographic
    for meant in draft.targets:
        target = run.targets.add()
        target.name, target.layer, target.shape = meant.name, meant.layer.name, meant.shape
    return run


def again(scene: bpy.types.Scene, run: VelaturaRun) -> VelaturaRun:
    """A new run beside another one: the same views, not yet painted, of the same objects."""
    key = run.key
    made = scene.velatura_runs.add()
    _copy(next(each for each in scene.velatura_runs if each.key == key), made)  # adding may move the others
    made.key, made.turn = uuid.uuid4().hex, 0
    for view in made.views:
        view.image, view.use, view.weight = None, True, 1.0
    return made


def _copy(given: bpy.types.PropertyGroup, made: bpy.types.PropertyGroup) -> None:
    for known in given.bl_rna.properties:
        value = getattr(given, known.identifier)
        if known.type == "COLLECTION":
            for each in value:
                _copy(each, getattr(made, known.identifier).add())
        elif not known.is_readonly:
            setattr(made, known.identifier, value)


def find(key: str) -> tuple[bpy.types.Scene, VelaturaRun] | None:
    """A run by its key, and its scene, first in the scene that is open, since copies of a scene have runs with the same
    keys; None where it is gone."""
    here = bpy.context.scene
    for scene in sorted(bpy.data.scenes, key=lambda scene: scene != here):
        for run in scene.velatura_runs:
            if run.key == key:
                return scene, run
    return None


def run_of(thing: bpy.types.Object | None, scene: bpy.types.Scene) -> VelaturaRun | None:
    """The run whose texture an object wears, else the newest one that it belongs to; None where there is none."""
    if thing is None:
        return None
    own = [run for run in reversed(scene.velatura_runs) if any(target.thing == thing for target in run.targets)]
    worn = [image.get(MARK, "") for slot in thing.material_slots for image in images_of(slot.material)] if own else []
    return next((run for run in own if any(each.startswith(run.key) for each in worn)), next(iter(own), None))


def is_there(thing: bpy.types.Object | None) -> bool:
    """Whether an object is in a scene: deleted ones stay in the file while anything names them."""
    return thing is not None and bool(thing.users_scene)


def images_of(worn: bpy.types.Material | None) -> set[bpy.types.Image]:
    """The images that a material's nodes show."""
    nodes = () if worn is None else host.nodes_of(worn)
    return {node.image for node in nodes if node.type == "TEX_IMAGE" and node.image is not None}


def mark(image: bpy.types.Image, run: VelaturaRun, number: int) -> None:
    """Note on a texture which run made it, for its target of this number, and when."""
    image[MARK] = f"{run.key} {number} {run.turn}"


def remove_forgotten(scene: bpy.types.Scene) -> None:
    """Drop the runs of which no texture is left."""
    left = {image.get(MARK, "").partition(" ")[0] for image in bpy.data.images}
    for run in [each for each in scene.velatura_runs if each.key not in left]:
        remove(scene, run)


def marked(worn: bpy.types.Material | None, run: VelaturaRun, number: int) -> bpy.types.Image | None:
    """The newest texture of a run's target that a material shows, or None."""
    found = {image: image.get(MARK, "").split() for image in images_of(worn)}
    turns = {image: int(said[2]) for image, said in found.items() if said[:2] == [run.key, str(number)]}
    return max(turns, key=turns.__getitem__, default=None)


def remove(scene: bpy.types.Scene, run: VelaturaRun) -> None:
    """Drop a run with its views and depth; textures and materials stay, and views that were painted on by hand."""
    images = {image for view in run.views for image in (view.image, view.depth) if image is not None}
    for view in run.views:
        _let_go(view)
    scene.velatura_runs.remove(next(number for number, each in enumerate(scene.velatura_runs) if each == run))
    for image in images:
        if not image.users:
            bpy.data.images.remove(image)


def show(view: VelaturaView, image: bpy.types.Image, seed: int) -> None:
    """Give a view its picture. One before it stays in the file where somebody painted on it by hand."""
    _let_go(view)
    view.image, view.seed, view.packed = image, seed, _length(image)


def _let_go(view: VelaturaView) -> None:
    if view.image is not None and (view.image.is_dirty or _length(view.image) != view.packed):
        keep_strokes(view.image)
        view.image.use_fake_user = True


def _length(image: bpy.types.Image) -> int:
    return image.packed_file.size if image.packed_file is not None else 0


def keep_strokes(image: bpy.types.Image) -> None:
    """Pack a picture again that was painted on by hand: Blender saves files without such strokes."""
    if image.is_dirty and image.packed_file is not None and image.library is None:
        image.pack()


def pixels_of(image: bpy.types.Image) -> np.ndarray:
    """(H, W, 4) uint8, row 0 on top."""
    width, height = image.size
    flat = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(flat)
    np.clip(flat, 0, 1, out=flat)
    flat *= 255
    return np.rint(flat, out=flat).astype(np.uint8).reshape(height, width, 4)[::-1]


def depths_of(draft: drafts.Draft) -> Pieces[list[int]]:
    """The numbers of new images that keep what the views of a draft saw, in pieces."""
    found, breath = [], Breath()
    for number in range(1, len(draft.views) + 1):
        found.append(_keep_depth(draft, number).session_uid)
        yield from breath.pause()
    return found


def _keep_depth(draft: drafts.Draft, number: int) -> bpy.types.Image:
    """A packed image of a view of a draft, counted from 1: depth in metres, 0 for nothing, and the mask."""
    seen = draft.views[number - 1]
    height, width = seen.depth.shape
    name = f"{place.title(draft.settings.get('prompt', ''), 32)} depth {number}"
    made = bpy.data.images.new(name, width, height, float_buffer=True, is_data=True)
    made.colorspace_settings.name = "Non-Color"
    flat = np.ones((height, width, 4), np.float32)
    flat[..., 0] = np.where(np.isfinite(seen.depth), seen.depth, 0)[::-1]
    flat[..., 1] = seen.mask[::-1]
    made.pixels.foreach_set(flat.ravel())
    made.update()
    made.pack()
    return made


@bpy.app.handlers.persistent
def _before_saving(*_: object) -> None:
    for scene in bpy.data.scenes:
        for view in (view for run in scene.velatura_runs for view in run.views if view.image is not None):
            keep_strokes(view.image)


CLASSES = (VelaturaView, VelaturaTarget, VelaturaRun)


def register() -> None:
    """Let scenes keep runs."""
    for each in CLASSES:
        bpy.utils.register_class(each)
    bpy.types.Scene.velatura_runs = bpy.props.CollectionProperty(type=VelaturaRun)
    bpy.app.handlers.save_pre.append(_before_saving)


def unregister() -> None:
    """No longer."""
    bpy.app.handlers.save_pre.remove(_before_saving)
    del bpy.types.Scene.velatura_runs
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
