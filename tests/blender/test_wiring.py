"""A material's maps as Blender sees them: each means in the render, and in glTF, what the engine meant by it."""

import bpy
import numpy as np
import pytest
from mathutils import Vector
from scenes import add, place_camera, render
from velatura_blender import place, wiring

SIDE = 32


def flat(*values, kind=np.uint8):
    """A picture of one colour."""
    return np.full((SIDE, SIDE, 3), [round(value * np.iinfo(kind).max) for value in values], kind)


def maps(normal=(0, 0, 1), albedo=(0.5, 0.5, 0.5), roughness=1.0, metallic=0.0):
    """All maps of an even surface."""
    coded = np.array(normal) / np.linalg.norm(normal) * 0.5 + 0.5
    grey = {"roughness": roughness, "metallic": metallic, "occlusion": 1.0}
    found = {name: place.image(name, flat(*[value] * 3), data=True) for name, value in grey.items()}
    found["albedo"] = place.image("albedo", flat(*albedo))
    found["normal"] = place.image("normal", flat(*coded), data=True)
    found["height"] = place.image("height", flat(0.5, 0.5, 0.5, kind=np.uint16), data=True)
    return found


def brightness(tmp_path, towards, **facts):
    """Of a plane seen from above, whose u is x and v is y, in linear light of a sun in a direction."""
    for thing in [thing for thing in bpy.data.objects if thing.type != "CAMERA"]:
        bpy.data.objects.remove(thing)
    place_camera((0, 0, 5))
    sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    sun.data.energy, sun.data.angle = np.pi, 0
    sun.rotation_euler = Vector(towards).to_track_quat("Z", "Y").to_euler()
    bpy.context.scene.collection.objects.link(sun)
    ground = add("plane", "Ground", size=8)
    made = wiring.surface("Even", maps(**facts), "UVMap")
    shader = next(node for node in made.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Specular IOR Level"].default_value = 0
    place.wear(ground, made)
    seen = render(tmp_path / "even.png")[100:150, 100:150].mean()
    return ((seen + 0.055) / 1.055) ** 2.4


def test_normals_lean_as_they_say_and_albedo_is_read_as_srgb(scene, tmp_path):
    leaning = np.array([0.5, 0.3, 0.8])
    leaning /= np.linalg.norm(leaning)
    grey = ((0.5 + 0.055) / 1.055) ** 2.4
    for towards in ((1, 0, 1), (-1, 0, 1), (0, 1, 1), (0, -1, 1)):
        sun = np.array(towards) / np.sqrt(2)
        wanted = grey * max(leaning @ sun, 0)
        assert brightness(tmp_path, towards, normal=leaning) == pytest.approx(wanted, abs=0.015), towards


def test_an_even_surface_is_as_bright_as_without_its_maps(scene, tmp_path):
    grey = ((0.5 + 0.055) / 1.055) ** 2.4
    assert brightness(tmp_path, (0, 0, 1)) == pytest.approx(grey, abs=0.01)


def test_metal_and_roughness_reach_the_shader_as_numbers(scene):
    made = wiring.surface("Even", maps(metallic=1.0, roughness=0.5), "UVMap")
    shader = next(node for node in made.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    for name in ("Metallic", "Roughness"):
        texture = shader.inputs[name].links[0].from_node
        assert texture.image.name.startswith(name.lower())
        assert texture.image.colorspace_settings.name == "Non-Color"
    bend = shader.inputs["Normal"].links[0].from_node
    assert (bend.type, bend.space, bend.uv_map) == ("NORMAL_MAP", "TANGENT", "UVMap")


def test_all_maps_lie_where_the_albedo_lies(scene):
    made = wiring.surface("Even", maps(), "UVMap", repeat=3)
    textures = [node for node in made.node_tree.nodes if node.type == "TEX_IMAGE"]
    assert len(textures) == 6
    (mapping,) = {node.inputs["Vector"].links[0].from_node for node in textures}
    assert mapping.inputs["Scale"].default_value[0] == 3
    assert len({tuple(node.location) for node in made.node_tree.nodes}) == len(made.node_tree.nodes)


def test_height_keeps_its_16_bits_and_waits_for_whoever_wants_it(scene):
    steps = np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE, 1).repeat(3, 2) * 61
    picture = place.image("height", steps, data=True)
    found = np.empty(SIDE * SIDE * 4, np.float32)
    picture.pixels.foreach_get(found)
    again = found.reshape(SIDE, SIDE, 4)[::-1, :, 0] * 65535
    np.testing.assert_allclose(again, steps[..., 0], atol=0.01)
    still = wiring.surface("Still", maps() | {"height": picture}, "UVMap", depth=0.02)
    moved = wiring.surface("Moved", maps() | {"height": picture}, "UVMap", depth=0.02, displace=True)
    for made, linked in ((still, False), (moved, True)):
        output = next(node for node in made.node_tree.nodes if node.type == "OUTPUT_MATERIAL")
        lift = next(node for node in made.node_tree.nodes if node.type == "DISPLACEMENT")
        assert output.inputs["Displacement"].is_linked is linked
        assert lift.inputs["Scale"].default_value == pytest.approx(0.02)
    assert moved.displacement_method == "DISPLACEMENT"


def test_occlusion_changes_no_render_and_waits_for_export(scene):
    made = wiring.surface("Even", maps(), "UVMap")
    groups = [node for node in made.node_tree.nodes if node.type == "GROUP"]
    assert [group.node_tree.name for group in groups] == ["glTF Material Output"]
    assert groups[0].inputs["Occlusion"].links[0].from_node.image.name.startswith("occlusion")
    assert not any(socket.is_linked for socket in groups[0].outputs)
    wiring.surface("Other", maps(), "UVMap")
    assert sum(group.name.startswith("glTF") for group in bpy.data.node_groups) == 1  # the file's own is used again
