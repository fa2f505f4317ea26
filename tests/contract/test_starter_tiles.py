"""Tile sets by the built-in model: any two lie beside each other as one lies beside itself."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from contract.lab import Lab, array
from velatura import tiles
from velatura_starter.seams import seam_percentiles

SIDE, TILES = 128, 3
SAID = [
    "red brick", "grey cobblestone", "brown planks", "green grass", "blue scales", "white marble",
    "yellow basket weave", "grey cracked earth",
]  # fmt: skip

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def sets(starter: Lab) -> list[list[np.ndarray]]:
    """Sets of tiles (SIDE, SIDE, 3) uint8."""
    found = []
    for number, said in enumerate(SAID):
        result = starter.result(tiles.tile_set(said, TILES, size=SIDE, seed=40 + number, steps=8))
        found.append([array(image.data)[..., :3] for image in result.images])
    return found


def test_tiles_of_a_set_share_their_band_to_the_bit_and_are_different(sets):
    band = SIDE // tiles.PART
    for found in sets:
        for other in found[1:]:
            for edge in (np.s_[:band], np.s_[-band:], np.s_[:, :band], np.s_[:, -band:]):
                assert np.array_equal(found[0][edge], other[edge])
            inner = np.s_[3 * band : -3 * band, 3 * band : -3 * band]
            assert np.abs(found[0][inner].astype(int) - other[inner]).mean() > 3


@pytest.mark.parametrize(("axis", "along"), [("x", 1), ("y", 0)])
def test_joints_of_different_tiles_are_as_those_of_a_tile_with_itself(sets, axis: str, along: int):
    # Of two tiles in a row the edges of the whole are the joint of the second to the first.
    mixed = ranks([np.concatenate(pair, along) for found in sets for pair in permutations(found, 2)], axis)
    alone = ranks([np.concatenate((tile, tile), along) for found in sets for tile in found], axis)
    for statistic, rank in mixed.items():
        # Borders lie where little is to be seen, so that ranks are rather low.
        assert rank <= 0.62 and abs(rank - alone[statistic]) <= 0.08, (statistic, rank, alone)


@pytest.mark.parametrize(("axis", "along"), [("x", 1), ("y", 0)])
def test_where_the_band_ends_nothing_can_be_seen_either(sets, axis: str, along: int):
    band = SIDE // tiles.PART
    found = ranks([np.roll(tile, by, along) for found in sets for tile in found for by in (-band, band)], axis)
    assert all(0.35 <= rank <= 0.68 for rank in found.values()), found


def ranks(pictures: list[np.ndarray], axis: str) -> dict[str, float]:
    """Seam percentiles of pictures (H, W, 3) uint8."""
    batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    return seam_percentiles(batch, axis, torch.Generator().manual_seed(1))
