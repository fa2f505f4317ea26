"""What the artist chose beyond the words: size and shape, sampling, hints, adapters, what to start from."""

from pathlib import Path

import bpy

from . import hints, history, knobs, offer, styles
from .client import spec
from .session import session

OWN = -1.0
AUTOMATIC = ("AUTOMATIC", "Automatic", "The model's own")
NO_STYLE = ("NONE", "No style", "The words alone")
TILING = [
    ("NONE", "Nowhere", "An ordinary picture"),
    ("xy", "Both", "Left meets right and top meets bottom"),
    ("x", "Horizontal", "Left meets right"),
    ("y", "Vertical", "Top meets bottom"),
]
SOURCES = [
    ("WORDS", "Words", "Paint from the prompt alone"),
    ("IMAGE", "Picture", "Paint over the picture that the editor shows, into a new one"),
    ("MASK", "Part", "Paint a part of the picture that the editor shows anew, into a new one"),
]
MASKS = [
    ("ALPHA", "Transparent", "What is transparent in the picture; erase with the brush's blend mode Erase Alpha"),
    ("IMAGE", "Mask Picture", "What is white in another picture"),
    ("SPLINE", "Mask", "What a mask's closed curves enclose, drawn in the editor's Mask mode"),
]
HINTS = [
    ("IMAGE", "Picture", "A picture, as it is or through a preprocessor"),
    ("SCENE", "Scene", "What the scene's camera sees: its true depth, and what can be made of it"),
]


def folder():
    """Where the artist's own styles are kept; None where the add-on is no extension (development)."""
    try:
        return Path(bpy.utils.extension_path_user(__package__))
    except ValueError:
        return Path(bpy.utils.user_resource("CONFIG")) / "velatura"


def known_styles():
    """The styles there are; ours alone where the artist's file is broken."""
    try:
        return styles.load(folder())
    except ValueError:
        return styles.BUILT_IN


def style_of(name):
    """A style by its id, or None."""
    return next((style for style in known_styles() if style.id == name), None)


def suggest(settings, _, text):
    """What a prompt may go on with."""
    return offer.complete(offer.terms(session.catalog, settings.model), text)


def sampler_knobs(settings, _=None):
    """The sampler's knobs, as the catalog has them."""
    knobs.follow(settings.knobs, settings.sampler, offer.knobs(session.catalog, "samplers", settings.sampler))


def hint_knobs(unit, _=None):
    """The preprocessor's knobs, as the catalog has them."""
    knobs.follow(unit.knobs, unit.preprocessor, offer.knobs(session.catalog, "preprocessors", unit.preprocessor))


def refresh():
    """Give every scene the knobs that the catalog has now."""
    for scene in bpy.data.scenes:
        sampler_knobs(scene.velatura)
        for unit in scene.velatura.controls:
            hint_knobs(unit)


def listed(shelf):
    """For a chooser: what is on a shelf now."""
    return lambda _: offer.choices(session.catalog, shelf)


class VelaturaControl(bpy.types.PropertyGroup):
    """A hint that the picture follows."""

    use: bpy.props.BoolProperty(name="Use", default=True)  # type: ignore[valid-type]
    kind: bpy.props.StringProperty(name="Kind", default="depth")  # type: ignore[valid-type]
    kind_choice: knobs.chooser("kind", listed("controls"), name="Kind", description="What the hint tells")  # type: ignore[valid-type]
    source: bpy.props.EnumProperty(name="From", items=HINTS, default="SCENE")  # type: ignore[valid-type]
    image: bpy.props.PointerProperty(name="Picture", type=bpy.types.Image)  # type: ignore[valid-type]
    preprocessor: bpy.props.StringProperty(name="Preprocessor", update=hint_knobs)  # type: ignore[valid-type]
    preprocessor_choice: knobs.chooser(  # type: ignore[valid-type]
        "preprocessor",
        listed("preprocessors"),
        ("AS_IT_IS", "None", "The picture is the hint; from the scene: what suits the kind"),
        name="Preprocessor",
        description="Makes the hint of the picture",
    )
    knobs: bpy.props.CollectionProperty(type=knobs.VelaturaKnob)  # type: ignore[valid-type]
    strength: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Strength", description="How strongly it is followed", default=1.0, min=0.0, max=2.0
    )
    start: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Start", description="Part of the run where it begins", default=0.0, min=0.0, max=1.0
    )
    end: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="End", description="Part of the run where it ends", default=1.0, min=0.0, max=1.0
    )


class VelaturaAdapter(bpy.types.PropertyGroup):
    """A LoRA or hypernetwork that is added to the model."""

    use: bpy.props.BoolProperty(name="Use", default=True)  # type: ignore[valid-type]
    model: bpy.props.StringProperty(name="Adapter")  # type: ignore[valid-type]
    model_choice: knobs.chooser(  # type: ignore[valid-type]
        "model",
        lambda _: offer.models(session.catalog, *offer.ADAPTERS),
        ("NONE", "Choose …", "An adapter that is installed at the engine"),
        name="Adapter",
    )
    weight: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Weight", description="How strongly it counts", default=1.0, min=-4.0, max=4.0
    )


class Painting:
    """Settings of a scene, beside those in `preferences`."""

    style: bpy.props.StringProperty(name="Style")  # type: ignore[valid-type]
    style_choice: knobs.chooser(  # type: ignore[valid-type]
        "style",
        lambda _: [(style.id, style.title, style.prompt) for style in known_styles()],
        NO_STYLE,
        "This style is not on this computer",
        name="Style",
        description="Words that are laid around the prompt",
    )
    height: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Height", description="Of a picture, pixels; 0: as wide as high", default=0, min=0, max=4096, step=8
    )
    guidance: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Guidance", description="How closely words are followed; -1: the model's own", default=OWN, min=OWN, max=30
    )
    sampler: bpy.props.StringProperty(name="Sampler", update=sampler_knobs)  # type: ignore[valid-type]
    sampler_choice: knobs.chooser(  # type: ignore[valid-type]
        "sampler", listed("samplers"), AUTOMATIC, name="Sampler", description="How the noise is taken away"
    )
    schedule: bpy.props.StringProperty(name="Schedule")  # type: ignore[valid-type]
    schedule_choice: knobs.chooser(  # type: ignore[valid-type]
        "schedule", listed("schedules"), AUTOMATIC, name="Schedule", description="How the noise levels are spaced"
    )
    knobs: bpy.props.CollectionProperty(type=knobs.VelaturaKnob)  # type: ignore[valid-type]
    controls: bpy.props.CollectionProperty(type=VelaturaControl)  # type: ignore[valid-type]
    control_index: bpy.props.IntProperty()  # type: ignore[valid-type]
    adapters: bpy.props.CollectionProperty(type=VelaturaAdapter)  # type: ignore[valid-type]
    adapter_index: bpy.props.IntProperty()  # type: ignore[valid-type]
    source: bpy.props.EnumProperty(name="From", items=SOURCES)  # type: ignore[valid-type]
    strength: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Strength", description="0 keeps the picture, 1 paints anew", default=0.6, min=0.0, max=1.0
    )
    mask_source: bpy.props.EnumProperty(name="Part", items=MASKS)  # type: ignore[valid-type]
    mask_image: bpy.props.PointerProperty(name="Mask Picture", type=bpy.types.Image)  # type: ignore[valid-type]
    mask: bpy.props.PointerProperty(name="Mask", type=bpy.types.Mask)  # type: ignore[valid-type]
    mask_grow: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Grow", description="Widen the part, pixels", default=0, min=0, max=1024
    )
    mask_feather: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Feather", description="Soften the part's edge, pixels", default=4, min=0, max=1024
    )
    edges: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Seamless", description="Which edges of a picture meet without a seam", items=TILING
    )
    history: bpy.props.CollectionProperty(type=history.VelaturaMemory)  # type: ignore[valid-type]
    history_index: bpy.props.IntProperty()  # type: ignore[valid-type]
    favourites: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Favourites", description="Show those alone that have a star"
    )


def extras(context, size, value, controls=None):
    """What a wish holds beyond words, size and seed; `value(name)` is the operator's own value or the scene's.
    `controls` take the place of the scene's hints where there are any."""
    settings = context.scene.velatura
    guidance, sampler = value("guidance"), value("sampler")
    return {
        "style": style_of(value("style")),
        "sampler": sampler,
        "schedule": settings.schedule,
        "guidance": None if guidance < 0 else guidance,
        "knobs": knobs.values(settings.knobs, sampler) if sampler else {},
        "hints": hints.read(context, size) if controls is None else None,
        "controls": controls or (),
        "left_out": hints.left_out(context, size) if controls is None else {},
        "adapters": tuple(
            spec.adapter(each.model, each.weight) for each in settings.adapters if each.use and each.model
        ),
    }


CLASSES = (VelaturaControl, VelaturaAdapter)


def register():
    """Make the properties known, and follow the catalog."""
    for each in CLASSES:
        bpy.utils.register_class(each)
    session.learned.append(refresh)


def unregister():
    """Take them away."""
    session.learned.remove(refresh)
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
