"""Operators on the history: use its settings again, paint another one like it, put it back, forget it."""

import random

import bpy

from . import asking, host, knobs, place, preferences, resume, unseen, views
from .client import VelaturaError, recipe
from .operators import refused
from .session import session


class OnEntry:
    """What they share: which entry is meant."""

    number: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Entry", description="Its place in the history, from 0, newest first; -1: the chosen one", default=-1,
        options={"SKIP_SAVE"},
    )  # fmt: skip

    def entry(self, context):
        """The entry. Raises ValueError where there is none."""
        settings = context.scene.velatura
        number = settings.history_index if self.number < 0 else self.number
        if not 0 <= number < len(settings.history):
            raise ValueError("The history has no such entry")
        return settings.history[number]

    @classmethod
    def poll(cls, context):
        """There is something."""
        return bool(context.scene.velatura.history)

    def execute(self, context):
        """Do it, or say why not."""
        try:
            self.report({"INFO"}, self.act(context, self.entry(context)))
            return {"FINISHED"}
        except (VelaturaError, ValueError) as error:
            return refused(self, error)


class VELATURA_OT_history_use(OnEntry, bpy.types.Operator):
    """Set prompt, model, size, seed, sampling and adapters as they were for this result"""

    bl_idname = "velatura.history_use"
    bl_label = "Use Settings Again"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    def act(self, context, entry):
        """Set them."""
        free = entry.kind == "Picture"  # else its shape is the camera's, or square
        restore(context.scene.velatura, asking.diffusion(recipe.loads(entry.recipe)), free)
        return f"Settings of «{entry.name}»"


class VELATURA_OT_history_vary(OnEntry, bpy.types.Operator):
    """Paint another one like this, with another seed, for the same objects"""

    bl_idname = "velatura.history_vary"
    bl_label = "Vary"

    same_seed: bpy.props.BoolProperty(name="Same Seed", description="Paint it again as it was", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    wait: bpy.props.BoolProperty(name="Wait", options={"SKIP_SAVE", "HIDDEN"})  # type: ignore[valid-type]

    def act(self, context, entry):
        """Send it."""
        put = resume.read(entry.place, entry.arguments)
        if put is None:
            raise ValueError(f"«{entry.name}» cannot be painted again from here: use its settings")
        session.connect(preferences.endpoint(context))
        seed = None if self.same_seed else random.randrange(1 << 31)
        task = session.run(entry.kind, asking.again(recipe.loads(entry.recipe), seed), put)
        if self.wait:
            session.wait(task)
        return task.message or f"{entry.kind} …"


class VELATURA_OT_history_apply(OnEntry, bpy.types.Operator):
    """Put this result on the selected meshes; a picture is shown in the Image editor"""

    bl_idname = "velatura.history_apply"
    bl_label = "Apply Again"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    def act(self, context, entry):
        """Put it."""
        if entry.image is not None:
            host.show_image(entry.image, "")
        if entry.material is None and entry.kind == "Picture" and entry.image is not None:
            return f"«{entry.image.name}» is shown"
        if entry.material is None:
            raise ValueError(f"The material of «{entry.name}» is gone: vary it to paint it again")
        things, words = unseen.paintable(context), ""
        if entry.is_baked() and views.is_there(entry.owner):
            things = owners(entry, things)
            for thing in things:
                place.wear(thing, entry.material, [int(number) for number in entry.slots.split()])
        else:
            for thing in things:
                place.wear(thing, place.fitting(entry.material, thing))
            if entry.is_baked():
                words = "; the object that it was made for is gone, so it fits only where UVs are the same"
        return f"«{entry.material.name}» on {', '.join(thing.name for thing in things)}{words}"


def owners(entry, things):
    """Those of the objects that a result was made for: its own, and such as share its mesh. Raises ValueError where
    there is none, or where its UV map is gone."""
    found = [thing for thing in things if thing == entry.owner or thing.data == entry.owner.data]
    if not found:
        raise ValueError(f"Select {entry.owner.name}: «{entry.name}» was made for it, and fits no other")
    gone = place.layers_of(entry.material) - {layer.name for layer in found[0].data.uv_layers}
    if gone:
        raise ValueError(f"{entry.owner.name} has no UV map «{gone.pop()}» any more, in which «{entry.name}» lies")
    return found


class VELATURA_OT_history_delete(OnEntry, bpy.types.Operator):
    """Take this result out of the history; image, material and views go too where nothing else uses them"""

    bl_idname = "velatura.history_delete"
    bl_label = "Forget"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    def act(self, context, entry):
        """Forget it."""
        settings, name = context.scene.velatura, entry.name
        image, material = entry.image, entry.material
        number = next(number for number, each in enumerate(settings.history) if each == entry)
        settings.history.remove(number)
        settings.history_index = max(min(settings.history_index, len(settings.history) - 1), 0)
        if material is not None and place.is_only_kept(material):
            bpy.data.materials.remove(material)
        if image is not None and image.users == 0:
            bpy.data.images.remove(image)
        views.remove_forgotten(context.scene)
        return f"«{name}» is forgotten"


class VELATURA_OT_seed(bpy.types.Operator):
    """Hold the seed of the newest result, or draw another one each time"""

    bl_idname = "velatura.seed"
    bl_label = "Seed"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    hold: bpy.props.BoolProperty(name="Hold", description="Keep the newest result's seed", options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def execute(self, context):
        """Set it."""
        settings = context.scene.velatura
        if not self.hold:
            settings.seed = -1
        elif settings.history:
            settings.seed = asking.diffusion(recipe.loads(settings.history[0].recipe)).seed % (1 << 31)
        else:
            settings.seed = random.randrange(1 << 31)
        return {"FINISHED"}


def restore(settings, task, free):
    """Settings as a painting's message has them, its shape where that was `free`; hint pictures are left."""
    settings.prompt, settings.negative, settings.style = task.prompt.text, task.negative.text, ""
    side = task.width if free else max(task.width, task.height)
    settings.model, settings.size = task.model, max(min(side, 4096), 64)
    settings.height = task.height if free and task.height != task.width else 0
    settings.seed, settings.steps = task.seed % (1 << 31), task.sampling.steps
    settings.guidance = task.sampling.guidance if task.sampling.HasField("guidance") else -1
    settings.sampler, settings.schedule = task.sampling.sampler, task.sampling.schedule
    knobs.put(settings.knobs, asking.knob_values(task.sampling.knobs))
    edges = "x" * task.tiling.x + "y" * task.tiling.y
    settings.edges = edges or "NONE"
    settings.tiling = edges or settings.tiling
    if task.HasField("init"):
        settings.strength = task.init.strength
    settings.adapters.clear()
    for each in task.adapters:
        made = settings.adapters.add()
        made.model, made.weight = each.model, each.weight
    settings.controls.clear()
    for each in task.controls:
        made = settings.controls.add()
        made.kind, made.preprocessor = each.kind, each.preprocessor
        made.source = "SCENE" if each.HasField("depth") else "IMAGE"
        made.strength, made.start, made.end = each.strength, each.start, each.end if each.HasField("end") else 1.0
        knobs.put(made.knobs, asking.knob_values(each.knobs))


CLASSES = (
    VELATURA_OT_history_use,
    VELATURA_OT_history_vary,
    VELATURA_OT_history_apply,
    VELATURA_OT_history_delete,
    VELATURA_OT_seed,
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
