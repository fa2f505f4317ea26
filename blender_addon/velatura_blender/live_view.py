"""The live view in Blender: what is looked at, where pictures are shown, and the switch."""

import time
from types import SimpleNamespace

import bpy
import numpy as np

from . import asking, history, host, place, preferences
from .client import VelaturaError
from .live import Live
from .live_eye import Eye
from .session import PATIENCE, session

NAME = "Velatura Live"
"""Of the image that shows the newest picture."""
TICK = 0.05  # seconds
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


class Screen:
    """Where pictures are seen: an image of ours in an Image editor, or behind what the camera sees."""

    def __init__(self, target):
        self.target = target
        self.artifact = None
        self._before = None

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
        now.behind[camera.data.name] = camera.data.show_background_images
        laid = camera.data.background_images.new()
        laid.image, laid.alpha, laid.display_depth, laid.frame_method = image, 1.0, "FRONT", "STRETCH"
        camera.data.show_background_images = True

    def clear(self):
        """Everything as it was before."""
        _take_away()
        if self._before is not None:
            host.give_editor_back(self._before)
        self._before = None


def _take_away():
    """The picture goes, also from before what cameras see."""
    image = bpy.data.images.get(NAME)
    if image is None:
        return
    for camera in bpy.data.cameras:
        for laid in [each for each in camera.background_images if each.image == image]:
            camera.background_images.remove(laid)
            camera.show_background_images = now.behind.get(camera.name, False)
    bpy.data.images.remove(image)


now = SimpleNamespace(live=None, screen=None, eye=None, behind={})
"""This Blender's live view, if there is one, and whether cameras showed their background images before it."""


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
        made, title = now.screen.artifact, place.title(context.scene.velatura.prompt)
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


@bpy.app.handlers.persistent
def _never_stale(*_):
    if now.live is None:  # a step of a time at which it was on brings its picture back
        _take_away()


HANDLERS = (
    (bpy.app.handlers.load_pre, _away), (bpy.app.handlers.load_post, _never_stale),
    (bpy.app.handlers.undo_post, _never_stale), (bpy.app.handlers.redo_post, _never_stale),
    (bpy.app.handlers.save_pre, _hide), (bpy.app.handlers.save_post, _show_again),
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
