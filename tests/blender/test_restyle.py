"""Restyling what the camera shows: what is sent, what comes back, and that the scene stays as it was."""

from itertools import pairwise

import bpy
import numpy as np
import pytest
from scenes import add, after_the_button, daylight, select, state
from velatura import pixels, recipe
from velatura.errors import Unreachable
from velatura.testing import Script, picture, server
from velatura_blender import capture, drawing, film, frames, host, place, shots
from velatura_blender import errands as errands_of
from velatura_blender.errands import errands
from velatura_blender.session import session

pytestmark = pytest.mark.usefixtures("addon")


@pytest.fixture
def stage(scene, fake):
    """A cube that moves over four frames before a grey wall, rendered by Workbench."""
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_x, scene.render.resolution_y = 160, 96
    scene.frame_start, scene.frame_end = 1, 4
    box = add("cube", "Box", (0, 0, 0), size=1.2)
    box.keyframe_insert("location", frame=1)
    box.location.x = 1
    box.keyframe_insert("location", frame=4)
    add("plane", "Ground", (0, 0, -0.6), size=20)
    scene.frame_set(2)
    return scene


def restyle(**more):
    given = {"prompt": "moss", "size": 128, "seed": 3, "wait": True} | more
    return bpy.ops.velatura.restyle(**given)


def animate(folder, **more):
    given = {"prompt": "moss", "size": 64, "seed": 3, "folder": str(folder), "wait": True} | more
    return bpy.ops.velatura.restyle_animation(**given)


def asked(fake, number=-1):
    return fake.specs[number].steps[0].diffuse


def everything(scene):
    """All plain properties of the scene and what hangs on it, by their paths."""
    found, seen = {}, set()

    def walk(owner, path, depth):
        if owner.as_pointer() in seen and depth:
            return
        seen.add(owner.as_pointer())
        for known in owner.bl_rna.properties:
            name = known.identifier
            if name in ("rna_type", "bl_rna", "objects", "depsgraph", "original", "id_data", "velatura", "users"):
                continue
            if name == "uv_sculpt":  # Blender 4.2 dies when its palette is asked for
                continue
            if name == "use_nodes" and bpy.app.version >= (5, 0):  # always on, and even to ask warns
                continue
            if known.type == "POINTER":
                value = getattr(owner, name)
                if value is not None and depth < 4 and (not isinstance(value, bpy.types.ID) or name in shots.TREES):
                    walk(value, f"{path}.{name}", depth + 1)
            elif known.type == "COLLECTION":
                if depth < 4 and name in ("view_layers", "nodes", "links", "inputs", "views"):
                    for index, value in enumerate(getattr(owner, name)):
                        walk(value, f"{path}.{name}[{index}]", depth + 1)
            else:
                value = getattr(owner, name)
                found[f"{path}.{name}"] = list(value) if hasattr(value, "__len__") and type(value) is not str else value

    walk(scene, "scene", 0)
    walk(bpy.context.preferences.view, "preferences.view", 1)
    return found, state()


def artists(scene):
    """Settings as an artist has them: EXR files, a region, a stamp, passes."""
    render = scene.render
    render.image_settings.file_format = "OPEN_EXR"
    render.image_settings.color_mode, render.image_settings.color_depth = "RGB", "32"
    render.image_settings.exr_codec = "PIZ"
    render.filepath, render.use_border, render.use_stamp, render.resolution_percentage = "//out/####", True, True, 50
    render.border_max_x, render.use_lock_interface = 0.5, False
    scene.view_layers[0].use_pass_mist = True
    scene.view_settings.exposure = 0.5


def written_by_compositor(scene, folder):
    if bpy.app.version >= (5, 0):
        tree = scene.compositing_node_group = bpy.data.node_groups.new("Compositor", "CompositorNodeTree")
        layers, node = (tree.nodes.new(f"CompositorNode{kind}") for kind in ("RLayers", "OutputFile"))
        node.file_output_items.new("RGBA", "Image")
        node.directory = str(folder)
    else:
        scene.use_nodes = True
        tree = scene.node_tree
        layers = next(each for each in tree.nodes if each.type == "R_LAYERS")
        node = tree.nodes.new("CompositorNodeOutputFile")
        node.base_path = str(folder)
    tree.links.new(layers.outputs["Image"], node.inputs[0])


def test_what_is_sent_is_the_render_with_its_true_depth(stage, fake):
    assert restyle() == {"FINISHED"}
    sent = asked(fake)
    assert (sent.width, sent.height, sent.init.strength) == (128, 80, 0.5)
    init, depth = pixels.to_array(sent.init.image), pixels.to_array(sent.depth.image)[..., 0]
    assert init.shape == (80, 128, 3) and depth.shape == (80, 128)
    seen = np.isfinite(depth)
    assert init[seen].std() > 5 and 3 < depth[seen].min() < 6
    made = bpy.data.images["moss restyled"]
    np.testing.assert_array_equal(place.read(made)[..., :3].ravel(), np.frombuffer(picture(128, 80, 3), np.uint8))
    assert made.packed_file and stage.velatura.history[0].name == "moss restyled"


def test_what_moves_while_depth_is_drawn_is_sent_as_it_was_rendered(stage, fake, monkeypatch):
    def move():
        bpy.data.objects["Box"].animation_data_clear()
        bpy.data.objects["Box"].location = (-1, 0.5, 0.4)

    after_the_button(monkeypatch, move)
    restyle()
    sent, graph = asked(fake), bpy.context.evaluated_depsgraph_get()
    lens = capture.lens_of(stage.camera, graph, 128, 80, square=True)
    truth = capture.see(lens, list(capture.solids(graph)), 128, 80)
    np.testing.assert_array_equal(pixels.to_array(sent.depth.image)[..., 0], truth.depth)
    box = pixels.to_array(sent.init.image)[truth.mask(["Box"])]
    assert len(box) > 100 and np.ptp(box.mean(1)) > 5  # shaded sides, where the ground is of one colour


def test_the_render_is_the_one_that_blender_itself_writes(stage, fake, tmp_path):
    add("torus", "Ring", (0.8, -1, 0.3))
    restyle()
    stage.render.resolution_x, stage.render.resolution_y = 128, 80
    stage.render.image_settings.file_format = "PNG"
    stage.render.filepath = str(tmp_path / "own.png")
    bpy.ops.render.render(write_still=True)
    loaded = bpy.data.images.load(stage.render.filepath)
    sent = pixels.to_array(asked(fake).init.image)
    assert np.abs(sent.astype(int) - place.read(loaded)[..., :3]).max() <= 1


def test_colour_management_and_renderer_are_in_the_recipe(stage, fake):
    stage.view_settings.view_transform, stage.view_settings.exposure = "Filmic", 0.25
    restyle()
    kept = recipe.loads(bpy.data.images["moss restyled"][place.RECIPE]).spec.labels
    assert (kept["view_transform"], kept["exposure"], kept["display"]) == ("Filmic", "0.25", "sRGB")
    assert (kept["renderer"], kept["camera"], kept["frame"]) == ("BLENDER_WORKBENCH", "Camera", "2")


@pytest.mark.parametrize("origin", ["RENDER", "VIEWPORT"])
def test_every_property_of_the_scene_is_as_it_was(stage, fake, tmp_path, origin):
    artists(stage)
    written_by_compositor(stage, tmp_path / "artists")
    box = bpy.data.objects["Box"]
    select(box)
    before = everything(stage)
    assert restyle(origin=origin, only=True) == {"FINISHED"}
    animate(tmp_path / "frames", origin=origin, start=3, end=3, passes=True)
    for made in ("moss restyled", "restyle"):
        bpy.data.images.remove(bpy.data.images[made])
    after = everything(stage)
    assert {name: (value, after[0].get(name)) for name, value in before[0].items() if value != after[0].get(name)} == {}
    assert before == after and not (tmp_path / "artists").exists(), "the compositor's files are the artist's"


def test_a_failing_render_leaves_everything_too(stage, fake, monkeypatch):
    artists(stage)
    before = everything(stage)

    def fail(scene):
        raise ValueError("The render failed: no memory")
        yield

    monkeypatch.setattr(shots, "_render", fail)
    with pytest.raises(RuntimeError, match="no memory"):
        restyle()
    assert everything(stage) == before and not fake.specs


def test_the_artists_last_render_stays(stage, fake):
    stage.render.resolution_x = stage.render.resolution_y = 48
    bpy.ops.render.render()
    restyle()
    shown = bpy.data.images["Render Result"]
    assert shown.render_slots.active_index == 0


def test_only_chosen_objects_change(stage, fake):
    select(bpy.data.objects["Box"])
    restyle(only=True)
    mask = pixels.to_array(asked(fake).mask.image)[..., 0]
    depth = pixels.to_array(asked(fake).depth.image)[..., 0]
    assert 0.02 < (mask > 0).mean() < 0.4 and depth[mask > 0].max() < 7


def test_what_is_transparent_stays_so(scene, fake):
    scene.render.resolution_x = scene.render.resolution_y = 64
    scene.render.film_transparent = True
    daylight()
    add("cube", "Box")
    restyle(size=64)
    made = place.read(bpy.data.images["moss restyled"])
    assert made[0, 0, 3] == 0 and made[32, 32, 3] == 255
    assert (pixels.to_array(asked(fake).init.image)[0, 0] == 0).all()


def test_normals_go_along_where_the_model_reads_them(stage, fake, monkeypatch):
    restyle()
    assert not asked(fake).controls
    plain = server.catalog

    def more():
        made = plain()
        made.models.add(id="fake/normals", kind="controlnet", family="fake", control_kind="normal")
        return made

    monkeypatch.setattr(server, "catalog", more)
    session.disconnect()
    restyle()
    (control,) = asked(fake).controls
    hint = pixels.to_array(control.image) / 127.5 - 1
    assert (
        control.kind == "normal"
        and np.abs(np.linalg.norm(hint, axis=2) - 1).max() < 0.02
        and hint[..., 2].min() > -0.05
    )
    restyle(normals=False, depth=False)
    assert not asked(fake).controls and not asked(fake).HasField("depth")


def test_edges_in_a_3d_view_are_smooth(stage):
    smooth = shots.drawn(stage, (160, 96))[..., :3].astype(int)
    lens = capture.lens_of(stage.camera, bpy.context.evaluated_depsgraph_get(), 160, 96, square=True)
    haste = drawing.Haste()
    haste.begin()
    plain = shots._drawn_as(drawing.view(), (stage, stage.view_layers[0]), lens, (160, 96))[..., :3].astype(int)
    haste.end()
    away = np.abs(smooth - plain).max(2)
    assert 0.005 < (away > 8).mean() < 0.1 and np.median(away) <= 1, "only edges differ"


def test_the_3d_view_can_be_taken_instead(stage, fake):
    stage.render.engine = "CYCLES"
    restyle(origin="VIEWPORT")
    sent, depth = (pixels.to_array(each.image) for each in (asked(fake).init, asked(fake).depth))
    sky = ~np.isfinite(depth[..., 0])
    assert sent[~sky].std() > 5 and sent.shape == (80, 128, 3)


TROUBLES = {
    "no camera": "no camera", "panorama": "Panoramic", "stereo": "Stereoscopy", "volume": "«Smoke» is a volume",
    "fog": "«Box» has a volume in its material", "hair": "«Box» has hair", "nothing selected": "Select the objects",
    "nothing seen": "sees nothing solid", "hidden": "sees none of the selected", "no prompt": "prompt is empty",
    "no folder": "Save the file first", "no frames": "no frame from 9 to 3", "no right": "Nothing can be written into",
}  # fmt: skip


def spoil(scene, trouble, tmp_path):
    """Make it so, and say what is then asked."""
    box = bpy.data.objects["Box"]
    select()
    if trouble == "no camera":
        scene.camera = None
    if trouble == "panorama":
        scene.camera.data.type = "PANO"
    if trouble == "stereo":
        scene.render.use_multiview = True
    if trouble == "volume":
        scene.collection.objects.link(bpy.data.objects.new("Smoke", bpy.data.volumes.new("Smoke")))
    if trouble == "fog":
        made = bpy.data.materials.new("Fog")
        fog = host.give_nodes(made).nodes.new("ShaderNodeVolumePrincipled")
        made.node_tree.links.new(fog.outputs[0], made.node_tree.nodes["Material Output"].inputs["Volume"])
        box.data.materials.append(made)
    if trouble == "hair":
        box.modifiers.new("Hair", "PARTICLE_SYSTEM")
        box.particle_systems[0].settings.type = "HAIR"
    if trouble == "nothing seen":
        scene.camera.rotation_euler = (np.pi, 0, 0)
    if trouble == "hidden":
        select(add("cube", "Away", (90, 90, 90)))
    (tmp_path / "file").write_text("no folder")
    bpy.context.view_layer.update()
    given = {
        "no prompt": {"prompt": ""}, "nothing selected": {"only": True}, "hidden": {"only": True},
        "no folder": {"folder": "//frames"}, "no frames": {"start": 9, "end": 3},
        "no right": {"folder": str(tmp_path / "file" / "below")},
    }  # fmt: skip
    return given.get(trouble, {})


@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_cannot_be_captured_is_named_and_nothing_is_sent(stage, fake, tmp_path, trouble):
    given = spoil(stage, trouble, tmp_path)
    before = state()
    with pytest.raises(RuntimeError, match=TROUBLES[trouble]):
        if trouble in ("no folder", "no frames", "no right"):
            animate(**{"folder": tmp_path} | given)
        else:
            restyle(**given)
    assert not fake.specs and state() == before and session.failed


def test_without_shapes_a_volume_is_no_trouble(stage, fake):
    stage.collection.objects.link(bpy.data.objects.new("Smoke", bpy.data.volumes.new("Smoke")))
    bpy.context.view_layer.update()
    assert restyle(depth=False, normals=False) == {"FINISHED"}


def names(folder):
    return sorted(each.name for each in folder.iterdir())


def test_an_animation_is_numbered_files_of_the_same_noise_with_recipes(stage, fake, tmp_path):
    assert animate(tmp_path) == {"FINISHED"}
    assert names(tmp_path) == [f"restyle_{number:04d}.png" for number in (1, 2, 3, 4)]
    assert {asked(fake, number).seed for number in range(4)} == {3} and stage.frame_current == 2
    inits = [pixels.to_array(asked(fake, number).init.image) for number in range(4)]
    assert all((one != other).any() for one, other in pairwise(inits)), "the cube moves"
    file = (tmp_path / "restyle_0004.png").read_bytes()
    kept = recipe.read(file)
    assert kept.spec.steps[0].diffuse.prompt.text == "moss" and kept.spec.labels["frame"] == "4"
    shown = bpy.data.images["restyle"]
    assert shown.source == "SEQUENCE"


def test_frames_that_are_there_are_left_out_and_changed_ones_are_not(stage, fake, tmp_path):
    animate(tmp_path, start=1, end=2)
    animate(tmp_path)
    assert len(fake.specs) == 4, "two of them were there already"
    first = (tmp_path / "restyle_0001.png").read_bytes()
    (tmp_path / "restyle_0002.png").write_bytes(first[: len(first) // 2])  # a disk that filled up
    animate(tmp_path)
    assert len(fake.specs) == 5 and frames.print_of(tmp_path / "restyle_0002.png")
    bpy.data.objects["Ground"].location.z -= 0.5
    animate(tmp_path)
    assert len(fake.specs) == 9, "the scene is another one"
    animate(tmp_path, seed=4, end=1)
    animate(tmp_path, seed=4, end=1, anew=True)
    assert len(fake.specs) == 11


def test_no_file_is_lost_that_another_frame_takes_the_place_of(stage, fake, tmp_path):
    animate(tmp_path, end=2)
    mine = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    for name in ("restyle_0003.png", "depth_0003.exr"):
        mine[name] = name.encode()
        (tmp_path / name).write_bytes(mine[name])  # of another program
    animate(tmp_path, prompt="bark", passes=True)
    earlier = tmp_path / "earlier"
    assert {file.name: file.read_bytes() for file in earlier.iterdir()} == mine
    assert "4 files" in errands.last.message and "earlier" in errands.last.message
    animate(tmp_path, prompt="bark", passes=True, anew=True)
    assert len(list(earlier.iterdir())) == 4, "what is painted again as it was takes its own place"
    animate(tmp_path, prompt="moss", end=1)
    assert (earlier / "restyle_0001.png").read_bytes() == mine["restyle_0001.png"]
    assert frames.print_of(earlier / "restyle_0001.001.png")


def test_an_engine_that_dies_midway_is_said_and_the_next_run_goes_on(stage, fake, tmp_path):
    seen = []
    plain = film.paint

    def dying(spec, number, count, total):
        if number == 3 and not seen:
            seen.append(number)
            fake.kill()
        return plain(spec, number, count, total)

    film.paint = dying
    try:
        with pytest.raises(RuntimeError, match="engine"):
            animate(tmp_path)
        assert names(tmp_path) == ["restyle_0001.png", "restyle_0002.png"] and stage.frame_current == 2
        assert isinstance(errands.last.error, Unreachable)
        fake.start()
        animate(tmp_path)
    finally:
        film.paint = plain
    assert len(names(tmp_path)) == 4 and len(fake.specs) == 4


def test_passes_lie_beside_the_frames_in_metres(stage, fake, tmp_path):
    import OpenEXR

    select(bpy.data.objects["Box"])
    animate(tmp_path, start=2, end=2, passes=True, only=True)
    assert names(tmp_path) == ["depth_0002.exr", "mask_0002.exr", "normal_0002.exr", "restyle_0002.png"]
    read = {}
    for kind in frames.PASSES:
        with OpenEXR.File(str(frames.path_of(tmp_path, kind, 2)), separate_channels=True) as file:
            read[kind] = np.stack([np.array(file.channels()[name].pixels) for name in "RGB"], -1)
    depth = pixels.to_array(asked(fake).depth.image)[..., 0]
    np.testing.assert_array_equal(read["depth"][..., 0], np.where(np.isfinite(depth), depth, 1e10))
    np.testing.assert_array_equal(read["mask"][..., 0] > 0, pixels.to_array(asked(fake).mask.image)[..., 0] > 0)
    ground = (read["mask"][..., 0] == 0) & np.isfinite(depth)
    assert np.abs(read["normal"][ground] - (0, 0, 1)).max() < 0.01, "the ground looks up"
    (tmp_path / "normal_0002.exr").unlink()
    animate(tmp_path, start=2, end=2, passes=True, only=True)
    assert len(names(tmp_path)) == 4 and len(fake.specs) == 1, "only the pass was missing"


def test_in_the_window_frames_come_between_ticks_and_a_stop_keeps_what_is_done(stage, fake, tmp_path, monkeypatch):
    monkeypatch.setattr(host, "undo_step", lambda message: None)
    fake.script = Script(steps=10, delay=0.02)
    before = state()
    wanted = {"prompt": "moss", "size": 64, "seed": 3, "folder": str(tmp_path), "origin": "VIEWPORT"}
    monkeypatch.setattr(host, "has_window", lambda: True)
    session.disconnect()
    assert bpy.ops.velatura.restyle_animation(**wanted) == {"FINISHED"}
    (errand,) = errands.running
    said = set()
    while not (tmp_path / "restyle_0002.png").exists() and not errand.done:
        errands.further(errand)
        session.pump()
        said.add(errand.message)
        assert stage.frame_current == 2, "between ticks the scene is the artist's"
    assert 0.4 < errand.fraction < 0.9 and any("of 4" in words for words in said), errand.message
    bpy.ops.velatura.restyle_stop()
    assert not errands.running and session.message == "Stopped"
    assert len(names(tmp_path)) >= 2
    assert state() == before
    while session.looking is not None:
        session.pump()
    session.disconnect()


def test_a_stop_waits_for_blenders_own_render_to_end(stage, fake, monkeypatch):
    def steps():
        try:
            while True:
                yield
        finally:
            ended.append(rendering[0])

    rendering, ended = [True], []
    monkeypatch.setattr(errands_of, "rendering", lambda: rendering[0])
    errand = errands.start("Restyle", steps())
    bpy.ops.velatura.restyle_stop()
    errands.further(errand)
    assert errands.running == [errand] and "Escape ends it" in errand.message
    rendering[0] = False
    errands.further(errand)
    assert ended == [False] and not errands.running
