"""How an artist asks, and for textures and materials. Each operator sends a job and returns at once, or with
`wait=True` when it is placed."""

import random
from functools import partial
from types import GeneratorType

import bpy

from . import asking, hints, host, lent, painting, place, preferences, resume, unseen, wiring
from .client import VelaturaError, png
from .errands import errands
from .pace import beside
from .session import session
from .sheets import sheets_in_turn

EDITING = "Leave Edit Mode first"


def refused(operator, error):
    """Tell the artist why an operator did nothing; what it returns then."""
    session.say(str(error), error if isinstance(error, VelaturaError) else None)
    session.failed = True
    operator.report({"ERROR"}, str(error))
    return {"CANCELLED"}


def act(operator, context, begin, finish):
    """Begin an errand, and with `wait` or without a window finish it; or say why not."""
    try:
        if context.mode.startswith("EDIT"):
            raise ValueError(EDITING)
        errand = begin()
        if operator.wait or not host.has_window():
            finish(errand)
            operator.report({"INFO"}, errand.message)
        elif errand.error is not None:
            raise errand.error
        return {"FINISHED"}
    except (VelaturaError, ValueError) as error:
        return refused(operator, error)


def task_of(operator, asked):
    """The task of what an operator asked: `asked`, or what it ends with where it is a generator of pieces. None while
    there are pieces left for the window's timer."""
    if not isinstance(asked, GeneratorType):
        return asked
    tasks = []
    errand = errands.start(operator.bl_label, _pieces(asked, tasks), asks=True)
    if operator.wait or not host.has_window():
        errands.wait(errand)
    elif errand.error is not None:
        raise errand.error
    return tasks[0] if tasks else None


def _pieces(asked, tasks):
    """Steps of an errand that end with a task, which `tasks` takes."""
    tasks.append((yield from asked))
    return tasks[0].message or f"{tasks[0].title} …"


def sent(title, job, put, left_out=None):
    """The task of the job that `job` makes beside Blender's thread, in pieces; it may touch nothing of Blender's."""
    (spec,) = yield from beside([job])
    return session.run(title, spec, put, left_out=left_out)


class Asking:
    """What the operators share: settings come from the operator where given, else from the scene."""

    bl_options = {"REGISTER"}  # noqa: RUF012
    editing = False
    """Whether it can be asked for in Edit Mode."""

    prompt: bpy.props.StringProperty(name="Prompt", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    negative: bpy.props.StringProperty(name="Avoid", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    model: bpy.props.StringProperty(name="Model", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    size: bpy.props.IntProperty(name="Size", default=512, min=64, max=4096, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    seed: bpy.props.IntProperty(name="Seed", default=-1, min=-1, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    steps: bpy.props.IntProperty(name="Steps", min=0, max=1000, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    style: bpy.props.StringProperty(name="Style", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    sampler: bpy.props.StringProperty(name="Sampler", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    guidance: bpy.props.FloatProperty(name="Guidance", default=-1, min=-1, max=100, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    wait: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Wait", description="Return when the result is in the scene", options={"SKIP_SAVE", "HIDDEN"}
    )

    def execute(self, context):
        """Ask, and with `wait` place."""
        try:
            if context.mode.startswith("EDIT") and not self.editing:
                raise ValueError(EDITING)
            task = task_of(self, self.ask(context))
            if task is None:
                return {"FINISHED"}
            if self.wait:
                session.wait(task)
                self.report({"INFO"}, task.message)
            for warning in task.warnings:
                self.report({"WARNING"}, warning)
            return {"FINISHED"}
        except (VelaturaError, ValueError) as error:
            return refused(self, error)

    def value(self, context, name):
        """The operator's own value where it was given, else the scene's."""
        given = self.properties.is_property_set(name)
        return getattr(self if given else context.scene.velatura, name)

    def wish(self, context, size):
        """What to paint, at (width, height)."""
        prompt = self.value(context, "prompt").strip()
        if not prompt:
            raise ValueError("Say what to paint: the prompt is empty")
        seed, steps = self.value(context, "seed"), self.value(context, "steps")
        return asking.Wish(
            prompt=prompt,
            negative=self.value(context, "negative").strip(),
            size=size,
            seed=random.randrange(1 << 31) if seed < 0 else seed,  # one that fits into the field, to be used again
            steps=steps or None,
            model=self.value(context, "model").strip(),
            **painting.extras(context, size, partial(self.value, context), self.controls(context)),
        )

    def controls(self, context):
        """Hints of the operator's own; None for those that lead one picture."""
        return None

    def targets(self, context):
        """The meshes that are meant."""
        return unseen.paintable(context)


class Settled(Asking):
    """An operator's values as they were when it was asked: in the window it is gone when pieces of it are left."""

    def __init__(self, operator, context, *names):
        names = ("prompt", "negative", "seed", "steps", "model", "style", "sampler", "guidance", *names)
        self.values = {name: operator.value(context, name) for name in names}

    def value(self, context, name):
        """What it was then."""
        return self.values[name]


class VELATURA_OT_texture(Asking, bpy.types.Operator):
    """Make a seamless texture of the prompt and put it on the selected meshes as a new material"""

    bl_idname = "velatura.texture"
    bl_label = "Seamless Texture"

    tiling: bpy.props.EnumProperty(name="Seamless", items=preferences.TILING, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    repeat: bpy.props.FloatProperty(name="Repeat", default=1.0, min=0.01, options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def ask(self, context):
        """Send it."""
        things = self.targets(context)
        side = self.value(context, "size")
        wish = self.wish(context, (side, side))
        session.connect(preferences.endpoint(context))
        tiling, repeat, on = self.value(context, "tiling"), self.value(context, "repeat"), lent.unwrapped(things)
        wish = yield from hints.settled(wish)
        put = partial(put_texture, things=on, title=wish.prompt, repeat=repeat)
        return session.run("Texture", asking.texture(wish, tiling), put, left_out=wish.left_out)


@resume.resumable
def put_texture(result, things, title, repeat):
    """Image, one material for each UV layer that is used, and the objects that wear them; says what was done."""
    artifact = result.artifacts[0]
    recipe = asking.recipe_of(artifact)
    (ready,) = yield from sheets_in_turn([lambda: asking.picture(artifact)[..., :3]])
    image = place.image(place.title(title), ready, recipe)

    def material(layer, size):
        return place.material(place.title(title), image, layer, repeat=repeat, recipe=recipe)

    return _dress("Texture", things, f"seed {artifact.seed}", material)


class VELATURA_OT_material(Asking, bpy.types.Operator):
    """Make a seamless texture of the prompt with its normals, height, roughness and metal, as a new material"""

    bl_idname = "velatura.material"
    bl_label = "Seamless Material"

    tiling: bpy.props.EnumProperty(name="Seamless", items=preferences.TILING, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    repeat: bpy.props.FloatProperty(name="Repeat", default=1.0, min=0.01, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    displace: bpy.props.BoolProperty(name="Displace", options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def ask(self, context):
        """Send it."""
        things = self.targets(context)
        side = self.value(context, "size")
        wish = self.wish(context, (side, side))
        session.connect(preferences.endpoint(context))
        more = {name: self.value(context, name) for name in ("repeat", "displace")}
        tiling, on = self.value(context, "tiling"), lent.unwrapped(things)
        wish = yield from hints.settled(wish)
        put = partial(put_material, things=on, title=wish.prompt, **more)
        return session.run("Material", asking.material(wish, tiling), put, left_out=wish.left_out)


@resume.resumable
def put_material(result, things, title, repeat, displace):
    """An image for each map, one material for each UV layer that is used, and who wears them; says what was done.

    The maps become files beside Blender's thread. All else is one piece: packing six files takes few milliseconds, and
    each change that the window hears of has its views drawn anew.
    """
    found = asking.maps_of(result)
    recipe = asking.recipe_of(found["albedo"])

    def picture(name):
        return lambda: asking.picture(found[name], deep=name == "height")[..., : 1 if name in wiring.SINGLE else 3]

    ready = dict(zip(found, (yield from sheets_in_turn([picture(name) for name in found])), strict=True))
    called = {name: place.title(title) if name == "albedo" else f"{place.title(title)} {name}" for name in found}
    images = {name: place.image(called[name], ready[name], recipe, data=name != "albedo") for name in found}
    side = png.size(ready["height"].file)[0]
    share = found["height"].scores.get("relief", 0.0) / side / repeat  # of the UV square's side

    def material(layer, size):
        return wiring.surface(
            place.title(title), images, layer, repeat=repeat, depth=share * size, displace=displace, recipe=recipe
        )

    return _dress("Material", things, seeds(result)[0], material)


def _dress(what, things, seed, material):
    """The objects that are still there wear a material, `material(layer, size)` for each UV layer that is used; says
    what was done."""
    notes, known, worn = [seed, *lent.words(things)], {}, []
    for target in things:
        thing = target.find()
        if thing is None:
            notes.append(f"{target.name} is gone")
            continue
        layer = target.lay_any()
        if not layer:
            notes.append(f"{thing.name} has no UV map: unwrap it (Edit Mode, U)")
        if layer not in known:
            known[layer] = material(layer, max(thing.dimensions))
        place.wear(thing, known[layer])
        worn.append(thing.name)
    if not worn:
        material(things[0].layer, 1.0)
        notes.append("Apply Again there puts it on another mesh")
    return f"{what} {'on ' + ', '.join(worn) if worn else 'only in the history'}, " + "; ".join(notes)


def seeds(result):
    """The seeds of a job's paintings, in words."""
    return [f"seed {step.diffuse.seed}" for step in result.resolved.steps if step.HasField("diffuse")]


CLASSES = (
    VELATURA_OT_texture,
    VELATURA_OT_material,
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
