"""The material network, what it learns from, and the rules of thumb that it is compared with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fakes.material_models import random_net
from safetensors.torch import save_file
from velatura_starter import classical, weights_path
from velatura_starter.data.families import family_b, material_names
from velatura_starter.data.materials import draw_pool, join_maps, make_maps
from velatura_starter.data.textures import draw, light
from velatura_starter.material import STRIDE, BothWays, MaterialNet, load_material, mirrored, slopes, to_normal
from velatura_starter.material import light as relight
from velatura_starter.padding import periodic
from velatura_starter.training.material import (
    SOFT,
    angle,
    lesson,
    score_material,
    train_material,
    truth_of,
)


@pytest.fixture(scope="module")
def pool() -> dict[str, torch.Tensor]:
    return make_maps(96, 64, 5)


def test_the_network_is_small_enough_to_ship():
    assert sum(values.numel() for values in MaterialNet().parameters()) <= 650_000


@pytest.mark.parametrize("axes", ["xy", "x", "y"])
def test_it_commutes_with_rolling_along_the_axes_that_wrap(axes, dice):
    net, x = random_net(), torch.rand(1, 3, 48, 64, generator=dice(1))
    shift = (3 * STRIDE * ("y" in axes), 2 * STRIDE * ("x" in axes))
    with torch.no_grad(), periodic(net, axes=axes):
        here, there = net(x), net(x.roll(shift, (2, 3)))
    for name, values in here.items():
        assert float((values.roll(shift, (2, 3)) - there[name]).abs().max()) < 1e-4, name


@pytest.mark.parametrize("axes", ["xy", "x", "y", ""])
def test_mirrored_it_answers_as_it_answers_the_transposed_picture(axes, dice):
    net, x = random_net(), torch.rand(1, 3, 48, 64, generator=dice(3))
    other, turned = mirrored(net), axes.translate(str.maketrans("xy", "yx"))
    with torch.no_grad():
        with periodic(net, axes=turned):
            asked = net(x.transpose(-1, -2))
        with periodic(other, axes=axes):
            found = other(x)
    for name, values in asked.items():
        torch.testing.assert_close(found[name], values.transpose(-1, -2), atol=1e-4, rtol=1e-4, msg=name)


def test_both_ways_it_answers_a_picture_and_its_transpose_alike(dice):
    both, x = BothWays(random_net()).requires_grad_(False), torch.rand(1, 3, 48, 64, generator=dice(4))
    with periodic(both):
        here, there = both.maps(x), both.maps(x.transpose(-1, -2))
    normal = torch.stack([-there.normal[:, 1], -there.normal[:, 0], there.normal[:, 2]], 1).transpose(-1, -2)
    torch.testing.assert_close(normal, here.normal, atol=1e-4, rtol=1e-4)
    for name in ("albedo", "height", "roughness", "metallic", "ao"):
        turned = getattr(there, name).transpose(-1, -2)
        torch.testing.assert_close(turned, getattr(here, name), atol=1e-4, rtol=1e-4, msg=name)


def test_it_begins_flat_and_as_coloured_as_the_picture(dice):
    x = torch.rand(2, 3, 32, 32, generator=dice(2))
    torch.manual_seed(0)
    maps = MaterialNet().requires_grad_(False).maps(x)
    assert float(angle(maps.normal, to_normal(torch.zeros(2, 2, 32, 32))).max()) < 8
    assert float((maps.albedo - x).abs().mean()) < 0.1
    assert float(maps.metallic.mean()) < 0.1


def test_the_pool_holds_every_material_and_what_it_looks_like(pool):
    assert sorted(pool["material"].unique().tolist()) == list(range(len(material_names())))
    assert pool["picture"].shape == pool["albedo"].shape == (96, 3, 64, 64)
    assert {pool[k].dtype for k in ("picture", "albedo", "roughness", "metallic", "ao")} == {torch.uint8}


def test_the_truth_lit_again_is_the_picture_that_was_drawn(dice):
    b = draw(family_b()["brick"][0], "brick", batch=2, size=64, generator=dice(3), plain=True)
    drawn = {"picture": b.image, "albedo": b.surface.albedo, "roughness": b.surface.roughness}
    drawn |= {"metallic": b.surface.metallic, "ao": b.ao}
    held = {k: (v * 255).round().to(torch.uint8) for k, v in drawn.items()}
    held |= {"height": b.surface.height.half(), "relief": torch.full((2,), b.surface.relief)}
    _, truth = truth_of(held)
    wanted = light(b.surface, torch.ones(2, 1, 1)).clamp(0, 1)
    assert SOFT > 0 and float((relight(truth) - wanted).abs().max()) < 0.02


def test_pools_of_several_processes_are_one(pool):
    whole = draw_pool(150, 32, 1, 2)
    assert len(whole["relief"]) == 192  # shares of 96
    assert not torch.equal(whole["picture"][:96], whole["picture"][96:])
    assert len(join_maps([pool, pool])["relief"]) == 192


@pytest.mark.parametrize("seed", range(6))
def test_a_lesson_keeps_pictures_and_normals_together(pool, seed, dice):
    seen = lesson(pool, 8, 64, dice(seed))
    assert torch.allclose(seen.truth.normal.norm(dim=1), torch.ones(8, 64, 64), atol=1e-4)
    derived = to_normal(slopes(seen.truth.height, "xy" if seen.tiled else ""))
    # Zoomed crops are resampled, their normals and heights apart from each other.
    assert float(angle(derived, seen.truth.normal).mean()) < (0.5 if seen.tiled else 3)


def test_what_is_learned_brings_it_nearer_to_what_it_is_shown(tmp_path):
    small = make_maps(16, 32, 5)
    picture, truth = truth_of(small)

    def off(net: MaterialNet) -> tuple[float, float]:
        with torch.no_grad(), periodic(net):
            maps = net.maps(picture)
        return float(angle(maps.normal, truth.normal).mean()), float((maps.albedo - truth.albedo).abs().mean())

    torch.manual_seed(11)
    normal, albedo = off(MaterialNet())
    how = {"steps": 60, "warmup": 5, "batch": 8, "crop": 32, "log": lambda _: None}
    net = train_material(small, seconds=0, device="cpu", out=tmp_path, **how)
    assert off(net)[0] < normal - 0.3
    assert off(net)[1] < albedo
    again = load_material(tmp_path / "material.safetensors").net
    assert (tmp_path / "material.safetensors").stat().st_size < 1_350_000
    for name, values in net.state_dict().items():
        assert torch.allclose(values, again.state_dict()[name], atol=2e-3), name


def test_training_goes_on_from_weights_that_there_are(pool, tmp_path: Path):
    first = random_net()
    save_file({k: v.half() for k, v in first.state_dict().items()}, tmp_path / "first.safetensors")
    how = {"steps": 1, "peak": 1e-7, "batch": 2, "crop": 32, "log": lambda _: None}
    net = train_material(pool, seconds=0, device="cpu", out=tmp_path, start=tmp_path / "first.safetensors", **how)
    for name, values in net.state_dict().items():
        torch.testing.assert_close(values, first.state_dict()[name], atol=2e-3, rtol=2e-3, msg=name)


def test_crops_that_do_not_fit_are_refused(pool, tmp_path: Path):
    with pytest.raises(ValueError, match="multiples of 8"):
        train_material(pool, seconds=1, device="cpu", out=tmp_path, crop=60)


def test_a_network_that_knows_the_truth_scores_without_an_error():
    known: dict[int, object] = {}

    class Knowing(MaterialNet):
        def maps(self, x):
            return known[int((x * 255).round().sum())]

    programs = {name: family_b()[name] for name in material_names()}
    pool = make_maps(48, 32, 4321, programs)
    for part in zip(*(pool[k].split(16) for k in pool), strict=True):
        picture, truth = truth_of(dict(zip(pool, part, strict=True)))
        known[int((picture * 255).round().sum())] = truth
    scores = score_material(Knowing(), count=48, size=32, programs=programs)
    assert scores["normal"] < 0.05 and scores["psnr"] > 60
    assert scores["flat"] > 5 and scores["classical"] > 5
    assert len(scores["by_material"]) == 12


def test_height_is_integrated_exactly_where_edges_meet():
    line = torch.arange(48) * 2 * torch.pi / 48
    height = (torch.sin(line)[:, None] + 2 * torch.cos(3 * line))[None]
    assert float((classical.integrate(slopes(height)) - height).abs().max()) < 1e-4


def test_height_is_integrated_closely_where_they_do_not():
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(56.0), indexing="ij")
    height = (torch.sin(x / 7) + torch.cos(y / 5) + 0.05 * x)[None]
    slope = slopes(height, "")
    again = slopes(classical.integrate(slope, ""), "")
    assert float(angle(to_normal(again), to_normal(slope)).mean()) < 1
    assert float(angle(to_normal(slopes(classical.integrate(slope, "xy"), "")), to_normal(slope)).mean()) > 1


def test_the_rules_know_no_edges_where_they_meet_and_keep_them_apart_elsewhere(dice):
    x = torch.rand(1, 3, 40, 56, generator=dice(4))
    rolled = classical.estimate(x.roll(17, 3), "x")
    for name in ("albedo", "height", "normal", "roughness", "ao"):
        here = getattr(classical.estimate(x, "x"), name)
        assert float((here.roll(17, -1) - getattr(rolled, name)).abs().max()) < 1e-4, name
    apart = classical.estimate(x.roll(17, 3), "").height - classical.estimate(x, "").height.roll(17, -1)
    assert float(apart.abs().max()) > 1e-3


def test_a_flat_picture_is_flat_by_the_rules():
    maps = classical.estimate(torch.full((1, 3, 32, 32), 0.4), "")
    assert float(maps.height.abs().max()) < 1e-5
    assert torch.allclose(maps.albedo, torch.tensor(0.4), atol=1e-5)
    assert float(maps.ao.min()) > 0.999


@pytest.fixture(scope="module")
def scores() -> dict:
    """Of the weights that ship, on programs that never trained them."""
    return score_material(load_material(weights_path() / "material.safetensors"), count=96, seed=777)


def test_the_weights_that_ship_see_how_held_out_surfaces_run(scores):
    assert scores["normal"] <= 6
    assert scores["normal"] <= 0.6 * scores["classical"]


def test_their_heights_run_as_their_normals_say(scores):
    assert scores["apart"] <= 2


def test_what_they_read_looks_like_the_truth_under_other_lights(scores):
    assert scores["psnr"] >= 28 and scores["psnr"] > scores["psnr_classical"] + 2


def test_flat_surfaces_stay_flat(scores):
    flat = [told for told in scores["by_material"].values() if told["flat"] < 2]
    assert flat and sum(told["normal"] for told in flat) / len(flat) < 3
