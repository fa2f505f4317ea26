"""The add-on's operators against the real engine and its starter: it must take what it is sent, and paint it."""

import json
import os
import signal
import time

import bpy
import kernel
import numpy as np
import pytest
from scenes import add, faces_of_texels, place_camera, select, state, suzanne
from velatura import discovery
from velatura_blender import capture, live, live_view, place, reblend, shots, views
from velatura_blender.session import session

pytestmark = pytest.mark.usefixtures("engine")

PATIENCE = 250.0
"""Seconds after which an engine will not start or end any more, also on a machine that others keep busy."""
MAGENTA = (255, 0, 255)
"""What everything looks like before; nothing is painted in it."""
TEXTURE = 160


@pytest.fixture(scope="module")
def engine(addon, tmp_path_factory):
    """The engine of .venv, which the add-on finds by itself as this computer's."""
    if not kernel.PYTHON.exists():
        pytest.fail(f"there is no {kernel.PYTHON}, so no real engine: `python3 tools/dev.py test` makes it")
    home = tmp_path_factory.mktemp("home")
    models = home / "models"
    models.mkdir()
    command = [str(kernel.PYTHON), "-m", "velatura_engine", "serve", "--port", "0", "--threads", "1"]
    command += ["--idle-exit", "900", "--models", str(models)]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("VELATURA_ENGINE", raising=False)
        patch.setenv("VELATURA_HOME", str(home))
        discovery.start(command, wait=PATIENCE)
        yield
        session.disconnect()
        end(json.loads((home / discovery.ENDPOINT_FILE).read_text())["pid"])


def end(process):
    os.kill(process, signal.SIGTERM)
    until = time.monotonic() + PATIENCE
    while alive(process):
        assert time.monotonic() < until, "the engine does not end"
        time.sleep(0.05)


def alive(process):
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True


def build():
    """A box before a wall, both magenta and selected, seen straight from the front."""
    render = bpy.context.scene.render
    render.resolution_x, render.resolution_y = 256, 192
    place_camera((0, -6, 0))
    wall, box = add("plane", "Wall", (0, 2, 0), size=4), add("cube", "Box", (0, -1, 0), size=1)
    wall.rotation_euler = (np.pi / 2, 0, 0)
    flat = np.full((TEXTURE, TEXTURE, 3), MAGENTA, np.uint8)
    for thing in (wall, box):
        place.wear(thing, place.material("Magenta", place.image("Magenta", flat), "UVMap"))
    select(wall, box)
    bpy.context.view_layer.update()
    return wall, box


def texture(**more):
    wanted = {"prompt": "red brick wall", "size": 128, "steps": 2, "seed": 3, "wait": True} | more
    return bpy.ops.velatura.texture(**wanted)


def project(**more):
    wanted = {"prompt": "wooden planks", "size": 128, "texture_size": TEXTURE, "steps": 2, "seed": 3, "wait": True}
    return bpy.ops.velatura.project(**wanted | more)


def worn(thing):
    """The image whose colours reach the output of an object's only material."""
    (slot,) = thing.material_slots
    output = next(node for node in slot.material.node_tree.nodes if node.type == "OUTPUT_MATERIAL")
    shader = output.inputs["Surface"].links[0].from_node
    return shader.inputs["Base Color"].links[0].from_node.image


def texels(image):
    """(H, W, 4) uint8, row 0 on top; the fourth says how far a texel was painted."""
    flat = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(flat)
    return np.rint(flat.reshape(image.size[1], image.size[0], 4)[::-1] * 255).astype(np.uint8)


def changed(shown):
    return (shown[..., :3] != MAGENTA).any(2)


def painting(image):
    """The painting in an image's recipe, as the engine resolved it."""
    return json.loads(image[place.RECIPE])["spec"]["steps"][0]["diffuse"]


def test_a_texture_is_painted_in_the_size_asked_and_wired_to_the_surface(scene):
    wall, box = build()
    assert texture() == {"FINISHED"}
    image = worn(wall)
    assert worn(box) == image and tuple(image.size) == (128, 128)
    shown = texels(image)
    assert changed(shown).all() and shown[..., :3].std((0, 1)).min() > 2
    made = painting(image)
    assert made["model"] == "starter" and made["tiling"] == {"x": True, "y": True} and made["sampling"]["steps"] == 2


def test_a_projection_follows_depth_and_paints_only_what_the_camera_sees(scene):
    wall, box = build()
    assert project() == {"FINISHED"}
    made = painting(worn(wall))
    assert (made["width"], made["height"], made["depth"]["model"]) == (128, 96, "starter-depth")
    assert tuple(worn(wall).size) == tuple(worn(box).size) == (TEXTURE, TEXTURE)
    on_wall, on_box = texels(worn(wall)), texels(worn(box))
    v, u = np.mgrid[:TEXTURE, :TEXTURE]
    off = np.maximum(np.abs((u + 0.5) / TEXTURE - 0.5), np.abs((v + 0.5) / TEXTURE - 0.5)) * 4  # m from its middle
    hides = 0.5 * 8 / 4.5  # the box's front is 4.5 m away, the wall 8 m; a pixel shows 0.045 m of it
    seen, hidden = (off > hides + 0.1) & (off < 1.9), off < hides - 0.1
    assert changed(on_wall)[seen].all() and not changed(on_wall)[hidden].any()
    assert on_wall[seen][:, :3].std(0).min() > 2
    face = faces_of_texels(box, TEXTURE)
    front = next(polygon.index for polygon in box.data.polygons if polygon.normal.y < -0.9)
    assert changed(on_box)[face == front].mean() > 0.9 and not changed(on_box)[(face != front) & (face >= 0)].any()


def test_a_material_has_maps_that_belong_together(scene):
    wall, box = build()
    wanted = {"prompt": "red brick wall", "size": 128, "steps": 4, "seed": 3, "repeat": 2.0, "wait": True}
    assert bpy.ops.velatura.material(**wanted) == {"FINISHED"}
    (slot,) = wall.material_slots
    assert slot.material == box.material_slots[0].material
    textures = {
        node.label or "Albedo": node.image for node in slot.material.node_tree.nodes if node.type == "TEX_IMAGE"
    }
    assert {*textures} == {"Albedo", "Normal", "Height", "Roughness", "Metallic", "Occlusion"}
    assert all(tuple(image.size) == (128, 128) for image in textures.values())
    normal = texels(textures["Normal"])[..., :3] / 127.5 - 1
    assert np.abs(np.linalg.norm(normal, axis=2) - 1).max() < 0.02 and (normal[..., 2] > 0).all()
    assert normal[..., :2].std() > 0.02  # bricks are not flat
    lift = next(node for node in slot.material.node_tree.nodes if node.type == "DISPLACEMENT")
    assert 0.01 < lift.inputs["Scale"].default_value < 0.5  # metres, of a wall that is 4 m wide


@pytest.mark.parametrize("ask", [texture, project])
@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"model": "oils"}, "unknown checkpoint 'oils'. Known: starter"),
        ({"prompt": "moss " * 2000}, "at most 8192 are allowed"),
    ],
    ids=["unknown model", "endless prompt"],
)
def test_a_job_that_the_engine_refuses_is_said_and_nothing_is_lost(scene, ask, wish, words):
    _, box = build()
    box.data.materials.clear()
    while box.data.uv_layers:
        box.data.uv_layers.remove(box.data.uv_layers[0])
    before = state()
    with pytest.raises(RuntimeError, match=words):
        ask(**wish)
    assert session.failed and words in session.message
    assert state() == before


def test_after_a_refused_job_the_next_one_works(scene):
    wall, _ = build()
    with pytest.raises(RuntimeError, match="cannot tile"):
        texture(size=100)
    assert texture(size=96) == {"FINISHED"} and not session.failed
    assert tuple(worn(wall).size) == (96, 96)


def test_a_whole_object_is_painted_from_four_views_that_agree(scene):
    ball = add("uv_sphere", "Ball")
    scene.camera = None
    select(ball)
    wanted = {"prompt": "red brick wall", "size": 128, "texture_size": TEXTURE, "views": 4, "steps": 3, "seed": 3}
    assert bpy.ops.velatura.texture_object(wait=True, **wanted) == {"FINISHED"}
    run = views.run_of(ball, scene)
    assert [view.seed for view in run.views] == [3, 4, 5, 6] and run.targets[
        0
    ].coverage >= 0.8  # four views see no more
    recipe = json.loads(run.views[0].image[place.RECIPE])
    depth = recipe["spec"]["steps"][0]["diffuse"]["views"][0]["depth"]
    assert depth["model"] == "starter-depth" and depth["strength"] == pytest.approx(0.3)  # as the model says
    own = [(views.pixels_of(view.image)[..., 3] > 128).mean() for view in run.views]
    assert own[0] == 1 and min(own) < 0.9  # later ones keep what others painted
    texture = texels(worn(ball))[..., :3]
    assert texture.std((0, 1)).min() > 2 and not (texture == 0).all(2).any()
    before = [views.pixels_of(view.image) for view in run.views]
    assert bpy.ops.velatura.redo_view(number=2, seed=50, steps=3, wait=True) == {"FINISHED"}
    changed_views = [
        not np.array_equal(views.pixels_of(v.image), old) for v, old in zip(run.views, before, strict=True)
    ]
    assert changed_views == [False, True, False, False]
    again = texels(worn(ball))[..., :3]
    assert bpy.ops.velatura.reblend(wait=True) == {"FINISHED"}
    np.testing.assert_array_equal(texels(worn(ball))[..., :3], again)  # nothing was changed, so nothing changes


@pytest.mark.parametrize(("method", "most"), [("sequence", 6.0), ("together", 4.0)])
def test_views_of_a_head_agree_where_several_see_it(scene, monkeypatch, method, most):
    head = suzanne()
    scene.camera = None
    select(head)
    told, scores = reblend.told, []
    monkeypatch.setattr(reblend, "told", lambda result: scores.extend(reblend.textures(result)) or told(result))
    wanted = {"prompt": "orange wooden planks", "size": 128, "texture_size": TEXTURE, "views": 5, "steps": 6, "seed": 7}
    assert bpy.ops.velatura.texture_object(wait=True, method=method, **wanted) == {"FINISHED"}
    (artifact,) = scores
    red, green, blue = texels(worn(head))[..., :3].reshape(-1, 3).mean(0)
    print(f"{method}: {artifact.scores['agreement']:.2f} apart, {red:.0f} {green:.0f} {blue:.0f}")
    assert artifact.scores["agreement"] <= most
    assert red > 1.4 * green > 1.4 * blue  # orange, as it was asked


def test_a_file_saved_in_between_finds_what_the_engine_painted_for_it(scene, tmp_path):
    select(add("plane", "Ground"))
    bpy.ops.velatura.texture(prompt="red brick wall", size=64, seed=3, steps=2)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "midway.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "midway.blend"))
    assert bpy.ops.velatura.collect(wait=True) == {"FINISHED"}
    (entry,) = bpy.context.scene.velatura.history
    assert entry.name == "red brick wall" and json.loads(entry.recipe)["spec"]["steps"][0]["diffuse"]["seed"] == "3"
    bpy.ops.velatura.history_vary(wait=True)
    first, again = (place.read(each.image) for each in bpy.context.scene.velatura.history)
    assert (first != again).any(), "another seed paints another picture"
    bpy.ops.velatura.history_vary(number=1, same_seed=True, wait=True)
    np.testing.assert_array_equal(place.read(bpy.context.scene.velatura.history[0].image), again)


def rendered(scene, size):
    steps = shots.rendered(scene, size)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_a_render_is_restyled_and_what_was_not_chosen_stays_to_the_bit(scene):
    _, box = build()
    scene.render.engine = "BLENDER_WORKBENCH"
    select(box)
    wanted = {"prompt": "wooden planks", "size": 128, "steps": 2, "seed": 3, "change": 0.8, "only": True, "wait": True}
    assert bpy.ops.velatura.restyle(**wanted) == {"FINISHED"}
    image = bpy.data.images["wooden planks restyled"]
    made, labels = painting(image), json.loads(image[place.RECIPE])["spec"]["labels"]
    assert made["depth"]["model"] == "starter-depth" and labels["renderer"] == "BLENDER_WORKBENCH"
    before, after = rendered(scene, (128, 96))[..., :3], texels(image)[..., :3]
    seen = capture.frame(scene.camera, bpy.context.evaluated_depsgraph_get(), 128, 96).mask(["Box"])
    np.testing.assert_array_equal(after[~seen], before[~seen])
    assert 0.02 < seen.mean() < 0.5 and (after[seen] != before[seen]).any(1).mean() > 0.8


def test_the_live_view_follows_the_camera(scene, monkeypatch):
    build()
    monkeypatch.setattr(live, "LIMIT", 60.0)  # a busy machine changes nothing
    scene.velatura.prompt = "wooden planks"
    own = scene.velatura_live
    own.target, own.side, own.steps = "CAMERA", 128, 2
    bpy.ops.velatura.live()
    now, shown = live_view.now, []
    until = time.monotonic() + PATIENCE
    while now.live is not None and now.live.shown < 2 and time.monotonic() < until:
        assert live_view.step(), session.message
        if now.live.shown == 1 and not shown:
            shown.append(place.read(bpy.data.images[live_view.NAME]))
            place_camera((1, -6, 0.5))
        time.sleep(0.02)
    assert (place.read(bpy.data.images[live_view.NAME]) != shown[0]).any() and now.live.message.startswith("Live: ")
    bpy.ops.velatura.live()
    assert live_view.NAME not in bpy.data.images


def test_a_part_is_changed_from_the_view_only_where_it_is_seen_and_marked(scene):
    wall, box = build()
    before = texels(worn(wall)).copy()
    select(wall)
    mask = np.zeros((TEXTURE, TEXTURE, 3), np.uint8)
    mask[:, : TEXTURE // 2] = 255
    place.image("Where", mask, data=True)
    wanted = {"prompt": "wooden planks", "size": 128, "steps": 2, "seed": 3, "wait": True}
    assert bpy.ops.velatura.local_edit(part="IMAGE", mask="Where", **wanted) == {"FINISHED"}
    after = texels(worn(wall))
    v, u = np.mgrid[:TEXTURE, :TEXTURE]
    off = np.maximum(np.abs((u + 0.5) / TEXTURE - 0.5), np.abs((v + 0.5) / TEXTURE - 0.5)) * 4  # m from its middle
    hides = 0.5 * 8 / 4.5
    moved = (after != before).any(2)
    marked = u < TEXTURE // 2
    assert not moved[~marked | (off < hides - 0.1)].any()
    assert moved[marked & (off > hides + 0.1) & (off < 1.9)].mean() > 0.95
    recipe = json.loads(worn(wall)[place.RECIPE])
    assert recipe["spec"]["steps"][0]["diffuse"]["depth"]["model"] == "starter-depth"
    assert not changed(texels(worn(box))).any()


def test_a_part_is_changed_in_the_texture_and_a_texture_made_seamless(scene):
    wall, box = build()
    select(box)
    for polygon in box.data.polygons:
        polygon.select = polygon.normal.y < -0.9
    before = texels(worn(box)).copy()
    wanted = {"prompt": "wooden planks", "steps": 2, "seed": 3, "wait": True}
    assert bpy.ops.velatura.local_edit(part="FACES", way="UV", size=64, **wanted) == {"FINISHED"}
    moved, face = (texels(worn(box)) != before).any(2), faces_of_texels(box, TEXTURE)
    front = next(polygon.index for polygon in box.data.polygons if polygon.normal.y < -0.9)
    assert moved[face == front].mean() > 0.95 and not moved[(face != front) & (face >= 0)].any()
    select(wall)
    before = texels(worn(wall)).copy()
    assert bpy.ops.velatura.make_seamless(axes="x", band=16, **wanted) == {"FINISHED"}
    moved = (texels(worn(wall)) != before).any(2)
    assert moved[:, [0, -1]].all() and not moved[:, 16:-16].any()
