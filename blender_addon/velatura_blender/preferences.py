"""Where the engine is, and the scene's settings."""

from contextlib import suppress

import bpy

from . import knobs, painting
from .client import Endpoint, VelaturaError
from .session import session

TILING = [
    ("xy", "Both", "Left meets right and top meets bottom"),
    ("x", "Horizontal", "Left meets right"),
    ("y", "Vertical", "Top meets bottom"),
]


AUTOMATIC = ("AUTOMATIC", "Automatic", "The engine's default model")
MISSING = "This engine has not said that it has this model"


class VelaturaPreferences(bpy.types.AddonPreferences):
    """The engine's address."""

    bl_idname = __package__

    address: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Address", description="host:port of the engine; empty: the one that runs on this computer"
    )
    token: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Token", description="What the engine asks for; only needed with an address", subtype="PASSWORD"
    )
    tls_ca: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Certificate", description="File of certificates to trust instead of the system's", subtype="FILE_PATH"
    )

    program: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Engine Program",
        description="File that Start Engine runs, .venv/bin/velatura in Velatura's folder; empty: VELATURA_PROGRAM, "
        "or velatura on the path",
        subtype="FILE_PATH",
    )

    def draw(self, context):
        """How it stands, and the fields: an engine of this computer, or another one's."""
        look_for_models(context)
        layout = self.layout
        layout.use_property_split = True
        row = layout.row(align=True)
        row.alert = not session.status.ok and bool(session.status.remedy)
        row.label(text=session.status.words, icon="CHECKMARK" if session.status.ok else "INFO")
        row.operator("velatura.look", text="", icon="FILE_REFRESH")
        if session.status.remedy:
            layout.label(text=session.status.remedy, icon="BLANK1")
        if session.status.fix and session.status.fix not in ("velatura.open_preferences", "velatura.look"):
            layout.operator(session.status.fix, text=session.status.label, icon="TOOL_SETTINGS")
        column = layout.column()
        column.label(text="An engine of this computer: nothing is needed where one runs")
        column.prop(self, "program")
        column = layout.column()
        column.label(text="An engine elsewhere")
        column.prop(self, "address")
        column.prop(self, "token")
        column.prop(self, "tls_ca")


class VelaturaSettings(painting.Painting, bpy.types.PropertyGroup):
    """What to paint, kept with the scene."""

    prompt: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Prompt", description="What to paint", search=painting.suggest, search_options={"SUGGESTION"}
    )
    negative: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Avoid", description="What to avoid", search=painting.suggest, search_options={"SUGGESTION"}
    )
    model: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Model", description="Id of the model that paints; empty: the engine's default"
    )
    model_choice: knobs.chooser(  # type: ignore[valid-type]
        "model", lambda _: session.models, AUTOMATIC, MISSING, name="Model", description="What paints"
    )
    size: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Size", description="Longer side of what is painted, pixels", default=512, min=64, max=4096, step=8
    )
    texture_size: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Texture Size", description="Side of projected textures, pixels", default=1024, min=16, max=8192
    )
    seed: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Seed", description="The same seed paints the same picture; -1: another one each time", default=-1, min=-1
    )
    steps: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Steps", description="More are slower and finer; 0: the model's own", default=0, min=0, max=1000
    )
    tiling: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Seamless", description="Which edges of a texture meet without a seam", items=TILING
    )
    repeat: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Repeat", description="How often a texture is laid over the UV square", default=1.0, min=0.01, max=1000.0
    )
    displace: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Displace", description="Let a material's height move the surface, which needs a finely divided mesh"
    )
    fresh_uvs: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="New UV Map", description="Unwrap into a new UV map for the projection, where the present one overlaps"
    )


def endpoint(context: bpy.types.Context) -> Endpoint | None:
    """The engine that the preferences name; None: this computer's. Raises Invalid for an address that is none."""
    addon = context.preferences.addons.get(__package__)
    if addon is None or not addon.preferences.address.strip():
        return None
    chosen = addon.preferences
    ca = bpy.path.abspath(chosen.tls_ca) if chosen.tls_ca else None
    return Endpoint(address=chosen.address.strip(), token=chosen.token.strip(), tls_ca=ca)


def program(context: bpy.types.Context) -> str:
    """The engine's program that the preferences name, or ""."""
    addon = context.preferences.addons.get(__package__)
    return "" if addon is None else bpy.path.abspath(addon.preferences.program.strip())


def look_for_models(context: bpy.types.Context) -> None:
    """Let the models be learned, once and without waiting."""
    with suppress(VelaturaError):
        session.look_once(endpoint(context))


CLASSES = (VelaturaPreferences, VelaturaSettings)


def register() -> None:
    """Give every scene its settings."""
    for each in CLASSES:
        bpy.utils.register_class(each)
    bpy.types.Scene.velatura = bpy.props.PointerProperty(type=VelaturaSettings)


def unregister() -> None:
    """Take them away."""
    del bpy.types.Scene.velatura
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
