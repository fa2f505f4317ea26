"""The panel and the preferences draw what exists."""

import re
import time
from types import MethodType, SimpleNamespace

import bpy
import pytest
from scenes import select, suzanne
from velatura import discovery, errors
from velatura_blender import connection, local_panel, memory, operators, panel, preferences, projection, status, units
from velatura_blender.errands import Errand, errands
from velatura_blender.session import session

pytestmark = pytest.mark.usefixtures("addon")


class Layout:
    """Takes what is drawn; refuses properties, operators and lists that are not there."""

    def __init__(self):
        self.drawn = []

    def column(self, **_):
        return self

    row = grid_flow = column

    def prop(self, owner, name, **_):
        assert name in owner.bl_rna.properties, name
        self.drawn.append(name)

    def operator(self, name, **_):
        group, _, verb = name.partition(".")
        assert hasattr(bpy.types, f"{group.upper()}_OT_{verb}"), name
        self.drawn.append(name)
        return SimpleNamespace()

    def template_list(self, kind, _, owner, name, index_owner, index, **__):
        assert hasattr(bpy.types, kind), kind
        assert name in owner.bl_rna.properties and index in index_owner.bl_rna.properties
        self.drawn.append(name)

    def template_ID(self, owner, name, **_):
        self.prop(owner, name)

    def template_icon(self, icon_value, scale):
        self.drawn.append("picture")

    def label(self, text, **_):
        self.drawn.append(text)

    def progress(self, factor, text):
        self.drawn.append((round(factor, 2), text))


def drawn(kind=panel.VELATURA_PT_panel):
    """What a panel draws."""
    layout = Layout()
    state = SimpleNamespace(layout=layout)
    if hasattr(kind, "draw_buttons"):
        state.draw_buttons = MethodType(kind.draw_buttons, state)
    kind.draw(state, bpy.context)
    return layout.drawn


def test_it_shows_the_settings_and_all_buttons(scene):
    assert {
        "prompt",
        "negative",
        "style_choice",
        "size",
        "seed",
        "tiling",
        "velatura.texture",
        "velatura.material",
        "velatura.project",
    } <= set(drawn())


def test_panels_that_paint_come_before_those_that_say_how_and_parts_that_are_marked_first():
    names = [name for name in dir(bpy.types) if name.startswith("VELATURA_PT_")]
    orders = {name[12:]: getattr(getattr(bpy.types, name), "bl_order", 0) for name in names}
    how = {name: order for name, order in orders.items() if name.endswith(("sampling", "hints", "adapters", "history"))}
    roots = {"panel", "image", "nodes"}
    paints = {name: order for name, order in orders.items() if name not in {*how, *roots, "local_marked"}}
    assert len(how) == 12 and {"whole", "local", "repeating", "lines", "live", "restyle"} < set(paints)
    assert 0 <= orders["local_marked"] < min(paints.values()) <= max(paints.values()) < min(how.values())


def test_nothing_is_offered_in_edit_mode_that_is_refused_there(scene):
    select(suzanne())
    bpy.ops.object.mode_set(mode="EDIT")
    assert "velatura.texture" not in drawn() and "velatura.local_edit" in drawn(local_panel.VELATURA_PT_local_marked)
    bpy.ops.object.mode_set(mode="OBJECT")
    assert "velatura.texture" in drawn()


def test_it_shows_progress_and_cancel_while_something_runs(scene):
    running = {"job": SimpleNamespace(fraction=0.5), "title": "Texture", "preview": b"", "warnings": ()}
    session.tasks += [SimpleNamespace(message=words, **running) for words in ("diffuse 2/4", "Picture: waits for 1")]
    try:
        assert (0.5, "diffuse 2/4") in drawn() and (0.5, "Picture: waits for 1") in drawn()
        assert drawn().count("velatura.cancel") == 2
    finally:
        session.tasks.clear()


def test_it_shows_what_is_being_got_ready_and_the_last_message_only_after_it(scene):
    session.say("Texture on Cube")
    steps = (each for each in range(1))
    errands.running.append(Errand(title="Project", steps=steps, scene=0, asks=True, message="being got ready"))
    try:
        assert (0.0, "being got ready") in drawn() and "velatura.cancel" in drawn() and "Texture on Cube" not in drawn()
    finally:
        errands.running.clear()
    assert "Texture on Cube" in drawn()


def test_it_says_what_went_wrong_and_offers_to_start_an_engine(scene, monkeypatch):
    monkeypatch.setattr(session, "status", status.trouble(errors.Unreachable("No engine is here", remedy="Start it.")))
    assert "No engine is here. Start it." in drawn() and "velatura.start_engine" in drawn()


def test_words_beside_an_icon_have_shorter_lines():
    plain, beside = Layout(), Layout()
    panel.words(plain, "The engine does not answer any more")
    panel.words(beside, "The engine does not answer any more", icon="ERROR")
    assert plain.drawn == ["The engine does not answer any more"]
    assert beside.drawn == ["The engine does not answer any", "more"]


def test_it_shows_what_the_engine_warned_of(scene):
    session.say("Texture on Cube", warnings=("The starter does not know 'gargoyle'",))
    assert "The starter does not know 'gargoyle'" in " ".join(map(str, drawn()))


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
    try:
        settings.model_choice = "nothing of the kind"
    except TypeError as error:  # which lists what there is
        return re.findall(r"'([^']+)'", str(error).partition("not found in")[2])


def test_looking_for_models_says_what_there_is_or_why_not(scene, fake):
    bpy.ops.velatura.look()
    assert session.message == "Models: Fake painter" and session.status.ok
    assert "on this computer" in session.status.words and "1 model" in session.status.words
    fake.kill()
    with pytest.raises(RuntimeError, match="engine"):
        bpy.ops.velatura.look()
    assert session.failed and session.status.fix == "velatura.start_engine"


@pytest.mark.parametrize(
    ("trouble", "words", "fix"),
    [
        (errors.Unreachable("No engine"), "No engine", "velatura.start_engine"),
        (errors.Unreachable("Gone", reason=discovery.NO_PROGRAM), "Gone", "velatura.open_preferences"),
        (errors.Unreachable("Off", reason=status.OFFLINE), "Off", "velatura.open_network"),
        (errors.Unauthenticated("Token"), "Token", "velatura.open_preferences"),
        (errors.Invalid("No host", field="address"), "No host", "velatura.open_preferences"),
        (errors.Incompatible("Speaks v0"), "Speaks v0", "velatura.look"),
    ],
)
def test_every_trouble_has_the_button_that_helps(trouble, words, fix):
    found = status.trouble(trouble)
    assert (found.words, found.fix, found.ok) == (words, fix, False) and found.label
    group, _, verb = found.fix.partition(".")
    assert hasattr(bpy.types, f"{group.upper()}_OT_{verb}")


def test_an_engine_elsewhere_that_is_down_cannot_be_started_from_here():
    assert status.trouble(errors.Unreachable("Gone"), local=False).fix == "velatura.look"


def test_the_preferences_show_how_it_stands_and_where_the_engine_is(scene, monkeypatch):
    layout = Layout()
    monkeypatch.setattr(session, "status", status.trouble(errors.Unreachable("No engine", remedy="Start it.")))
    kind = preferences.VelaturaPreferences
    state = SimpleNamespace(layout=layout, bl_rna=SimpleNamespace(properties=kind.__annotations__))
    kind.draw(state, bpy.context)
    assert layout.drawn == [
        "No engine", "velatura.look", "Start it.", "velatura.start_engine",
        "An engine of this computer: nothing is needed where one runs", "program",
        "An engine elsewhere", "address", "token", "tls_ca",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", panel.CLASSES)
def test_every_panel_in_every_editor_draws_what_exists(scene, fake, kind):
    bpy.ops.velatura.look()
    settings = scene.velatura
    bpy.ops.velatura.generate(prompt="cat", size=64, wait=True)
    settings.sampler = "dpmpp_2m"
    settings.adapters.add()
    settings.controls.add().preprocessor = "canny"
    for source in ("WORDS", "IMAGE", "MASK"):
        for mask in ("ALPHA", "IMAGE", "SPLINE"):
            settings.source, settings.mask_source = source, mask
            settings.controls[0].source = "IMAGE" if source == "IMAGE" else "SCENE"
            assert drawn(kind)
    expected = {
        "Sampling": "integer",
        "Hints": "number",
        "Adapters": "model_choice",
        "History": "velatura.history_vary",
    }
    assert expected.get(kind.bl_label, "prompt") in drawn(kind)


def test_panels_are_beside_all_three_editors_and_have_one_root_each():
    roots = {kind.bl_space_type: kind.__name__ for kind in panel.CLASSES if not hasattr(kind, "bl_parent_id")}
    assert set(roots) == {"VIEW_3D", "IMAGE_EDITOR", "NODE_EDITOR"}
    for kind in panel.CLASSES:
        assert getattr(kind, "bl_parent_id", roots[kind.bl_space_type]) == roots[kind.bl_space_type]


def test_every_operator_explains_itself():
    for part in (operators, projection, connection, memory, units):
        for operator in part.CLASSES:
            assert operator.__doc__ and (issubclass(operator, bpy.types.UIList) or operator.bl_label)
