"""Restyling: what the scene's camera shows, painted over as a still or frame by frame into a folder."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import bpy
import numpy as np

from . import asking, asking_restyle, film, frames, host, place, preferences, resume, shots, takes
from .errands import errands
from .held import hold
from .operators import Asking, act
from .pace import beside
from .session import session
from .sheets import sheets_in_turn

STILL, FILM = "Restyle", film.TITLE
SOURCES = [
    ("RENDER", "Render", "What a final render shows, by the scene's own renderer"),
    ("VIEWPORT", "3D View", "What a 3D view would show through the camera, in its shading; quicker"),
]

BESIDE_THE_FILE = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set()
"""Paths may begin with //; older versions take that for granted."""


class VelaturaRestyle(bpy.types.PropertyGroup):
    """How what the camera shows is painted over, kept with the scene."""

    origin: bpy.props.EnumProperty(name="From", items=SOURCES)  # type: ignore[valid-type]
    change: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Strength", description="0 keeps the render, 1 paints anew", default=0.5, min=0.0, max=1.0
    )
    depth: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Follow Depth", description="Keep shapes by a depth ControlNet and the scene's true depth", default=True
    )
    normals: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Follow Normals", description="Keep shapes by a normal ControlNet too, where the model has one",
        default=True,
    )  # fmt: skip
    only: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Selected Only", description="Only the selected objects change; every other pixel stays as it is"
    )
    folder: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Folder", description="Where the frames are written; // is beside the file", default="//restyle/",
        subtype="DIR_PATH", options=BESIDE_THE_FILE,
    )  # fmt: skip
    passes: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Passes", description="Write depth, normals and mask of each frame beside it, as OpenEXR for compositors"
    )
    anew: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Start Anew", description="Paint frames again that are there already with the same settings"
    )


class Restyling(Asking):
    """What still and animation share."""

    origin: bpy.props.EnumProperty(name="From", items=SOURCES, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    change: bpy.props.FloatProperty(name="Strength", default=0.5, min=0, max=1, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    depth: bpy.props.BoolProperty(name="Follow Depth", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    normals: bpy.props.BoolProperty(name="Follow Normals", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    only: bpy.props.BoolProperty(name="Selected Only", options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def value(self, context, name):
        """The operator's own value where it was given, else the scene's."""
        own = context.scene.velatura_restyle
        if not self.properties.is_property_set(name) and hasattr(own, name):
            return getattr(own, name)
        return super().value(context, name)

    def wanted(self, context, **more):
        """What is asked, checked as far as it can be before anything is rendered."""
        if errands.find(STILL) or errands.find(FILM):
            raise ValueError("Something is being restyled already: wait for it, or stop it")
        scene = context.scene
        shots.camera_of(scene)
        wish = self.wish(context, host.frame_size(scene, self.value(context, "size")))
        only = None
        if self.value(context, "only"):
            only = tuple(hold(thing) for thing in context.view_layer.objects if thing.select_get())
            if not only:
                raise ValueError("Select the objects that may change, or switch off Selected Only")
        session.connect(preferences.endpoint(context))
        return takes.Wanted(
            wish=wish, scene=scene.session_uid, layer=context.view_layer.name, origin=self.value(context, "origin"),
            strength=self.value(context, "change"), depth=self.value(context, "depth"),
            normals=self.value(context, "normals"), only=only, **more,
        )  # fmt: skip


class VELATURA_OT_restyle(Restyling, bpy.types.Operator):
    """Render what the camera shows and paint over it, following its true depth and normals, into a new picture"""

    bl_idname = "velatura.restyle"
    bl_label = "Restyle"

    def execute(self, context):
        """Begin, and with `wait` or without a window end."""
        return act(self, context, lambda: errands.start(STILL, still(self.wanted(context))), self.finish)

    def finish(self, errand):
        """Wait for the picture too."""
        errands.wait(errand)
        for task in [task for task in session.tasks if task.title == STILL] if self.wait else ():
            session.wait(task)
            errand.message = task.message


class VELATURA_OT_restyle_animation(Restyling, bpy.types.Operator):
    """Restyle every frame with the same noise into numbered files; frames that are there already are left out"""

    bl_idname = "velatura.restyle_animation"
    bl_label = "Restyle Animation"

    start: bpy.props.IntProperty(name="Start", description="First frame; not given: the scene's", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    end: bpy.props.IntProperty(name="End", description="Last frame; not given: the scene's", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    folder: bpy.props.StringProperty(name="Folder", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    passes: bpy.props.BoolProperty(name="Passes", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    anew: bpy.props.BoolProperty(name="Start Anew", options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def execute(self, context):
        """Begin, and with `wait` or without a window end."""
        return act(self, context, lambda: self.begin(context), errands.wait)

    def begin(self, context):
        """Check what can be checked, and send the first frame."""
        scene, folder = context.scene, self.value(context, "folder").strip()
        if not folder:
            raise ValueError("Name the folder that the frames are to be written into")
        if folder.startswith("//") and not bpy.data.filepath:
            raise ValueError("Save the file first, or name a folder that does not begin with //")
        start = self.start if self.properties.is_property_set("start") else scene.frame_start
        end = self.end if self.properties.is_property_set("end") else scene.frame_end
        if start > end:
            raise ValueError(f"There is no frame from {start} to {end}")
        wanted = self.wanted(context, passes=self.value(context, "passes"))
        if self.value(context, "seed") < 0:
            wanted = replace(wanted, wish=replace(wanted.wish, seed=0))  # another one each time could not go on
        path = Path(bpy.path.abspath(folder))
        frames.make(path)
        numbers = range(start, end + 1, scene.frame_step)
        return errands.start(FILM, film.steps(wanted, path, numbers, anew=self.value(context, "anew")))


def still(wanted):
    """Steps of one picture: what is rendered is sent, and placed when it comes."""
    wanted = yield from takes.settled(wanted)
    _, layer = wanted.place()
    before = takes.read(wanted, layer, solids=False)
    seen = yield from takes.look(wanted, before)  # what it cannot show is said before anything is rendered
    yield
    now = takes.read(wanted, layer, solids=False)
    color = yield from takes.picture(wanted)
    seen = yield from takes.looked_again(wanted, before, seen, now)
    shot, notes = takes.shot_of(wanted, seen, color), asking_restyle.labels(now.notes)
    left_out = wanted.wish.left_out | now.left_out
    (spec,) = yield from beside([lambda: asking_restyle.restyle(wanted.wish, shot, wanted.strength, notes)])
    put = partial(put_restyle, title=wanted.wish.prompt, before=_shown())
    if (color[..., 3] < 255).any():  # such a job is not written down when the file is saved
        put = partial(put_restyle, **put.keywords, alpha=np.ascontiguousarray(color[..., 3]))
    session.run(STILL, spec, put, left_out=left_out)
    return f"{STILL}: the picture is being painted"


@resume.resumable
def put_restyle(result, title, before="", alpha=None):
    """A new image, as transparent as the render was, shown where the last render or restyling was."""
    (artifact,) = result.artifacts

    def picture():
        colors = asking.picture(artifact)[..., :3]
        return colors if alpha is None else np.concatenate([colors, alpha[..., None]], 2)

    (ready,) = yield from sheets_in_turn([picture])
    image = place.image(f"{place.title(title)} restyled", ready, asking.recipe_of(artifact))
    if alpha is not None:
        image.alpha_mode = "STRAIGHT"
    host.show_image(image, before)
    return f"Restyled into «{image.name}», seed {artifact.seed}"


def _shown():
    """The name of the picture that an Image editor shows and that ours may take the place of."""
    image = host.shown_image(bpy.context)
    mine = image is not None and (image.type == "RENDER_RESULT" or image.get(place.RECIPE))
    return image.name if mine else ""


class VELATURA_OT_restyle_stop(bpy.types.Operator):
    """Stop restyling; frames that are done stay, and the next run goes on after them"""

    bl_idname = "velatura.restyle_stop"
    bl_label = "Stop Restyling"

    @classmethod
    def poll(cls, context):
        """There is something to stop."""
        return bool(errands.find(STILL) or errands.find(FILM))

    def execute(self, context):
        """Stop it."""
        for title in (STILL, FILM):
            errand = errands.find(title)
            if errand is not None:
                errands.stop(errand)
        return {"FINISHED"}


CLASSES = (VelaturaRestyle, VELATURA_OT_restyle, VELATURA_OT_restyle_animation, VELATURA_OT_restyle_stop)


def register() -> None:
    """Give every scene its settings, and make the operators callable."""
    for each in CLASSES:
        bpy.utils.register_class(each)
    bpy.types.Scene.velatura_restyle = bpy.props.PointerProperty(type=VelaturaRestyle)


def unregister() -> None:
    """Take them away."""
    del bpy.types.Scene.velatura_restyle
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
