"""Which reader makes which maps of a material, and of what pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fakes.material_models import make_marigold, make_network
from velatura_engine.errors import Invalid
from velatura_engine.models.index import ModelIndex
from velatura_engine.models.materials import MAPS
from velatura_engine.pixels.picture import Picture
from velatura_engine.planning.materials import plan_material
from velatura_engine.request import Material, Request


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of each reader."""
    folder = tmp_path_factory.mktemp("models")
    make_network(folder / "materials" / "net.safetensors")
    make_marigold(folder / "materials" / "iid")
    return folder


def plan(index: ModelIndex, *maps: str, model: str | None = None, size: tuple[int, int] = (64, 48)):
    image = Picture(np.zeros((size[1], size[0], 3), np.uint8))
    request = Request(steps=(), max_pixels=10_000)
    return plan_material(Material(image=image, maps=maps, model=model), index, {}, request, "f", "s", False)


def readers(planned) -> tuple[str | None, str | None]:
    return tuple(entry and entry.id for entry in (planned.model, planned.beside))


@pytest.mark.parametrize(
    ("model", "maps", "wanted"),
    [
        (None, (), ("net", None)),
        ("classical", (), (None, None)),
        ("iid", (), ("iid", "net")),
        ("iid", ("albedo", "metallic"), ("iid", None)),
        ("iid", ("albedo", "height"), ("iid", "net")),
    ],
)
def test_a_second_reader_comes_only_for_maps_that_the_first_does_not_make(folder, model, maps, wanted):
    assert readers(plan(ModelIndex([folder], starter=False), *maps, model=model)) == wanted


def test_maps_come_in_the_contracts_order_each_as_large_as_the_picture(folder):
    index = ModelIndex([folder], starter=False)
    planned = plan(index, "height", "albedo")
    assert planned.maps == ("albedo", "height") and planned.outputs == ((64, 48),) * 2
    assert plan(index).maps == MAPS


def test_without_a_network_nothing_is_read_by_rules_in_silence(tmp_path):
    index = ModelIndex([tmp_path], starter=False)
    guessed, asked = plan(index), plan(index, model="classical")
    assert readers(guessed) == readers(asked) == (None, None)
    (warning,) = guessed.warnings
    assert warning.reason == "NO_MATERIAL_MODEL" and warning.field == "f.model"
    assert not asked.warnings


@pytest.mark.parametrize("size", [(15, 64), (64, 8), (101, 100)])
def test_pictures_that_are_too_small_or_too_large_are_refused(folder, size):
    with pytest.raises(Invalid) as caught:
        plan(ModelIndex([folder], starter=False), size=size)
    assert caught.value.field == "f.image"
