"""Tile sets by the built-in model: the joints of any two cannot be told from cuts through either."""

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
            assert np.abs(found[0][inner].astype(int) - other[inner]).mean() > 8


def test_the_joints_of_different_tiles_cannot_be_seen(sets):
    dice = torch.Generator().manual_seed(1)
    for axis, along in (("x", 1), ("y", 0)):
        # Two tiles in a row: what the picture's edges meet at is the joint of the second to the first.
        pairs = [np.concatenate(pair, along) for found in sets for pair in permutations(found, 2)]
        batch = torch.from_numpy(np.stack(pairs)).permute(0, 3, 1, 2).float() / 255
        for statistic, rank in seam_percentiles(batch, axis, dice).items():
            # Borders are laid where little is to be seen, so that ranks are rather low.
            assert 0.2 <= rank <= 0.62, (axis, statistic, rank)


def test_where_the_band_ends_nothing_can_be_seen_either(sets):
    dice, band = torch.Generator().manual_seed(1), SIDE // tiles.PART
    for axis, along in (("x", 1), ("y", 0)):
        rolled = [np.roll(tile, shift, along) for found in sets for tile in found for shift in (-band, band)]
        batch = torch.from_numpy(np.stack(rolled)).permute(0, 3, 1, 2).float() / 255
        for statistic, rank in seam_percentiles(batch, axis, dice).items():
            assert 0.3 <= rank <= 0.66, (axis, statistic, rank)
