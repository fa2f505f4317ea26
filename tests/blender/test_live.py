"""The live view: the newest state alone is painted and shown, nothing while nothing changes, and it ends itself."""

import time

import bpy
import numpy as np
import pytest
from scenes import add, place_camera, state, suzanne
from velatura import errors, pixels
from velatura.testing import Script
from velatura.v1 import jobs_pb2
from velatura_blender import drawing, live, live_view, place
from velatura_blender.session import session

pytestmark = pytest.mark.usefixtures("addon")


class Painted:
    """A job that ends when it is told to."""

    def __init__(self, state):
        self.state, self.done, self.stopped, self.error = state, False, False, None

    def poll(self):
        return []

    def cancel(self):
        self.stopped = True

    def result(self, timeout):
        if self.error is not None:
            raise self.error
        return type("Result", (), {"artifacts": [self.state]})


class Stage:
    """Something to look at, an engine, and a clock."""

    def __init__(self, **more):
        self.now, self.value, self.jobs, self.pictures, self.slow = 100.0, "a", [], [], 0.0
        self.refused = self.lost = None
        self.pieces, self.rests, self.lacks = 0, 0, ""
        self.live = live.Live(eye=self, send=self.send, show=self.pictures.append, **more)

    def state(self):
        return self.value

    def prepare(self, side):
        self.pieces -= 1
        return self.pieces < 0

    def rest(self):
        self.rests += 1
        return self.lacks

    def capture(self, side):
        time.sleep(self.slow)
        if self.refused:
            raise ValueError(self.refused)
        return f"{self.value} at {side}"

    def send(self, spec):
        if self.lost:
            raise errors.Unreachable(self.lost)
        self.jobs.append(Painted(spec))
        return self.jobs[-1]

    def tick(self, value=None, seconds=0.05):
        self.now += seconds
        self.value = value or self.value
        self.live.tick(self.now)

    def end(self, number=-1, error=None):
        self.jobs[number].done, self.jobs[number].error = True, error


def test_the_state_is_painted_once_and_then_nothing_happens():
    stage = Stage()
    stage.tick()
    stage.end()
    for _ in range(50):
        stage.tick()
    assert stage.pictures == ["a at 256"] and len(stage.jobs) == 1 and not stage.live.busy


def test_while_it_moves_one_picture_at_a_time_is_painted():
    stage = Stage()
    for value in "abcde":
        stage.tick(value)
    assert len(stage.jobs) == 1 and not stage.jobs[0].stopped, "it moves: the first is let come to its end"
    stage.end()
    stage.tick("f")
    assert stage.pictures == ["a at 256"] and stage.jobs[1].state == "f at 256", "none of those between"


def test_once_it_stands_still_the_newest_takes_the_place_of_the_older_whose_picture_is_never_shown():
    stage = Stage()
    stage.tick("a")
    stage.tick("b")
    for _ in range(4):
        stage.tick()
    assert [job.state for job in stage.jobs] == ["a at 256", "b at 256"] and stage.jobs[0].stopped
    stage.end(0)
    stage.tick()
    assert stage.pictures == [] and stage.live.dropped == 1
    stage.end(1)
    stage.tick()
    assert stage.pictures == ["b at 256"]


@pytest.mark.parametrize("error", [errors.Unreachable("The engine is gone"), errors.Broken("It died")])
def test_it_switches_itself_off_with_the_reason_when_the_engine_is_lost(error):
    stage = Stage()
    stage.tick()
    stage.end(error=error)
    stage.tick()
    assert not stage.live.on and stage.live.failed and stage.live.message == f"Live is off: {error}"
    stage.tick("b")
    assert len(stage.jobs) == 1


def test_an_engine_that_cannot_be_reached_switches_it_off():
    stage = Stage()
    stage.lost = "Nobody answers"
    stage.tick()
    assert not stage.live.on and "Nobody answers" in stage.live.message


def test_what_lacks_is_said_once_and_tried_again_when_something_changes():
    stage = Stage()
    stage.refused = "Say what to paint"
    stage.tick()
    stage.refused = None
    stage.tick()
    assert stage.live.on and stage.live.message == "Say what to paint" and not stage.jobs
    stage.tick("b")
    assert stage.jobs and not stage.live.failed


def test_a_slow_capture_makes_the_picture_smaller_and_a_quick_one_larger_again():
    stage = Stage()
    stage.tick("a")
    stage.slow = live.LIMIT * 1.2
    for value in "bc":
        stage.end()
        stage.tick(value)
    assert stage.live.side == 144 and [job.state for job in stage.jobs][1:3] == ["b at 256", "c at 192"]
    stage.slow = 0.0
    for value in "efg":
        stage.end()
        stage.tick(value)
    assert stage.live.side == 256


def test_a_scene_that_is_always_slow_is_looked_at_only_when_the_view_stands_still():
    stage = Stage(wanted=128)
    stage.slow = live.LIMIT * 1.2
    for value in "abcd":
        stage.tick(value)
        stage.end()
    captured = stage.live.captured
    for value in "efgh":
        stage.tick(value)
    assert stage.live.captured == captured == 4, "it moves"
    for _ in range(4):
        stage.tick()
    assert stage.jobs[-1].state == "h at 128" and stage.live.captured == 5
    stage.end()
    stage.tick()
    assert "once the view stands still" in stage.live.message


def test_what_is_done_only_once_comes_in_pieces_before_the_first_capture():
    stage = Stage()
    stage.pieces = 2
    for _ in range(2):
        stage.tick()
        assert not stage.live.captured
    stage.tick()
    assert stage.live.captured == 1


def test_it_rests_once_after_each_state_that_stands_still_and_tells_what_has_no_depth():
    stage = Stage()
    stage.lacks = "«Smoke» is a volume"
    stage.tick("a")
    stage.tick("b")
    assert stage.rests == 0, "it moves"
    for _ in range(20):
        stage.tick()
    assert stage.rests == 1
    stage.end()
    stage.tick()
    assert stage.live.message.endswith("s. «Smoke» is a volume")
    for _ in range(20):
        stage.tick("c")
    assert stage.rests == 2


# In Blender, with the graphics card's stand-in.


@pytest.fixture
def view(scene, fake, monkeypatch):
    """A monkey seen through the camera, with the live view switched on; a busy machine changes nothing."""
    monkeypatch.setattr(live, "LIMIT", 60.0)
    scene.render.resolution_x, scene.render.resolution_y = 160, 120
    suzanne(levels=1)
    settings = scene.velatura
    settings.prompt, scene.velatura_live.target, scene.velatura_live.side = "moss", "CAMERA", 128
    bpy.context.view_layer.update()
    assert bpy.ops.velatura.live() == {"FINISHED"}
    yield live_view.now
    live_view.stop()


def run(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert live_view.step(), session.message
        assert time.monotonic() < end, live_view.now.live.message
        time.sleep(0.01)


def asked(fake, number=-1):
    return fake.specs[number].steps[0].diffuse


def test_the_camera_shows_the_picture_and_idleness_asks_for_nothing(view, fake, scene):
    run(lambda: view.live.shown == 1)
    sent = asked(fake)
    assert (sent.width, sent.height, sent.seed) == (128, 96, 0) and fake.specs[0].supersede_key == "live"
    depth = pixels.to_array(sent.depth.image)[..., 0]
    truth = drawing_depth(scene, (128, 96))
    both = np.isfinite(depth) & np.isfinite(truth)
    assert (np.isfinite(depth) == np.isfinite(truth)).mean() > 0.99
    assert np.median(np.abs(depth[both] / truth[both] - 1)) < 1e-4
    (laid,) = scene.camera.data.background_images
    assert laid.image.name == live_view.NAME and scene.camera.data.show_background_images
    run(lambda: not view.live.busy)
    before = len(fake.specs)
    for _ in range(40):
        live_view.step()
        bpy.context.view_layer.update()
        time.sleep(0.01)
    assert len(fake.specs) - before <= 1, "the picture itself is no change"


def drawing_depth(scene, size):
    from velatura_blender import capture

    return capture.frame(scene.camera, bpy.context.evaluated_depsgraph_get(), *size).depth


def test_undoing_does_not_bring_the_picture_back_after_it_was_switched_off(view, fake, scene):
    bpy.ops.ed.undo_push(message="before")
    run(lambda: view.live.shown == 1)
    bpy.data.objects["Suzanne"].location.x = 1
    bpy.ops.ed.undo_push(message="moved")
    bpy.ops.ed.undo_push(message="and again")
    live_view.stop()
    for step in (bpy.ops.ed.undo, bpy.ops.ed.undo, bpy.ops.ed.redo):
        step()
        camera = bpy.context.scene.camera.data
        assert live_view.NAME not in bpy.data.images and not camera.background_images
        assert not camera.show_background_images


def test_moving_the_camera_and_editing_the_mesh_ask_anew(view, fake, scene):
    run(lambda: view.live.shown >= 1)
    first = pixels.to_array(asked(fake).init.image)
    place_camera((0, -5, 0))
    run(lambda: view.live.shown >= 2)
    moved = pixels.to_array(asked(fake).init.image)
    mesh = bpy.data.objects["Suzanne"].data
    mesh.vertices[0].co.z += 3
    mesh.update()
    bpy.context.view_layer.update()
    run(lambda: view.live.shown >= 3)
    edited = pixels.to_array(asked(fake).init.image)
    assert (first != moved).any() and (moved != edited).any()
    scene.velatura.prompt = "bark"
    run(lambda: asked(fake).prompt.text == "bark")


def test_the_picture_shown_is_no_part_of_what_is_captured(view, fake):
    run(lambda: view.live.shown >= 1)
    first = pixels.to_array(asked(fake).init.image)
    bpy.data.objects["Suzanne"].data.update()
    bpy.data.objects["Suzanne"].update_tag()
    bpy.context.view_layer.update()
    run(lambda: view.live.shown >= 2)
    assert np.abs(pixels.to_array(asked(fake).init.image).astype(int) - first).max() <= 2


def samples():
    return bpy.context.preferences.system.viewport_aa


def test_anti_aliasing_is_off_while_it_captures_and_back_when_it_rests(view, scene):
    bpy.context.preferences.is_dirty = False
    run(lambda: view.live.captured >= 1)
    assert samples() == "OFF"
    run(lambda: view.live.shown >= 1 and samples() == "8")
    place_camera((0, -5, 0))
    run(lambda: samples() == "OFF")
    assert bpy.ops.velatura.live() == {"FINISHED"}
    assert samples() == "8" and not bpy.context.preferences.is_dirty


def test_what_the_artist_chooses_meanwhile_stays(view, scene):
    run(lambda: view.live.captured >= 1)
    bpy.context.preferences.system.viewport_aa = "FXAA"
    run(lambda: view.live.shown >= 1 and view.live._rested)
    assert samples() == "FXAA"
    bpy.context.preferences.system.viewport_aa = "8"


def test_a_volume_in_sight_is_told_and_kept_in_the_recipe(view, fake, scene):
    cloud = bpy.data.objects.new("Smoke", bpy.data.volumes.new("Smoke"))
    scene.collection.objects.link(cloud)
    scene.collection.objects.link(bpy.data.objects.new("Fur", bpy.data.hair_curves.new("Fur")))
    bpy.context.view_layer.update()
    run(lambda: "«Smoke» is a volume" in view.live.message)
    assert "Fur" not in view.live.message, "hair is drawn with its depth"
    place_camera((0, -5, 0))
    shown = view.live.shown
    run(lambda: view.live.shown > shown)
    assert fake.specs[-1].labels["left_out"] == "«Smoke» is a volume"
    cloud.location = (0, 90, 900)
    bpy.context.view_layer.update()
    run(lambda: view.live.message.startswith("Live:") and "Smoke" not in view.live.message)


def test_an_older_job_is_stopped_at_the_engine(view, fake):
    run(lambda: view.live.shown >= 1 and not view.live.busy)
    fake.once(Script(hang=True))
    place_camera((0, -5, 0))
    run(lambda: view.live.busy)
    hung = view.live._job
    place_camera((0, -5, 1))
    run(lambda: view.live.dropped == 1)
    shown = view.live.shown
    run(lambda: view.live.shown > shown)
    until = time.monotonic() + 5
    while not hung.done and time.monotonic() < until:
        time.sleep(0.01)
    assert hung.state == jobs_pb2.JOB_STATE_CANCELLED


def test_switched_off_nothing_of_it_is_left(scene, fake):
    add("cube", "Box")
    scene.velatura.prompt, scene.velatura_live.target = "moss", "CAMERA"
    bpy.context.view_layer.update()
    before = state()
    bpy.ops.velatura.live()
    now = live_view.now
    run(lambda: now.live.shown >= 1)
    assert bpy.ops.velatura.live() == {"FINISHED"}
    assert state() == before and not scene.camera.data.background_images and now.live is None
    assert live_view._changed not in bpy.app.handlers.depsgraph_update_post


def test_a_file_that_is_saved_meanwhile_holds_nothing_of_it(view, scene, tmp_path):
    run(lambda: view.live.shown >= 1)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"))
    assert live_view.NAME in bpy.data.images and scene.camera.data.background_images, "it goes on"
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "saved.blend"))
    assert live_view.now.live is None and not bpy.context.scene.camera.data.background_images
    assert live_view.NAME not in bpy.data.images


def test_an_engine_that_dies_ends_it_with_words(view, fake):
    run(lambda: view.live.shown >= 1)
    fake.kill()
    place_camera((0, -5, 0))
    until = time.monotonic() + 10
    while live_view.step() and time.monotonic() < until:
        time.sleep(0.01)
    assert live_view.now.live is None and session.failed and session.message.startswith("Live is off: ")
    assert live_view.NAME not in bpy.data.images


def test_a_picture_can_be_kept_with_its_recipe(view, fake, scene):
    run(lambda: view.live.shown >= 1)
    assert bpy.ops.velatura.live_keep() == {"FINISHED"}
    kept = bpy.data.images["moss live"]
    assert kept.packed_file and '"live": "camera"' in kept[place.RECIPE] and scene.velatura.history[0].image == kept


def test_depth_of_an_orthographic_draw_is_metric_too(scene):
    add("cube", "Box", size=1)
    scene.camera.data.type, scene.camera.data.ortho_scale = "ORTHO", 4
    bpy.context.view_layer.update()
    import gpu
    from velatura_blender import capture, offscreen

    assert offscreen.ready()
    graph = bpy.context.evaluated_depsgraph_get()
    lens = capture.lens_of(scene.camera, graph, 96, 96)
    target = gpu.types.GPUOffScreen(96, 96)
    where = scene, bpy.context.view_layer
    _, depth = drawing.draw(target, drawing.view(), where, lens.world_to_camera, lens.camera_to_clip, (96, 96))
    target.free()
    truth = capture.frame(scene.camera, graph, 96, 96).depth
    both = np.isfinite(depth) & np.isfinite(truth)
    assert both.sum() > 300 and np.abs(depth[both] - truth[both]).max() < 0.02
