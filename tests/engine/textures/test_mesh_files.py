"""Meshes as files, read again by others."""

import io

import gltf
import numpy as np
import pytest
import trimesh
from engine.textures.test_relief import HEIGHT, LENS, WIDTH, ball
from velatura_engine.textures import mesh_files
from velatura_engine.textures.relief import relief

SURFACE = relief(ball(6.0), LENS)
PICTURE = np.random.default_rng(1).integers(0, 256, (HEIGHT * 3, WIDTH * 3, 3), np.uint8)


@pytest.fixture(scope="module")
def glb():
    return mesh_files.glb(SURFACE, PICTURE)


def test_a_glb_file_is_without_fault(glb):
    assert gltf.faults(glb) == []
    info = gltf.report(glb)["info"]
    assert (info["totalTriangleCount"], info["totalVertexCount"]) == (len(SURFACE.triangles), len(SURFACE.positions))


def test_a_glb_file_holds_the_same_mesh_and_picture(glb):
    scene = trimesh.load(io.BytesIO(glb), file_type="glb", process=False)
    (mesh,) = scene.geometry.values()
    assert np.array_equal(mesh.vertices.astype(np.float32), SURFACE.positions)
    assert np.array_equal(mesh.faces, SURFACE.triangles)
    assert np.allclose(mesh.visual.uv, SURFACE.uvs, atol=1e-7)
    material = mesh.visual.material
    assert np.array_equal(np.array(material.baseColorTexture.convert("RGB")), PICTURE)
    assert (material.metallicFactor, material.roughnessFactor, material.doubleSided) == (0, 1, True)


def test_a_ply_file_holds_the_same_mesh_and_the_pixels_colours():
    content = mesh_files.ply(SURFACE, PICTURE)
    mesh = trimesh.load(io.BytesIO(content), file_type="ply", process=False)
    assert np.array_equal(mesh.vertices.astype(np.float32), SURFACE.positions)
    assert np.array_equal(mesh.faces, SURFACE.triangles)
    columns, rows = (SURFACE.uvs * [1, -1] + [0, 1]).T * [[WIDTH * 3], [HEIGHT * 3]]
    wanted = PICTURE[rows.astype(int), columns.astype(int)]
    kept = mesh.metadata["_ply_raw"]["vertex"]["data"]
    assert np.array_equal(np.stack([kept[name] for name in ("red", "green", "blue")], 1), wanted)
    assert np.array_equal(mesh.visual.uv, SURFACE.uvs)
