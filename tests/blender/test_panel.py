"""The panel and the preferences draw what exists."""

import time
from types import MethodType, SimpleNamespace

import bpy
import pytest
from velatura import errors
from velatura_blender import operators, panel, preferences
from velatura_blender.session import session

pytestmark = pytest.mark.usefixtures("addon")


class Layout:
    """Takes what is drawn; refuses properties and operators that are not there."""

    def __init__(self):
        self.drawn = []

    def column(self, **_):
        return self

    row = column

    def prop(self, owner, name):
        assert hasattr(owner, name), name
        self.drawn.append(name)

    def operator(self, name, **_):
        group, _, verb = name.partition(".")
        assert hasattr(bpy.types, f"{group.upper()}_OT_{verb}"), name
        self.drawn.append(name)

    def label(self, text, icon):
        self.drawn.append(text)

    def progress(self, factor, text):
        self.drawn.append((round(factor, 2), text))


def drawn():
    layout = Layout()
    state = SimpleNamespace(layout=layout)
    for name in ("draw_state", "draw_words"):
        setattr(state, name, MethodType(getattr(panel.VELATURA_PT_panel, name), state))
    panel.VELATURA_PT_panel.draw(state, bpy.context)
    return layout.drawn


def test_it_shows_the_settings_and_all_buttons(scene):
    assert {
        "prompt",
        "size",
        "seed",
        "tiling",
        "steps",
        "velatura.texture",
        "velatura.material",
        "velatura.project",
    } <= set(drawn())


def test_it_shows_progress_and_cancel_while_something_runs(scene):
    session.tasks.append(SimpleNamespace(job=SimpleNamespace(fraction=0.5), message="diffuse 2/4", title="Texture"))
    try:
        assert (0.5, "diffuse 2/4") in drawn() and "velatura.cancel" in drawn()
    finally:
        session.tasks.clear()


def test_it_says_what_went_wrong_and_offers_to_start_an_engine(scene, monkeypatch):
    monkeypatch.setattr(session, "engine", None)
    session.say("No engine is running on this computer", errors.Unreachable("No engine"))
    assert "No engine is running on this computer" in drawn() and "velatura.start_engine" in drawn()


def test_it_shows_what_the_engine_warned_of(scene):
    session.say("Texture on Cube", warnings=("The starter does not know 'gargoyle'",))
    assert "The starter does not know 'gargoyle'" in drawn()


def test_it_learns_the_models_without_waiting_and_keeps_the_chosen_one(scene, fake, monkeypatch):
    monkeypatch.setattr(session, "models", ())
    monkeypatch.setattr(session, "_looked", False)
    settings = scene.velatura
    assert names(settings) == ["AUTOMATIC"] and settings.model_choice == "AUTOMATIC"
    settings.model = "oils"
    assert names(settings) == ["AUTOMATIC", "oils"]
    assert "model_choice" in drawn()
    until = time.monotonic() + 10
    while session.pump() and time.monotonic() < until:
        time.sleep(0.01)
    assert names(settings) == ["AUTOMATIC", "fake/painter", "oils"] and settings.model_choice == "oils"
    settings.model_choice = "fake/painter"
    assert settings.model == "fake/painter"
    settings.model_choice = "AUTOMATIC"
    assert settings.model == ""


def names(settings):
    return [name for name, *_ in preferences.models(settings, None)]


def test_looking_for_models_says_what_there_is_or_why_not(scene, fake):
    bpy.ops.velatura.look()
    assert session.message == "Models: Fake painter"
    fake.kill()
    with pytest.raises(RuntimeError, match="engine"):
        bpy.ops.velatura.look()
    assert session.failed


def test_the_preferences_show_where_the_engine_is(scene):
    layout = Layout()
    fields = dict.fromkeys(preferences.VelaturaPreferences.__annotations__)
    preferences.VelaturaPreferences.draw(SimpleNamespace(layout=layout, **fields), bpy.context)
    assert layout.drawn == ["address", "token", "tls_ca", "program", "velatura.start_engine"]


def test_every_operator_explains_itself():
    for operator in operators.CLASSES:
        assert operator.__doc__ and operator.bl_label
