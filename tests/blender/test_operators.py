"""The add-on's operators in real Blender, against an engine that paints by arithmetic."""

import time

import bpy
import numpy as np
import pytest
from scenes import add, daylight, render, select, state, suzanne
from velatura import errors, pixels, png
from velatura.testing import Script
from velatura_blender import capture, place
from velatura_blender.session import session

pytestmark = pytest.mark.usefixtures("addon")


def build():
    """Suzanne before a ground plane, both selected, and a cube that is not."""
    thing, ground, box = suzanne(), add("plane", "Ground", (0, 0, -1), size=6), add("cube", "Cube", (2, 1, 0))
    select(thing, ground)
    return thing, ground, box


def texture(**more):
    return bpy.ops.velatura.texture(prompt="red brick wall", size=64, seed=3, wait=True, **more)


def project(**more):
    return bpy.ops.velatura.project(prompt="old bronze", size=128, texture_size=64, seed=5, wait=True, **more)


def test_a_texture_is_seen_on_the_selected_meshes_only(scene, fake, tmp_path):
    thing, ground, box = build()
    daylight()
    scene.cycles.max_bounces = 0
    before = render(tmp_path / "before.png")
    assert texture(repeat=2.0) == {"FINISHED"}
    after = render(tmp_path / "after.png")
    asked = fake.specs[0].steps[0].diffuse
    assert asked.tiling.x and asked.tiling.y and (asked.width, asked.height, asked.seed) == (64, 64, 3)
    assert thing.material_slots[0].material == ground.material_slots[0].material
    assert not box.material_slots
    seen = capture.frame(scene.camera, bpy.context.evaluated_depsgraph_get(), *before.shape[1::-1])
    change = np.abs(after - before).max(2)
    assert (change[seen.mask(["Ground"])] > 0.02).mean() > 0.9
    assert change[seen.mask(["Cube"])].mean() < 0.01


def test_the_image_is_what_the_engine_sent_packed_and_with_its_recipe(scene, fake):
    build()
    texture()
    image = bpy.data.images["red brick wall"]
    expected = np.frombuffer(fake_picture(64, 64, 3), np.uint8).reshape(64, 64, 3)
    np.testing.assert_array_equal(place.read(image)[..., :3], expected)
    assert image.packed_file is not None
    assert '"seed"' in image[place.RECIPE] and '"seed"' in bpy.data.materials["red brick wall"][place.RECIPE]


def test_a_material_is_one_job_of_a_hidden_tile_and_its_maps(scene, fake):
    thing, ground, box = build()
    assert bpy.ops.velatura.material(prompt="moss", size=64, seed=3, tiling="x", repeat=2.0, wait=True) == {"FINISHED"}
    (spec,) = fake.specs
    painting, maps = spec.steps
    assert painting.hidden and painting.diffuse.tiling.x and not painting.diffuse.tiling.y
    assert maps.material.image.output.step_id == painting.id and (maps.material.tile_x, maps.material.tile_y) == (1, 0)
    worn = thing.material_slots[0].material
    assert worn == ground.material_slots[0].material and not box.material_slots
    images = {image.name: image for image in bpy.data.images}
    assert {"moss", "moss normal", "moss height", "moss roughness", "moss metallic", "moss occlusion"} <= images.keys()
    spaces = {image.colorspace_settings.name for name, image in images.items() if name.startswith("moss ")}
    assert spaces == {"Non-Color"} and images["moss"].colorspace_settings.name == "sRGB"
    assert all(image.packed_file is not None for image in images.values()) and "seed 3" in session.message
    kept = {name: png.decode(image.packed_file.data).channels for name, image in images.items() if "moss" in name}
    assert kept == {name: 3 if name in ("moss", "moss normal") else 1 for name in kept}


def test_a_material_that_is_refused_leaves_nothing_behind(scene, fake):
    build()
    before = state()
    with pytest.raises(RuntimeError, match="No model is called 'oils'"):
        bpy.ops.velatura.material(prompt="moss", size=64, model="oils", wait=True)
    assert state() == before


def fake_picture(*arguments):
    from velatura.testing import picture

    return picture(*arguments)


def test_a_projection_is_one_job_of_two_steps_with_the_scenes_true_depth(scene, fake):
    build()
    assert project() == {"FINISHED"}
    assert len(fake.specs) == 1
    painting, projection = fake.specs[0].steps
    assert painting.hidden and painting.diffuse.prompt.text == "old bronze"
    assert (painting.diffuse.width, painting.diffuse.height) == (128, 128)
    view = projection.project.views[0]
    assert view.color.output.step_id == painting.id
    seen = capture.frame(scene.camera, bpy.context.evaluated_depsgraph_get(), 128, 128)
    for sent in (painting.diffuse.depth, view.depth):
        np.testing.assert_array_equal(pixels.to_array(sent.image)[..., 0], seen.depth)
    np.testing.assert_array_equal(pixels.to_array(view.mask.image)[..., 0] > 0, seen.mask(["Suzanne", "Ground"]))
    assert {target.id for target in projection.project.targets} == {"Suzanne", "Ground"}
    assert all(pixels.to_array(target.base).shape == (64, 64, 3) for target in projection.project.targets)


def test_previews_that_nobody_would_see_are_not_asked_for(scene, fake):
    build()
    texture()
    project()
    assert [spec.preview.enabled for spec in fake.specs] == [False, False]


def test_a_projection_gives_each_object_its_image_and_leaves_the_others_alone(scene, fake):
    thing, ground, box = build()
    own = bpy.data.materials.new("Own")
    thing.data.materials.append(own)
    project()
    made = [each.material_slots[0].material for each in (thing, ground)]
    assert made[0] != made[1] and thing.data.materials[0] == own and not box.material_slots
    texture = next(node for node in made[0].node_tree.nodes if node.type == "TEX_IMAGE")
    assert texture.image.packed_file is not None and tuple(texture.image.size) == (64, 64)
    assert len(texture.image[place.RECIPE]) < 100_000


def test_a_seed_that_was_drawn_is_told_and_can_be_used_again(scene, fake):
    build()
    bpy.ops.velatura.texture(prompt="moss", size=64, wait=True)
    bpy.ops.velatura.project(prompt="moss", size=64, texture_size=64, wait=True)
    drawn = [spec.steps[0].diffuse.seed for spec in fake.specs]
    assert drawn[0] != drawn[1] and f"seed {drawn[1]}" in session.message
    for seed in drawn:
        scene.velatura.seed = seed
        assert scene.velatura.seed == seed


def test_missing_uvs_are_made_in_a_layer_of_their_own(scene, fake):
    thing, ground, _ = build()
    while thing.data.uv_layers:
        thing.data.uv_layers.remove(thing.data.uv_layers[0])
    project()
    assert [layer.name for layer in thing.data.uv_layers] == [place.LAYER]
    assert [layer.name for layer in ground.data.uv_layers] == ["UVMap"]
    assert "unwrapped Suzanne" in session.message


def test_without_waiting_the_result_comes_by_pumping(scene, fake):
    build()
    fake.once(Script(delay=0.05))
    before = len(bpy.data.images)
    assert bpy.ops.velatura.texture(prompt="moss", size=64) == {"FINISHED"}
    assert len(bpy.data.images) == before and bpy.ops.velatura.cancel.poll()
    until = time.monotonic() + 10
    while session.pump() and time.monotonic() < until:
        time.sleep(0.01)
    assert "moss" in bpy.data.images and not session.failed and not bpy.ops.velatura.cancel.poll()


def test_cancelling_takes_everything_back(scene, fake):
    thing, _, _ = build()
    while thing.data.uv_layers:
        thing.data.uv_layers.remove(thing.data.uv_layers[0])
    before = state()
    fake.once(Script(hang=True))
    bpy.ops.velatura.project(prompt="moss", size=64)
    assert state() == before
    bpy.ops.velatura.cancel()
    until = time.monotonic() + 10
    while session.pump() and time.monotonic() < until:
        time.sleep(0.01)
    assert state() == before and session.message == "Stopped" and not session.failed


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("no camera", "no camera"),
        ("nothing selected", "Select at least one mesh"),
        ("no prompt", "prompt is empty"),
        ("edit mode", "Leave Edit Mode"),
        ("out of view", "sees none"),
        ("engine fails", "does not fit"),
        ("no engine", "engine"),
        ("wrong token", "token"),
        ("another version", "speaks v0"),
        ("engine dies in between", "engine"),
        ("unknown model", "No model is called 'oils'"),
    ],
)
def test_what_goes_wrong_is_said_and_leaves_the_scene_untouched(scene, fake, monkeypatch, trouble, words):
    thing = build()[0]
    while thing.data.uv_layers:
        thing.data.uv_layers.remove(thing.data.uv_layers[0])
    prompt = "" if trouble == "no prompt" else "moss"
    model = "oils" if trouble == "unknown model" else ""
    if trouble == "no camera":
        scene.camera = None
    if trouble == "nothing selected":
        select()
    if trouble == "edit mode":
        bpy.ops.object.mode_set(mode="EDIT")
    if trouble == "out of view":
        scene.camera.rotation_euler = (3.1, 0, 0)
        bpy.context.view_layer.update()
    if trouble == "engine fails":
        fake.once(Script(fail=errors.OutOfMemory("It does not fit")))
    if trouble == "no engine":
        fake.kill()
    if trouble == "wrong token":
        monkeypatch.setenv("VELATURA_TOKEN", "wrong")
    if trouble == "another version":
        fake.contract = "v0"
    if trouble == "engine dies in between":
        fake.once(Script(kill_after=2))
    before = state()
    with pytest.raises(RuntimeError, match=words):
        bpy.ops.velatura.project(prompt=prompt, model=model, size=64, wait=True)
    assert state() == before and session.failed


def test_after_an_engine_that_died_the_next_job_works(scene, fake):
    build()
    fake.once(Script(kill_after=2))
    with pytest.raises(RuntimeError):
        texture()
    fake.start()
    assert texture() == {"FINISHED"} and not session.failed


def test_what_the_engine_warns_of_is_reported(scene, fake, capfd):
    build()
    fake.once(Script(warn="The starter does not know 'gargoyle'"))
    texture()
    assert session.warnings == ("The starter does not know 'gargoyle'",) and not session.failed
    assert "Warning: The starter does not know 'gargoyle'" in capfd.readouterr().out
    texture()
    assert not session.warnings


def test_projecting_again_adds_to_the_first_in_its_own_uv_map(scene, fake):
    thing = build()[0]
    project(fresh_uvs=True)
    layers = ["UVMap", place.LAYER]
    assert [layer.name for layer in thing.data.uv_layers] == layers and thing.data.uv_layers.active.name == "UVMap"
    for again in (False, True):
        first = place.read(place.look(thing).image)[..., :3]
        project(fresh_uvs=again)
        sent = next(target for target in fake.specs[-1].steps[1].project.targets if target.id == "Suzanne")
        np.testing.assert_array_equal(pixels.to_array(sent.base), first)
        assert [layer.name for layer in thing.data.uv_layers] == layers and place.look(thing).layer == place.LAYER


def test_linked_duplicates_are_projected_on_in_one_new_uv_map(scene, fake):
    thing = suzanne()
    twin = bpy.data.objects.new("Twin", thing.data)
    scene.collection.objects.link(twin)
    twin.location = 1, 0, 0
    select(thing, twin)
    project(fresh_uvs=True)
    assert [layer.name for layer in thing.data.uv_layers] == ["UVMap", place.LAYER]
    assert place.look(thing).layer == place.look(twin).layer == place.LAYER
    assert place.look(thing).image != place.look(twin).image


def test_a_repeated_texture_stays_where_a_projection_paints_nothing(scene, fake):
    thing = build()[1]
    texture(repeat=4.0)
    project()
    sent = next(target for target in fake.specs[-1].steps[1].project.targets if target.id == "Ground")
    base = pixels.to_array(sent.base).astype(int)
    tile = place.read(bpy.data.images["red brick wall"])[..., :3].astype(int)
    for corner in ((0, 0), (16, 0), (0, 48)):  # 64 texels hold the tile of 64 four times
        part = base[corner[0] : corner[0] + 16, corner[1] : corner[1] + 16]
        assert np.abs(part - tile.reshape(16, 4, 16, 4, 3).mean((1, 3))).max() <= 1
    assert place.look(thing).scale == (1, 1)


def test_a_look_that_other_nodes_make_is_told_to_be_lost_where_nothing_is_painted(scene, fake):
    thing = build()[0]
    texture()
    project()
    assert not session.warnings
    tree = thing.material_slots[0].material.node_tree
    link = next(node for node in tree.nodes if node.type == "BSDF_PRINCIPLED").inputs["Base Color"].links[0]
    source, target, hue = link.from_socket, link.to_socket, tree.nodes.new("ShaderNodeHueSaturation")
    tree.links.new(source, hue.inputs["Color"])
    tree.links.new(hue.outputs["Color"], target)
    project()
    (warning,) = session.warnings
    assert warning.startswith("The look of Suzanne is made by other nodes") and "bake it" in warning


def test_with_no_engine_anywhere_it_says_how_to_get_one(scene, monkeypatch, tmp_path):
    monkeypatch.delenv("VELATURA_ENGINE", raising=False)
    monkeypatch.setenv("VELATURA_HOME", str(tmp_path))
    build()
    with pytest.raises(RuntimeError, match="Press Start Engine"):
        texture()


def test_settings_of_the_scene_are_used_where_the_operator_is_given_none(scene, fake):
    build()
    settings = scene.velatura
    settings.prompt, settings.size, settings.seed, settings.tiling = "moss", 128, 9, "x"
    settings.model = "fake/painter"
    bpy.ops.velatura.texture(wait=True)
    asked = fake.specs[0].steps[0].diffuse
    assert (asked.prompt.text, asked.width, asked.seed, asked.model) == ("moss", 128, 9, "fake/painter")
    assert asked.tiling.x and not asked.tiling.y


def test_one_step_back_undoes_it(scene, fake):
    build()
    bpy.ops.ed.undo_push(message="before")
    before = state()
    texture()
    assert state() != before
    bpy.ops.ed.undo()
    assert state() == before


def test_an_engine_elsewhere_needs_online_access(scene, monkeypatch):
    monkeypatch.setenv("VELATURA_ENGINE", "https://192.0.2.1:7860")
    monkeypatch.setenv("VELATURA_TOKEN", "secret")
    build()
    with pytest.raises(RuntimeError, match="online access"):
        texture()
