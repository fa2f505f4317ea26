"""The Velatura tab beside the 3D view, the Image editor and the Shader editor."""

import textwrap
from types import MappingProxyType
from typing import Any

import bpy

from . import host, icons, knobs, preferences
from .errands import errands
from .session import session

COLUMNS, WIDTH = 38, 280  # letters that fit into a line of a sidebar of so many pixels, as it is at first
ICON = 4  # letters that an icon takes the place of
ORDER_OF_HOW = 2  # below the panels that paint, which have 1 or 0; Blender takes less than 0 for 0
SHORT = MappingProxyType({"VIEW_3D": "view", "IMAGE_EDITOR": "image", "NODE_EDITOR": "nodes"})


def words(layout, text, *, icon="NONE", alert=False):
    """Words in as many lines as they need."""
    column = layout.column(align=True)
    column.alert = alert
    region = bpy.context.region
    wide = region.width / WIDTH / bpy.context.preferences.system.ui_scale if region is not None else 1
    room = max(int(COLUMNS * wide), COLUMNS // 2) - ICON * (icon != "NONE")
    for number, line in enumerate(textwrap.wrap(text, room)):
        column.label(text=line, icon="BLANK1" if number and icon != "NONE" else icon)


class Tab:
    """Where the panels are."""

    bl_region_type = "UI"
    bl_category = "Velatura"

    @classmethod
    def poll(cls, context):
        """Not beside compositor or geometry nodes."""
        space = context.space_data
        return space is None or space.type != "NODE_EDITOR" or space.tree_type == "ShaderNodeTree"


class Root(Tab):
    """What to paint, the buttons, and how it goes."""

    bl_label = "Velatura"

    def draw(self, context):
        """The panel."""
        preferences.look_for_models(context)
        settings, layout = context.scene.velatura, self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        draw_status(layout)
        column = layout.column()
        column.prop(settings, "prompt")
        column.prop(settings, "negative")
        row = column.row(align=True)
        row.prop(settings, "style_choice")
        row.operator("velatura.save_style", text="", icon="ADD")
        row = column.row(align=True)
        row.prop(settings, "model_choice")
        row.operator("velatura.look", text="", icon="FILE_REFRESH")
        column.prop(settings, "size")
        row = column.row(align=True)
        row.prop(settings, "seed")
        row.operator("velatura.seed", text="", icon="FILE_REFRESH" if settings.seed >= 0 else "BLANK1").hold = False
        row.operator("velatura.seed", text="", icon="LOCKED" if settings.seed >= 0 else "UNLOCKED").hold = True
        self.draw_buttons(context, layout, settings)
        draw_jobs(layout)


def draw_status(layout):
    """What is wrong with the engine and the button that helps; nothing where all is well."""
    state = session.status
    if state.ok or session.tasks:
        return
    said = f"{state.words.rstrip('.')}. {state.remedy}" if state.remedy else state.words
    words(layout, said, icon="ERROR" if state.remedy else "INFO")
    if state.fix:
        layout.operator(state.fix, text=state.label, icon="TOOL_SETTINGS")


def draw_jobs(layout):
    """The queue with progress, glimpses and crosses, and what is not in it yet; the last message, and what the engine
    warned of."""
    running = next((task for task in session.tasks if task.preview), None)
    for number, task in enumerate(session.tasks):
        row = layout.row(align=True)
        row.progress(factor=task.job.fraction, text=task.message or task.title)
        row.operator("velatura.cancel", text="", icon="CANCEL").number = number
        glimpse = icons.of_glimpse(task.title) if task is running and task.preview else 0
        for warning in task.warnings:
            words(layout, warning, icon="ERROR")
        if glimpse:
            layout.template_icon(icon_value=glimpse, scale=8.0)
    asking = errands.asking()
    for number, errand in enumerate(asking, len(session.tasks)):
        row = layout.row(align=True)
        row.progress(factor=errand.fraction, text=errand.message)
        row.operator("velatura.cancel", text="", icon="CANCEL").number = number
    if session.message and not session.tasks and not asking:
        words(layout, session.message, alert=session.failed)
        for warning in session.warnings:
            words(layout, warning, icon="ERROR")


def seamless(layout: Any, settings: Any) -> None:
    """What tiles: textures and materials."""
    column = layout.column()
    for name in ("tiling", "repeat", "displace"):
        column.prop(settings, name)
    column = layout.column(align=True)
    column.operator("velatura.texture", icon="TEXTURE")
    column.operator("velatura.material", icon="MATERIAL")


class VELATURA_PT_panel(Root, bpy.types.Panel):
    """Textures, materials and projections for the selected meshes."""

    bl_space_type = "VIEW_3D"

    def draw_buttons(self, context, layout, settings):
        """What can be made for meshes; nothing while one is edited, where these are refused."""
        if context.mode.startswith("EDIT"):
            return
        seamless(layout, settings)
        column = layout.column()
        column.prop(settings, "texture_size")
        column.prop(settings, "fresh_uvs")
        column.operator("velatura.project", icon="CAMERA_DATA")


class VELATURA_PT_image(Root, bpy.types.Panel):
    """Pictures: new ones, and what the editor shows painted over."""

    bl_space_type = "IMAGE_EDITOR"

    def draw_buttons(self, context, layout, settings):
        """From what, and where."""
        column = layout.column()
        column.prop(settings, "source", expand=True)
        if settings.source == "WORDS":
            column.prop(settings, "height")
            column.prop(settings, "edges")
        else:
            column.prop(settings, "strength", slider=True)
            column.prop(settings, "edges")
        if settings.source == "MASK":
            column.prop(settings, "mask_source")
            if settings.mask_source == "IMAGE":
                column.prop(settings, "mask_image")
            elif settings.mask_source == "SPLINE":
                column.prop(settings, "mask")
            column.prop(settings, "mask_grow")
            column.prop(settings, "mask_feather")
        column.operator("velatura.generate", icon="IMAGE_DATA")


class VELATURA_PT_nodes(Root, bpy.types.Panel):
    """Textures and materials, and pictures as nodes of the material that is edited."""

    bl_space_type = "NODE_EDITOR"

    def draw_buttons(self, context, layout, settings):
        """What can be made for a material."""
        seamless(layout, settings)
        column = layout.column()
        column.prop(settings, "edges", text="Picture Edges")
        operator = column.operator("velatura.generate", text="Picture as Node", icon="NODE_TEXTURE")
        operator.source = "WORDS"


class Sampling(Tab):
    """How the noise is taken away: the catalog's samplers with their own knobs."""

    bl_label = "Sampling"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    def draw(self, context):
        """The panel."""
        settings, column = context.scene.velatura, self.layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(settings, "steps")
        column.prop(settings, "guidance")
        column.prop(settings, "sampler_choice")
        column.prop(settings, "schedule_choice")
        knobs.draw(column, settings.knobs, settings.sampler)


class Hints(Tab):
    """ControlNets: pictures, or the scene's depth and normals, that are followed."""

    bl_label = "Hints"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    def draw(self, context):
        """The panel."""
        settings, layout = context.scene.velatura, self.layout
        chosen = draw_list(layout, settings, "controls", "control_index")
        if chosen is None:
            return
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        for name in ("kind_choice", "source"):
            column.prop(chosen, name)
        if chosen.source == "IMAGE":
            column.template_ID(chosen, "image", open="image.open")
        column.prop(chosen, "preprocessor_choice")
        knobs.draw(column, chosen.knobs, chosen.preprocessor)
        column.prop(chosen, "strength", slider=True)
        column.prop(chosen, "start", slider=True)
        column.prop(chosen, "end", slider=True)


class Adapters(Tab):
    """LoRAs and hypernetworks."""

    bl_label = "Adapters"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    def draw(self, context):
        """The panel."""
        settings, layout = context.scene.velatura, self.layout
        chosen = draw_list(layout, settings, "adapters", "adapter_index")
        if chosen is not None:
            column = layout.column()
            column.use_property_split = True
            column.use_property_decorate = False
            column.prop(chosen, "model_choice")
            column.prop(chosen, "weight")


class History(Tab):
    """What was painted in this file."""

    bl_label = "History"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    def draw(self, context):
        """The panel."""
        settings, layout = context.scene.velatura, self.layout
        layout.prop(settings, "favourites", icon="SOLO_ON", toggle=True)
        layout.template_list(
            "VELATURA_UL_history", "", settings, "history", settings, "history_index", rows=4, type="DEFAULT"
        )
        if not 0 <= settings.history_index < len(settings.history):
            return
        entry = settings.history[settings.history_index]
        shown = icons.of_thumbnail(entry.thumb)
        if shown:
            layout.template_icon(icon_value=shown, scale=6.0)
        words(layout, f"{entry.kind}, {entry.made}")
        grid = layout.grid_flow(columns=2, even_columns=True, align=True)
        grid.operator("velatura.history_use", text="Use Settings", icon="PRESET")
        grid.operator("velatura.history_vary", icon="MOD_NOISE")
        grid.operator("velatura.history_apply", icon="CHECKMARK")
        grid.operator("velatura.history_delete", icon="TRASH")


def draw_list(layout, settings, name, index):
    """A list with its buttons; the chosen one of it, or None."""
    row = layout.row()
    row.template_list(f"VELATURA_UL_{name}", "", settings, name, settings, index, rows=2)
    column = row.column(align=True)
    column.operator("velatura.add", text="", icon="ADD").where = name
    column.operator("velatura.remove", text="", icon="REMOVE").where = name
    items, place = getattr(settings, name), getattr(settings, index)
    return items[place] if 0 <= place < len(items) else None


ROOTS = MappingProxyType(
    {"VIEW_3D": VELATURA_PT_panel, "IMAGE_EDITOR": VELATURA_PT_image, "NODE_EDITOR": VELATURA_PT_nodes}
)


def _beside(part, editor):
    """A panel below the tab's first one, beside one editor."""
    name = f"VELATURA_PT_{SHORT[editor]}_{part.__name__.lower()}"
    below = {
        "bl_space_type": editor,
        "bl_parent_id": ROOTS[editor].__name__,
        "__doc__": part.__doc__,
        "bl_order": ORDER_OF_HOW,
    }
    return type(name, (part, bpy.types.Panel), below)


CLASSES = (
    *ROOTS.values(),
    *(_beside(part, editor) for editor in host.EDITORS for part in (Sampling, Hints, Adapters, History)),
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
