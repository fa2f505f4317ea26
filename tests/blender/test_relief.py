"""Pictures with depth as surfaces in real Blender: meshes by the engine, planes by modifiers."""

import json
import struct

import bpy
import kernel
import numpy as np
import pytest
from scenes import add, after_the_button, daylight, place_camera, render, sent, state
from velatura import errors, pixels
from velatura.testing import painter
from velatura_blender import asking_relief, place, relief, resume
from velatura_blender.session import session

pytestmark = pytest.mark.usefixtures("addon")

WIDTH, HEIGHT = 48, 32
FOCAL = WIDTH / 2 / np.tan(np.radians(25))
"""Of 50 degrees over the longer side, pixels."""


def picture(name="Photo"):
    """Blocks of 4 pixels of random colours."""
    dice = np.random.default_rng(3)
    blocks = dice.integers(40, 216, (HEIGHT // 4, WIDTH // 4, 3), np.uint8)
    return place.image(name, np.kron(blocks, np.ones((4, 4, 1), np.uint8)))


def steps():
    """Metres (H, W): a step in the middle, nothing in one corner."""
    z = np.full((HEIGHT, WIDTH), 2, np.float32)
    z[:, WIDTH // 2 :] = 3
    z[:4, :4] = 0
    return z


def floats(name, values):
    """A float image of numbers (H, W)."""
    made = bpy.data.images.new(name, values.shape[1], values.shape[0], float_buffer=True, is_data=True)
    made.pixels.foreach_set(np.repeat(values[::-1, :, None], 4, 2).astype(np.float32).ravel())
    return made


def vertices(thing):
    found = np.empty(len(thing.data.vertices) * 3, np.float32)
    thing.data.vertices.foreach_get("co", found)
    return found.reshape(-1, 3)


def corners(thing):
    """Vertex numbers and UVs of the faces' corners."""
    numbers, uvs = np.empty(len(thing.data.loops), np.int32), np.empty(len(thing.data.loops) * 2, np.float32)
    thing.data.loops.foreach_get("vertex_index", numbers)
    thing.data.uv_layers[0].uv.foreach_get("vector", uvs)
    return numbers, uvs.reshape(-1, 2)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The engine's own files of `steps`, GLB and PLY, and the picture in them."""
    folder = tmp_path_factory.mktemp("files")
    np.save(folder / "depth.npy", steps())
    blocks = np.random.default_rng(4).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    np.save(folder / "picture.npy", blocks)
    kernel.run(WRITE, str(folder))
    return folder


WRITE = """
import sys
from pathlib import Path
import numpy as np
from velatura_engine.planning.reliefs import pinhole
from velatura_engine.textures import mesh_files
from velatura_engine.textures.relief import relief
folder = Path(sys.argv[1])
z, picture = np.load(folder / "depth.npy"), np.load(folder / "picture.npy")
surface = relief(z, pinhole(z.shape[1], z.shape[0], 50.0))
for name, write in mesh_files.WRITERS.items():
    (folder / f"steps.{name}").write_bytes(write(surface, picture))
"""


def where(uvs, z):
    """The place of each pixel of UVs in Blender's axes, seen from the origin along Y."""
    columns, rows = uvs[:, 0] * WIDTH, (1 - uvs[:, 1]) * HEIGHT
    far = z[rows.astype(int), columns.astype(int)]
    return np.stack([(columns - WIDTH / 2) / FOCAL * far, far, (HEIGHT / 2 - rows) / FOCAL * far], 1)


def test_blender_reads_the_engines_glb_as_it_was_meant(scene, files):
    bpy.ops.preferences.addon_enable(module="io_scene_gltf2")
    bpy.ops.import_scene.gltf(filepath=str(files / "steps.glb"))
    (thing,) = (each for each in bpy.data.objects if each.type == "MESH")
    numbers, uvs = corners(thing)
    places = vertices(thing) @ np.array(thing.matrix_world)[:3, :3].T
    # glTF's y is up and its -z goes away: Blender's importer turns them as the add-on does.
    assert np.allclose(places[numbers], where(uvs, steps()), atol=1e-5)
    quads = (HEIGHT - 1) * (WIDTH - 2) - 16
    assert len(thing.data.polygons) == 2 * quads + 1
    (worn,) = thing.data.materials
    texture = next(node for node in worn.node_tree.nodes if node.type == "TEX_IMAGE")
    assert np.array_equal(place.read(texture.image)[..., :3], np.load(files / "picture.npy"))


def test_the_add_on_reads_the_engines_ply(files):
    sheet = asking_relief.opened((files / "steps.ply").read_bytes())
    turned = np.stack([sheet.positions[:, 0], -sheet.positions[:, 2], sheet.positions[:, 1]], 1)
    assert np.allclose(turned, where(sheet.uvs, steps()), atol=1e-5)
    assert sheet.triangles.max() == len(sheet.positions) - 1
    with pytest.raises(ValueError, match="update the two"):
        asking_relief.opened((files / "steps.ply").read_bytes()[:-1])


def ply(faces, place=0.0):
    """A mesh file of five vertices in a row, the first one at x `place`, and of these faces (F, 3)."""
    points = [(place, 0, -1), *((x, x % 2, -1) for x in range(1, 5))]
    head = painter.QUAD.partition(b"end_header\n")[0].replace(b"vertex 4", b"vertex 5")
    head = head.replace(b"face 2", b"face %d" % len(faces))
    body = b"".join(struct.pack("<5f3B", *point, 0, 0, 0, 0, 0) for point in points)
    return head + b"end_header\n" + body + b"".join(struct.pack("<B3i", 3, *face) for face in faces)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (ply([(0, 1, 5)]), "corners that are not there"),
        (ply([(0, 1, 2), (3, -1, 4)]), "corners that are not there"),
        (ply([(0, 1, 2)], np.nan), "not numbers"),
    ],
)
def test_a_mesh_that_blender_would_have_to_mend_by_guessing_is_refused(content, words):
    with pytest.raises(ValueError, match=words):
        asking_relief.opened(content)


def test_a_mesh_without_a_face_is_refused():
    sheet = asking_relief.opened(ply([(0, 0, 1)]))
    with pytest.raises(ValueError, match="no faces"):
        asking_relief.form(sheet.positions, sheet.triangles, sheet.uvs)


def test_faces_that_are_none_or_there_twice_are_left_out_and_blender_finds_nothing_to_mend(scene):
    faces = [(0, 1, 2), (1, 1, 2), (2, 1, 3), (2, 0, 1), (3, 4, 3), (2, 4, 3), (3, 1, 2)]
    sheet = asking_relief.opened(ply(faces))
    mesh = relief.build("Odd", asking_relief.form(sheet.positions, sheet.triangles, sheet.uvs)).data
    assert [tuple(face.vertices) for face in mesh.polygons] == [(0, 1, 2), (2, 1, 3), (2, 4, 3)]
    assert sorted(tuple(edge.vertices) for edge in mesh.edges) == [
        (0, 1),
        (0, 2),
        (1, 2),
        (1, 3),
        (2, 3),
        (2, 4),
        (3, 4),
    ]
    assert not mesh.validate(verbose=True)


@pytest.mark.parametrize("corners", [3, 4])
def test_edges_are_those_that_blender_itself_would_find(scene, files, corners):
    if corners == 3:
        sheet = asking_relief.opened((files / "steps.ply").read_bytes())
        places, faces, uvs = sheet.positions, sheet.triangles, sheet.uvs
    else:
        places, faces, uvs = np.eye(3)[[0, 1, 2, 0, 1, 2]], np.array([(0, 1, 2, 3), (2, 1, 4, 5)]), np.zeros((6, 2))
    thing = relief.build("Ours", asking_relief.form(places, faces, uvs))
    own = bpy.data.meshes.new("Own")
    own.from_pydata(places.tolist(), [], faces.tolist())
    found, wanted = ([tuple(sorted(edge.vertices)) for edge in mesh.edges] for mesh in (thing.data, own))
    assert sorted(found) == sorted(wanted) and not thing.data.validate(verbose=True)
    around = [[thing.data.loops[n] for n in face.loop_indices] for face in thing.data.polygons]
    for face in around:
        for loop, following in zip(face, [*face[1:], face[0]], strict=True):
            assert set(found[loop.edge_index]) == {loop.vertex_index, following.vertex_index}


def test_a_picture_becomes_a_mesh_at_the_cursor_that_wears_it(scene, fake):
    image, depth = picture(), floats("Z", steps())
    scene.cursor.location = (1, 2, 3)
    settings = scene.velatura_relief
    settings.image, settings.depth, settings.depth_kind = image, depth, "METRES"
    assert bpy.ops.velatura.relief_mesh(angle=np.radians(40), triangles=500, wait=True) == {"FINISHED"}
    asked = fake.specs[0].steps[0].relief
    np.testing.assert_array_equal(pixels.to_array(asked.depth.image)[..., 0], steps())
    np.testing.assert_array_equal(pixels.to_array(asked.image), place.read(image)[..., :3])
    assert (asked.format, asked.max_triangles, round(asked.field_of_view, 3)) == ("ply", 500, 40)
    assert not asked.HasField("nearest") and not asked.HasField("camera")  # metres need no range
    thing = bpy.context.view_layer.objects.active
    assert thing.name == "Photo mesh" and thing.select_get() and tuple(thing.location) == (1, 2, 3)
    assert np.allclose(vertices(thing), [(-1, 1, 1), (-1, 1, -1), (1, 3, -1), (1, 3, 1)])
    (worn,) = thing.data.materials
    assert '"relief"' in thing.data[place.RECIPE] and worn[place.RECIPE] == thing.data[place.RECIPE]
    assert next(node for node in worn.node_tree.nodes if node.type == "TEX_IMAGE").image == image
    assert "2 triangles" in session.message


def test_a_mesh_that_comes_while_another_is_edited_leaves_the_artist_there(scene, fake):
    picture()
    cube = add("cube", "Cube")
    assert bpy.ops.velatura.relief_mesh(image="Photo") == {"FINISHED"}
    bpy.ops.object.mode_set(mode="EDIT")
    session.wait(session.tasks[0])
    assert "Photo mesh" in bpy.data.objects and bpy.context.mode == "EDIT_MESH"
    assert bpy.context.view_layer.objects.active == cube and cube.mode == "EDIT"
    bpy.ops.object.mode_set(mode="OBJECT")


def test_through_the_scenes_camera_the_mesh_lies_in_the_world(scene, fake):
    picture()
    bpy.ops.velatura.relief_mesh(image="Photo", lens="SCENE", wait=True)
    asked = fake.specs[0].steps[0].relief
    pose = np.array(asked.camera.world_to_camera).reshape(4, 4)
    assert np.allclose(pose, np.linalg.inv(np.array(scene.camera.matrix_world)), atol=1e-6)
    assert not asked.HasField("depth") and asked.nearest == 1 and not asked.HasField("field_of_view")
    thing = bpy.data.objects["Photo mesh"]
    assert np.allclose(vertices(thing)[0], (-1, 1, -1)) and tuple(thing.location) == (0, 0, 0)


def test_white_may_be_near_or_far(scene):
    ramp = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8)[:, None], (HEIGHT, 1, 3))
    image = place.image("Ramp", ramp, data=True)
    near, far = (relief.depth_of(image, kind)().values for kind in ("NEAR", "FAR"))
    assert np.allclose(near, ramp[..., 0] / 255, atol=1e-6) and np.allclose(near + far, 1)


def test_a_plane_is_displaced_by_its_depth_and_asks_no_engine(scene):
    image = picture()
    ramp = np.tile(np.linspace(0, 1, WIDTH, dtype=np.float32), (HEIGHT, 1))
    floats("Near", ramp)
    assert bpy.ops.velatura.relief_plane(image="Photo", depth="Near", side=3, height=0.5) == {"FINISHED"}
    thing = bpy.data.objects["Photo plane"]
    places = vertices(thing.evaluated_get(bpy.context.evaluated_depsgraph_get()))
    assert np.allclose(places.min(0)[[0, 2]], (-1.5, -1)) and np.allclose(places.max(0)[[0, 2]], (1.5, 1))
    wanted = np.interp((places[:, 0] + 1.5) / 3 * WIDTH - 0.5, np.arange(WIDTH), ramp[0]) * 0.5
    inner = np.abs(places[:, 0]) < 1.5 * (1 - 3 / WIDTH)  # Blender blurs the outermost pixel
    assert np.allclose(-places[inner, 1], wanted[inner], atol=1e-5)  # toward -Y, where the viewer is
    assert [modifier.type for modifier in thing.modifiers] == ["SUBSURF", "DISPLACE"]
    depth = thing.modifiers["Depth"].texture.image
    assert depth.packed_file is not None and depth.colorspace_settings.name == "Non-Color"
    assert image.name == "Photo" and bpy.data.images["Near"].is_dirty is not None


@pytest.mark.parametrize("name", ["relief_mesh", "relief_plane"])
def test_picture_and_depth_are_taken_as_they_were_when_the_button_was_pressed(scene, fake, monkeypatch, name):
    image, depth = picture(), floats("Near", np.full((HEIGHT, WIDTH), 0.25))
    shown = place.read(image)[..., :3]

    def change():
        for each in (image, depth):
            each.pixels.foreach_set(np.ones(WIDTH * HEIGHT * 4, np.float32))

    after_the_button(monkeypatch, change)
    getattr(bpy.ops.velatura, name)(image="Photo", depth="Near", wait=True)
    if name == "relief_mesh":
        asked = fake.specs[0].steps[0].relief
        np.testing.assert_array_equal(pixels.to_array(asked.image), shown)
        values = pixels.to_array(asked.depth.image)[..., 0]
    else:
        made = bpy.data.objects["Photo plane"].modifiers["Depth"].texture.image
        values = relief.depth_of(made, "NEAR")().values
    np.testing.assert_allclose(values, np.full((HEIGHT, WIDTH), 0.25), atol=1e-5)


def test_a_plane_by_a_depth_at_hand_comes_in_pieces_and_is_undone_in_one_step(window, monkeypatch):
    picture().use_fake_user = True
    floats("Near", np.full((HEIGHT, WIDTH), 0.25)).use_fake_user = True
    bpy.ops.ed.undo_push(message="before")
    pressed = []
    after_the_button(monkeypatch, lambda: pressed.append("Photo plane" in bpy.data.objects))
    assert bpy.ops.velatura.relief_plane(image="Photo", depth="Near") == {"FINISHED"} and pressed == [False]
    sent()
    assert "Photo plane" in bpy.data.objects and "Photo plane" in session.message
    bpy.ops.ed.undo()
    assert "Photo plane" not in bpy.data.objects and not bpy.data.textures
    assert sorted(image.name for image in bpy.data.images) == ["Near", "Photo"]


def test_metres_displace_a_plane_from_the_farthest_to_the_nearest(scene):
    values = relief.nearness(asking_relief.Depth(values=np.array([[1, 2, 3, np.inf, 0]], np.float32), metric=True))
    assert np.allclose(values, [[1, 0.5, 0, 0, 0]])


def test_without_depth_a_plane_is_displaced_by_the_engines_estimate(scene, fake):
    picture()
    assert bpy.ops.velatura.relief_plane(image="Photo", wait=True) == {"FINISHED"}
    assert fake.specs[0].steps[0].preprocess.preprocessor == "depth_estimate"
    depth = bpy.data.objects["Photo plane"].modifiers["Depth"].texture.image
    came = np.array([x * 255 // (WIDTH - 1) / 255 for x in range(WIDTH)])
    assert np.allclose(relief.depth_of(depth, "NEAR")().values[0], came, atol=1e-4)


def test_a_file_becomes_a_mesh_too(scene, fake, tmp_path):
    (tmp_path / "wall.png").write_bytes(pixels.to_png(pixels.from_array(np.full((8, 8, 3), 99, np.uint8))))
    assert bpy.ops.velatura.relief_mesh(filepath=str(tmp_path / "wall.png"), wait=True) == {"FINISHED"}
    assert "wall.png mesh" in bpy.data.objects


def test_what_is_to_be_done_with_a_mesh_outlives_the_session():
    from functools import partial

    put = partial(relief.put_mesh, picture="Photo", eye=[0, 0, 0])
    name, arguments = resume.written(put)
    assert resume.read(name, arguments).keywords == json.loads(arguments)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"image": "None such"}, "There is no image «None such»"),
        ({}, "Choose a picture first"),
        ({"image": "Photo", "depth": "None such"}, "There is no image «None such»"),
        ({"image": "Photo", "depth": "Black"}, "shows nothing that is near"),
        ({"image": "Photo", "depth": "Photo", "depth_kind": "METRES"}, "holds 8 bits, not metres"),
        ({"image": "Photo", "depth": "Broken"}, "pixels that are not numbers"),
        ({"filepath": "/nowhere/photo.png"}, "cannot be opened"),
    ],
)
def test_what_cannot_be_a_surface_is_said_and_leaves_the_scene(scene, fake, more, words):
    picture()
    place.image("Black", np.zeros((8, 8, 3), np.uint8), data=True)
    floats("Broken", np.full((8, 8), np.nan))
    before = state()
    for operator in (bpy.ops.velatura.relief_mesh, bpy.ops.velatura.relief_plane):
        with pytest.raises(RuntimeError, match=words):
            operator(wait=True, **more)
    assert state() == before and not fake.specs


def test_an_engine_that_refuses_leaves_nothing_behind(scene, fake):
    picture()
    floats("Nothing", np.zeros((8, 8)))
    before = state()
    with pytest.raises(RuntimeError, match="holds nothing"):
        bpy.ops.velatura.relief_mesh(image="Photo", depth="Nothing", depth_kind="METRES", wait=True)
    assert state() == before and isinstance(errors.Invalid("x"), errors.VelaturaError)


def test_seen_from_its_camera_the_mesh_is_the_picture(scene, files, tmp_path):
    image = place.image("Blocks", np.load(files / "picture.npy") // 2 + 64)
    sheet = asking_relief.opened((files / "steps.ply").read_bytes())
    turned = np.stack([sheet.positions[:, 0], -sheet.positions[:, 2], sheet.positions[:, 1]], 1)
    thing = relief.build("Steps", asking_relief.form(turned, sheet.triangles, sheet.uvs))
    relief.wear(thing, image.name)
    shader = next(node for node in thing.data.materials[0].node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Specular IOR Level"].default_value = 0
    daylight()
    scene.cycles.max_bounces, scene.world.cycles_visibility.camera = 0, False
    scene.cycles.filter_width = 0.01
    scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
    camera = place_camera((0, 0, 0), (0, 1, 0))
    camera.data.angle = np.radians(50)
    seen = render(tmp_path / "mesh.png", samples=1)
    inner = np.zeros((HEIGHT, WIDTH), bool)
    inner[6:-2, 2 : WIDTH // 2 - 2] = inner[6:-2, WIDTH // 2 + 2 : -2] = True
    off = np.abs(seen - place.read(image)[..., :3] / 255)[inner]
    assert np.median(off) < 1e-3  # rays go through the vertices themselves, and some slip between faces
    assert (off.max(1) < 0.01).mean() > 0.9
