"""Lists in the panels: hints, adapters and the history, and the operators that add to them and take away."""

import bpy

from . import icons, offer, painting, styles
from .session import session

LISTS = [("controls", "Hints", "Pictures to follow"), ("adapters", "Adapters", "What is added to the model")]
INDEX = {"controls": "control_index", "adapters": "adapter_index"}


class VELATURA_UL_controls(bpy.types.UIList):
    """Hints: whether it counts, what it tells, from where, how strongly."""

    def draw_item(self, context, layout, data, item, icon, active_data, active_propname):
        """One of them."""
        row = layout.row(align=True)
        row.prop(item, "use", text="")
        row.prop(item, "kind_choice", text="", emboss=False)
        where = "Scene" if item.source == "SCENE" else item.image.name if item.image else "No picture"
        row.label(text=where, icon="SCENE_DATA" if item.source == "SCENE" else "IMAGE_DATA")
        row.prop(item, "strength", text="", emboss=False)


class VELATURA_UL_adapters(bpy.types.UIList):
    """Adapters: whether it counts, which, how strongly."""

    def draw_item(self, context, layout, data, item, icon, active_data, active_propname):
        """One of them."""
        row = layout.row(align=True)
        row.prop(item, "use", text="")
        row.prop(item, "model_choice", text="", emboss=False)
        row.prop(item, "weight", text="", emboss=False)


class VELATURA_UL_history(bpy.types.UIList):
    """Results, newest first: picture, name, star."""

    def draw_item(self, context, layout, data, item, icon, active_data, active_propname):
        """One of them."""
        row = layout.row(align=True)
        row.label(text=item.name, icon_value=icons.of_thumbnail(item.thumb))
        row.prop(item, "favourite", text="", icon="SOLO_ON" if item.favourite else "SOLO_OFF", emboss=False)

    def filter_items(self, context, data, propname):
        """Those whose name fits, and with the star alone those that have one."""
        items = getattr(data, propname)
        names = bpy.types.UI_UL_list.filter_items_by_name
        flags = names(self.filter_name, self.bitflag_filter_item, items, "name") if self.filter_name else []
        flags = flags or [self.bitflag_filter_item] * len(items)
        if data.favourites:
            flags = [flag if item.favourite else 0 for flag, item in zip(flags, items, strict=True)]
        return flags, []


class VELATURA_OT_add(bpy.types.Operator):
    """Add one to the list"""

    bl_idname = "velatura.add"
    bl_label = "Add"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    where: bpy.props.EnumProperty(name="List", items=LISTS)  # type: ignore[valid-type]

    def execute(self, context):
        """Add it and choose it."""
        settings = context.scene.velatura
        made = getattr(settings, self.where).add()
        if self.where == "controls":
            usable = [name for name, _, _ in offer.choices(session.catalog, "controls")]
            if usable and made.kind not in usable:
                made.kind = usable[0]
        setattr(settings, INDEX[self.where], len(getattr(settings, self.where)) - 1)
        return {"FINISHED"}


class VELATURA_OT_remove(bpy.types.Operator):
    """Take the chosen one out of the list"""

    bl_idname = "velatura.remove"
    bl_label = "Remove"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    where: bpy.props.EnumProperty(name="List", items=LISTS)  # type: ignore[valid-type]

    def execute(self, context):
        """Take it out."""
        settings = context.scene.velatura
        items, index = getattr(settings, self.where), getattr(settings, INDEX[self.where])
        if not 0 <= index < len(items):
            return {"CANCELLED"}
        items.remove(index)
        setattr(settings, INDEX[self.where], max(min(index, len(items) - 1), 0))
        return {"FINISHED"}


class VELATURA_OT_save_style(bpy.types.Operator):
    """Keep the prompt as a style of your own; {prompt} in it is where other words will go"""

    bl_idname = "velatura.save_style"
    bl_label = "Keep as Style"

    title: bpy.props.StringProperty(name="Name", default="My style")  # type: ignore[valid-type]

    def invoke(self, context, event):
        """Ask for its name."""
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context):
        """Keep it."""
        settings, title = context.scene.velatura, self.title.strip()
        words = settings.prompt.strip()
        if not title or not words:
            self.report({"ERROR"}, "Give the style a name, and write its words into the prompt")
            return {"CANCELLED"}
        words = words if styles.HERE in words else f"{styles.HERE}, {words}"
        name = "own_" + "".join(letter if letter.isalnum() else "_" for letter in title.lower())
        made = styles.Style(id=name, title=title, prompt=words, negative=settings.negative.strip())
        try:
            styles.save(painting.folder(), made)
        except (OSError, ValueError) as trouble:
            self.report({"ERROR"}, str(trouble))
            return {"CANCELLED"}
        settings.style, settings.prompt, settings.negative = name, "", ""
        return {"FINISHED"}


class VELATURA_OT_remove_style(bpy.types.Operator):
    """Forget the chosen style, if it is one of your own"""

    bl_idname = "velatura.remove_style"
    bl_label = "Forget Style"

    @classmethod
    def poll(cls, context):
        """It is one of the artist's."""
        return context.scene.velatura.style.startswith("own_")

    def execute(self, context):
        """Forget it."""
        styles.remove(painting.folder(), context.scene.velatura.style)
        context.scene.velatura.style = ""
        return {"FINISHED"}


CLASSES = (
    VELATURA_UL_controls,
    VELATURA_UL_adapters,
    VELATURA_UL_history,
    VELATURA_OT_add,
    VELATURA_OT_remove,
    VELATURA_OT_save_style,
    VELATURA_OT_remove_style,
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
