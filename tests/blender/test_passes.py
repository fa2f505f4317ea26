"""Depth, normals and masks beside a picture, against Cycles and an EXR reader of other makers."""

import bpy
import numpy as np
import OpenEXR
import pytest
from scenes import add, layer_of, many_layers, suzanne
from velatura_blender import capture, passes


def graph():
    return bpy.context.evaluated_depsgraph_get()


def lens(scene, side):
    return capture.lens_of(scene.camera, graph(), side, side, square=True)


def build():
    suzanne("Suzanne", (0, 0, 0.2)).data.shade_smooth()
    add("cube", "Cube", (1.6, 1.2, 0), size=1).scale = (1, -1.5, 0.8)  # mirrored
    bpy.context.view_layer.update()


def cycles_normals(scene, folder):
    """Cycles' own normal pass (H, W, 3), in the world's axes."""
    scene.view_layers[0].use_pass_normal = True
    scene.cycles.pixel_filter_type, scene.cycles.filter_width = "BOX", 0.01
    many_layers(scene.render.image_settings)
    scene.render.filepath = str(folder / "normal.exr")
    bpy.ops.render.render(write_still=True)
    return np.stack([layer_of(scene.render.filepath, f"Normal.{axis}") for axis in "XYZ"], -1)


@pytest.mark.parametrize("kind", ["PERSP", "ORTHO"])
def test_normals_equal_cycles_own(scene, tmp_path, kind):
    build()
    scene.camera.data.type, scene.camera.data.ortho_scale = kind, 5.0
    bpy.context.view_layer.update()
    seen = passes.take(lens(scene, 256), graph(), 256, 256)
    truth = cycles_normals(scene, tmp_path)
    hit = np.isfinite(seen.frame.depth)
    cosine = (seen.world_normal() * truth).sum(2)[hit]
    assert (cosine > 0.999).mean() > 0.98 and not seen.normal[~hit].any()
    assert np.allclose(np.linalg.norm(seen.normal[hit], axis=1), 1, atol=1e-3)


def test_without_a_graphics_card_normals_come_from_the_depth(scene):
    build()
    drawn = passes.take(lens(scene, 96), graph(), 96, 96)
    cast = passes.take(lens(scene, 96), graph(), 96, 96, card=False)
    both = np.isfinite(drawn.frame.depth) & cast.normal.any(2)
    cosine = (drawn.normal * cast.normal).sum(2)[both]
    assert both.mean() > 0.15 and np.median(cosine) > 0.98


def test_a_pass_file_holds_every_number_and_row_0_on_top(scene, tmp_path):
    depth = np.random.default_rng(1).random((5, 7), np.float32) * 1000
    depth[0, 0] = passes.NOTHING
    blocks = len(bpy.data.images)
    passes.write_exr(tmp_path / "depth_0001.exr", depth)
    with OpenEXR.File(str(tmp_path / "depth_0001.exr"), separate_channels=True) as file:
        np.testing.assert_array_equal(np.array(file.channels()["R"].pixels), depth)
        assert file.channels()["R"].pixels.dtype == np.float32
    assert len(bpy.data.images) == blocks and [each.name for each in tmp_path.iterdir()] == ["depth_0001.exr"]


def test_a_pass_that_cannot_be_written_says_where_and_leaves_nothing(scene, tmp_path):
    (tmp_path / "gone").write_text("a file where a folder should be")
    with pytest.raises(ValueError, match=r"depth_0001\.exr cannot be written"):
        passes.write_exr(tmp_path / "gone" / "depth_0001.exr", np.zeros((4, 4), np.float32))
    assert "Velatura pass" not in bpy.data.images
