"""Repainting and growing pictures with the built-in model: borders that cannot be seen, and changes as asked.

Every measure is a mean over several materials: single pictures have edges of their own where the border happens to lie.
The pictures to start from are the model's own, seamless, so that they have no edges of another kind.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from contract.borders import boundary_ratio, rank_correlation, ring_difference
from contract.lab import Lab, array
from velatura import pixels, spec
from velatura_starter import weights_path
from velatura_starter.data.families import material_names
from velatura_starter.data.palette import colour_names
from velatura_starter.judge import load_judge, name
from velatura_starter.seams import seam_percentiles

SIDE, HOLE, GROWN = 128, 64, 32
SAID = [
    "red brick", "grey cobblestone", "brown planks", "blue denim", "green hexagon tiles", "orange plaid",
    "yellow basket weave", "white square tiles", "purple scales", "cyan roof tiles", "black diamond plate",
    "pink polka dots",
]  # fmt: skip

pytestmark = pytest.mark.timeout(1800)


def paint(lab: Lab, said: str, **more: Any) -> np.ndarray:
    """One picture (H, W, C) uint8."""
    return array(lab.result(spec.diffuse(said, **more)).images[0].data)[..., :3]


def again(lab: Lab, said: str, before: np.ndarray, **more: Any) -> np.ndarray:
    """One made from another."""
    return paint(lab, said, init=pixels.from_array(np.ascontiguousarray(before)), **more)


@pytest.fixture(scope="module")
def olds(starter: Lab) -> list[np.ndarray]:
    """Pictures (SIDE, SIDE, 3) uint8 to start from, seamless both ways, each step whole: the judge knows them."""
    whole: Any = {"width": SIDE, "height": SIDE, "tile": "xy", "cache_interval": 1}
    return [paint(starter, said, seed=i, **whole) for i, said in enumerate(SAID)]


def hole(column: int = (SIDE - HOLE) // 2) -> np.ndarray:
    """A quarter of the picture, beginning at a column and going on across the edge."""
    mask = np.zeros((SIDE, SIDE), np.float32)
    mask[(SIDE - HOLE) // 2 : (SIDE + HOLE) // 2, :HOLE] = 1
    return np.roll(mask, column, 1)


@pytest.fixture(scope="module")
def repainted(starter: Lab, olds: list[np.ndarray]) -> list[np.ndarray]:
    """The old pictures with a quarter painted anew, its colours matched."""
    settings: Any = {"mask": pixels.mask(hole()), "inpaint": spec.inpaint(color_match=True)}
    return [again(starter, said, olds[i], seed=100 + i, **settings) for i, said in enumerate(SAID)]


@pytest.fixture(scope="module")
def grown(starter: Lab, olds: list[np.ndarray]) -> list[np.ndarray]:
    """Three quarters of the old pictures, grown to the right to their size again."""
    add = spec.outpaint(right=GROWN)
    return [again(starter, said, olds[i][:, :-GROWN], seed=200 + i, outpaint=add) for i, said in enumerate(SAID)]


def check_border(pictures: list[np.ndarray], inside: np.ndarray) -> None:
    """Neither the border nor the lines beside it within the new pixels stand out, and both sides have one colour."""
    floats = [picture.astype(np.float32) / 255 for picture in pictures]
    ratios = np.array([[boundary_ratio(picture, inside, line) for line in (-3, -2, -1, 0)] for picture in floats])
    lines = ratios.mean(0)
    assert all(0.8 <= line <= 1.25 for line in lines), lines
    differences = [ring_difference(picture, inside) for picture in floats]
    assert np.mean(differences) <= 3, differences


def test_the_border_of_a_repainted_hole_cannot_be_found(olds, repainted):
    mask = hole() > 0
    assert all(np.array_equal(after[~mask], before[~mask]) for before, after in zip(olds, repainted, strict=True))
    check_border(repainted, mask)


def test_the_border_of_a_grown_canvas_cannot_be_found(olds, grown):
    assert all(np.array_equal(a[:, :-GROWN], b[:, :-GROWN]) for a, b in zip(grown, olds, strict=True))
    inside = np.zeros((SIDE, SIDE), bool)
    inside[:, -GROWN:] = True
    check_border(grown, inside)


def test_matching_is_what_hides_the_border(starter, olds, repainted):
    mask = hole()
    plain = [again(starter, said, olds[i], seed=100 + i, mask=pixels.mask(mask)) for i, said in enumerate(SAID[:6])]
    without, matched = (
        np.mean([boundary_ratio(picture / 255, mask > 0) for picture in pictures])
        for pictures in (plain, repainted[:6])
    )
    assert without > 1.4 > 1.25 >= matched


def test_a_repainted_or_grown_picture_still_shows_its_material(olds, repainted, grown):
    judge = load_judge(weights_path() / "judge.safetensors", len(material_names()), len(colour_names()))

    def materials(pictures: list[np.ndarray]) -> list[str]:
        return name(judge, batch(pictures), material_names(), colour_names()).materials

    before = materials(olds)
    for after in (materials(repainted), materials(grown)):
        same = [a == b for a, b in zip(before, after, strict=True)]
        assert sum(same) / len(same) >= 0.9, list(zip(before, after, strict=True))


def batch(pictures: list[np.ndarray]) -> torch.Tensor:
    """Pictures as (N, 3, H, W) in 0..1."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


def test_a_picture_changes_the_more_the_greater_the_strength(starter, olds):
    strengths = [0.1, 0.25, 0.4, 0.6, 0.8, 1.0]
    changes = [
        [
            float(np.abs(again(starter, SAID[i - 1], olds[i], seed=7, strength=s).astype(int) - olds[i]).mean())
            for s in strengths
        ]
        for i in range(3)
    ]
    assert rank_correlation(strengths, list(np.mean(changes, axis=0))) >= 0.95, changes


def test_under_a_soft_mask_every_pixel_changes_as_much_as_its_mask_says(starter, olds):
    values = np.repeat(np.linspace(0, 1, 16, dtype=np.float32), SIDE // 16)
    mask = np.tile(values, (SIDE, 1))
    changes = []
    for i in range(8):
        settings: Any = {"mask": pixels.mask(mask), "inpaint": spec.inpaint(fill="original")}
        after = again(starter, SAID[i - 1], olds[i], seed=300 + i, **settings)
        change = np.abs(after.astype(int) - olds[i]).mean((0, 2))
        assert not change[: SIDE // 16].any()
        changes.append(change.reshape(16, -1).mean(1))
    assert rank_correlation(list(range(16)), list(np.mean(changes, axis=0))) >= 0.95, np.mean(changes, axis=0)


TILED: dict[str, dict[str, Any]] = {
    "img2img": {"strength": 0.7},
    "inpaint across the edges": {
        "mask": pixels.mask(hole(SIDE - HOLE // 2)), "inpaint": spec.inpaint(color_match=True),
    },
    "outpaint": {"outpaint": spec.outpaint(right=GROWN)},
}  # fmt: skip


@pytest.mark.parametrize("task", TILED)
def test_what_tiles_still_tiles_after(starter, olds, task):
    afters = []
    for number in range(24):
        i = number % len(SAID)
        old = np.roll(olds[i], 37 * number, (0, 1))
        old = old[:, :-GROWN] if task == "outpaint" else old
        afters.append(again(starter, SAID[i], old, seed=400 + number, tile="xy", steps=8, **TILED[task]))
    dice = torch.Generator().manual_seed(1)
    ranks = [seam_percentiles(batch(afters), axis, dice) for axis in "xy"]
    means = {key: (ranks[0][key] + ranks[1][key]) / 2 for key in ranks[0]}
    assert all(0.38 <= rank <= 0.64 for rank in means.values()), ranks
