"""What has no surface, or cannot be textured: named to the artist, in every way to paint, and kept in the recipe."""

import json

import bpy
import numpy as np
import pytest
from scenes import add, cycles_depth, place_camera, select, suzanne
from velatura_blender import asking, capture, host, place, unseen
from velatura_blender.session import session

pytestmark = pytest.mark.usefixtures("addon")


def link(name, data):
    thing = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(thing)
    return thing


def nodes_of(thing, *kinds):
    """A modifier of Geometry Nodes: the mesh through these nodes, each alone, joined."""
    group = bpy.data.node_groups.new("Made", "GeometryNodeTree")
    for way in ("INPUT", "OUTPUT"):
        group.interface.new_socket("Geometry", in_out=way, socket_type="NodeSocketGeometry")
    given, joined = group.nodes.new("NodeGroupInput"), group.nodes.new("GeometryNodeJoinGeometry")
    group.links.new(joined.outputs[0], group.nodes.new("NodeGroupOutput").inputs[0])
    for kind in kinds:
        node = group.nodes.new(kind)
        group.links.new(given.outputs[0], node.inputs[0])
        group.links.new(node.outputs[0], joined.inputs[0])
    thing.modifiers.new("Made", "NODES").node_group = group


def material(thing, kind, socket):
    """A material whose output gets this shader too."""
    made = bpy.data.materials.new(kind)
    nodes = host.give_nodes(made).nodes
    made.node_tree.links.new(nodes.new(kind).outputs[0], nodes["Material Output"].inputs[socket])
    thing.data.materials.append(made)
    return made


def leaf(box):
    """Its picture's alpha cuts it out."""
    made = material(box, "ShaderNodeBsdfPrincipled", "Surface")
    shader = made.node_tree.nodes["Material Output"].inputs["Surface"].links[0].from_node
    made.node_tree.links.new(made.node_tree.nodes.new("ShaderNodeTexImage").outputs["Alpha"], shader.inputs["Alpha"])


def particles(box):
    box.modifiers.new("Hair", "PARTICLE_SYSTEM")
    box.particle_systems[0].settings.type = "HAIR"


def fog(_):
    world = bpy.data.worlds.new("Fog")
    nodes = host.give_nodes(world).nodes
    mist = nodes.new("ShaderNodeVolumePrincipled")
    world.node_tree.links.new(mist.outputs[0], nodes["World Output"].inputs["Volume"])
    bpy.context.scene.world = world


def drawings():
    return bpy.data.grease_pencils_v3 if hasattr(bpy.data, "grease_pencils_v3") else bpy.data.grease_pencils


KINDS = {
    "volume": (lambda _: link("Smoke", bpy.data.volumes.new("Smoke")), "«Smoke» is a volume"),
    "points": (lambda _: link("Dust", bpy.data.pointclouds.new("Dust")), "«Dust» is a cloud of points"),
    "curves": (lambda _: link("Fur", bpy.data.hair_curves.new("Fur")), "«Fur» is hair"),
    "drawing": (lambda _: link("Sketch", drawings().new("Sketch")), "«Sketch» is a drawing"),
    "particles": (particles, "«Box» has hair"),
    "made points": (lambda box: nodes_of(box, "GeometryNodeMeshToPoints"), "«Box» is a cloud of points"),
    "made volume": (lambda box: nodes_of(box, "GeometryNodeMeshToVolume"), "«Box» is a volume"),
    "fog inside": (lambda box: material(box, "ShaderNodeVolumePrincipled", "Volume"), "«Box» has a volume"),
    "fog around": (fog, "«Fog» is a world with a volume"),
    "leaf": (leaf, "«Box» is see-through and counts as solid"),
    "glassy": (lambda box: material(box, "ShaderNodeBsdfTransparent", "Surface"), "«Box» is see-through"),
}  # fmt: skip
"""How each comes into the scene, and what is said of it."""


@pytest.fixture
def stage(scene):
    """Suzanne, selected and textured, beside a box that is not."""
    thing, box = suzanne(levels=0), add("cube", "Box", (2, 1, 0), size=1)
    image = bpy.data.images.new("Own", 32, 32)
    place.wear(thing, place.material("Own", image, "UVMap"))
    thing.data.polygons.foreach_set("select", [True] * len(thing.data.polygons))
    select(thing)
    return thing, box


def found(*lenses):
    bpy.context.view_layer.update()
    return unseen.found(bpy.context.evaluated_depsgraph_get(), lenses or None)


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_no_surface_is_found_and_named(stage, kind):
    assert not found()
    make, said = KINDS[kind]
    make(stage[1])
    assert unseen.words(found()).startswith(said) and len(found()) == 1


def test_glass_and_solid_things_are_not_named(stage):
    material(stage[1], "ShaderNodeBsdfGlass", "Surface")
    link("Text", bpy.data.curves.new("Text", "FONT"))
    assert not found()


def project():
    return bpy.ops.velatura.project(prompt="bronze", size=64, texture_size=32, wait=True)


def around():
    bpy.context.scene.camera.select_set(True)
    return bpy.ops.velatura.texture_object(prompt="bronze", size=64, texture_size=32, cameras="SELECTED", wait=True)


def change():
    return bpy.ops.velatura.local_edit(prompt="bronze", size=64, part="FACES", look_from="CAMERA", wait=True)


def hinted():
    hint = bpy.context.scene.velatura.controls.add()
    hint.kind, hint.source = "depth", "SCENE"
    return bpy.ops.velatura.generate(prompt="bronze", size=64, wait=True)


WAYS = {"project": project, "whole object": around, "local edit": change, "hint": hinted}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_left_out_is_told_and_kept_in_the_recipe(stage, fake, way, kind):
    make, said = KINDS[kind]
    make(stage[1])
    bpy.context.view_layer.update()
    assert WAYS[way]() == {"FINISHED"}
    (warning,) = session.warnings
    assert said in warning and "Hide it in renders, or make it a mesh" in warning
    assert said in fake.specs[-1].labels[unseen.LABEL]
    recipes = [json.loads(each[place.RECIPE]) for each in bpy.data.images if each.get(place.RECIPE)]
    assert recipes and all(said in each["spec"]["labels"][unseen.LABEL] for each in recipes)


@pytest.mark.parametrize("way", WAYS)
def test_where_all_is_captured_nothing_is_told(stage, fake, way):
    assert WAYS[way]() == {"FINISHED"}
    assert not session.warnings and unseen.LABEL not in fake.specs[-1].labels


def test_restyle_refuses_what_renders_show_and_tells_what_is_see_through(stage, fake):
    leaf(stage[1])
    bpy.context.view_layer.update()
    assert bpy.ops.velatura.restyle(prompt="bronze", size=64, wait=True) == {"FINISHED"}
    assert "«Box» is see-through" in session.warnings[0] and fake.specs[-1].labels[unseen.LABEL]
    particles(stage[1])
    bpy.context.view_layer.update()
    with pytest.raises(RuntimeError, match="«Box» has hair"):
        bpy.ops.velatura.restyle(prompt="bronze", size=64, wait=True)


def test_a_frame_keeps_what_was_left_out_of_it(stage, fake, tmp_path):
    leaf(stage[1])
    bpy.context.view_layer.update()
    bpy.ops.velatura.restyle_animation(prompt="bronze", size=64, start=1, end=1, folder=str(tmp_path), wait=True)
    assert session.message.endswith("depth does not show everything: «Box» is see-through and counts as solid")
    assert "«Box» is see-through" in fake.specs[-1].labels[unseen.LABEL]


@pytest.mark.parametrize("orthographic", [False, True])
def test_what_is_out_of_sight_is_not_named(stage, orthographic):
    cloud = link("Smoke", bpy.data.volumes.new("Smoke"))
    camera = place_camera((0, -5, 0))
    if orthographic:
        camera.data.type, camera.data.ortho_scale = "ORTHO", 5.0
    depsgraph = bpy.context.evaluated_depsgraph_get()
    lens = capture.lens_of(camera, depsgraph, 64, 64)
    for where, seen in (((0, 0, 0), True), ((0, -8, 0), False), ((9, 0, 0), False), ((0, 0, -9), False)):
        cloud.location = where
        assert bool(found(lens)) == seen, where


def test_hair_that_reaches_into_the_picture_is_named(stage):
    box = stage[1]
    particles(box)
    box.location = (3.4, 0, 0)
    lens = capture.lens_of(place_camera((0, -5, 0)), bpy.context.evaluated_depsgraph_get(), 64, 64)
    settings = box.particle_systems[0].settings
    settings.hair_length = 0.1
    assert not found(lens)
    settings.hair_length = 4.0
    assert found(lens) == {"Box": "has hair"}


SELECTED = {
    "metaball": (lambda: link("Blob", bpy.data.metaballs.new("Blob")), "«Blob» is a metaball, which has no UV map"),
    "text": (lambda: link("Word", bpy.data.curves.new("Word", "FONT")), "«Word» is text"),
    "curve": (lambda: link("Wire", bpy.data.curves.new("Wire", "CURVE")), "«Wire» is a curve"),
    "nurbs": (lambda: link("Sheet", bpy.data.curves.new("Sheet", "SURFACE")), "«Sheet» is a NURBS surface"),
    "volume": (lambda: link("Smoke", bpy.data.volumes.new("Smoke")), "«Smoke» is a volume"),
    "points": (lambda: link("Dust", bpy.data.pointclouds.new("Dust")), "«Dust» is a cloud of points"),
    "curves": (lambda: link("Fur", bpy.data.hair_curves.new("Fur")), "«Fur» is hair"),
    "drawing": (lambda: link("Sketch", drawings().new("Sketch")), "«Sketch» is a drawing"),
    "instances": (lambda: shows("Trees"), "«Trees» shows a collection"),
}  # fmt: skip


def shows(name):
    empty = link(name, None)
    empty.instance_type, empty.instance_collection = "COLLECTION", bpy.data.collections.new(name)
    return empty


TARGETED = {
    "texture": lambda: bpy.ops.velatura.texture(prompt="bronze", size=64, wait=True),
    "material": lambda: bpy.ops.velatura.material(prompt="bronze", size=64, wait=True),
    "project": project, "whole object": around, "local edit": change,
}  # fmt: skip


@pytest.mark.parametrize("way", TARGETED)
@pytest.mark.parametrize("kind", SELECTED)
def test_a_selected_thing_that_cannot_be_textured_is_refused_by_name(stage, fake, way, kind):
    make, said = SELECTED[kind]
    chosen = make()
    bpy.context.view_layer.update()
    select(chosen, stage[0])
    with pytest.raises(RuntimeError, match=said) as refused:
        TARGETED[way]()
    assert "deselect it" in str(refused.value) or "Make Instances Real" in str(refused.value)
    assert not fake.specs and session.failed


def test_cameras_and_lights_may_be_selected_too(stage, fake):
    light = link("Sun", bpy.data.lights.new("Sun", "SUN"))
    select(stage[0], light, bpy.context.scene.camera)
    assert project() == {"FINISHED"}


@pytest.mark.parametrize("way", ["project", "whole object"])
@pytest.mark.parametrize("how", ["object", "camera", "collection", "no faces"])
def test_a_target_that_is_not_captured_is_refused_by_name(stage, fake, way, how):
    box = stage[1]
    if how == "object":
        box.hide_render = True
    if how == "camera":
        box.visible_camera = False
    if how == "collection":
        apart(box).hide_render = True
    if how == "no faces":
        nodes_of(box, "GeometryNodeMeshToPoints")
    bpy.context.view_layer.update()
    select(stage[0], box)
    said = "Box.* has no faces" if how == "no faces" else "«Box» is hidden in renders or from cameras"
    with pytest.raises(RuntimeError, match=said):
        TARGETED[way]()
    assert not fake.specs


def apart(thing):
    """The thing in a collection of its own, which is returned."""
    group = bpy.data.collections.new("Apart")
    bpy.context.scene.collection.children.link(group)
    bpy.context.scene.collection.objects.unlink(thing)
    group.objects.link(thing)
    return group


def names():
    bpy.context.view_layer.update()
    return {piece.name for piece in capture.solids(bpy.context.evaluated_depsgraph_get())}


def test_what_collections_hide_in_renders_is_not_captured_as_in_cycles(stage, scene, tmp_path):
    box = stage[1]
    group = apart(box)
    assert names() == {"Suzanne", "Box"}
    group.hide_render = True
    assert names() == {"Suzanne"}
    seen = capture.frame(scene.camera, bpy.context.evaluated_depsgraph_get(), 256, 256)
    assert (np.isfinite(seen.depth) == (cycles_depth(tmp_path) < 1e9)).mean() > 0.999
    group.hide_render = False
    bpy.context.view_layer.layer_collection.children["Apart"].indirect_only = True
    assert names() == {"Suzanne"}


def test_a_collection_within_an_instance_can_be_hidden_too(stage):
    outer, inner = bpy.data.collections.new("Outer"), bpy.data.collections.new("Inner")
    outer.children.link(inner)
    apart(stage[1])
    inner.objects.link(stage[1])
    bpy.context.scene.collection.children.unlink(bpy.data.collections["Apart"])
    empty = link("Shown", None)
    empty.instance_type, empty.instance_collection = "COLLECTION", outer
    assert names() == {"Suzanne", "Shown"}
    inner.hide_render = True
    assert names() == {"Suzanne"}
    inner.hide_render, empty.hide_render = False, True
    assert names() == {"Suzanne"}


def linked(tmp_path, name):
    """A file with a collection that holds a box, linked from here."""
    group = apart(bpy.data.objects["Box"])
    path = str(tmp_path / "library.blend")
    bpy.data.libraries.write(path, {group})
    bpy.data.objects.remove(bpy.data.objects["Box"])
    bpy.data.collections.remove(group)
    with bpy.data.libraries.load(path, link=True) as (given, wanted):
        wanted.collections = given.collections
    return wanted.collections[0]


def test_a_linked_collection_is_captured_and_what_lies_in_it_is_named(stage, tmp_path):
    material(stage[1], "ShaderNodeVolumePrincipled", "Volume")
    group = linked(tmp_path, "Box")
    empty = link("Set", None)
    empty.instance_type, empty.instance_collection = "COLLECTION", group
    assert names() == {"Suzanne", "Set"}
    assert found() == {"Set": "has a volume in its material"}


@pytest.mark.parametrize("way", ["texture", "project", "whole object", "local edit"])
def test_a_linked_target_is_refused_by_name(stage, fake, tmp_path, way):
    bpy.context.scene.collection.children.link(linked(tmp_path, "Box"))
    bpy.context.view_layer.update()
    select(bpy.data.objects["Box"])
    with pytest.raises(RuntimeError, match=r"«Box» is linked from another file.*Make Local"):
        TARGETED[way]()
    assert not fake.specs


@pytest.mark.parametrize("missing", ["UV map", "material slot"])
def test_a_mesh_of_another_file_that_would_have_to_be_changed_is_refused_by_name(stage, fake, tmp_path, missing):
    mesh = bpy.data.objects["Box"].data
    mesh.materials.clear()
    if missing == "UV map":
        mesh.materials.append(None)
        mesh.uv_layers.remove(mesh.uv_layers[0])
    mine = link("Mine", linked(tmp_path, "Box").objects[0].data)
    bpy.context.view_layer.update()
    select(mine)
    for way in ("texture", "project", "whole object"):
        with pytest.raises(RuntimeError, match=f"«Mine» has a mesh from another file, without a {missing}.*Make Local"):
            TARGETED[way]()
    assert not fake.specs and not any(slot.material for slot in mine.material_slots)
    bpy.ops.object.make_local(type="SELECT_OBDATA")
    assert not unseen.not_textured(mine)


def test_a_long_list_is_cut_and_fits_into_a_label(stage):
    named = {f"Wölkchen {number} {'o' * 60}": "is a volume" for number in range(6)}
    assert unseen.words(named).endswith(" and 2 more")
    assert len(unseen.labels(named)[unseen.LABEL].encode()) <= 256 and not unseen.labels({}) and not unseen.warning({})


def test_a_job_is_the_same_whatever_was_left_out():
    one, other = asking.Wish(prompt="moss"), asking.Wish(prompt="moss", left_out={"Smoke": "is a volume"})
    assert one.said() == other.said()
