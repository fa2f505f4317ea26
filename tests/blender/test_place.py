"""What is put into the scene, and what stays as it was."""

import bpy
import numpy as np
import pytest
from scenes import add, select, suzanne
from velatura_blender import lent, looks, pace, place, sheets, uvs


def gradient(width=64, height=32, channels=3):
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 4, y * 8, x * 0 + 77, x * 0 + 128], -1)[..., :channels].astype(np.uint8)


@pytest.mark.parametrize("channels", [3, 4])
def test_an_image_keeps_every_byte_and_is_packed(scene, channels):
    pixels = gradient(channels=channels)
    made = place.image("Moss", pixels, "{}")
    assert made.packed_file is not None and made.colorspace_settings.name == "sRGB" and made[place.RECIPE] == "{}"
    np.testing.assert_array_equal(place.read(made)[..., :3], pixels[..., :3])


def shown(image):
    """The pixels (H, W, 4) uint8 that Blender has, row 0 on top."""
    values = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(values)
    return np.rint(values * 255).astype(np.uint8).reshape(image.size[1], image.size[0], 4)[::-1]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_an_image_that_is_still_the_file_that_was_packed_is_read_from_that(scene, channels):
    made = place.image("Moss", gradient(channels=channels))
    read = place.raw(made)
    assert isinstance(read, looks.Packed) and not made.has_data and read.shape == (32, 64)
    np.testing.assert_array_equal(read.texels(), shown(made))
    np.testing.assert_array_equal(read.first(), gradient()[..., 0] / np.float32(255))


def painted(image):
    image.pixels.foreach_set(np.linspace(0, 1, 64 * 32 * 4, dtype=np.float32))


def packed_again(image):
    painted(image)
    image.pack()


def without_alpha(image):
    image.alpha_mode = "NONE"


def another_file(image):
    other = sheets.sheet(gradient()[::-1]).file
    image.pack(data=other, data_len=len(other))
    image.reload()


@pytest.mark.parametrize("change", [painted, packed_again, without_alpha, another_file])
def test_an_image_that_was_changed_since_is_read_as_blender_has_it(scene, change):
    made = place.image("Moss", gradient(channels=4))
    before = place.raw(made)
    assert made.size[0] == 64
    change(made)
    read = place.raw(made)
    assert isinstance(read, looks.Raw) and not read.is_as(before) and not before.is_as(read)
    np.testing.assert_array_equal(read.texels(), shown(made))


def test_numbers_are_read_into_room_that_was_had_before_once_each(scene):
    made = place.image("Moss", gradient(channels=4))
    assert made.size[0] == 64 and pace.finished(place.rooms_for(made, 2)) == []
    painted(made)
    packed_again(made)
    del made[place.MARK]
    rooms = pace.finished(place.rooms_for(made, 2))
    mine = list(rooms)
    one, other = place.raw(made, rooms), place.raw(made, rooms)
    assert not rooms and one.is_as(other) and place.raw(made, rooms).is_as(one)
    assert np.shares_memory(one.numbers, mine[1]) and np.shares_memory(other.numbers, mine[0])


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("brick/stone wall", "brick stone wall"),
        ('a\\b:c*d?e"f<g>h|i\n\tj', "a b c d e f g h i j"),
        ("苔" * 40, "苔" * 16),
        ("🧱" * 40, "🧱" * 12),
        (" / ", "Velatura"),
    ],
)
def test_what_an_artist_wrote_becomes_a_name_that_files_can_have(scene, words, name):
    assert place.title(words) == name and place.image(words, gradient()).name == place.title(words, 63)
    longest = place.image(f"{place.title(words)} on Cube", gradient())
    assert longest.name.endswith(" on Cube"), "the end is not cut"


def test_a_second_image_of_the_same_name_leaves_the_first_alone(scene):
    first, second = place.image("Moss", gradient()), place.image("Moss", gradient() // 2)
    assert first.name == "Moss" and second.name == "Moss.001"
    np.testing.assert_array_equal(place.read(first)[..., :3], gradient())


def test_the_mesh_and_those_who_share_it_keep_their_material(scene):
    box = add("cube", "Cube")
    own = bpy.data.materials.new("Own")
    box.data.materials.append(own)
    twin = bpy.data.objects.new("Twin", box.data)
    scene.collection.objects.link(twin)
    made = place.material("Moss", place.image("Moss", gradient()), "UVMap", repeat=3)
    place.wear(box, made)
    assert box.material_slots[0].material == made
    assert box.data.materials[0] == own and twin.material_slots[0].material == own


def test_the_material_is_wired_from_the_uv_layer_to_the_surface(scene):
    made = place.material("Moss", place.image("Moss", gradient()), "UVMap", repeat=3)
    output = next(node for node in made.node_tree.nodes if node.type == "OUTPUT_MATERIAL")
    shader = output.inputs["Surface"].links[0].from_node
    texture = shader.inputs["Base Color"].links[0].from_node
    mapping = texture.inputs["Vector"].links[0].from_node
    assert texture.image.name == "Moss" and mapping.inputs["Scale"].default_value[0] == 3
    assert mapping.inputs["Vector"].links[0].from_node.uv_map == "UVMap"


def test_an_existing_uv_layer_is_used_and_not_touched(scene):
    thing = suzanne()
    before = numbers(thing, "UVMap")
    assert place.uv_layer(thing) == ("UVMap", False)
    assert place.uv_layer(thing, fresh=True) == (place.LAYER, True)
    np.testing.assert_array_equal(numbers(thing, "UVMap"), before)
    assert thing.data.uv_layers.active.name == "UVMap"


def test_a_projection_goes_where_the_present_look_lies(scene):
    thing = suzanne()
    assert uvs.choice(thing, "KEEP").layer == "UVMap"
    other, _ = place.uv_layer(thing, fresh=True)
    place.wear(thing, place.material("Moss", place.image("Moss", gradient()), other))
    assert uvs.choice(thing, "KEEP").layer == uvs.choice(thing, "NEW").layer == other
    place.wear(thing, place.material("Moss", place.image("Moss", gradient()), "UVMap"))
    assert uvs.choice(thing, "KEEP").layer == "UVMap" and not uvs.choice(thing, "NEW").layer


def numbers(thing, layer):
    found = np.empty(len(thing.data.loops) * 2, np.float32)
    thing.data.uv_layers[layer].uv.foreach_get("vector", found)
    return found


def test_a_mesh_without_uvs_is_unwrapped_into_a_new_layer(scene):
    thing, other = suzanne(), add("cube", "Cube", (3, 0, 0))
    while thing.data.uv_layers:
        thing.data.uv_layers.remove(thing.data.uv_layers[0])
    select(other)
    chosen = np.arange(len(thing.data.polygons)) % 3 == 0
    thing.data.polygons.foreach_set("select", chosen)
    blocks = len(bpy.data.meshes), len(bpy.data.objects)
    assert place.uv_layer(thing) == (place.LAYER, True)
    found = numbers(thing, place.LAYER)
    assert found.min() >= 0 and found.max() <= 1 and found.std() > 0.1
    kept = np.empty(len(chosen), bool)
    thing.data.polygons.foreach_get("select", kept)
    np.testing.assert_array_equal(kept, chosen)
    assert other.select_get() and not thing.select_get() and bpy.context.view_layer.objects.active == other
    assert (len(bpy.data.meshes), len(bpy.data.objects)) == blocks


def test_eight_uv_layers_are_one_too_many_and_it_is_said(scene):
    thing = add("cube", "Cube")
    while len(thing.data.uv_layers) < 8:
        thing.data.uv_layers.new()
    with pytest.raises(ValueError, match="8 UV maps"):
        place.uv_layer(thing, fresh=True)


def test_the_present_look_is_the_image_or_the_color(scene):
    thing = add("cube", "Cube")
    assert place.look_of(thing, "UVMap", 8)().shape == (8, 8, 3)
    made = place.material("Moss", place.image("Moss", gradient()), "UVMap")
    place.wear(thing, made)
    np.testing.assert_array_equal(place.look_of(thing, "UVMap", 16)(), gradient())
    wide = place.look_of(thing, "UVMap", 128)()
    assert wide.shape == (128, 128, 3) and np.abs(wide[::4, ::2].astype(int) - gradient()).max() <= 4
    assert place.look_of(thing, "another", 32)().std(axis=(0, 1)).max() == 0


def test_the_present_look_is_known_in_a_file_that_was_opened_again(scene, tmp_path):
    thing = add("cube", "Cube")
    place.wear(thing, place.material("Moss", place.image("Moss", gradient()), "UVMap"))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "saved.blend"))
    np.testing.assert_array_equal(place.look_of(bpy.data.objects["Cube"], "UVMap", 16)(), gradient())


def test_a_look_that_other_nodes_make_is_no_image(scene):
    thing = add("cube", "Cube")
    made = place.material("Moss", place.image("Moss", gradient()), "UVMap")
    place.wear(thing, made)
    mapping = next(node for node in made.node_tree.nodes if node.type == "MAPPING")
    mapping.inputs["Scale"].default_value[0] = 2
    assert place.look(thing).scale == (2, 1)
    mapping.inputs["Rotation"].default_value[2] = 1
    assert place.look(thing) is None
    mapping.inputs["Rotation"].default_value[2] = 0
    where = made.node_tree.nodes.new("ShaderNodeTexCoord")
    made.node_tree.links.new(where.outputs["Generated"], mapping.inputs["Vector"])
    assert place.look(thing) is None
    made.node_tree.links.new(where.outputs["UV"], mapping.inputs["Vector"])
    assert place.look(thing).layer == "UVMap"


def test_objects_that_share_a_mesh_get_one_new_uv_layer_of_it(scene):
    thing = add("cube", "Cube")
    things = [thing, *(bpy.data.objects.new("Twin", thing.data) for _ in range(9))]
    with lent.layers(things, [uvs.Choice()] * 10) as found:
        assert {layer.name for layer in found} == {place.LAYER} and len(thing.data.uv_layers) == 2


def test_an_object_that_was_painted_in_a_layer_of_ours_keeps_it_where_another_of_its_mesh_gets_a_new_one(scene):
    thing = add("cube", "Cube")
    twin = bpy.data.objects.new("Twin", thing.data)
    scene.collection.objects.link(twin)
    layer, _ = place.uv_layer(twin, fresh=True)
    place.wear(twin, place.material("Moss", place.image("Moss", gradient()), layer))
    with lent.layers([thing, twin], [uvs.choice(each, "NEW") for each in (thing, twin)]) as found:
        assert [each.name for each in found] == [f"{place.LAYER}.001", place.LAYER]
    assert [each.name for each in thing.data.uv_layers] == ["UVMap", place.LAYER]


def test_a_mesh_that_is_sculpted_with_dyntopo_is_refused_and_gets_no_uv_layer(scene):
    thing = add("cube", "Cube")
    select(thing)
    bpy.ops.object.mode_set(mode="SCULPT")
    bpy.ops.sculpt.dynamic_topology_toggle()
    with pytest.raises(ValueError, match="Dyntopo: switch that off first"):
        place.uv_layer(thing, fresh=True)
    assert [layer.name for layer in thing.data.uv_layers] == ["UVMap"] and thing.use_dynamic_topology_sculpting


def test_a_uv_layer_that_cannot_be_filled_is_removed_again(scene):
    mesh = add("cube", "Cube").data
    with pytest.raises(RuntimeError):
        place.add_layer(mesh, place.LAYER, np.zeros(3, np.float32))
    assert [layer.name for layer in mesh.uv_layers] == ["UVMap"]
