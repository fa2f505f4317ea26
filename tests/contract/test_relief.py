"""Meshes of pictures over gRPC: exact places, cuts, files, and how wrong depth is refused by name."""

from __future__ import annotations

import io
import json

import gltf
import numpy as np
import pytest
import trimesh
from contract.lab import quick
from velatura import errors, pixels, recipe, spec
from velatura.v1 import pixels_pb2
from velatura_engine import cli

HEIGHT, WIDTH = 48, 64
FOCAL = 64 / 2 / np.tan(np.radians(25))
"""Of the default camera, pixels."""


def picture():
    return np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def steps():
    """Depth with a step of a metre in the middle and nothing in one corner."""
    z = np.full((HEIGHT, WIDTH), 2, np.float32)
    z[:, WIDTH // 2 :] = 3
    z[:4, :4] = np.inf
    return z


def ask(depth=None, *, image=None, disparity=False, **more):
    given = None if depth is None else pixels.depth_map(depth, disparity=disparity)
    return spec.relief(pixels.from_array(picture() if image is None else image), given, **more)


def opened(artifact):
    """The file's mesh, as trimesh reads it."""
    loaded = trimesh.load(io.BytesIO(artifact.file), file_type=artifact.name, process=False)
    return next(iter(loaded.geometry.values())) if artifact.name == "glb" else loaded


def made(lab, *args, **more):
    (artifact,) = lab.result(ask(*args, **more)).artifacts
    return artifact


def test_a_picture_with_depth_becomes_a_file_without_fault(lab):
    artifact = made(lab, steps())
    assert (artifact.kind, artifact.name, artifact.HasField("image")) == ("file", "glb", False)
    assert gltf.faults(artifact.file) == []
    mesh = opened(artifact)
    assert artifact.scores == {"vertices": len(mesh.vertices), "triangles": len(mesh.faces)}
    assert np.array_equal(np.array(mesh.visual.material.baseColorTexture.convert("RGB")), picture())


def test_every_vertex_is_where_its_pixel_was_seen(lab):
    mesh = opened(made(lab, steps()))
    columns, rows = mesh.visual.uv[:, 0] * WIDTH, (1 - mesh.visual.uv[:, 1]) * HEIGHT
    z = steps()[rows.astype(int), columns.astype(int)]
    wanted = np.stack([(columns - WIDTH / 2) / FOCAL * z, (HEIGHT / 2 - rows) / FOCAL * z, -z], 1)
    assert np.allclose(mesh.vertices, wanted, atol=2e-6)


def test_jumps_are_cut_and_what_is_nothing_is_a_hole(lab):
    mesh = opened(made(lab, steps()))
    distance = -mesh.vertices[mesh.faces][..., 2]
    assert (distance.max(1) == distance.min(1)).all() and set(np.unique(distance)) == {2, 3}
    quads = (HEIGHT - 1) * (WIDTH - 2) - 4 * 4
    assert len(mesh.faces) == 2 * quads + 1  # one triangle is left of the quad at the hole's corner
    whole = opened(made(lab, np.where(np.isinf(steps()), 2, steps()), jump=1))
    assert len(whole.faces) == 2 * (HEIGHT - 1) * (WIDTH - 1)


def test_relative_depth_reaches_from_the_nearest_to_so_many_times_as_far(lab):
    near = np.tile(np.linspace(1, 0.01, WIDTH, dtype=np.float32), (HEIGHT, 1))
    mesh = opened(made(lab, near, disparity=True, nearest=2, relief=3, jump=1))
    columns = (mesh.visual.uv[:, 0] * WIDTH).astype(int)
    assert np.allclose(-mesh.vertices[:, 2], 2 / (near[0, columns] * (1 - 1 / 3) + 1 / 3), rtol=1e-6)


def test_a_budget_is_kept_and_said(lab):
    result = lab.result(ask(np.full((HEIGHT, WIDTH), 2, np.float32), max_triangles=700))
    assert result.artifacts[0].scores["triangles"] <= 700
    told = result.resolved.steps[0].relief
    assert (told.format, told.field_of_view, round(told.jump, 6), told.max_triangles) == ("glb", 50, 0.05, 700)


def test_a_camera_puts_it_into_the_world(lab):
    lens = np.array([[2, 0, 0, 0], [0, 2 * 4 / 3, 0, 0], [0, 0, -1.02, -0.2], [0, 0, -1, 0]])
    pose = np.array([[1, 0, 0, -1], [0, 0, 1, -2], [0, -1, 0, 3], [0, 0, 0, 1.0]])  # looks along +y, z up
    mesh = opened(made(lab, steps(), camera=spec.camera(pose.ravel(), lens.ravel()), format="ply"))
    places = np.concatenate([mesh.vertices, np.ones((len(mesh.vertices), 1))], 1) @ (lens @ pose).T
    assert np.allclose(places[:, :2] / places[:, 3:] / 2 + 0.5, mesh.visual.uv, atol=1e-6)
    assert set(np.round(mesh.vertices[:, 1], 5)) == {5, 6}  # the camera stands at y = 3


def test_a_large_file_comes_through_the_blob_store(lab):
    noise = np.random.default_rng(2).integers(0, 256, (1024, 1536, 3), np.uint8)
    artifact = made(lab, np.full((4, 6), 2, np.float32), image=noise)
    assert artifact.blob_id and len(artifact.file) > 4 << 20 and gltf.faults(artifact.file) == []


def test_the_recipe_makes_the_same_file_again(lab):
    first = made(lab, steps(), max_triangles=900)
    again = lab.result(recipe.replay(recipe.loads(recipe.dumps(first.recipe)))).artifacts[0]
    assert again.file == first.file


def test_depth_that_is_missing_is_estimated_by_the_installed_model(lab):
    result = lab.result(ask(nearest=3, relief=2, jump=100))
    assert [use.id for use in result.artifacts[0].recipe.models] == ["tiny-estimator"]
    mesh = opened(result.artifacts[0])
    assert len(mesh.faces) == 2 * (HEIGHT - 1) * (WIDTH - 1)  # also the farthest pixel
    assert np.allclose([-mesh.vertices[:, 2].max(), -mesh.vertices[:, 2].min()], [3, 6], rtol=1e-5)


def test_without_a_model_missing_depth_is_refused_by_name(starter):
    with pytest.raises(errors.Unsupported, match="Estimated depth cannot be made") as caught:
        starter.engine.plan(ask())
    assert caught.value.reason == "NO_ANNOTATOR" and caught.value.field == "steps[0].relief.depth"
    assert "Depth Anything" in caught.value.remedy and "send the picture's depth" in caught.value.remedy


def test_a_painted_picture_becomes_a_mesh_in_one_job(lab):
    painted = quick(id="painted", hidden=True)
    depth = pixels.depth_map(np.full((64, 64), 2, np.float32))
    result = lab.result(spec.job(painted, spec.relief(pixels.from_step("painted"), depth)))
    assert [artifact.kind for artifact in result.artifacts] == ["file"]


@pytest.fixture
def here(lab, monkeypatch):
    """Commands find the engine of these tests."""
    monkeypatch.setenv("VELATURA_ENGINE", lab.endpoint.address)
    monkeypatch.setenv("VELATURA_TOKEN", lab.endpoint.token)


def nan():
    z = steps()
    z[1, 1] = np.nan
    return z


@pytest.mark.parametrize(
    ("depth", "more", "field", "kind"),
    [
        (nan(), {}, "depth.image", errors.Invalid),
        (np.zeros((HEIGHT, WIDTH), np.float32), {}, "depth.image", errors.Invalid),
        (np.ones((HEIGHT, HEIGHT), np.float32), {}, "depth.image", errors.Invalid),
        (np.ones((1, 1), np.float32), {"image": np.zeros((1, 1, 3), np.uint8)}, "depth.image", errors.Invalid),
        (np.ones((2100, 2100), np.float32), {"image": np.zeros((8, 8, 3), np.uint8)}, "depth.image", errors.Invalid),
        (steps(), {"format": "obj"}, "format", errors.NotFound),
        (steps(), {"field_of_view": 180}, "field_of_view", errors.Invalid),
        (steps(), {"field_of_view": float("nan")}, "field_of_view", errors.Invalid),
        (steps(), {"jump": 0}, "jump", errors.Invalid),
        (steps(), {"max_triangles": 1}, "max_triangles", errors.Invalid),
        (steps(), {"nearest": 2}, "nearest", errors.Invalid),
        (steps(), {"camera": spec.camera(np.eye(4).ravel(), np.zeros(16))}, "camera.camera_to_clip", errors.Invalid),
    ],
)
def test_what_cannot_be_a_mesh_is_refused_by_name(lab, depth, more, field, kind):
    with pytest.raises(kind) as caught:
        lab.engine.plan(ask(depth, **more))
    assert caught.value.field == f"steps[0].relief.{field}" and caught.value.remedy


def test_a_depth_that_leaves_no_triangle_ends_the_job_with_words(lab):
    checks = ((np.indices((HEIGHT, WIDTH)).sum(0) % 2) + 1).astype(np.float32)
    with pytest.raises(errors.Invalid, match="No triangle is left"):
        lab.result(ask(checks))


def test_it_is_in_the_catalog_and_planning_says_it(lab):
    shelf = next(shelf for shelf in lab.engine.catalog().shelves if shelf.name == "operations")
    assert "relief" in {part.id for part in shelf.parts}
    assert "a mesh of 64 x 48 pixels, as glb" in lab.engine.plan(ask(steps())).explanation


def test_the_command_writes_the_mesh_and_its_card(lab, here, tmp_path, capsys):
    (tmp_path / "photo.png").write_bytes(pixels.to_png(pixels.from_array(picture())))
    np.save(tmp_path / "depth.npy", steps())
    asked = ["mesh", "--init", str(tmp_path / "photo.png"), "--depth", str(tmp_path / "depth.npy"), "--quiet"]
    assert cli.main([*asked, "--out", str(tmp_path / "out" / "room.ply")]) == 0
    mesh = trimesh.load(tmp_path / "out" / "room.ply", process=False)
    card = json.loads((tmp_path / "out" / "room-ply.json").read_text())
    assert (card["file"], card["triangles"]) == ("room.ply", len(mesh.faces))
    assert recipe.loads(json.dumps(card["recipe"])).spec.steps[0].relief.format == "ply"
    assert cli.main([*asked, "--out", str(tmp_path), "--json"]) == 0
    assert gltf.faults((tmp_path / "photo-mesh.glb").read_bytes()) == []
    assert cli.main([*asked, "--format", "glb", "--out", "room.ply"]) == 2
    capsys.readouterr()


def test_depth_as_a_picture_counts_white_as_near_or_in_metres(lab, here, tmp_path, capsys):
    (tmp_path / "photo.png").write_bytes(pixels.to_png(pixels.from_array(picture())))
    ramp = np.tile(np.linspace(50, 200, WIDTH, dtype=np.uint8), (HEIGHT, 1))
    (tmp_path / "depth.png").write_bytes(
        pixels.to_png(pixels.from_array(ramp, color_space=pixels_pb2.COLOR_SPACE_DATA))
    )
    asked = ["mesh", "--init", str(tmp_path / "photo.png"), "--depth", str(tmp_path / "depth.png"), "--quiet"]
    assert cli.main([*asked, "--jump", "9", "--out", str(tmp_path / "near.ply")]) == 0
    assert cli.main([*asked, "--near", "2", "--far", "5", "--out", str(tmp_path / "metres.ply")]) == 0
    near, metres = (
        -trimesh.load(tmp_path / f"{name}.ply", process=False).vertices[:, 2] for name in ("near", "metres")
    )
    assert near.min() == pytest.approx(1 / (200 / 255 * 0.8 + 0.2), rel=1e-5)
    assert metres.min() == pytest.approx(2 + 50 / 255 * 3, rel=1e-5) and metres.max() == pytest.approx(2 + 200 / 85)
    capsys.readouterr()
