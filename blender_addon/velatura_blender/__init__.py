"""Velatura for Blender: seamless textures and painting projected from the camera, made by the Velatura engine."""

from . import (
    connection,
    drafts,
    errands,
    history,
    icons,
    knobs,
    lines,
    lines_panel,
    live_panel,
    live_view,
    local,
    local_panel,
    memory,
    operators,
    painting,
    panel,
    picture,
    preferences,
    projection,
    reblend,
    relief,
    relief_panel,
    repeating,
    restyle,
    restyle_panel,
    resume,
    session,
    units,
    views,
    whole,
    whole_panel,
)

PARTS = (
    icons, session, resume, knobs, history, painting, preferences, connection, operators, projection, picture, memory,
    units, panel, drafts, views, reblend, whole, whole_panel, local, local_panel, repeating, relief, relief_panel,
    lines, lines_panel, errands, restyle, restyle_panel, live_view, live_panel,
)  # fmt: skip


def register() -> None:
    """Add everything to Blender."""
    for part in PARTS:
        part.register()


def unregister() -> None:
    """Take everything away again."""
    for part in reversed(PARTS):
        part.unregister()
