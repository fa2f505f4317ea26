"""The whole way with the real kernel: capture, project, bake, and look at it again with Cycles."""

import bpy
import kernel
import numpy as np
import pytest
from scenes import add, come, faces_of_texels, place_camera, render, select, suzanne
from velatura_blender import capture, host, place
from velatura_blender.session import session

pytestmark = [
    pytest.mark.usefixtures("addon"),
    pytest.mark.skipif(not kernel.PYTHON.exists(), reason="the engine's environment is not here"),
]


def paint(width, height):
    """Waves that differ everywhere."""
    y, x = np.mgrid[:height, :width] / max(width, height)
    waves = [0.5 + 0.4 * np.sin(20 * x), 0.5 + 0.4 * np.cos(17 * y), 0.5 + 0.4 * np.sin(11 * (x + y))]
    return np.rint(np.stack(waves, -1) * 255).astype(np.uint8)


def glow():
    """Every placed texture shines by itself, so that a render shows its colours."""
    for material in bpy.data.materials:
        nodes, links = material.node_tree.nodes, material.node_tree.links
        texture = next(node for node in nodes if node.type == "TEX_IMAGE")
        output = next(node for node in nodes if node.type == "OUTPUT_MATERIAL")
        shine = nodes.new("ShaderNodeEmission")
        links.new(texture.outputs["Color"], shine.inputs["Color"])
        links.new(shine.outputs["Emission"], output.inputs["Surface"])


def texture_of(name):
    """The texture on an object: (H, W, 4) uint8, row 0 on top."""
    material = bpy.data.objects[name].material_slots[0].material
    image = next(node for node in material.node_tree.nodes if node.type == "TEX_IMAGE").image
    flat = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(flat)
    return np.rint(flat.reshape(image.size[1], image.size[0], 4)[::-1] * 255).astype(np.uint8)


def project(monkeypatch, fake, tmp_path, paint=paint):
    kernel.install(monkeypatch, fake, tmp_path, paint)
    assert bpy.ops.velatura.project(prompt="waves", size=256, texture_size=512, seed=1, wait=True) == {"FINISHED"}


@pytest.mark.parametrize("kind", ["PERSP", "ORTHO"])
def test_the_camera_sees_again_what_was_painted(scene, fake, monkeypatch, tmp_path, kind):
    scene.camera.data.type, scene.camera.data.ortho_scale = kind, 4.0
    scene.camera.data.shift_x = 0.05
    things = suzanne(levels=2), add("torus", "Torus", (1.2, 0.8, -0.3)), add("plane", "Ground", (0, 0, -1), size=4)
    for thing in things[:2]:
        for face in thing.data.polygons:
            face.use_smooth = True
    select(*things)
    project(monkeypatch, fake, tmp_path)
    glow()
    shown = render(tmp_path / "after.png", samples=16)
    seen = capture.frame(scene.camera, bpy.context.evaluated_depsgraph_get(), 256, 256)
    wanted = paint(256, 256) / 255
    foreground = seen.mask([thing.name for thing in things])
    near = np.abs(shown - wanted).max(2) < 0.1
    assert near[foreground].mean() > 0.97  # the rest is grazing or beside an edge, and keeps its own look
    good = foreground & near
    psnr = -10 * np.log10(np.mean((shown - wanted)[good] ** 2))
    whole = -10 * np.log10(np.mean((shown - wanted)[foreground] ** 2))
    print(f"{near[foreground].mean():.1%} of the foreground, {psnr:.1f} dB; {whole:.1f} dB with the rest")
    assert psnr >= 32


def test_nothing_is_painted_behind_an_occluder_or_on_back_faces(scene, fake, monkeypatch, tmp_path):
    place_camera((0, -6, 0))
    wall = add("plane", "Wall", (0, 2, 0), size=4)
    wall.rotation_euler = (np.pi / 2, 0, 0)
    box = add("cube", "Box", (0, -1, 0), size=1)
    add("uv_sphere", "Unselected", (0.8, -1.5, 0.4), radius=0.4)
    select(wall, box)
    project(monkeypatch, fake, tmp_path, lambda width, height: np.full((height, width, 3), 255, np.uint8))
    painted = texture_of("Wall")[..., 3] > 0
    v, u = np.mgrid[:512, :512]
    x, z = (u + 0.5) / 512 * 4 - 2, 2 - (v + 0.5) / 512 * 4
    inside = (np.abs(x) < 0.75) & (np.abs(z) < 0.75)  # the box's front, 0.5 at 4.5 m, seen 8 m away, less a margin
    assert painted.mean() > 0.6 and painted[inside].sum() == 0
    way = np.stack([x, np.full_like(x, 8.0), z], -1)
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    middle = np.array([0.8, 4.5, 0.4])
    off = np.linalg.norm(np.cross(way, middle), axis=-1)
    assert painted[off < 0.37].sum() == 0
    piece = capture.surface(box, bpy.context.evaluated_depsgraph_get(), "UVMap")
    a, b, c = piece.positions[piece.triangles].transpose(1, 0, 2)
    front = np.cross(b - a, c - a)[:, 1] < -1e-6
    alpha = texture_of("Box")[..., 3]
    for uvs, faces_camera in zip(piece.uvs, front, strict=True):
        column, row = (uvs.mean(0) * [512, -512] + [0, 512]).astype(int)
        assert bool(alpha[row, column]) == faces_camera


def test_what_is_not_painted_keeps_its_look(scene, fake, monkeypatch, tmp_path):
    box = add("cube", "Box", size=1)
    base = np.full((512, 512, 3), (10, 200, 30), np.uint8)
    place.wear(box, place.material("Green", place.image("Green", base), "UVMap"))
    select(box)
    project(monkeypatch, fake, tmp_path)
    texture = texture_of("Box")
    bare = texture[..., 3] == 0
    assert bare.any() and not bare.all()
    covered = np.abs(texture[bare][:, :3].astype(int) - (10, 200, 30)).max(1) == 0
    assert covered.mean() > 0.9
    np.testing.assert_array_equal(place.read(bpy.data.images["Green"])[..., :3], base)


def test_every_texel_shows_the_face_it_lies_on(scene, fake, monkeypatch, tmp_path):
    things = (
        add("cube", "Box", (0.9, 0.55, 0), size=1.2),
        add("cube", "Crate", (-0.8, 1.5, 0.2), size=1.5),
        add("plane", "Floor", (0, 0.5, -1.1), size=5),
        suzanne("Suzanne", (-0.9, -0.8, 0.2), levels=2),
    )
    things[1].rotation_euler, things[3].scale = (0.1, 0.1, -0.2), (0.8, 0.8, 0.8)
    add("cube", "Unselected", (0.3, -0.9, -0.5), size=0.6)
    select(*things)
    first, numbers = 1, {}
    for thing in things:  # Suzanne's faces are smaller than pixels, so that all of them are one
        numbers[thing.name] = first
        first += 1 if thing.name == "Suzanne" else len(thing.data.polygons)
    project(monkeypatch, fake, tmp_path, lambda width, height: CODES[faces_seen(width, height, numbers)])
    for thing in things:
        texture = texture_of(thing.name)
        painted = texture[..., 3] > 0
        truth = numbers[thing.name] + (0 if thing.name == "Suzanne" else faces_of_texels(thing, len(texture)))
        shown = np.rint(texture[painted][:, :3] / 42.5) @ [49, 7, 1]
        wrong = shown != np.broadcast_to(truth, painted.shape)[painted]
        print(f"{thing.name}: {wrong.mean():.2%} of {painted.sum()} texels are wrong")
        assert painted.sum() > 5000
        assert wrong.mean() <= 0.005


CODES = np.rint(np.indices((7, 7, 7)).reshape(3, -1).T * 42.5).astype(np.uint8)
"""Colours of faces by number, in base 7; the first one is that of everything else."""


def faces_seen(width, height, numbers):
    """The number (H, W) of the face that Blender's own rays hit at each pixel: numbers[object] + face, else 0."""
    scene, camera = bpy.context.scene, bpy.context.scene.camera
    depsgraph = bpy.context.evaluated_depsgraph_get()
    right, down, left = (camera.matrix_world @ corner for corner in camera.data.view_frame(scene=scene)[:3])
    top_left = left + right - down
    seen = np.zeros((height, width), int)
    for row in range(height):
        for column in range(width):
            across, below = (column + 0.5) / width, (row + 0.5) / height
            place = top_left + (right - top_left) * across + (left - top_left) * below
            way = place - camera.matrix_world.translation
            hit, _, _, face, thing, _ = scene.ray_cast(depsgraph, camera.matrix_world.translation, way)
            if hit and thing.name in numbers:
                seen[row, column] = numbers[thing.name] + (0 if thing.name == "Suzanne" else face)
    return seen


def test_the_border_of_a_smaller_projection_over_another_shows_nothing_but_the_two(scene, fake, monkeypatch, tmp_path):
    monkeypatch.setattr(host, "has_window", lambda: True)
    session.disconnect()
    ground = add("plane", "Ground", size=4)
    select(ground)
    rug = add("plane", "Rug", (0, 0, 0.001), size=2)
    select(ground)
    colors = iter([(255, 0, 0), (0, 0, 255)])
    kernel.install(monkeypatch, fake, tmp_path, lambda *size: np.broadcast_to(np.uint8(next(colors)), (*size[::-1], 3)))
    place_camera((0, -0.01, 8))
    place.wear(ground, place.material("Own", place.image("Own", np.full((128, 128, 3), 204, np.uint8)), "UVMap"))
    for rug.hide_render, side in ((True, 512), (False, 256)):
        given = {"prompt": "waves", "size": 256, "texture_size": side, "seed": 1}
        assert bpy.ops.velatura.project(**given) == {"FINISHED"}
    come()
    session.disconnect()
    red, green, blue = np.moveaxis(texture_of("Ground")[..., :3].astype(int), 2, 0)
    soft = (red > 20) & (blue > 20)
    assert soft.sum() > 200 and (green <= 2).all(), f"{green.max()} of the look before"
