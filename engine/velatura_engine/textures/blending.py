"""Views of one surface blended: every texel takes what all views have there, in one pass over a list of pixels.

Which pixels those are, and how much each counts, depends on surface, cameras and depth alone. A portion of texels keeps
that for all its views together (`Shown`): the same views with other colours, other weights or another power, or some of
them, are then only read and summed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from . import reading
from .eyes import Eye
from .sight import Sight

PORTION = 1 << 16
"""Texels that are blended together: few enough for a processor's cache."""
FINE = 1 << 25
"""Pixels of all views up to which they are read along a cubic: eight of 2048 a side, 1.6 GB. More are finer than any
texture, so that a line will do."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What views show of N texels: K entries, texel by texel, for each the views that show it in the order of `views`.

    `views` their names, `sizes` of their pictures (height, width); `starts` (N + 1,) int32, where each texel's entries
    begin; `which` (K,) int32, the view; `pixel` (K,) int32 the upper left of the four that are read, on a
    `Sheet` of all views; `shares` (K, 4) of them; `cosine` (K,) of the angle; `mask` (K,), or None for all 1.
    """

    views: tuple[bytes, ...]
    sizes: tuple[tuple[int, int], ...]
    starts: torch.Tensor
    which: torch.Tensor
    pixel: torch.Tensor
    shares: torch.Tensor
    cosine: torch.Tensor
    mask: torch.Tensor | None

    def blend(self, sheet: Sheet, exponent: float) -> Blend:
        """What the sheet's views have there, weighed by their weights and the cosine to a power."""
        weights = self.cosine.log().mul_(exponent)  # a power takes three times as long
        if sheet.differ:
            weights += sheet.weights.log().index_select(0, self.which)
        weights.exp_()
        shares = reading.weighed(self.shares, weights) if sheet.curved else self.shares * weights[:, None]
        read = (3 if sheet.curved else 1) * self.pixel[:, None] + sheet.steps
        sums = reading.read(sheet.rows, read, shares, self.starts)
        strength = (sums[:, 3] > 0).float()
        if self.mask is not None:
            said = reading.read(sheet.rows, read, shares)[:, 3] > 0
            texels = self.texels()
            strength.zero_().scatter_reduce_(0, texels, torch.where(said, self.mask, 0.0), "amax")
        return Blend(reading.colors(sums), strength, read, shares)

    def texels(self) -> torch.Tensor:
        """The texel (K,) of each entry."""
        counts = self.starts.diff().long()
        return torch.repeat_interleave(torch.arange(len(counts)), counts)

    def entries(self, every: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Numbers (k,) of the entries of one texel in `every`, and of those the texel each belongs to, counted anew."""
        begin, end = self.starts[:-1:every].long(), self.starts[1::every].long()
        counts = end - begin
        texel = torch.repeat_interleave(torch.arange(len(counts)), counts)
        return torch.arange(len(texel)) + (begin - (counts.cumsum(0) - counts))[texel], texel


@dataclass(frozen=True, slots=True)
class Blend:
    """Colours (N, 3) of texels and how much they are painted (N,); `read` (K, R) and `shares` (K, R), of what."""

    paint: torch.Tensor
    strength: torch.Tensor
    read: torch.Tensor
    shares: torch.Tensor

    def looks(self, sheet: Sheet, entries: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Colours (k, 3) that views have at entries (k,), and their weights (k,)."""
        said = reading.read(sheet.rows, self.read[entries], self.shares[entries])
        return reading.colors(said), said[:, 3]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Pictures of views one below the other, with a border of nothing round each: `rows` and `steps` as `reading` has
    them, along a cubic where `curved`; `weights` (V,) of the views, 0 for those that are not asked, and whether they
    `differ`."""

    rows: torch.Tensor
    weights: torch.Tensor
    steps: torch.Tensor
    curved: bool
    differ: bool


def sheet(shown: Shown, eyes: Mapping[bytes, Eye]) -> Sheet:
    """The pictures that `shown` is read from, of those of its views that are asked."""
    across = _across(shown.sizes)
    height = sum(each + 2 for each, _ in shown.sizes)
    curved = height * across <= FINE
    rows, weights, top = reading.rows(height, across, curved), torch.zeros(len(shown.views)), 0
    for number, (name, (tall, _)) in enumerate(zip(shown.views, shown.sizes, strict=True)):
        if (one := eyes.get(name)) is not None:
            weights[number] = one.weight
            reading.write(rows[top:], one.color, one.inner)
        top += tall + 2
    return Sheet(rows, weights, reading.steps(across, curved), curved, bool((weights != 1).any()))


def combine(old: Shown | None, eyes: Mapping[bytes, Eye], see: Callable[[bytes], Sight], count: int) -> Shown:
    """What views show of `count` texels, each by its name: those that were known before are not asked again.

    Views stand in the order of their names, so that every sum has the same order whichever views were known.
    """
    names = sorted(eyes)
    sights = {name: _taken(old, name) if old is not None and name in old.views else see(name) for name in names}
    sizes = tuple((eyes[name].color.shape[0], eyes[name].color.shape[1]) for name in names)
    across = _across(sizes)
    places = [sights[name].places.long() for name in names]
    shown = torch.zeros(len(names), count, dtype=torch.int32)
    for row, at in zip(shown, places, strict=True):
        row.index_fill_(0, at, 1)
    before = shown.cumsum(0, dtype=torch.int32).sub_(shown)  # how many views earlier in the list show the texel
    starts = F.pad((before[-1] + shown[-1]).cumsum(0, dtype=torch.int32), (1, 0))
    before += starts[:-1]
    order, base, parts = torch.zeros(int(starts[-1]), dtype=torch.int32), 0, []
    for number, (name, (height, width), at) in enumerate(zip(names, sizes, places, strict=True)):
        one = sights[name]
        first = sum(len(each) for each in places[:number])
        order.index_copy_(0, before[number].index_select(0, at).long(), torch.arange(first, first + len(at)).int())
        pixel = base + one.pixel // (width + 2) * across + one.pixel % (width + 2)
        parts.append((torch.full_like(pixel, number), pixel, one.shares, one.cosine, one.mask))
        base += (height + 2) * across
    which, pixel, shares, cosine = (torch.cat([part[n] for part in parts]).index_select(0, order) for n in range(4))
    masks = [torch.ones(len(part[0])) if part[4] is None else part[4] for part in parts]
    mask = None if all(part[4] is None for part in parts) else torch.cat(masks).index_select(0, order)
    return Shown(tuple(names), sizes, starts, which, pixel, shares, cosine, mask)


def _taken(shown: Shown, name: bytes) -> Sight:
    """What one view showed, taken out of what several did."""
    number = shown.views.index(name)
    across, width = _across(shown.sizes), shown.sizes[number][1]
    base = sum((height + 2) * across for height, _ in shown.sizes[:number])
    at = torch.nonzero(shown.which == number)[:, 0]
    pixel = shown.pixel[at] - base
    return Sight(
        shown.texels()[at].int(),
        pixel // across * (width + 2) + pixel % across,
        shown.shares[at],
        None if shown.mask is None else shown.mask[at],
        shown.cosine[at],
    )


def _across(sizes: Sequence[tuple[int, int]]) -> int:
    """Pixels in a row of a sheet of pictures of these (height, width)."""
    return max(width for _, width in sizes) + 2
