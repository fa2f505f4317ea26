"""A material's maps, wired to a Principled BSDF as Material Preview, EEVEE, Cycles and glTF export read them."""

from __future__ import annotations

from collections.abc import Mapping

import bpy

from . import place

GREY = {"roughness": "Roughness", "metallic": "Metallic"}
"""Maps that go straight into an input of the shader."""

EXPORTED = "glTF Material Output"
"""Group in which Blender's glTF exporter looks for what its shader has no input for; it changes no render."""

ROWS = ("albedo", "metallic", "roughness", "normal", "height", "occlusion")
"""From the top of the node editor to its bottom."""

SINGLE = ("metallic", "roughness", "height", "occlusion")
"""Maps of one number each, which are kept as such."""


def surface(
    name: str,
    maps: Mapping[str, bpy.types.Image],
    layer: str,
    *,
    repeat: float = 1.0,
    depth: float = 0.0,
    displace: bool = False,
    recipe: str = "",
) -> bpy.types.Material:
    """A new material of maps by their names, of which albedo must be there; normals with green up.

    `depth`: metres from height 0 to 1. Heights displace about their middle where `displace` says so; else the node is
    there and not linked, because normals already show what the heights say. Occlusion is for glTF export alone: lights
    make their own.
    """
    made = place.material(name, maps["albedo"], layer, repeat=repeat, recipe=recipe)
    nodes, links = made.node_tree.nodes, made.node_tree.links
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    output = next(node for node in nodes if node.type == "OUTPUT_MATERIAL")
    albedo = shader.inputs["Base Color"].links[0].from_node
    textures = {"albedo": albedo}
    for other in ROWS[1:]:
        if other in maps:
            textures[other] = _texture(made, maps[other], albedo, other)
    for row, other in enumerate(key for key in ROWS if key in textures):
        textures[other].location = (shader.location.x - 600, shader.location.y - 300 * row)
    for key, socket in GREY.items():
        if key in textures:
            links.new(textures[key].outputs["Color"], shader.inputs[socket])
    if "normal" in textures:
        bend = nodes.new("ShaderNodeNormalMap")
        bend.uv_map, bend.space = layer, "TANGENT"
        bend.location = (shader.location.x - 280, textures["normal"].location.y)
        links.new(textures["normal"].outputs["Color"], bend.inputs["Color"])
        links.new(bend.outputs["Normal"], shader.inputs["Normal"])
    if "height" in textures:
        lift = nodes.new("ShaderNodeDisplacement")
        lift.inputs["Midlevel"].default_value, lift.inputs["Scale"].default_value = 0.5, depth
        lift.location = (shader.location.x - 280, textures["height"].location.y)
        links.new(textures["height"].outputs["Color"], lift.inputs["Height"])
        if displace:
            made.displacement_method = "DISPLACEMENT"
            links.new(lift.outputs["Displacement"], output.inputs["Displacement"])
    if "occlusion" in textures:
        group = nodes.new("ShaderNodeGroup")
        group.node_tree = _exported()
        group.location = (shader.location.x - 280, textures["occlusion"].location.y)
        links.new(textures["occlusion"].outputs["Color"], group.inputs["Occlusion"])
    mapping = albedo.inputs["Vector"].links[0].from_node
    where = mapping.inputs["Vector"].links[0].from_node
    mapping.location.x, where.location.x = albedo.location.x - 300, albedo.location.x - 600
    nodes.active = albedo
    return made


def _exported() -> bpy.types.NodeTree:
    """The file's group for glTF export, made where there is none."""
    for group in bpy.data.node_groups:
        if group.name.startswith(EXPORTED) and any(item.name == "Occlusion" for item in group.interface.items_tree):
            return group
    made = bpy.data.node_groups.new(EXPORTED, "ShaderNodeTree")
    made.interface.new_socket("Occlusion", in_out="INPUT", socket_type="NodeSocketFloat")
    made.nodes.new("NodeGroupInput").location.x = -200
    made.nodes.new("NodeGroupOutput")
    return made


def _texture(made: bpy.types.Material, picture: bpy.types.Image, like: bpy.types.Node, label: str) -> bpy.types.Node:
    """A texture node that lies where another does."""
    node = made.node_tree.nodes.new("ShaderNodeTexImage")
    node.image, node.label = picture, label.capitalize()
    made.node_tree.links.new(like.inputs["Vector"].links[0].from_socket, node.inputs["Vector"])
    return node
