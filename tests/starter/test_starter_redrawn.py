"""Pictures made of others by drawing their noise anew."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from velatura_starter.training.objective import picture_shares
from velatura_starter.training.redrawn import EVERY, KEPT, PART, ROUNDS, Redrawn, redraw
from velatura_starter.training.unet import Sample


class Sure(nn.Module):
    """Sees the same grey ``seen`` in everything, whatever the noise."""

    seen = 0.25

    def forward(self, z, t, context, return_dict=True):
        """The v that says so: z = a x + s n, v = a n - s x."""
        a, s = (share.view(-1, 1, 1, 1) for share in (picture_shares()[t].sqrt(), (1 - picture_shares()[t]).sqrt()))
        return ((a * z - self.seen) / s,)


class Dice:
    """What draws the noise and the rows."""

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(1)

    def noise(self, shape):
        return torch.randn(shape, generator=self.generator)

    def integers(self, high, count):
        return torch.randint(high, (count,), generator=self.generator)


def batch(count: int = 6, side: int = 8, tiled: bool = True, material: int = 0) -> Sample:
    """Noise in place of drawings."""
    tokens = torch.arange(count * 24).view(count, 24)
    return Sample(torch.randn(count, 4, side, side), tokens, tiled, torch.full((count,), material))


def memory() -> tuple[Redrawn, Sample]:
    """One batch kept."""
    kept, told = Redrawn(Dice()), batch(material=3)
    for _ in range(EVERY):
        kept.keep(Sure(), told, torch.zeros(6, 24, 160))
    return kept, told


@pytest.mark.parametrize(("start", "stride"), ROUNDS)
def test_what_is_redrawn_is_what_the_network_sees(start, stride):
    made = redraw(Sure(), batch().x, torch.zeros(6, 24, 160), start, stride, Dice())
    assert len(made) == len(range(start, 0, -stride))
    for picture in made:
        torch.testing.assert_close(picture, torch.full_like(picture, Sure.seen), atol=1e-4, rtol=0)


ROWS = 12 // PART


def test_the_last_rows_begin_with_the_redrawn_and_are_asked_for_the_drawing_itself():
    kept, told = memory()
    fresh, t = batch(12), torch.full((12,), 999)
    sample, begun, times, first = kept.mix(fresh, t, 600)
    assert first == 12 - ROWS
    assert torch.equal(begun[:-ROWS], fresh.x[:-ROWS]) and torch.equal(sample.x[:-ROWS], fresh.x[:-ROWS])
    assert (times[:-ROWS] == 999).all() and (times[-ROWS:] < 600).all()
    torch.testing.assert_close(begun[-ROWS:], torch.full((ROWS, 4, 8, 8), Sure.seen), atol=1e-4, rtol=0)
    assert sample.materials.tolist() == [0] * (12 - ROWS) + [3] * ROWS
    for row in range(12 - ROWS, 12):
        which = [i for i in range(6) if torch.equal(sample.x[row], told.x[i])]
        assert which and torch.equal(sample.tokens[row], told.tokens[which[0]])


@pytest.mark.parametrize("other", [batch(tiled=False), batch(side=16), batch(PART - 1)])
def test_what_does_not_repeat_or_is_of_another_size_or_too_few_stays_as_it_is(other):
    t = torch.arange(len(other.x))
    sample, begun, times, first = memory()[0].mix(other, t, 600)
    assert sample is other and begun is other.x and times is t and first == len(t)


def test_a_batch_is_redrawn_now_and_then_and_the_oldest_is_forgotten():
    kept, told = memory()
    for _ in range(EVERY - 1):
        kept.keep(Sure(), batch(), torch.zeros(6, 24, 160))
    assert len(kept.batches) == 1 and kept.batches[0].sample is told
    for _ in range(EVERY * (KEPT - 1) + 1):
        kept.keep(Sure(), batch(), torch.zeros(6, 24, 160))
    assert len(kept.batches) == KEPT and all(b.sample is not told for b in kept.batches)
