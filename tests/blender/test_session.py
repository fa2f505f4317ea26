"""The session as it is in the window: nothing waits, the engine is watched, and glimpses are asked for."""

import socket
import time

import bpy
import numpy as np
import pytest
from scenes import select, sent, suzanne
from velatura import Engine
from velatura.testing import Script
from velatura_blender import host, icons, pace, resume
from velatura_blender import session as session_module
from velatura_blender.errands import errands
from velatura_blender.session import session

pytestmark = pytest.mark.usefixtures("addon")


@pytest.fixture
def window(scene, monkeypatch):
    """As if there were one; its timer never comes, so the tests pump."""
    session.disconnect()
    monkeypatch.setattr(host, "has_window", lambda: True)
    monkeypatch.setattr(host, "undo_step", lambda message: None)
    select(suzanne())
    yield scene
    session.forget()
    session.disconnect()


def pump_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        session.pump()
        assert time.monotonic() < end, session.message
        time.sleep(0.01)


def run_errands():
    """As the timer does; says in how many pieces."""
    pieces = 0
    while errands.running:
        errands.further(errands.running[0])
        pieces += 1
    return pieces


def test_a_whole_object_is_asked_in_pieces_as_it_was_when_the_button_was_pressed(window, fake, monkeypatch):
    monkeypatch.setattr(pace, "PIECE", 0.0)
    assert bpy.ops.velatura.texture_object(prompt="moss", size=64) == {"FINISHED"}
    assert errands.running and not session.tasks
    bpy.data.objects["Suzanne"].location.x = 50
    bpy.context.view_layer.update()
    assert run_errands() > 26 and not session.failed
    pump_until(lambda: not session.tasks)
    (step,) = [step for step in fake.specs[0].steps if step.HasField("project")]
    sent = step.project.targets[0].mesh.positions
    assert np.abs(np.frombuffer(sent.data or fake.blobs[sent.blob_id], "<f4")).max() < 2
    assert bpy.data.objects["Suzanne"].material_slots[0].material.name.startswith("moss")


def test_what_whole_objects_lack_is_said_at_once(window, fake):
    bpy.context.scene.velatura_whole.cameras = "SELECTED"
    with pytest.raises(RuntimeError, match="Select the cameras"):
        bpy.ops.velatura.texture_object(prompt="moss", size=64)
    assert not errands.running and session.failed


def test_glimpses_come_and_are_decoded_outside_of_drawing(window, fake):
    fake.once(Script(steps=30, delay=0.02))
    assert bpy.ops.velatura.texture(prompt="moss", size=64) == {"FINISHED"}
    (task,) = session.tasks
    pump_until(lambda: task.preview)
    images = len(bpy.data.images)
    pump_until(lambda: task.shown)
    assert fake.specs[0].preview.enabled and "glimpse Texture" in icons._all()
    assert len(bpy.data.images) == images, "a glimpse is no part of the file"
    pump_until(lambda: task.done)
    assert "moss" in bpy.data.images


def test_an_engine_that_is_silent_makes_nobody_wait(window, monkeypatch):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("VELATURA_ENGINE", f"127.0.0.1:{silent.getsockname()[1]}")
        since = time.perf_counter()
        assert bpy.ops.velatura.texture(prompt="moss", size=64) == {"FINISHED"}
        for _ in range(5):
            session.pump()
        assert time.perf_counter() - since < 1.0  # asking it would take five seconds
        session.forget()


def test_an_engine_that_is_gone_is_said_at_once_with_the_button_that_helps(window, fake):
    fake.kill()
    bpy.ops.velatura.texture(prompt="moss", size=64)
    since = time.monotonic()
    pump_until(lambda: not session.tasks)
    assert time.monotonic() - since < 2.0
    assert session.failed and session.status.fix == "velatura.start_engine"


def test_the_engine_is_watched_when_it_goes_and_comes_back(window, fake):
    bpy.ops.velatura.look(wait=False)
    pump_until(lambda: session.status.ok)
    assert [title for _, title, _ in session.models] == ["Fake painter"]
    fake.kill()
    pump_until(lambda: not session.status.ok)
    assert "does not answer" in session.status.words and session.status.fix == "velatura.start_engine"
    fake.start()
    pump_until(lambda: session.status.ok)


def test_a_look_that_another_overtakes_leaves_no_connection(window, fake, monkeypatch):
    made, closed, learn, close = [], [], session_module._learn, Engine.close
    monkeypatch.setattr(Engine, "close", lambda engine: (closed.append(engine), close(engine)))
    monkeypatch.setattr(session_module, "_learn", lambda endpoint: made.append(learn(endpoint)) or made[-1])
    session.look(None)
    overtaken = session.looking
    session.look(None)
    overtaken.join()
    pump_until(lambda: session.looking is None and session.status.ok)
    session.disconnect()
    assert len(made) == 2 and all(learned.engine in closed for learned in made)


def test_an_engine_that_was_started_later_is_known_after_the_first_job(window, fake, monkeypatch):
    monkeypatch.setattr(session, "catalog", type(session.catalog)())
    monkeypatch.setattr(session, "status", type(session.status)())
    bpy.ops.velatura.texture(prompt="moss", size=64)
    pump_until(lambda: not session.tasks and session.looking is None)
    pump_until(lambda: session.status.ok and session.catalog.models)


def test_a_job_survives_an_engine_that_is_away_for_a_moment(window, fake):
    fake.once(Script(steps=20, delay=0.05))
    bpy.ops.velatura.texture(prompt="moss", size=64)
    (task,) = session.tasks
    pump_until(lambda: task.job.fraction > 0)
    fake.kill()
    time.sleep(0.2)
    fake.start()
    pump_until(lambda: task.done)
    assert task.error is None and "moss" in bpy.data.images


@pytest.mark.parametrize("operator", ["texture", "project", "texture_object"])
def test_what_an_opened_file_waits_for_comes_when_the_engine_answers_again(window, fake, tmp_path, operator):
    path = str(tmp_path / "midway.blend")
    fake.once(Script(delay=0.1))
    getattr(bpy.ops.velatura, operator)(prompt="moss", size=64)
    run_errands()
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    fake.kill()
    for _ in range(2):  # opened, looked at, saved and closed while no engine answers
        bpy.ops.wm.open_mainfile(filepath=path)
        resume.collect(None)
        pump_until(lambda: not session.tasks)
        assert session.failed and "when the engine answers" in session.message
        bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=path)
    fake.start()
    bpy.ops.velatura.look(wait=False)
    worn = bpy.data.objects["Suzanne"].material_slots
    pump_until(lambda: worn and worn[0].material is not None and worn[0].material.name.startswith("moss"), 20.0)
    pump_until(lambda: not session.tasks)
    assert resume.WAITING not in bpy.context.scene and len(bpy.context.scene.velatura.history) == 1


def test_the_queue_says_who_waits_and_one_can_be_stopped(window, fake):
    fake.once(Script(hang=True))
    fake.once(Script(hang=True))
    bpy.ops.velatura.texture(prompt="moss", size=64)
    bpy.ops.velatura.generate(prompt="bark", size=64)
    sent()
    first, second = session.tasks
    pump_until(lambda: first.job.fraction and second.job.fraction)
    bpy.ops.velatura.cancel(number=1)
    pump_until(lambda: second.done)
    assert session.tasks == [first] and not session.failed
    bpy.ops.velatura.cancel()
    pump_until(lambda: first.done)


def test_online_access_is_asked_for_before_anything_leaves(window, monkeypatch):
    monkeypatch.setenv("VELATURA_ENGINE", "https://192.0.2.1:7860")
    bpy.ops.velatura.look(wait=False)
    assert session.status.fix == "velatura.open_network" and session.looking is None
    with pytest.raises(RuntimeError, match="online access"):
        bpy.ops.velatura.texture(prompt="moss", size=64)


def test_pieces_of_a_result_follow_each_other_sooner_than_the_engine_is_asked(window, fake):
    bpy.ops.velatura.texture(prompt="moss", size=64)
    until, waits = time.monotonic() + 20, []
    while session.tasks and time.monotonic() < until:
        waits.append(session_module._tick())
        time.sleep(0.01)
    placed = waits.index(session_module.SOON)
    assert session_module.SOON < session_module.TICK and set(waits[:placed]) <= {session_module.TICK}
    assert set(waits[placed:-1]) == {session_module.SOON} and waits[-1] == session_module.IDLE
