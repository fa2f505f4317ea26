"""The built-in model through the whole engine: it paints what it is told, follows depth, and tiles.

One set of pictures, 128 pixels a side with the model's own settings, serves every test here: painting is what costs.
The judges never saw the programs that drew the model's training pictures; `python -m velatura_starter evaluate` says
how well they do on real ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from contract.lab import Lab, array
from velatura import pixels, spec
from velatura.v1 import diffuse_pb2
from velatura_starter import weights_path
from velatura_starter.data.families import material_names
from velatura_starter.data.palette import colour_names
from velatura_starter.data.renders import Painter, disparity, texture_tiles
from velatura_starter.evaluate import Wish, grid, walls
from velatura_starter.judge import Verdict, load_depth_judge, load_judge, name, read_disparity, spearman
from velatura_starter.seams import seam_percentiles

SIDE = 128
PICTURES, SEAMS, DEPTHS, WALLS = 256, 64, 48, 48
MATERIAL = 0.8
"""The goal. What ships measures 0.836 with every step whole."""

pytestmark = pytest.mark.timeout(1800)


def paint(lab: Lab, prompts: Sequence[str], tile: str = "") -> torch.Tensor:
    """Pictures (N, 3, H, W) in 0..1, each with a seed of its own."""
    jobs = [spec.texture(said, size=SIDE, seed=1000 + i, tile=tile) for i, said in enumerate(prompts)]
    return tensor([lab.result(job).images[0].data for job in jobs])


def tensor(files: Sequence[bytes]) -> torch.Tensor:
    """PNG files as one batch (N, 3, H, W) in 0..1."""
    return torch.from_numpy(np.stack([array(file)[..., :3] for file in files])).permute(0, 3, 1, 2).float() / 255


def read(images: torch.Tensor) -> Verdict:
    """What the judge sees in pictures."""
    judge = load_judge(weights_path() / "judge.safetensors", len(material_names()), len(colour_names()))
    return name(judge, images, material_names(), colour_names())


@pytest.fixture(scope="module")
def wishes() -> list[Wish]:
    """Prompts over all materials and colours."""
    return grid(PICTURES)


@pytest.fixture(scope="module")
def tiled(starter: Lab, wishes: list[Wish]) -> torch.Tensor:
    """What the engine paints for them, seamless both ways."""
    return paint(starter, [wish.prompt for wish in wishes], "xy")


@pytest.fixture(scope="module")
def seen(tiled: torch.Tensor) -> Verdict:
    """What the judge reads in them."""
    return read(tiled)


def test_most_pictures_show_the_material_asked(wishes, seen):
    right = [wish.material == shown for wish, shown in zip(wishes, seen.materials, strict=True)]
    assert sum(right) / len(right) >= MATERIAL


def test_at_least_17_of_20_pictures_have_the_colour_asked(wishes, seen):
    right = [wish.colour == shown for wish, shown in zip(wishes, seen.colours, strict=True)]
    assert sum(right) / len(right) >= 0.85


def test_tiled_pictures_have_no_seam_either_way(tiled):
    dice = torch.Generator().manual_seed(1)
    for axis in "xy":
        ranks = seam_percentiles(tiled[:SEAMS], axis, dice)
        assert all(0.40 <= rank <= 0.62 for rank in ranks.values()), (axis, ranks)


def test_maps_of_tiled_pictures_have_no_seam_either_way(starter, tiled):
    maps: dict[str, list[np.ndarray]] = {}
    for picture in (tiled[:SEAMS] * 255).byte().permute(0, 2, 3, 1).numpy():
        result = starter.result(spec.material(pixels.from_array(picture), tile="xy"))
        for artifact in result.artifacts:
            maps.setdefault(artifact.name, []).append(pixels.to_array(artifact.image))
    dice = torch.Generator().manual_seed(3)
    for kind in ("albedo", "normal", "height", "roughness", "occlusion"):
        batch = torch.from_numpy(np.stack(maps[kind]).astype(np.float32)).permute(0, 3, 1, 2)
        for axis in "xy":
            for statistic, rank in seam_percentiles(batch, axis, dice).items():
                # Of forty ranks with a deviation of 0.036 some lie beyond 0.40 to 0.62 by chance.
                assert 0.38 <= rank <= 0.68, (kind, axis, statistic)


def test_untiled_pictures_have_seams_and_x_only_tiles_only_x(starter, wishes):
    prompts, dice = [wish.prompt for wish in wishes[:SEAMS]], torch.Generator().manual_seed(1)
    plain, along_x = paint(starter, prompts), paint(starter, prompts, "x")
    assert seam_percentiles(plain, "x", dice)["d1"] >= 0.90
    assert seam_percentiles(plain, "y", dice)["d1"] >= 0.90
    ranks = seam_percentiles(along_x, "x", dice)
    assert all(0.40 <= rank <= 0.62 for rank in ranks.values()), ranks
    assert seam_percentiles(along_x, "y", dice)["d1"] >= 0.90


def test_pictures_follow_the_depth_given(starter):
    dice = torch.Generator().manual_seed(5)
    painter = Painter(*texture_tiles(128, dice), dice)
    hints, files = [], []
    while len(hints) < DEPTHS:
        scene = painter.render()
        hint = disparity(scene.depth, scene.mask)
        if float(hint.std()) < 0.05:  # a flat scene has no order to follow
            continue
        depth = pixels.depth_map(torch.where(scene.mask, scene.depth, 0).numpy())
        said = f"{scene.labels.colour} {scene.labels.material}"
        job = spec.diffuse(said, width=SIDE, height=SIDE, seed=len(hints), depth=depth)
        hints.append(hint)
        files.append(starter.result(job).images[0].data)
    given = torch.nn.functional.avg_pool2d(torch.stack(hints).unsqueeze(1), 4).squeeze(1)
    near = read_disparity(load_depth_judge(weights_path() / "depth_judge.safetensors"), tensor(files))
    right, shuffled = float(spearman(near, given).mean()), float(spearman(near, given.roll(1, 0)).mean())
    assert right >= 0.7
    assert right - shuffled >= 0.4


def test_pictures_that_follow_depth_show_what_they_are_told(starter):
    asked, files = walls(WALLS, 6), []
    for number, wall in enumerate(asked):
        depth, said = pixels.depth_map(wall.depth.numpy()), f"{wall.labels.colour} {wall.labels.material}"
        job = spec.diffuse(said, width=SIDE, height=SIDE, seed=number, depth=depth)
        files.append(starter.result(job).images[0].data)
    shown = read(tensor(files))
    assert sum(w.labels.material == m for w, m in zip(asked, shown.materials, strict=True)) >= 0.65 * WALLS
    assert sum(w.labels.colour == c for w, c in zip(asked, shown.colours, strict=True)) >= 0.95 * WALLS


def test_a_red_brick_wall_is_red_brick(starter):
    images = paint(starter, ["red brick wall"] * 6, "xy")
    shown = read(images)
    assert shown.materials.count("brick") >= 5
    assert shown.colours.count("red") >= 5


def test_editing_moves_the_material_at_the_asked_step(starter):
    for share, most in (("0.05", "denim"), ("0.95", "plaid")):
        shown = read(paint(starter, [f"blue [plaid:denim:{share}], seamless texture"] * 6, "xy"))
        assert shown.materials.count(most) >= 5, share


def test_alternation_shows_what_has_most_of_the_turns(starter):
    for options, most in (("plaid|plaid|plaid|denim", "plaid"), ("denim|denim|denim|plaid", "denim")):
        shown = read(paint(starter, [f"blue [{options}], seamless texture"] * 6, "xy"))
        assert shown.materials.count(most) >= 5


def test_each_region_shows_what_is_said_of_it(starter):
    left = np.zeros((SIDE, 2 * SIDE), np.float32)
    left[:, :SIDE] = 1
    regions = [
        diffuse_pb2.PromptRegion(text=f"blue {said}, seamless texture", mask=pixels.mask(mask))
        for said, mask in (("plaid", left), ("denim", 1 - left))
    ]
    jobs = [spec.diffuse(width=2 * SIDE, height=SIDE, seed=seed, regions=regions) for seed in range(6)]
    images = tensor([starter.result(job).images[0].data for job in jobs])
    assert read(images[..., :SIDE]).materials.count("plaid") >= 5
    assert read(images[..., SIDE:]).materials.count("denim") >= 5


def test_words_that_the_model_never_learned_are_named_wherever_they_stand(starter):
    said = "red [brick:xylophone:0.9] AND (zebra:1.1)"
    (warning,) = starter.result(spec.diffuse(said, width=SIDE, height=SIDE, steps=1, seed=1)).warnings
    assert warning.reason == "UNKNOWN_WORDS"
    assert "'xylophone', 'zebra'" in warning.message and "brick" not in warning.message
