"""Materials and projected textures through Blender's glTF exporter: valid by Khronos, and the same when read again."""

import json
import struct
import sys
from pathlib import Path
from urllib.parse import unquote

import bpy
import numpy as np
import pytest
from scenes import add, place_camera, select, suzanne
from velatura_blender import place, wiring

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import gltf

pytestmark = pytest.mark.usefixtures("addon")
SIDE = 16


@pytest.fixture
def exporting(scene, tmp_path):
    """Exports the scene; gives back the file's bytes, and what stands in it. With tangents: without them the validator
    warns that programs may bend normals each in its own way."""
    bpy.ops.preferences.addon_enable(module="io_scene_gltf2")

    def export():
        file = tmp_path / "scene.glb"
        bpy.ops.export_scene.gltf(filepath=str(file), export_format="GLB", export_tangents=True)
        content = file.read_bytes()
        (length,) = struct.unpack_from("<I", content, 12)
        return content, json.loads(content[20 : 20 + length])

    return export


def grey(seed, kind=np.uint8):
    """A picture of random greys."""
    dice = np.random.default_rng(seed)
    return np.repeat(dice.integers(0, np.iinfo(kind).max + 1, (SIDE, SIDE, 1), kind), 3, 2)


def maps():
    """All six maps of a rough, partly metallic surface, each different everywhere."""
    seeds = {"roughness": 1, "metallic": 2, "occlusion": 3}
    found = {name: place.image(name, grey(seed), data=True) for name, seed in seeds.items()}
    found["height"] = place.image("height", grey(4, np.uint16), data=True)
    dice = np.random.default_rng(5)
    found["albedo"] = place.image("albedo", dice.integers(0, 256, (SIDE, SIDE, 3), np.uint8))
    lean = dice.normal(0, 0.3, (SIDE, SIDE, 2))
    normal = np.concatenate([lean, np.ones((SIDE, SIDE, 1))], 2)
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    found["normal"] = place.image("normal", np.rint((normal * 0.5 + 0.5) * 255).astype(np.uint8), data=True)
    return found


def read(content, told, texture):
    """The picture (H, W, 3) uint8 of a texture in a GLB file, as plain numbers."""
    image = told["images"][told["textures"][texture["index"]]["source"]]
    view = told["bufferViews"][image["bufferView"]]
    start = 28 + struct.unpack_from("<I", content, 12)[0] + view.get("byteOffset", 0)
    file = Path(bpy.app.tempdir) / "read.png"
    file.write_bytes(content[start : start + view["byteLength"]])
    made = bpy.data.images.load(str(file))
    made.colorspace_settings.name = "Non-Color"
    pixels = place.read(made)[..., :3]
    bpy.data.images.remove(made)
    return pixels


def test_all_of_a_material_that_gltf_can_carry_is_in_the_file(exporting):
    images = maps()
    sent = {name: place.read(image)[..., :3] for name, image in images.items() if name != "height"}
    ground = add("plane", "Ground")
    place.wear(ground, wiring.surface("Stone", images, "UVMap", repeat=3))
    content, told = exporting()
    assert gltf.faults(content) == []
    (material,) = told["materials"]
    surface = material["pbrMetallicRoughness"]
    np.testing.assert_array_equal(read(content, told, surface["baseColorTexture"]), sent["albedo"])
    packed = read(content, told, surface["metallicRoughnessTexture"])
    np.testing.assert_array_equal(packed[..., 1], sent["roughness"][..., 0])
    np.testing.assert_array_equal(packed[..., 2], sent["metallic"][..., 0])
    np.testing.assert_array_equal(read(content, told, material["occlusionTexture"])[..., 0], sent["occlusion"][..., 0])
    np.testing.assert_array_equal(read(content, told, material["normalTexture"]), sent["normal"])  # green stays up
    assert material["normalTexture"].get("scale", 1) == 1
    for texture in (surface["baseColorTexture"], surface["metallicRoughnessTexture"], material["occlusionTexture"]):
        assert texture["extensions"]["KHR_texture_transform"]["scale"] == [3, 3]


def test_read_again_the_material_has_all_its_maps(exporting, tmp_path):
    images = maps()
    sent = {name: place.read(image)[..., :3] for name, image in images.items() if name != "height"}
    place.wear(add("plane", "Ground"), wiring.surface("Stone", images, "UVMap"))
    exporting()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.preferences.addon_enable(module="io_scene_gltf2")
    bpy.ops.import_scene.gltf(filepath=str(tmp_path / "scene.glb"))
    (worn,) = bpy.data.objects["Ground"].data.materials
    nodes = worn.node_tree.nodes
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    for socket, part, channel in (("Roughness", "Green", 1), ("Metallic", "Blue", 2)):
        link = shader.inputs[socket].links[0]
        assert link.from_socket.name == part
        image = link.from_node.inputs[0].links[0].from_node.image
        assert image.colorspace_settings.name == "Non-Color"
        np.testing.assert_array_equal(place.read(image)[..., channel], sent[socket.lower()][..., 0])
    albedo = shader.inputs["Base Color"].links[0].from_node.image
    assert albedo.colorspace_settings.name == "sRGB"
    np.testing.assert_array_equal(place.read(albedo)[..., :3], sent["albedo"])
    bend = shader.inputs["Normal"].links[0].from_node
    assert bend.type == "NORMAL_MAP" and bend.inputs["Strength"].default_value == 1
    np.testing.assert_array_equal(place.read(bend.inputs["Color"].links[0].from_node.image)[..., :3], sent["normal"])
    group = next(node for node in nodes if node.type == "GROUP")
    occlusion = next(node for node in nodes if node.type == "TEX_IMAGE" and "occlusion" in node.image.name.lower())
    assert group.inputs["Occlusion"].is_linked
    np.testing.assert_array_equal(place.read(occlusion.image)[..., 0], sent["occlusion"][..., 0])


def test_a_projected_texture_is_in_the_file(exporting, fake):
    thing = suzanne()
    place_camera((0, -4, 1))
    select(thing)
    bpy.ops.velatura.project(prompt="old bronze", size=64, texture_size=64, seed=5, wait=True)
    worn = thing.material_slots[0].material
    texture = next(node for node in worn.node_tree.nodes if node.type == "TEX_IMAGE").image
    painted = place.read(texture)
    content, told = exporting()
    assert gltf.faults(content) == []
    (material,) = told["materials"]
    colour = material["pbrMetallicRoughness"]["baseColorTexture"]
    shown = painted[..., 3] > 0
    np.testing.assert_array_equal(read(content, told, colour)[shown], painted[..., :3][shown])
    assert material.get("alphaMode", "OPAQUE") == "OPAQUE"  # the texture's alpha is no transparency
    assert "TEXCOORD_0" in told["meshes"][0]["primitives"][0]["attributes"]


def test_a_picture_that_became_a_mesh_is_in_the_file(exporting, fake):
    place.image("Photo", grey(7))
    bpy.ops.velatura.relief_mesh(image="Photo", wait=True)
    content, told = exporting()
    assert gltf.faults(content) == []
    colour = told["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]
    np.testing.assert_array_equal(read(content, told, colour), grey(7))


def test_images_are_exported_to_files_whatever_the_prompt_holds(exporting, fake, tmp_path):
    thing = add("cube", "Cube")
    select(thing)
    bpy.ops.velatura.texture(prompt="brick/stone: wall?", size=64, wait=True)
    bpy.ops.export_scene.gltf(filepath=str(tmp_path / "apart.gltf"), export_format="GLTF_SEPARATE")
    (image,) = json.loads((tmp_path / "apart.gltf").read_text())["images"]
    assert (tmp_path / unquote(image["uri"])).stat().st_size > 100
