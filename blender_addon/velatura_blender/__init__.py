"""Velatura for Blender: seamless textures and painting projected from the camera, made by the Velatura engine."""

from . import operators, panel, preferences, session, views, whole, whole_panel

PARTS = (session, preferences, operators, panel, views, whole, whole_panel)


def register() -> None:
    """Add everything to Blender."""
    for part in PARTS:
        part.register()


def unregister() -> None:
    """Take everything away again."""
    for part in reversed(PARTS):
        part.unregister()
