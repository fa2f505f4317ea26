"""The reader names materials in latents, and says how plainly a model shows one."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from velatura_starter.training.course import Course, silent
from velatura_starter.training.latents import Tiles
from velatura_starter.training.objective import noised
from velatura_starter.training.reader import Reader, load_reader, plainness, train_reader, worn

SEED = torch.Generator().manual_seed(6)


def stripes(count: int, side: int) -> Tiles:
    """Lines across for material 0, upright ones for material 1, each with its own colour and place."""
    wave = torch.sin(torch.arange(side) * torch.pi / 2).expand(side, side)
    z = torch.stack([wave.roll(i, -1) if i % 2 else wave.roll(i, -1).T for i in range(count)]).unsqueeze(1)
    latents = z * torch.tensor([1.0, -0.5, 0.7, 0.2]).view(1, 4, 1, 1) + torch.randn(count, 4, 1, 1, generator=SEED)
    return Tiles(
        latents.half(), torch.zeros(count, 1, 24, dtype=torch.long), torch.arange(count) % 2, torch.ones(count)
    )


def test_a_reader_learns_to_tell_what_the_latents_show_in_spite_of_noise(tmp_path):
    course = Course(minutes=0.1, peak=2e-3, decay=0.9, warmup=5, log=silent)
    train_reader(tmp_path, (stripes(64, 16), stripes(64, 32)), course)
    reader, unseen = load_reader(tmp_path), stripes(40, 24)
    read = reader(unseen.latents.float() + 0.2 * torch.randn(40, 4, 24, 24, generator=SEED)).argmax(1)
    assert (read == unseen.materials).float().mean() >= 0.9


def test_without_training_there_is_no_reader(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"reader\.pt"):
        load_reader(tmp_path)


def test_doubt_is_that_of_the_picture_that_the_answer_expects():
    reader, x, materials = Reader().eval(), torch.randn(3, 4, 16, 16, generator=SEED), torch.tensor([2, 0, 5])
    t = torch.tensor([100, 500, 800])
    z, v, _ = noised(x, torch.randn(x.shape, generator=SEED), t)
    expected = F.cross_entropy(reader(x), materials)
    assert plainness(reader, z, v, t, materials).item() == pytest.approx(expected.item(), rel=1e-3)


def test_where_no_material_is_asked_there_is_no_doubt():
    reader, z, t = Reader().eval(), torch.randn(2, 4, 16, 16, generator=SEED), torch.tensor([300, 600])
    assert plainness(reader, z, z, t, torch.tensor([-1, -1])).item() == 0
    told = [plainness(reader, z, z, t, torch.tensor(m)).item() for m in ([3, -1], [-1, 3], [3, 3])]
    assert told[0] + told[1] == pytest.approx(told[2], rel=1e-4)


def test_wearing_keeps_the_mean_and_the_size():
    z = torch.randn(4, 4, 32, 32, generator=SEED) + 2
    for _ in range(8):
        tired = worn(z, SEED)
        assert tired.shape == z.shape
        assert (tired - z).mean().abs() < 0.02
