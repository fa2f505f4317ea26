"""What reads materials: the network sees the same however a picture is cut; Marigold's answers are read as meant."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from fakes.material_models import APPEARANCE, make_marigold, make_network
from safetensors.torch import load_file, save_file
from velatura_engine.errors import Unsupported
from velatura_engine.models.identify import identify
from velatura_engine.models.materials import MAPS
from velatura_engine.runtime import materials
from velatura_engine.runtime.materials import RULES, Network, complete, load_reader, resized
from velatura_engine.textures.seamless import seamless

CPU = torch.device("cpu")


def silent(done: int, total: int) -> None:
    """For those who want to hear nothing."""


def picture(height: int = 64, width: int = 96, seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    path = make_network(tmp_path_factory.mktemp("net") / "net.safetensors")
    return Network(identify(path, "net"), CPU)


def far(a: materials.Maps, b: materials.Maps) -> float:
    return max(float((a[name] - b[name]).abs().max()) for name in MAPS)


@pytest.mark.parametrize("axes", ["xy", "x", "y", ""])
def test_windows_are_not_to_be_seen(network, monkeypatch, axes):
    seen = picture(208, 200)
    whole = network(seen, axes, silent)
    monkeypatch.setattr(materials, "WINDOW", 64)
    assert far(network(seen, axes, silent), whole) < 1e-4


def test_a_tile_is_read_as_the_layers_would_read_it_if_all_of_them_wrapped(network, monkeypatch):
    seen = picture(64, 96)
    with seamless([network.net], x=True, y=True), torch.no_grad():
        wrapped = network.net.maps(seen)
    monkeypatch.setattr(materials, "WINDOW", 40)
    read = network(seen, "xy", silent)
    assert float((read["height"] - wrapped.height).abs().max()) < 1e-4
    assert float((read["normal"] - wrapped.normal).abs().max()) < 1e-4


@pytest.mark.parametrize("reader", ["network", "rules"])
def test_a_rolled_tile_has_rolled_maps(network, reader):
    read = network if reader == "network" else RULES
    seen = picture(64, 96)
    rolled = read(seen.roll((24, 40), (2, 3)), "xy", silent)
    for name, values in read(seen, "xy", silent).items():
        assert float((values.roll((24, 40), (-2, -1)) - rolled[name]).abs().max()) < 1e-4, name


def test_edges_that_do_not_meet_do_not_know_of_each_other(network):
    left, other = picture(64, 256), picture(64, 256, seed=1)
    other[..., :128] = left[..., :128]
    apart, meeting = (
        network(left, axes, silent)["height"] - network(other, axes, silent)["height"] for axes in ("", "x")
    )
    assert float(apart[..., :16].abs().max()) < 1e-5
    assert float(meeting[..., :16].abs().max()) > 1e-3


def test_sides_need_not_be_multiples_of_the_stride(network):
    made = network(picture(61, 35), "x", silent)
    assert {tuple(values.shape[-2:]) for values in made.values()} == {(61, 35)}


def test_normals_have_length_one(network):
    for read in (network, RULES):
        assert torch.allclose(read(picture(), "xy", silent)["normal"].norm(dim=1), torch.ones(1, 64, 96), atol=1e-5)


def test_weights_of_another_layout_are_refused_in_words(tmp_path):
    path = make_network(tmp_path / "net.safetensors")
    tensors = load_file(path)
    del tensors["up.0.first.weight"]
    save_file(tensors, path)
    with pytest.raises(Unsupported, match=r"up\.0\.first\.weight|not a material network"):
        load_reader(identify(path, "net"), dtype=torch.float32, device=CPU)


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("marigold")
    for kind in ("intrinsics", "normals"):
        make_marigold(folder / kind, kind)
    return folder


@pytest.mark.parametrize(
    ("kind", "maps"), [("intrinsics", {"albedo", "roughness", "metallic"}), ("normals", {"normal", "height"})]
)
def test_a_marigold_folder_makes_its_maps_the_same_every_time(pipelines, kind, maps):
    entry = identify(pipelines / kind, kind)
    assert set(entry.tasks) == maps
    reader = load_reader(entry, dtype=torch.float32, device=CPU)
    first, again = reader(picture(64, 72), "x", silent), reader(picture(64, 72), "x", silent)
    assert {name: tuple(values.shape[-2:]) for name, values in first.items()} == dict.fromkeys(maps, (64, 72))
    assert all(torch.equal(first[name], again[name]) for name in maps)


def test_marigolds_targets_are_read_by_their_names(pipelines):
    reader = load_reader(identify(pipelines / "intrinsics", "x"), dtype=torch.float32, device=CPU)
    answer = torch.stack([torch.full((3, 4, 4), 0.5), torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1).expand(3, 4, 4)])
    made = reader._intrinsics(answer)
    assert {name: round(float(values.mean()), 3) for name, values in made.items()} == {
        "albedo": 0.5, "roughness": 0.1, "metallic": 0.2,
    }  # fmt: skip


def test_height_is_found_again_from_normals(pipelines):
    from velatura_starter.material import slopes, to_normal

    reader = load_reader(identify(pipelines / "normals", "x"), dtype=torch.float32, device=CPU)
    line = torch.arange(64) * 2 * torch.pi / 64
    height = (2 * torch.sin(line)[:, None] + torch.cos(2 * line))[None]
    made = reader._normals(to_normal(slopes(height)), "xy")
    assert float((made["height"] - height).abs().max()) < 1e-3


def test_a_job_can_stop_between_the_steps_of_a_pipeline(pipelines):
    class Stopped(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Stopped

    reader = load_reader(identify(pipelines / "normals", "x"), dtype=torch.float32, device=CPU)
    with pytest.raises(Stopped):
        reader(picture(), "", stop)


@pytest.mark.parametrize(
    ("kind", "file", "change"),
    [
        ("normals", "unet/config.json", {"in_channels": 4}),
        ("intrinsics", "model_index.json", {"target_properties": APPEARANCE | {"target_names": ["albedo"]}}),
        ("intrinsics", "model_index.json", {"target_properties": {"target_names": ["shading", "residual"]}}),
        ("intrinsics", "model_index.json", {"target_properties": None}),
    ],
)
def test_a_folder_whose_parts_do_not_belong_together_is_not_listed(pipelines, tmp_path, kind, file, change):
    broken = tmp_path / "broken"
    shutil.copytree(pipelines / kind, broken)
    config = json.loads((broken / file).read_text())
    (broken / file).write_text(json.dumps(config | change))
    with pytest.raises(Unsupported, match="names no map"):
        identify(broken, "x")


def test_what_one_model_does_not_make_comes_from_the_other(network):
    rest = network(picture(), "xy", silent)
    flat = {"normal": torch.zeros(1, 3, 64, 96), "height": torch.zeros(1, 64, 96)}
    whole = complete(flat, rest, "xy")
    assert whole["height"] is flat["height"] and whole["albedo"] is rest["albedo"]
    assert float(whole["occlusion"].min()) == 1.0  # nothing lies deep in a flat surface


def test_resizing_a_tile_keeps_its_edges_together():
    line = torch.cos(torch.arange(48) * 2 * torch.pi / 48)
    tile = line.expand(1, 1, 48, 48)
    large = resized(tile, (96, 96), "xy")
    assert float((large[..., 0] - large[..., -1]).abs().max()) < 0.01
