"""A material's maps over gRPC: all or those wanted, by whichever reader, in the conventions that were asked for."""

from __future__ import annotations

import numpy as np
import pytest
from velatura import pixels, recipe, spec
from velatura.v1 import pixels_pb2

MAPS = ["albedo", "normal", "height", "roughness", "metallic", "occlusion"]
RGB = pixels_pb2.PIXEL_FORMAT_RGB32F


def bumps(width: int = 96, height: int = 64) -> np.ndarray:
    """A tile of brown bumps (H, W, 3), brightest where they are highest."""
    y, x = np.mgrid[:height, :width]
    tone = 0.5 + 0.2 * np.sin(2 * np.pi * x * 4 / width) * np.sin(2 * np.pi * y * 4 / height)
    return np.rint(np.stack([tone * 255, tone * 180, tone * 120], 2)).astype(np.uint8)


def ask(*maps: str, picture: np.ndarray | None = None, model: str = "classical", tile: str = "xy", **more):
    return spec.material(
        pixels.from_array(bumps() if picture is None else picture), *maps, model=model, tile=tile, **more
    )


def made(lab, *maps: str, **more) -> dict:
    """Artifacts by name."""
    return {artifact.name: artifact for artifact in lab.result(ask(*maps, **more)).artifacts}


@pytest.mark.parametrize("model", ["classical", "surfaces", "iid", "faces"])
def test_every_reader_gives_all_maps_in_order_and_as_large_as_the_picture(lab, model):
    result = lab.result(ask(model=model))
    assert [artifact.name for artifact in result.artifacts] == MAPS
    assert [artifact.kind for artifact in result.artifacts] == MAPS
    assert {(artifact.image.width, artifact.image.height) for artifact in result.artifacts} == {(96, 64)}
    assert result.resolved.steps[0].material.model == model


def test_the_default_reader_is_the_network_that_is_installed(lab):
    result = lab.result(ask(model=""))
    told = result.resolved.steps[0].material
    assert (told.model, list(told.maps)) == ("surfaces", MAPS)
    assert told.convention == pixels_pb2.NORMAL_CONVENTION_Y_UP
    assert [use.id for use in result.artifacts[0].recipe.models] == ["surfaces"]


def test_only_the_maps_that_are_wanted_come_and_other_models_help_out(lab):
    assert list(made(lab, "height", "normal")) == ["normal", "height"]  # in the contract's order
    result = lab.result(ask("roughness", "albedo", model="iid"))
    assert [use.id for use in result.artifacts[0].recipe.models] == ["iid"]
    result = lab.result(ask("roughness", "height", model="iid"))
    assert {use.id for use in result.artifacts[0].recipe.models} == {"iid", "surfaces"}


def test_colours_are_srgb_and_all_else_is_plain_data(lab):
    spaces = {name: artifact.image.color_space for name, artifact in made(lab).items()}
    assert spaces.pop("albedo") == pixels_pb2.COLOR_SPACE_SRGB
    assert set(spaces.values()) == {pixels_pb2.COLOR_SPACE_DATA}


def test_height_has_16_bits_and_tells_its_relief(lab):
    height = made(lab, "height")["height"]
    values = pixels.to_array(height.image)
    assert (values.dtype, values.shape) == (np.uint16, (64, 96, 1))
    assert height.scores["relief"] >= 2
    spread = (int(values.max()) - int(values.min())) / 65535 * height.scores["relief"]
    assert 0.1 < spread <= height.scores["relief"] + 1e-3


def test_a_flat_picture_is_a_flat_material(lab):
    found = made(lab, picture=np.full((64, 64, 3), 128, np.uint8))
    assert np.ptp(pixels.to_array(found["height"].image)) == 0
    assert np.unique(pixels.to_array(found["normal"].image).reshape(-1, 3), axis=0).tolist() == [[128, 128, 255]]
    assert pixels.to_array(found["occlusion"].image).min() == 255


def test_green_points_up_and_down_where_that_is_asked_for(lab):
    up = pixels.to_array(made(lab, "normal", output=RGB)["normal"].image)
    down = pixels.to_array(made(lab, "normal", output=RGB, y_down=True)["normal"].image)
    assert np.allclose(down, np.stack([up[..., 0], 1 - up[..., 1], up[..., 2]], 2), atol=1e-6)
    assert np.allclose(np.linalg.norm(up * 2 - 1, axis=2), 1, atol=1e-5)
    # On the lower side of a bump the picture darkens downwards: the surface falls, and its normal points down.
    grey = bumps().astype(float).mean(2)
    falling = np.roll(grey, -1, 0) - np.roll(grey, 1, 0) < -8
    assert falling.any() and (up[falling][:, 1] < 0.5).all()


@pytest.mark.parametrize("model", ["classical", "surfaces"])
@pytest.mark.parametrize("tile", ["xy", "x"])
def test_a_rolled_tile_has_rolled_maps(lab, model, tile):
    shift = (16, 24) if tile == "xy" else (0, 24)
    here = made(lab, model=model, tile=tile)
    there = made(lab, model=model, tile=tile, picture=np.roll(bumps(), shift, (0, 1)))
    for name in MAPS:
        a, b = (pixels.to_array(side[name].image).astype(int) for side in (here, there))
        step = 65535 // 255 if name == "height" else 1  # relief is rounded with the last bits
        assert np.abs(np.roll(a, shift, (0, 1)) - b).max() <= step, name


def test_planning_says_who_will_read_which_maps(lab):
    planned = lab.engine.plan(ask("height", "normal", model="surfaces"))
    assert "normal, height by Surfaces" in planned.explanation
    assert "rules of thumb" in lab.engine.plan(ask("height")).explanation


def test_the_recipe_makes_the_same_maps_again(lab):
    first = lab.result(ask(model="surfaces"))
    again = lab.result(recipe.loads(recipe.dumps(first.artifacts[2].recipe)).spec)
    for one, other in zip(first.artifacts, again.artifacts, strict=True):
        assert np.array_equal(pixels.to_array(one.image), pixels.to_array(other.image))


def test_a_painted_tile_becomes_a_material_in_one_job(lab):
    painted = spec.texture("moss", size=64, steps=2, seed=3, id="tile")
    maps = spec.material(pixels.from_step("tile"), "albedo", "normal", model="classical", tile="xy")
    result = lab.result(spec.job(painted, maps))
    assert [artifact.kind for artifact in result.artifacts] == ["image", "albedo", "normal"]


def test_readers_are_in_the_catalog(lab):
    catalog = lab.engine.catalog()
    shelf = next(shelf for shelf in catalog.shelves if shelf.name == "materials")
    assert {part.id for part in shelf.parts} == {"classical", "faces", "iid", "surfaces"}
    assert {model.id: list(model.tasks) for model in catalog.models if model.kind == "material"}["iid"] == [
        "albedo", "roughness", "metallic",
    ]  # fmt: skip
