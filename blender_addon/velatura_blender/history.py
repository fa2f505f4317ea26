"""What was painted in this file: every result with its recipe, kept in the scene and saved with it.

Entries are made here and nowhere else: when a task was placed, its new images that carry a recipe are remembered, each
with the material that shows it, so that no operator has to think of it. Where some are shown by a material the others
only led there, as an object's views do.
"""

from __future__ import annotations

import time

import bpy

from . import host, icons, place, resume
from .session import session

MOST = 200  # entries; beyond, the oldest without a star go


class VelaturaMemory(bpy.types.PropertyGroup):
    """A result: what it is called, how it was made, where it is, whom alone it fits, and how to make another of its
    kind."""

    kind: bpy.props.StringProperty(name="Kind")  # type: ignore[valid-type]
    recipe: bpy.props.StringProperty(name="Recipe")  # type: ignore[valid-type]
    made: bpy.props.StringProperty(name="Made")  # type: ignore[valid-type]
    favourite: bpy.props.BoolProperty(name="Favourite", description="Keep it, and show it where only stars are shown")  # type: ignore[valid-type]
    image: bpy.props.PointerProperty(name="Image", type=bpy.types.Image)  # type: ignore[valid-type]
    material: bpy.props.PointerProperty(name="Material", type=bpy.types.Material)  # type: ignore[valid-type]
    owner: bpy.props.PointerProperty(name="Made for", type=bpy.types.Object)  # type: ignore[valid-type]
    slots: bpy.props.StringProperty(name="Slots", description="Of its materials there, such as 0 2")  # type: ignore[valid-type]
    thumb: bpy.props.StringProperty(name="Thumbnail")  # type: ignore[valid-type]
    place: bpy.props.StringProperty(name="Placed by")  # type: ignore[valid-type]
    arguments: bpy.props.StringProperty(name="Arguments")  # type: ignore[valid-type]

    def is_baked(self):
        """Whether its image fits the UV map of one object alone."""
        return self.place in resume.BAKED


def watch(task, result):
    """Look at what is there before a task is placed; returns what remembers what came."""
    known = host.ids()

    def remember():
        came = [each for each in bpy.data.images if each.session_uid not in known and each.get(place.RECIPE)]
        worn = [(each, _images_of(each)) for each in bpy.data.materials if each.get(place.RECIPE)]
        found = [
            (image, next((each for each, shown in worn if image in shown), None))
            for image in came if image.colorspace_settings.name != "Non-Color"
        ]  # fmt: skip
        for image, material in [each for each in found if each[1] is not None] or found:
            add(task, image, material)
        icons.forget()

    return remember


def add(task, image, material=None):
    """Remember one result, newest first."""
    settings = (bpy.context.scene or bpy.data.scenes[0]).velatura
    entry = settings.history.add()
    entry.name, entry.kind, entry.recipe = image.name, task.title, image[place.RECIPE]
    entry.made = time.strftime("%Y-%m-%d %H:%M")
    entry.image, entry.material = image, material
    entry.thumb = icons.thumbnail(image)
    found = resume.written(task.place)
    if found is not None:
        entry.place, entry.arguments = found
    if entry.is_baked() and material is not None:
        entry.owner = next((thing for thing in bpy.data.objects if _slots(thing, material)), None)
        entry.slots = _slots(entry.owner, material) if entry.owner else ""
    settings.history.move(len(settings.history) - 1, 0)
    settings.history_index = 0
    plain = [number for number, each in enumerate(settings.history) if not each.favourite]
    for number in reversed(plain[MOST:]):
        settings.history.remove(number)


def _slots(thing, material):
    return " ".join(str(number) for number, slot in enumerate(thing.material_slots) if slot.material == material)


def _images_of(material):
    return {node.image for node in host.nodes_of(material) if node.type == "TEX_IMAGE"}


def register():
    """Remember from now on."""
    bpy.utils.register_class(VelaturaMemory)
    session.around.append(watch)


def unregister():
    """Remember no more."""
    session.around.remove(watch)
    bpy.utils.unregister_class(VelaturaMemory)
