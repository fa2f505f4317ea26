"""The history: every result is remembered with its recipe, and files find the results of jobs that outlived them."""

import json
import time
from functools import partial
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from scenes import add, select, state, suzanne
from velatura import errors
from velatura.testing import Script
from velatura_blender import history, icons, place, resume
from velatura_blender.session import session

pytestmark = pytest.mark.usefixtures("addon")


def texture(**more):
    given = {"prompt": "moss", "size": 64, "seed": 3} | more
    return bpy.ops.velatura.texture(wait=True, **given)


def pump(seconds=10):
    until = time.monotonic() + seconds
    while session.pump() and time.monotonic() < until:
        time.sleep(0.01)


def names(scene):
    return [entry.name for entry in scene.velatura.history]


def test_every_kind_of_result_is_remembered_with_recipe_picture_and_material(scene, fake):
    thing = suzanne()
    select(thing)
    texture()
    bpy.ops.velatura.material(prompt="bark", size=64, wait=True)
    bpy.ops.velatura.project(prompt="bronze", size=64, texture_size=64, wait=True)
    bpy.ops.velatura.generate(prompt="cat", size=64, wait=True)
    assert names(scene) == ["cat", "bronze on Suzanne", "bark", "moss"]
    kinds = [entry.kind for entry in scene.velatura.history]
    assert kinds == ["Picture", "Projection", "Material", "Texture"]
    for entry in scene.velatura.history:
        assert json.loads(entry.recipe)["spec"]["steps"] and entry.image[place.RECIPE] == entry.recipe
        assert entry.image.packed_file is not None
    assert scene.velatura.history[0].material is None
    assert scene.velatura.history[3].material.name == "moss"


def test_the_thumbnail_shows_the_picture(scene, fake):
    bpy.ops.velatura.generate(prompt="cat", size=256, height=128, seed=3, wait=True)
    small = icons.unpack(scene.velatura.history[0].thumb)
    whole = place.read(scene.velatura.history[0].image)[::-1, :, :3]
    assert max(small.shape[:2]) <= icons.SIDE and small.shape[0] == -(-small.shape[1] // 2)
    rows = np.arange(small.shape[0]) * 3 + 1  # every third pixel, from the middle of the first three
    assert np.abs(small[:, 0].astype(int) - whole[rows, 1]).max() <= 4


def test_remembering_a_picture_does_not_read_it(scene, fake):
    select(suzanne())
    texture()
    image = scene.velatura.history[0].image
    assert scene.velatura.history[0].thumb and not image.has_data, "which takes a second for a large one"
    whole = place.read(image)[::-1, :, :3]
    assert (icons.unpack(scene.velatura.history[0].thumb) == whole).all()


def test_a_glimpse_is_decoded_by_blender_itself(scene):
    from velatura.testing import painter

    grey = icons.decode(painter.PREVIEW)
    assert grey.shape == (16, 16, 3) and (grey == grey[..., :1]).all() and 0.4 < grey.mean() < 0.6
    assert icons.decode(b"no picture") is None
    assert not bpy.data.images


def test_settings_are_those_of_the_result_again(scene, fake):
    select(suzanne())
    bpy.ops.velatura.look(wait=True)
    settings = scene.velatura
    settings.sampler = "dpmpp_2m"
    settings.knobs[0].integer = 3
    settings.adapters.add().model = "fake/rust"
    texture(negative="rust", tiling="x", steps=7, guidance=5.0)
    settings.sampler, settings.prompt, settings.tiling = "", "else", "y"
    settings.adapters.clear()
    bpy.ops.velatura.history_use()
    assert (settings.prompt, settings.negative, settings.size, settings.seed) == ("moss", "rust", 64, 3)
    assert (settings.steps, settings.guidance, settings.sampler, settings.tiling) == (7, 5.0, "dpmpp_2m", "x")
    assert settings.knobs[0].integer == 3 and settings.adapters[0].model == "fake/rust"
    bpy.ops.velatura.texture(wait=True)
    first, again = (spec.steps[0].diffuse for spec in fake.specs)
    again.seed, first.model = first.seed, again.model
    assert again == first


def test_varying_asks_for_the_same_with_another_seed(scene, fake):
    thing = suzanne()
    select(thing)
    texture(repeat=2.0)
    select()
    bpy.ops.velatura.history_vary(wait=True)
    first, again = (spec.steps[0].diffuse for spec in fake.specs)
    assert again.prompt == first.prompt and again.tiling == first.tiling and again.seed != first.seed
    assert names(scene) == ["moss.001", "moss"] and thing.material_slots[0].material.name == "moss.001"
    assert place.look(thing).scale == (2.0, 2.0)


def test_replaying_an_entry_sends_the_same_job(scene, fake):
    select(suzanne())
    bpy.ops.velatura.project(prompt="bronze", size=64, texture_size=64, wait=True)
    for _ in range(2):
        bpy.ops.velatura.history_vary(same_seed=True, number=0, wait=True)
    one, two = fake.specs[-2:]
    one.ClearField("request_id")
    two.ClearField("request_id")
    assert one.SerializeToString(deterministic=True) == two.SerializeToString(deterministic=True)
    assert one.steps[0].diffuse.depth.image.blob_id


def test_the_longer_side_of_a_portrait_projection_is_set_again(scene, fake):
    scene.render.resolution_x, scene.render.resolution_y = 128, 256
    paint("project", [suzanne()], size=128)
    bpy.ops.velatura.history_use()
    assert (scene.velatura.size, scene.velatura.height) == (128, 0)
    bpy.ops.velatura.project(texture_size=64, wait=True)
    first, second = (spec.steps[0].diffuse for spec in fake.specs)
    assert (second.width, second.height) == (first.width, first.height) == (64, 128)


def test_a_result_goes_onto_other_meshes_with_their_own_uvs(scene, fake):
    thing, other = suzanne(), add("cube", "Cube", (2, 0, 0))
    other.data.uv_layers[0].name = "Another"
    select(thing)
    texture()
    select(other)
    bpy.ops.velatura.history_apply()
    assert place.look(other).layer == "Another" and place.look(other).image == bpy.data.images["moss"]
    assert place.look(thing).layer == "UVMap"


def test_forgetting_removes_what_nothing_else_uses(scene, fake):
    thing = suzanne()
    select(thing)
    texture()
    bpy.ops.velatura.generate(prompt="cat", size=64, wait=True)
    bpy.ops.velatura.history_delete(number=0)
    assert names(scene) == ["moss"] and "cat" not in bpy.data.images
    bpy.ops.velatura.history_delete(number=0)
    assert not names(scene) and thing.material_slots[0].material.name == "moss"


def test_stars_survive_when_the_history_overflows(scene, fake, monkeypatch):
    monkeypatch.setattr(history, "MOST", 2)
    for number in range(5):
        bpy.ops.velatura.generate(prompt=f"cat {number}", size=64, wait=True)
        scene.velatura.history[0].favourite |= number == 0
    assert names(scene) == ["cat 4", "cat 3", "cat 0"]


def test_one_step_back_takes_the_entry_too(scene, fake):
    select(suzanne())
    bpy.ops.ed.undo_push(message="before")
    texture()
    assert names(bpy.context.scene) == ["moss"]
    bpy.ops.ed.undo()
    assert not names(bpy.context.scene)


def test_the_seed_of_the_newest_result_can_be_held_and_let_go(scene, fake):
    bpy.ops.velatura.generate(prompt="cat", size=64, wait=True)
    bpy.ops.velatura.seed(hold=True)
    assert scene.velatura.seed == fake.specs[0].steps[0].diffuse.seed
    bpy.ops.velatura.seed()
    assert scene.velatura.seed == -1


def test_history_images_and_materials_are_there_after_saving_and_opening(scene, fake, tmp_path):
    select(suzanne())
    texture()
    scene.velatura.history[0].favourite = True
    kept = (scene.velatura.history[0].recipe, scene.velatura.history[0].thumb)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "kept.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "kept.blend"))
    (entry,) = bpy.context.scene.velatura.history
    assert (entry.recipe, entry.thumb) == kept and entry.favourite and entry.material.name == "moss"
    assert entry.image.packed_file is not None and tuple(entry.image.size) == (64, 64)
    bpy.ops.velatura.history_vary(wait=True)
    assert [spec.steps[0].diffuse.prompt.text for spec in fake.specs] == ["moss", "moss"]


@pytest.mark.parametrize("operator", ["texture", "project", "texture_object"])
def test_a_file_saved_in_between_finds_its_result_when_it_is_opened_again(scene, fake, tmp_path, operator):
    thing = suzanne()
    while thing.data.uv_layers:
        thing.data.uv_layers.remove(thing.data.uv_layers[0])
    select(thing)
    fake.once(Script(delay=0.1))
    getattr(bpy.ops.velatura, operator)(prompt="moss", size=64)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "midway.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    assert not session.tasks
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "midway.blend"))
    assert bpy.ops.velatura.collect(wait=True) == {"FINISHED"}
    assert len(fake.specs) == 1 and not session.failed
    assert bpy.data.objects["Suzanne"].material_slots[0].material.name.startswith("moss")
    (entry,) = bpy.context.scene.velatura.history  # an object's views only led to its texture
    assert entry.material == bpy.data.objects["Suzanne"].material_slots[0].material
    assert bpy.ops.velatura.collect(wait=True) == {"FINISHED"} and len(bpy.context.scene.velatura.history) == 1


def crashed():
    """Nobody tells the engine, and nothing is placed."""
    for task in session.tasks:
        task.job.leave()
    session.tasks.clear()


def written_without_telling(path):
    """A file as an autosave is one: Blender calls no handler."""
    bpy.data.libraries.write(str(path), set(bpy.data.scenes))
    return str(path)


def accepted():
    until = time.monotonic() + 5
    while not session.tasks[0].accepted and time.monotonic() < until:
        session.pump()
        time.sleep(0.01)


def test_an_autosave_finds_its_result_after_a_crash(scene, fake, tmp_path):
    select(suzanne())
    fake.once(Script(delay=0.1))
    bpy.ops.velatura.texture(prompt="moss", size=64)
    accepted()
    path = written_without_telling(tmp_path / "autosave.blend")
    crashed()
    bpy.ops.wm.open_mainfile(filepath=path)
    assert bpy.ops.velatura.collect(wait=True) == {"FINISHED"}
    assert len(fake.specs) == 1 and not session.failed
    assert bpy.data.objects["Suzanne"].material_slots[0].material.name == "moss"
    assert resume.WAITING not in bpy.context.scene, "it has come"


def test_a_file_written_after_a_job_has_ended_does_not_wait_for_it(scene, fake, tmp_path):
    select(suzanne())
    texture()
    assert resume.WAITING not in scene
    fake.once(Script(hang=True))
    bpy.ops.velatura.texture(prompt="moss", size=64)
    accepted()
    stale = scene[resume.WAITING]
    session.cancel()
    with pytest.raises(errors.Cancelled):
        session.wait(session.tasks[0])
    assert resume.WAITING not in scene
    scene[resume.WAITING] = stale  # as an undone step has it
    for after in bpy.app.handlers.undo_post:
        after(scene, None)
    assert resume.WAITING not in scene


def test_what_a_file_waits_for_is_kept_while_no_engine_answers(scene, fake, tmp_path):
    scene[resume.WAITING] = waiting = json.dumps([["Texture", "a" * 32, "put_texture", "{}", "", ""]])
    select(suzanne())
    texture()
    assert scene[resume.WAITING] == waiting
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "still.blend"))
    assert scene[resume.WAITING] == waiting


def test_a_job_that_no_file_knows_is_stopped_when_another_file_is_opened(scene, fake):
    select(suzanne())
    fake.once(Script(hang=True))
    bpy.ops.velatura.texture(prompt="moss", size=64)
    until = time.monotonic() + 5
    while not fake.jobs and time.monotonic() < until:
        time.sleep(0.01)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    (job,) = fake.jobs.values()
    until = time.monotonic() + 5
    while not job.ended and time.monotonic() < until:
        time.sleep(0.01)
    assert job.ended


def test_a_result_that_the_engine_no_longer_has_is_said_and_leaves_nothing(scene, fake, tmp_path):
    thing = suzanne()
    while thing.data.uv_layers:
        thing.data.uv_layers.remove(thing.data.uv_layers[0])
    select(thing)
    before = state()
    fake.once(Script(hang=True))
    bpy.ops.velatura.project(prompt="moss", size=64)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "midway.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "midway.blend"))
    fake.jobs.clear()
    with pytest.raises(RuntimeError, match="not at the engine any more"):
        bpy.ops.velatura.collect(wait=True)
    assert session.failed and state()[1:] == before[1:]


def worn(thing):
    return [slot.material.name if slot.material else "" for slot in thing.material_slots]


def paint(operator, things, **more):
    select(*things)
    size = {} if operator == "generate" else {"texture_size": 64}
    getattr(bpy.ops.velatura, operator)(**({"prompt": "bronze", "size": 64, "wait": True} | size | more))


@pytest.mark.parametrize("operator", ["project", "texture_object"])
def test_what_was_baked_for_one_object_is_applied_to_it_alone(scene, fake, operator):
    one, other = add("cube", "One"), add("cube", "Other", (3, 0, 0))
    paint(operator, [one])
    made = worn(one)
    paint(operator, [other])
    texture()
    select(one, other)
    one.name = "Renamed"
    bpy.ops.velatura.history_apply(number=2)
    assert worn(one) == made and worn(other) == ["moss"]
    select(other)
    with pytest.raises(RuntimeError, match="Select Renamed"):
        bpy.ops.velatura.history_apply(number=2)
    twin = bpy.data.objects.new("Twin", one.data)
    scene.collection.objects.link(twin)
    select(twin)
    bpy.ops.velatura.history_apply(number=2)
    assert worn(twin) == made, "it shares the mesh, and so the UV map"


def test_what_was_baked_is_not_applied_where_its_uv_map_is_gone(scene, fake):
    thing = add("cube", "Cube")
    paint("project", [thing], fresh_uvs=True)
    layer = thing.data.uv_layers["Velatura UV"]
    thing.data.uv_layers.remove(layer)
    with pytest.raises(RuntimeError, match="no UV map «Velatura UV» any more"):
        bpy.ops.velatura.history_apply()


@pytest.mark.parametrize("mark", [resume.baked, resume.resumable])
def test_a_new_way_to_bake_is_told_by_the_function_that_places_it_alone(scene, mark):
    def put_something_new(result):
        return ""

    thing = add("cube", "Cube")
    image = place.image("New", np.zeros((4, 4, 3), np.uint8), "{}")
    place.wear(thing, place.material("New", image, "UVMap"))
    task = SimpleNamespace(title="Something New", place=partial(mark(put_something_new)))
    history.add(task, image, thing.material_slots[0].material)
    assert scene.velatura.history[0].owner == (thing if mark is resume.baked else None)
    resume.BAKED.discard("put_something_new")
    del resume.KNOWN["put_something_new"]


@pytest.mark.parametrize("way", ["removed", "deleted"])
def test_what_was_baked_for_an_object_that_is_gone_goes_onto_another_with_a_word_about_uvs(scene, fake, way, capfd):
    thing = add("cube", "Cube")
    paint("project", [thing])
    made = worn(thing)
    if way == "removed":
        bpy.data.objects.remove(thing)
    else:
        select(thing)
        bpy.ops.object.delete()
    other = add("cube", "Imported again")
    select(other)
    bpy.ops.velatura.history_apply()
    assert worn(other) == made and "fits only where UVs are the same" in capfd.readouterr().out


@pytest.mark.parametrize("prompt", ["bronze", "古い青銅の壁、苔むした石、夕暮れの光、細かいひび割れ、錆び"])
def test_every_projection_can_be_applied_again(scene, fake, prompt):
    thing = suzanne()
    for _ in range(2):
        paint("project", [thing], prompt=prompt)
    made = worn(thing)
    paint("texture_object", [thing])
    bpy.ops.velatura.history_apply(number=1)
    assert worn(thing) == made
    bpy.data.images.remove(scene.velatura.history[1].image)
    bpy.ops.velatura.history_apply(number=1)


def test_a_local_edit_is_applied_again_in_the_slot_that_it_was_made_for(scene, fake):
    thing = add("cube", "Cube")
    for name in ("First", "Second"):
        thing.data.materials.append(bpy.data.materials.new(name))
    for face in thing.data.polygons[:3]:
        face.material_index = 1
    select(thing)
    texture()
    thing.active_material_index = 1
    thing.material_slots[0].material = bpy.data.materials["First"]
    mask = place.image("mask", np.full((64, 64, 3), 255, np.uint8), data=True)
    scene.velatura_local.mask = mask
    bpy.ops.velatura.local_edit(prompt="rust", way="UV", size=64, wait=True)
    made = worn(thing)
    thing.material_slots[1].material = bpy.data.materials["Second"]
    bpy.ops.velatura.history_apply()
    assert worn(thing) == made and made[0] == "First"


def test_what_cannot_be_written_down_is_not(scene):
    assert resume.written(lambda result: "") is None
    assert resume.read("nothing_known", "{}") is None


@pytest.mark.parametrize("words", ['{"names": ["Cube"], "title": "moss", "repeat": 1}', '{"title": "moss"}'])
def test_what_another_version_wrote_down_is_not_painted_again_in_vain(scene, fake, words):
    select(suzanne())
    texture()
    assert resume.read("put_texture", words) is None
    scene.velatura.history[0].arguments = words
    with pytest.raises(RuntimeError, match="cannot be painted again from here"):
        bpy.ops.velatura.history_vary(wait=True)
    assert len(fake.specs) == 1


def test_varying_without_an_engine_says_so(scene, fake):
    bpy.ops.velatura.generate(prompt="cat", size=64, wait=True)
    fake.kill()
    with pytest.raises(RuntimeError, match="engine"):
        bpy.ops.velatura.history_vary(wait=True)
    assert errors.Unreachable.default_remedy
