"""Parameters that parts of the catalog declare, as properties that Blender can keep and draw."""

import math

import bpy

from .client import knobs_pb2

KINDS = ("integer", "number", "flag", "text")
_kept = {}  # Blender keeps no copy of an enumeration's words


def kept(items):
    """An enumeration's items, numbered, whose words live as long as Blender does."""
    key = tuple(items)
    return _kept.setdefault(key, [(*item, number) for number, item in enumerate(key)])


def chooser(field, listed, first=None, missing="The engine does not have this now", **more):
    """A menu over an open set whose choice is kept as an id in another property, so that files outlive the set.

    `listed(owner)` gives (id, title, description); `first` stands for "". What is chosen but not there is shown too.
    """

    def known(owner):
        found = ([first] if first else []) + list(listed(owner))
        value = getattr(owner, field)
        if value and value not in [name for name, _, _ in found]:
            found.append((value, value, missing))
        return kept(found)

    def get(owner):
        value = getattr(owner, field)
        return next((number for name, _, _, number in known(owner) if name == value), 0)

    def put(owner, number):
        name = known(owner)[number][0]
        setattr(owner, field, "" if first and name == first[0] else name)

    return bpy.props.EnumProperty(items=lambda owner, _: known(owner), get=get, set=put, options={"SKIP_SAVE"}, **more)


def _hold(knob, _):
    """Keep a number inside its range; a slider's own ends cannot differ from knob to knob."""
    value = getattr(knob, knob.kind)
    held = min(max(value, knob.minimum), knob.maximum)
    if held != value:
        setattr(knob, knob.kind, int(held) if knob.kind == "integer" else held)


def _words(knob):
    return [(word, word.replace("_", " ").capitalize(), "") for word in knob.choices.splitlines()]


class VelaturaKnob(bpy.types.PropertyGroup):
    """One parameter: its value is in the property that `kind` names."""

    part: bpy.props.StringProperty()  # type: ignore[valid-type]
    key: bpy.props.StringProperty()  # type: ignore[valid-type]
    title: bpy.props.StringProperty()  # type: ignore[valid-type]
    kind: bpy.props.StringProperty()  # type: ignore[valid-type]
    choices: bpy.props.StringProperty()  # type: ignore[valid-type]
    minimum: bpy.props.FloatProperty(default=-math.inf)  # type: ignore[valid-type]
    maximum: bpy.props.FloatProperty(default=math.inf)  # type: ignore[valid-type]
    integer: bpy.props.IntProperty(name="Value", update=_hold)  # type: ignore[valid-type]
    number: bpy.props.FloatProperty(name="Value", update=_hold)  # type: ignore[valid-type]
    flag: bpy.props.BoolProperty(name="Value")  # type: ignore[valid-type]
    text: bpy.props.StringProperty(name="Value")  # type: ignore[valid-type]
    choice: chooser("text", _words, name="Value")  # type: ignore[valid-type]


def follow(collection, part, specs):
    """Make a collection hold the knobs of a part: values that are there stay, new ones get their defaults."""
    wanted = {spec.name: spec for spec in specs}
    for index in reversed(range(len(collection))):
        if collection[index].part != part or collection[index].key not in wanted:
            collection.remove(index)
    here = {knob.key for knob in collection}
    for name, spec in wanted.items():
        if name in here:
            continue
        knob = collection.add()
        knob.part, knob.key, knob.title = part, name, spec.title or name
        knob.kind = _kind(spec)
        knob.choices = "\n".join(spec.choices)
        if spec.HasField("minimum"):
            knob.minimum = spec.minimum
        if spec.HasField("maximum"):
            knob.maximum = spec.maximum
        setattr(knob, knob.kind, getattr(spec.default, knob.kind))


def _kind(spec: knobs_pb2.KnobSpec) -> str:
    return next((kind for kind in KINDS if spec.default.HasField(kind)), "text")


def values(collection, part):
    """The values of a part's knobs by name."""
    return {knob.key: getattr(knob, knob.kind) for knob in collection if knob.part == part}


def put(collection, given):
    """Set those knobs that are there, from values by name."""
    for knob in collection:
        if knob.key in given:
            setattr(knob, knob.kind, given[knob.key])


def draw(layout, collection, part):
    """One row for each."""
    for knob in collection:
        if knob.part == part:
            layout.prop(knob, "choice" if knob.choices else knob.kind, text=knob.title)


def register():
    """Make the property known."""
    bpy.utils.register_class(VelaturaKnob)


def unregister():
    """Take it away."""
    bpy.utils.unregister_class(VelaturaKnob)
