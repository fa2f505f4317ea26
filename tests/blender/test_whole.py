"""Whole objects, textured from views that an engine paints by arithmetic, so that every texel's colour is known."""

import time
from types import MethodType, SimpleNamespace

import bpy
import kernel
import manyviews
import numpy as np
import pytest
from dense import ball
from measures import energy, outside, seam_ratio, surface_of
from scenes import add, select, state, suzanne
from shapes import MESHES, mirrored
from velatura_blender import capture, place, scouting, sending, uvs, viewpoints, views, whole_panel
from velatura_blender.session import session

pytestmark = [
    pytest.mark.usefixtures("addon"),
    pytest.mark.skipif(not kernel.PYTHON.exists(), reason="the engine's environment is not here"),
]

TEXTURE = 192


def texture(**more):
    wanted = {"prompt": "waves", "size": 192, "texture_size": TEXTURE, "seed": 3, "wait": True} | more
    assert bpy.ops.velatura.texture_object(**wanted) == {"FINISHED"}


@pytest.mark.parametrize("name", MESHES)
def test_nearly_all_of_a_mesh_is_seen_and_every_texel_shows_its_own_place(scene, fake, monkeypatch, tmp_path, name):
    things = MESHES[name]()
    select(*things)
    (made,) = textured(monkeypatch, fake, tmp_path)
    for thing in things:
        found = made[thing.name]
        where = surface_of(found)
        on, painted = where["on"], found["rgba"][..., 3] > 0
        can_be_seen = outside(thing, where["place"][on], where["normal"][on])
        seen = painted[on][can_be_seen].mean()
        off = np.abs(found["rgba"][..., :3] - manyviews.waves(where["place"])).max(-1)
        wrong = (off[on & painted] > 0.2).mean()
        print(
            f"{thing.name}: {painted[on].mean():.1%} of all, {seen:.1%} of what can be seen; {wrong:.2%} wrong;"
            f" {np.median(off[on & painted]):.4f} off"
        )
        assert seen >= 0.97
        assert painted[on].mean() >= 0.97
        assert wrong <= 0.005 and np.median(off[on & painted]) < 0.02
        magenta = np.abs(found["rgba"][..., :3] - (1, 0, 1)).max(-1) < 0.3  # what is behind everything
        assert not (magenta & (off > 0.3))[on & painted].any()


def test_what_is_inside_is_seen_by_views_that_cut_away_what_is_before_it(scene, fake, monkeypatch, tmp_path):
    things = add("cube", "Room", size=2), add("uv_sphere", "Lamp", radius=0.4)
    select(*things)
    made = textured(monkeypatch, fake, tmp_path, views=10)[0]["Lamp"]
    where = surface_of(made)
    on, painted = where["on"], made["rgba"][..., 3] > 0
    assert not outside(things[0], where["place"][on], where["normal"][on]).any()
    off = np.abs(made["rgba"][..., :3] - manyviews.waves(where["place"])).max(-1)
    assert painted[on].mean() >= 0.97 and np.median(off[on & painted]) < 0.02


@pytest.mark.parametrize("orthographic", [True, False])
def test_a_view_inside_paints_only_what_the_others_do_not_show(orthographic):
    """A wall, before whose left half another view has a lid."""
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    pose, clip = viewpoints.lens_from(np.array([0.0, -1.0, 0.0]), corners, orthographic=orthographic)
    lens = capture.Lens(world_to_camera=pose, camera_to_clip=clip, orthographic=orthographic)
    wall = np.full((64, 64), -pose[2, 3], np.float32)
    lid = wall.copy()
    lid[:, :32] -= 0.5
    inside, other = (
        capture.Frame(lens=lens, depth=depth, objects=np.zeros((64, 64), np.int32), names=("Wall",))
        for depth in (wall, lid)
    )
    mask = np.ones((64, 64), bool)
    mask[:5] = False
    left = scouting.hidden_from(inside, mask, [other])
    assert left[5:, :32].all() and left.sum() == 59 * 32


def test_nobody_looks_inside_where_all_is_seen_from_outside():
    cube = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    cloud = viewpoints.Cloud(points=cube, normals=cube / np.sqrt(3), corners=cube)
    seen = np.full((26, 8), 0.6)
    assert viewpoints.insides(cloud, seen) == []
    seen[:, 0] = 0
    found = viewpoints.insides(cloud, seen)
    assert found and all(way @ cube[0] < cut < way @ cube[0] + 0.01 for way, cut in found)


def test_views_inside_come_last_and_count_for_what_nobody_else_sees():
    around = np.zeros((26, 100))
    around[0, :60], around[3, 40:90] = 0.6, 0.6
    within = np.zeros((2, 100))
    within[0, :90], within[1, 85:] = 0.6, 0.6  # the first shows nothing that is not seen from outside
    assert viewpoints.choose(around, within, 8) == [0, 3, 27]


def textured(monkeypatch, fake, folder, paint=manyviews.waves, **more):
    made = manyviews.install(monkeypatch, fake, folder, paint)
    texture(**more)
    return made


def test_all_is_coloured_after_the_fill_and_filled_like_what_is_near(scene, fake, monkeypatch, tmp_path):
    thing = suzanne()
    select(thing)
    (made,) = textured(monkeypatch, fake, tmp_path, paint=lambda places: manyviews.waves(places, 0.5))
    found, where = made["Suzanne"], surface_of(made["Suzanne"])
    filled = where["on"] & (found["rgba"][..., 3] == 0)
    off = np.abs(found["rgba"][..., :3] - manyviews.waves(where["place"], 0.5)).max(-1)
    assert filled.sum() > 100 and np.median(off[filled]) < 0.1
    assert views.pixels_of(worn(thing))[..., 3].min() == 255


def test_seams_of_the_uvs_cannot_be_told_from_other_edges_and_detail_is_kept(scene, fake, monkeypatch, tmp_path):
    thing = suzanne()
    select(thing)
    fine = 30.0  # a wave is some 12 pixels of a view, and 7 texels
    (made,) = textured(
        monkeypatch, fake, tmp_path, paint=lambda places: manyviews.waves(places, fine), size=256, texture_size=256
    )
    found = made["Suzanne"]
    ratio = seam_ratio(found)
    where = surface_of(found)
    truth = manyviews.waves(where["place"], fine)
    inner = where["on"] & (found["rgba"][..., 3] > 0)
    kept = energy(found["rgba"][..., :3], inner) / energy(truth, inner)
    print(f"seam ratio {ratio:.2f}, sharpness {kept:.2f}, agreement {found['scores']['agreement']:.2f}")
    assert ratio <= 1.15 and kept >= 0.8 and found["scores"]["agreement"] <= 4


def worn(thing):
    """The image on an object's only material."""
    (slot,) = thing.material_slots
    return next(node for node in slot.material.node_tree.nodes if node.type == "TEX_IMAGE").image


def test_the_artists_uvs_images_and_materials_stay_and_others_are_not_touched(scene, fake, monkeypatch, tmp_path):
    (thing,) = mirrored()
    other = add("cube", "Other", (0, 3, 0), size=1)
    own = bpy.data.materials.new("Own")
    thing.data.materials.append(own)
    other.data.materials.append(own)
    select(thing)
    before, uv = state(), views_uv(thing, "UVMap")
    textured(monkeypatch, fake, tmp_path)
    assert [layer.name for layer in thing.data.uv_layers] == ["UVMap", place.LAYER]
    np.testing.assert_array_equal(views_uv(thing, "UVMap"), uv)
    assert thing.data.uv_layers.active.name == "UVMap" and thing.data.materials[0] == own
    assert [slot.material for slot in other.material_slots] == [own]
    after = state()
    assert (after[0], after[3:]) == (before[0], before[3:])
    assert {kind: set(names) >= set(before[2][kind]) for kind, names in after[2].items()} == dict.fromkeys(
        after[2], True
    )
    assert after[2]["cameras"] == before[2]["cameras"] and after[2]["objects"] == before[2]["objects"]


def views_uv(thing, layer):
    values = np.empty(len(thing.data.loops) * 2, np.float32)
    thing.data.uv_layers[layer].uv.foreach_get("vector", values)
    return values


def test_what_hides_is_seen_and_not_painted_through(scene, fake, monkeypatch, tmp_path):
    thing, lid = add("cube", "Cube", size=1), add("cube", "Lid", (0, 0, 0.8), size=0.6)
    lid.location.z = 0.81  # a centimetre above
    select(thing)
    scene.camera = None
    codes = {"Cube": (0.2, 0.8, 0.2), "Lid": (0.9, 0.1, 0.1)}

    def paint(places):
        cube = np.abs(places).max(-1) < 0.5 + 1e-3
        return np.where(cube[..., None], codes["Cube"], codes["Lid"])

    (made,) = textured(monkeypatch, fake, tmp_path, paint=paint)
    found, where = made["Cube"], surface_of(made["Cube"])
    painted = where["on"] & (found["rgba"][..., 3] > 0)
    wrong = np.abs(found["rgba"][..., :3] - codes["Cube"]).max(-1) > 0.2
    assert (wrong & where["on"]).sum() / where["on"].sum() <= 0.005
    under = where["on"] & (where["place"][..., 2] > 0.499) & (np.abs(where["place"][..., :2]).max(-1) < 0.2)
    assert under.sum() > 50 and not (painted & under).any()


def test_views_are_kept_and_blended_again_without_painting(scene, fake, monkeypatch, tmp_path):
    thing = add("uv_sphere", "Ball")
    select(thing)
    made = textured(monkeypatch, fake, tmp_path, texture_size=128)
    run = views.run_of(thing, scene)
    assert len(run.views) == 8 and all(view.image.packed_file and view.depth.packed_file for view in run.views)
    first = worn(thing)
    before = views.pixels_of(first)
    jobs = len(fake.specs)
    view = max(run.views, key=lambda view: view.use)
    marked = views.pixels_of(view.image)
    marked[..., :3] = 255  # painted on by hand
    view.image.pixels.foreach_set((marked[::-1] / np.float32(255)).ravel())
    thing.location.x += 5  # what was seen stays what was seen
    bpy.context.view_layer.update()
    assert bpy.ops.velatura.reblend(wait=True) == {"FINISHED"}
    assert [step.WhichOneof("operation") for step in fake.specs[jobs].steps] == ["project"]
    after = views.pixels_of(worn(thing))
    lighter = after.astype(int).sum(-1) - before.sum(-1)
    assert worn(thing) != first and 0.02 < (lighter > 150).mean() < 0.5
    view.use = False
    assert bpy.ops.velatura.reblend(sharpness=6.0, wait=True) == {"FINISHED"}
    assert len(fake.specs[-1].steps[0].project.views) == 7 and fake.specs[-1].steps[0].project.exponent == 6.0
    without = views.pixels_of(worn(thing))
    assert np.abs(without.astype(int) - before).max() < 60 and np.abs(without.astype(int) - before).mean() < 8
    np.testing.assert_array_equal(views.pixels_of(first), before)
    assert len(made) == 3


def test_one_view_is_painted_again_over_what_the_others_show(scene, fake, monkeypatch, tmp_path):
    thing = add("uv_sphere", "Ball")
    select(thing)
    textured(monkeypatch, fake, tmp_path, texture_size=64, views=4)
    run = views.run_of(thing, scene)
    images = [view.image for view in run.views]
    run.views[0].use = False
    assert bpy.ops.velatura.redo_view(number=3, seed=77, words="rusty", wait=True) == {"FINISHED"}
    painting = fake.specs[-1].steps[0].diffuse
    assert [view.HasField("color") for view in painting.views] == [True, False, True]  # without the first
    assert painting.views[1].prompt == "rusty" and (painting.seed + 1) % 2**64 == 77
    assert painting.prompt.text == "waves"  # the run's own, where no other is set
    assert [view.image == image for view, image in zip(run.views, images, strict=True)] == [True, True, False, True]


def test_a_view_is_painted_again_with_the_settings_that_are_set_now(scene, fake, monkeypatch, tmp_path):
    thing = add("uv_sphere", "Ball")
    select(thing)
    textured(monkeypatch, fake, tmp_path, texture_size=64, views=4)
    settings = scene.velatura
    settings.prompt, settings.negative, settings.steps, settings.seed, settings.guidance = "gold", "rust", 7, 42, 3.0
    settings.sampler = "euler"
    assert bpy.ops.velatura.redo_view(number=2, wait=True) == {"FINISHED"}
    painting = fake.specs[-1].steps[0].diffuse
    assert (painting.prompt.text, painting.negative.text, painting.seed + 1) == ("gold", "rust", 42)
    sampling = painting.sampling
    assert (sampling.steps, sampling.sampler, sampling.guidance) == (7, "euler", 3.0)


def test_views_are_painted_together_where_the_artist_says_so(scene, fake):
    select(add("cube", "Cube", size=1))
    scene.velatura_whole.method = "together"
    texture(size=64, texture_size=64, views=4)
    texture(size=64, texture_size=64, views=4, method="sequence")
    assert [spec.steps[0].diffuse.agreement.method for spec in fake.specs] == ["together", "sequence"]


def hint(scene, kind, **more):
    made = scene.velatura.controls.add()
    made.kind = kind
    for name, value in more.items():
        setattr(made, name, value)
    return made


def test_hints_of_the_panel_are_made_of_each_views_own_depth(scene, fake):
    select(add("cube", "Cube", size=1))
    scene.camera = None
    hint(scene, "depth", strength=0.7)
    hint(scene, "normal", strength=0.5, end=0.8)
    hint(scene, "lineart")
    hint(scene, "canny", use=False, source="IMAGE")
    texture(size=64, texture_size=64, views=4)
    painting = fake.specs[0].steps[0].diffuse
    assert [view.depth.strength for view in painting.views] == [pytest.approx(0.7)] * len(painting.views)
    normal, lines = painting.controls
    assert (normal.kind, normal.preprocessor, normal.end) == ("normal", "normal_from_depth", pytest.approx(0.8))
    assert (lines.kind, lines.preprocessor) == ("lineart", "lineart_from_depth")
    assert not any(control.HasField(name) for control in painting.controls for name in ("image", "depth"))


@pytest.mark.parametrize(
    ("kind", "more", "words"),
    [
        ("canny", {"source": "IMAGE"}, "would lie over every view"), ("canny", {}, "choose a preprocessor"),
        ("depth", {"start": 0.5}, "follow their depth all along"),
    ],
)  # fmt: skip
def test_hints_that_no_view_can_have_are_said_before_anything_is_made(scene, fake, kind, more, words):
    select(add("cube", "Cube", size=1))
    hint(scene, kind, **more)
    before = state()
    with pytest.raises(RuntimeError, match=words):
        texture(size=64, texture_size=64)
    assert state() == before and not fake.specs


def test_a_saved_file_keeps_depth_and_views_as_they_were(scene, fake, monkeypatch, tmp_path):
    thing = add("cube", "Cube", size=1)
    select(thing)
    textured(monkeypatch, fake, tmp_path, texture_size=64, views=4)
    sent = [np.asarray(sight.depth) for sight in sending.sights(views.run_of(thing, scene).key, set())]
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "kept.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "kept.blend"))
    run = views.run_of(bpy.data.objects["Cube"], bpy.context.scene)
    for sight, depth in zip(sending.sights(run.key, set()), sent, strict=True):
        np.testing.assert_array_equal(sight.depth, depth)
    bpy.context.view_layer.objects.active = bpy.data.objects["Cube"]
    assert bpy.ops.velatura.reblend(wait=True) == {"FINISHED"}


@pytest.mark.parametrize("lens", ["PERSP", "ORTHO"])
def test_every_view_frames_all_that_is_selected(scene, lens):
    thing = suzanne()
    piece = capture.surface(thing, bpy.context.evaluated_depsgraph_get(), "")
    for way in viewpoints.directions():
        pose, clip = viewpoints.lens_from(way, piece.positions, orthographic=lens == "ORTHO")
        seen = np.concatenate([piece.positions, np.ones((len(piece.positions), 1))], 1) @ (clip @ pose).T
        flat = np.abs(seen[:, :2] / seen[:, 3:])
        assert flat.max() <= 1 and flat.max() > 0.75
        assert np.abs(seen[:, 2] / seen[:, 3]).max() <= 1


def test_selected_cameras_are_the_views_where_the_artist_says_so(scene, fake, monkeypatch, tmp_path):
    thing = add("cube", "Cube", size=1)
    select(thing, scene.camera)
    scene.camera.data.type = "ORTHO"
    textured(monkeypatch, fake, tmp_path, cameras="SELECTED", texture_size=64)
    (view,) = fake.specs[0].steps[0].diffuse.views
    lens = capture.lens_of(scene.camera, bpy.context.evaluated_depsgraph_get(), 192, 192)
    np.testing.assert_allclose(view.camera.world_to_camera, lens.world_to_camera.ravel(), atol=1e-5)
    select(thing)
    with pytest.raises(RuntimeError, match="Select the cameras"):
        bpy.ops.velatura.texture_object(prompt="moss", cameras="SELECTED", wait=True)


def nothing():
    select()


def point():
    mesh = bpy.data.meshes.new("Point")
    mesh.from_pydata([(0, 0, 0)], [], [])
    put(mesh)


def flat():
    mesh = bpy.data.meshes.new("Flat")
    mesh.from_pydata([(0, 0, 0)] * 3, [], [(0, 1, 2)])
    put(mesh)


def crowded():
    thing = add("cube", "Crowded", size=1)
    while thing.data.uv_layers.new(name="Another"):
        pass
    thing.data.uv_layers.active.uv.foreach_set("vector", np.zeros(len(thing.data.loops) * 2, np.float32))
    select(thing)


def put(mesh):
    thing = bpy.data.objects.new(mesh.name, mesh)
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.view_layer.update()
    select(thing)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (nothing, "Select at least one mesh"), (point, "Point has no faces"), (flat, "Flat has no faces with an area"),
        (crowded, "Crowded has 8 UV maps already"),
    ],
)  # fmt: skip
def test_what_cannot_be_textured_is_said_and_the_scene_stays(scene, fake, build, words):
    build()
    before = state()
    with pytest.raises(RuntimeError, match=words):
        bpy.ops.velatura.texture_object(prompt="moss", size=64, texture_size=64, wait=True)
    assert state() == before and not scene.velatura_runs and not fake.specs


def test_without_an_engine_or_where_it_refuses_nothing_is_left_behind(scene, fake, monkeypatch):
    thing = add("cube", "Bare", size=1)
    while thing.data.uv_layers:
        thing.data.uv_layers.remove(thing.data.uv_layers[0])
    select(thing)
    before = state()
    with pytest.raises(RuntimeError, match="No model is called 'oils'"):
        bpy.ops.velatura.texture_object(prompt="moss", size=64, texture_size=64, model="oils", wait=True)
    assert state() == before and not scene.velatura_runs
    session.disconnect()
    monkeypatch.setenv("VELATURA_ENGINE", "127.0.0.1:1")
    with pytest.raises(RuntimeError):
        bpy.ops.velatura.texture_object(prompt="moss", size=64, texture_size=64, wait=True)
    assert state() == before and not scene.velatura_runs


def test_a_mesh_of_200000_faces_is_planned_and_sent_in_seconds(scene, fake):
    put(ball(640, 320))
    assert len(bpy.context.object.data.polygons) > 200_000
    began = time.process_time()
    assert bpy.ops.velatura.texture_object(prompt="moss", size=64, texture_size=64, wait=True) == {"FINISHED"}
    print(f"{time.process_time() - began:.1f} s")
    assert len(fake.specs[0].steps[0].diffuse.views) >= 6


class Layout:
    """Takes what is drawn; refuses properties and operators that are not there."""

    def __init__(self):
        self.drawn = []

    def column(self, **_):
        return self

    row = column

    def prop(self, owner, name, **_):
        assert hasattr(owner, name), name
        self.drawn.append(name)

    def operator(self, name, **_):
        assert hasattr(bpy.types, f"VELATURA_OT_{name.partition('.')[2]}"), name
        self.drawn.append(name)
        return SimpleNamespace()

    def label(self, text, **_):
        self.drawn.append(text)


def test_the_panel_shows_the_views_of_what_was_textured(scene, fake):
    def drawn():
        state = SimpleNamespace(layout=Layout())
        state.draw_run = MethodType(whole_panel.VELATURA_PT_whole.draw_run, state)
        whole_panel.VELATURA_PT_whole.draw(state, bpy.context)
        return state.layout.drawn

    thing = add("cube", "Cube", size=1)
    select(thing)
    assert "velatura.texture_object" in drawn() and "velatura.reblend" not in drawn()
    texture(size=64, texture_size=64)
    shown = drawn()
    assert shown.count("velatura.redo_view") == len(views.run_of(thing, scene).views)
    assert {"velatura.reblend", "velatura.remove_views"} <= set(shown)


def test_overlaps_and_faces_without_uvs_are_told_from_good_uvs():
    chance = np.random.default_rng(1)
    grid = np.array([(x, y) for x in range(8) for y in range(8)]) / 8
    good = np.stack([grid, grid + np.array([0.12, 0]), grid + np.array([0, 0.12])], 1)
    ones = np.ones(len(good))
    assert uvs.fault(good, ones) == ""
    assert uvs.fault(np.concatenate([good, good]), np.ones(128)) == "had overlapping UVs"
    assert uvs.fault(good * 3, ones) == "had UVs outside the square"
    few = np.concatenate([good, good[:3] + 0.01])
    assert uvs.fault(few, np.ones(67)) == "had overlapping UVs", "three of 64 under others"
    assert uvs.fault(good[:, ::-1], ones) == "", "mirrored, and each for itself"
    assert uvs.fault(np.where(chance.random((64, 1, 1)) < 0.1, 0.0, good), ones) == "had faces without UVs"
