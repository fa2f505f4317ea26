"""The live view in Blender: what is looked at, where pictures are shown, and the switch."""

import time
from types import SimpleNamespace

import bpy
import gpu
import numpy as np

from . import (
    asking,
    asking_restyle,
    capture,
    drawing,
    history,
    host,
    knobs,
    offscreen,
    painting,
    place,
    preferences,
    shots,
)
from .client import VelaturaError, spec
from .live import Live
from .session import PATIENCE, session

NAME = "Velatura Live"
"""Of the image that shows the newest picture."""
TICK = 0.05  # seconds
KEY = "live"
TARGETS = [
    ("EDITOR", "Image Editor", "Paints what the 3D view shows, into an Image editor"),
    ("CAMERA", "Camera", "Paints what the camera sees, as its background image, before the scene"),
]
UNCOUNTED = (bpy.types.Scene, bpy.types.WindowManager, bpy.types.Screen, bpy.types.WorkSpace, bpy.types.Brush)


class VelaturaLive(bpy.types.PropertyGroup):
    """How the live view paints, kept with the scene."""

    target: bpy.props.EnumProperty(name="Show in", items=TARGETS)  # type: ignore[valid-type]
    side: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Size", description="Longer side, pixels; smaller where capturing takes long", default=256, min=128,
        max=1024, step=8,
    )  # fmt: skip
    steps: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Steps", description="Few are quick; a turbo or LCM model needs no more than 4", default=6, min=1, max=100
    )
    change: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Strength", description="0 keeps what is seen, 1 paints anew", default=0.7, min=0.0, max=1.0
    )
    depth: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Follow Depth", description="Keep shapes by a depth ControlNet", default=True
    )


class Eye:
    """The scene as a 3D view or its camera shows it."""

    def __init__(self, area):
        self.area = area
        self.edits = 0
        self._target = None
        self._size = (0, 0)

    def state(self):
        """Everything that the picture depends on."""
        scene, found = bpy.context.scene, self.view()
        settings, own = scene.velatura, scene.velatura_live
        words = tuple(getattr(settings, name) for name in ("prompt", "negative", "model", "seed", "style", "sampler"))
        how = (own.target, own.side, own.steps, round(own.change, 4), own.depth, scene.view_settings.view_transform)
        seen = (scene.name, scene.frame_current, self.edits, round(scene.view_settings.exposure, 4))
        if found is None:
            return words, how, seen
        space, region = found
        shading = space.shading
        look = (shading.type, shading.light, shading.color_type, shading.studio_light)
        lens = scene.camera.name if scene.camera is not None and self.by_camera(space) else _numbers(space)
        return words, how, seen, look, lens, (region.width, region.height)

    def by_camera(self, space):
        """Whether the camera's view is captured: where it is the target, or what the 3D view looks through."""
        return bpy.context.scene.velatura_live.target == "CAMERA" or space.region_3d.view_perspective == "CAMERA"

    def view(self):
        """The 3D view that was chosen with its region, else another one; None where there is none."""
        return drawing.view(self.area)

    def capture(self, side):
        """What is seen now, as a job. Raises ValueError that says what lacks."""
        scene, found = bpy.context.scene, self.view()
        settings, own = scene.velatura, scene.velatura_live
        if not settings.prompt.strip():
            raise ValueError("Say what to paint: the prompt is empty")
        if found is None:
            raise ValueError("There is no 3D view: open one")
        if own.target == "EDITOR" and host.has_window() and not host.has_editor():
            raise ValueError("There is no Image editor to show the picture in: open one beside the 3D view")
        space, region = found
        if space.shading.type == "RENDERED" and scene.render.engine not in ("BLENDER_WORKBENCH", *drawing.EEVEE):
            raise ValueError("The renderer's own view cannot be read: use Solid or Material Preview shading")
        if self.by_camera(space):
            shots.camera_of(scene)
            size = host.frame_size(scene, side)
            lens = capture.lens_of(scene.camera, bpy.context.evaluated_depsgraph_get(), *size, square=True)
            pose, clip = lens.world_to_camera, lens.camera_to_clip
        else:
            size = _size(region.width, region.height, side)
            pose, clip = np.array(space.region_3d.view_matrix), np.array(space.region_3d.window_matrix)
        color, depth = self.draw(space, region, pose, clip, size)
        shot = asking_restyle.Shot(color=color, depth=depth if own.depth and np.isfinite(depth).any() else None)
        made = asking_restyle.restyle(wish(settings, own, size), shot, own.change, {"live": own.target.lower()})
        return spec.job(made, supersede_key=KEY)

    def draw(self, space, region, pose, clip, size):
        """Colours (H, W, 4) uint8 and depth (H, W) metres of one draw off screen."""
        if not offscreen.ready():
            raise ValueError("There is no graphics card to draw with here")
        if self._size != size:
            self.close()
            self._target, self._size = gpu.types.GPUOffScreen(*size), size
        where = bpy.context.scene, bpy.context.view_layer
        return drawing.draw(self._target, (space, region), where, pose, clip, size)

    def close(self):
        """Let the graphics card's memory go."""
        if self._target is not None:
            self._target.free()
        self._target, self._size = None, (0, 0)


def wish(settings, own, size):
    """What to paint, with the same noise each time, without the panel's hints."""
    return asking.Wish(
        prompt=settings.prompt.strip(), negative=settings.negative.strip(), size=size, seed=max(settings.seed, 0),
        steps=own.steps, model=settings.model.strip(), style=painting.style_of(settings.style),
        sampler=settings.sampler, schedule=settings.schedule,
        guidance=None if settings.guidance < 0 else settings.guidance,
        knobs=knobs.values(settings.knobs, settings.sampler) if settings.sampler else {},
        adapters=tuple(spec.adapter(each.model, each.weight) for each in settings.adapters if each.use and each.model),
    )  # fmt: skip


def _size(width, height, side):
    """Width and height of a region's shape, multiples of 8, `side` at the longer one."""
    scale = side / max(width, height, 1)
    return tuple(max(round(each * scale / 8) * 8, 64) for each in (width, height))


def _numbers(space):
    view = space.region_3d
    return tuple(
        round(number, 5) for matrix in (view.view_matrix, view.window_matrix) for row in matrix for number in row
    )


class Screen:
    """Where pictures are seen: an image of ours in an Image editor, or behind what the camera sees."""

    def __init__(self, target):
        self.target = target
        self.artifact = None
        self._before = None
        self._behind = {}

    def show(self, artifact):
        """Show a picture."""
        self.artifact = artifact
        pixels = asking.picture(artifact)[..., :3]
        height, width = pixels.shape[:2]
        image = bpy.data.images.get(NAME) or bpy.data.images.new(NAME, width, height)
        if tuple(image.size) != (width, height):
            image.scale(width, height)
        flat = np.ones((height, width, 4), np.float32)
        flat[..., :3] = pixels[::-1] / np.float32(255)
        image.pixels.foreach_set(flat.ravel())
        image.update()
        if self.target == "EDITOR":
            self._before = host.take_editor(image) if self._before is None else self._before
        else:
            self._lay_behind(image)
        host.redraw_pictures()

    def _lay_behind(self, image):
        """The image before what the scene's camera shows."""
        camera = bpy.context.scene.camera
        if camera is None or any(each.image == image for each in camera.data.background_images):
            return
        self._behind.setdefault(camera.data.name, camera.data.show_background_images)
        laid = camera.data.background_images.new()
        laid.image, laid.alpha, laid.display_depth, laid.frame_method = image, 1.0, "FRONT", "STRETCH"
        camera.data.show_background_images = True

    def clear(self):
        """Everything as it was before."""
        image = bpy.data.images.get(NAME)
        for name, shown in self._behind.items():
            camera = bpy.data.cameras.get(name)
            if camera is not None:
                for laid in [each for each in camera.background_images if image is not None and each.image == image]:
                    camera.background_images.remove(laid)
                camera.show_background_images = shown
        self._behind = {}
        if self._before is not None:
            host.give_editor_back(self._before)
        self._before = None
        if image is not None:
            bpy.data.images.remove(image)


now = SimpleNamespace(live=None, screen=None, eye=None)
"""This Blender's live view, if there is one."""


def start(area):
    """Switch it on. Raises VelaturaError where there is no engine."""
    own = bpy.context.scene.velatura_live
    session.connect(preferences.endpoint(bpy.context))
    now.eye, now.screen = Eye(area), Screen(own.target)
    now.live = Live(eye=now.eye, send=_send, show=now.screen.show, wanted=own.side)
    bpy.app.handlers.depsgraph_update_post.append(_changed)
    if host.has_window():
        bpy.app.timers.register(_tick, first_interval=TICK)


def stop(message="Live is off"):
    """Switch it off, and put everything back."""
    if now.live is None:
        return
    if now.live.on:
        now.live.stop(message)
    session.say(now.live.message)
    session.failed = now.live.failed
    if _changed in bpy.app.handlers.depsgraph_update_post:
        bpy.app.handlers.depsgraph_update_post.remove(_changed)
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    now.eye.close()
    now.screen.clear()
    now.live = now.screen = now.eye = None
    host.redraw()


def step():
    """Look once; for the timer, and for scripts without a window. Says whether it is still on."""
    live = now.live
    if live is None:
        return False
    live.wanted = bpy.context.scene.velatura_live.side
    before = live.message
    live.tick(time.monotonic())
    if not live.on:
        stop()
        return False
    if live.message != before:
        host.redraw()
    return True


def _send(job):
    engine = session.connect(preferences.endpoint(bpy.context))
    return engine.hand_in(job, patience=PATIENCE[engine.endpoint.is_local])


def _tick():
    return TICK if step() else None


@bpy.app.handlers.persistent
def _changed(_scene, depsgraph):
    """Count what changes the picture; our own image does not."""
    if now.eye is None:
        return
    for update in depsgraph.updates:
        told = update.is_updated_geometry or update.is_updated_transform or update.is_updated_shading
        mine = isinstance(update.id, bpy.types.Image) and update.id.name == NAME
        if told and not mine and not isinstance(update.id, UNCOUNTED):
            now.eye.edits += 1
            return


class VELATURA_OT_live(bpy.types.Operator):
    """Paint what is seen, again whenever the view or the scene changes; press again to stop"""

    bl_idname = "velatura.live"
    bl_label = "Live"

    def execute(self, context):
        """Switch it on or off."""
        if now.live is not None:
            stop()
            return {"FINISHED"}
        try:
            start(context.area.as_pointer() if context.area is not None and context.area.type == "VIEW_3D" else 0)
        except VelaturaError as error:
            session.say(str(error), error)
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class VELATURA_OT_live_keep(bpy.types.Operator):
    """Keep the picture that the live view shows, as an image of its own with its recipe"""

    bl_idname = "velatura.live_keep"
    bl_label = "Keep Picture"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context):
        """There is one."""
        return now.screen is not None and now.screen.artifact is not None

    def execute(self, context):
        """Keep it."""
        made, title = now.screen.artifact, context.scene.velatura.prompt[:44] or "Live"
        image = place.image(f"{title} live", asking.picture(made)[..., :3], asking.recipe_of(made))
        history.add(SimpleNamespace(title="Live", place=None), image)
        self.report({"INFO"}, f"Kept as «{image.name}»")
        return {"FINISHED"}


@bpy.app.handlers.persistent
def _away(*_):
    stop()


@bpy.app.handlers.persistent
def _hide(*_):
    if now.screen is not None:  # nothing of it goes into the file
        now.screen.clear()


@bpy.app.handlers.persistent
def _show_again(*_):
    if now.screen is not None and now.screen.artifact is not None:
        now.screen.show(now.screen.artifact)


HANDLERS = (
    (bpy.app.handlers.load_pre, _away), (bpy.app.handlers.save_pre, _hide), (bpy.app.handlers.save_post, _show_again),
)  # fmt: skip
CLASSES = (VelaturaLive, VELATURA_OT_live, VELATURA_OT_live_keep)


def register():
    """Make it known."""
    for each in CLASSES:
        bpy.utils.register_class(each)
    bpy.types.Scene.velatura_live = bpy.props.PointerProperty(type=VelaturaLive)
    for where, handler in HANDLERS:
        where.append(handler)


def unregister():
    """Take it away."""
    stop()
    for where, handler in HANDLERS:
        where.remove(handler)
    del bpy.types.Scene.velatura_live
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
