"""Walks take the student through whole pictures, each at its own step."""

from __future__ import annotations

import pytest
import torch
from velatura_starter.sampling import Settings
from velatura_starter.tokens import train_tokenizer
from velatura_starter.training.drawing import tokenize
from velatura_starter.training.latents import Scenes, Tiles
from velatura_starter.training.unet import Feeder, Pools
from velatura_starter.training.walks import Walks

SAID = [["red brick"], ["blue moss"]]
PICTURE = torch.randn(4, 32, 32, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def walks(tmp_path):
    """Sixteen walks that begin from a flat picture, so that every roll of it is the same."""
    train_tokenizer(["red brick", "blue moss"] * 20, tmp_path / "tokenizer")

    def tiles(side: int) -> Tiles:
        flat, said = torch.ones(32, 4, side, side).half(), tokenize(tmp_path / "tokenizer", SAID * 16)
        return Tiles(flat, said, torch.arange(32) % 2, torch.ones(32))

    hint, said = torch.zeros(1, 128, 128, dtype=torch.uint8), tokenize(tmp_path / "tokenizer", SAID[:1])
    scenes = Scenes(torch.ones(1, 4, 32, 32).half(), hint, said, torch.ones(1))
    return Walks(Feeder(Pools(tiles(16), tiles(32), tiles(64), scenes), tmp_path / "tokenizer", 1), 16)


def test_walks_take_the_steps_of_a_whole_picture_and_begin_spread_over_them(walks):
    assert Settings().steps == walks.STEPS
    assert sorted(set(walks.step.tolist())) == list(range(walks.END))
    assert walks.t.max() == 999


def test_a_walk_whose_answers_are_right_stays_on_the_way_from_noise_to_its_picture(walks):
    """With v = a n - s x the way is straight in (a, s), whatever the steps."""
    noise = torch.randn(16, 4, 32, 32)
    walks.step[:] = 0
    walks.z = noise.clone()
    for _ in range(walks.END - 1):
        a, s = walks.shares(walks.step)
        walks.advance(a * noise - s * PICTURE)
    a, s = walks.shares(walks.step)
    assert torch.allclose(walks.z, a * PICTURE + s * noise, atol=1e-4)
    assert float(a.min()) > 0.7


def test_where_a_walk_ends_another_begins_from_noise_with_words_of_its_own(walks):
    walks.step = torch.tensor([walks.END - 1] * 8 + [3] * 8)
    before = walks.z, walks.tokens, walks.materials
    copies = [x.clone() for x in before]
    walks.advance(torch.zeros_like(walks.z))
    assert walks.step.tolist() == [0] * 8 + [4] * 8
    assert walks.z[:8].std() == pytest.approx(1, abs=0.05)
    assert torch.equal(walks.tokens[8:], before[1][8:])
    for kept, copy in zip(before, copies, strict=True):
        assert torch.equal(kept, copy), "a loss may still need it"


def test_a_walk_asks_for_the_material_that_its_words_name(walks):
    for _ in range(40):
        walks.advance(torch.zeros_like(walks.z))
    said = {int(m): set() for m in walks.materials}
    for tokens, material in zip(walks.tokens, walks.materials, strict=True):
        said[int(material)].add(tuple(tokens.tolist()))
    assert all(len(words) == 1 for words in said.values()), "one caption for each material here, and none for -1"
