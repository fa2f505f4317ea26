"""Pictures read between their pixels along a cubic, so that what is read is as sharp as what was painted.

Between two pixels, t of the way, a cubic through four (Catmull and Rom 1974) is what a straight line has, less
t (1 - t) / 2 of the second differences at both, mixed as the line mixes. So the four pixels round a place are read as
for a bilinear mix, and with each what the picture bends there, across and down; each way is treated for itself.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F


def rows(height: int, across: int, curved: bool = True) -> torch.Tensor:
    """Room (height, across, n, 4) for pictures, borders included: nothing. A pixel has three rows of numbers, its own
    and what its colours bend across and down, or one where they are not `curved`."""
    return torch.zeros(height, across, 3 if curved else 1, 4)


def write(rows: torch.Tensor, color: torch.Tensor, inner: torch.Tensor) -> None:
    """Put a picture (h, w, 4) into the upper left of `rows`, inside a border of a pixel: colours times the fourth
    number, how much they count, then that. `inner` (2, h, w) are the pixels that bend, across and down."""
    height, width = color.shape[:2]
    rgb, count = color[..., :3], color[..., 3:]
    inside = rows[1 : height + 1, 1 : width + 1]
    torch.mul(rgb, count, out=inside[..., 0, :3])
    inside[..., 0, 3:] = count
    every = bool(count.all())
    for plane in range(1, rows.shape[2]):
        (before, middle, after), counts = _three(rgb, plane), _three(count, plane)
        share = counts[1] * _three(inner[plane - 1], plane)[1][..., None]
        if not every:  # a colour that does not count may be any
            share *= (counts[0] > 0) & (counts[2] > 0)
        torch.mul((before + after).sub_(middle, alpha=2), share, out=_three(inside, plane)[1][..., plane, :3])


def _three(values: torch.Tensor, plane: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of a picture (h, w, ...) all pixels that have neighbours on both sides, across for plane 1, else down: those
    before them, they themselves, and those after them."""
    if plane == 1:
        return values[:, :-2], values[:, 1:-1], values[:, 2:]
    return values[:-2], values[1:-1], values[2:]


def steps(across: int, curved: bool = True) -> torch.Tensor:
    """The way from the first row of a pixel to all that are read, of it and of those at its right and below: (12,), or
    (4,) of such as have no bends. `across` pixels lie beside each other, borders included."""
    corners = torch.tensor([0, 1, across, across + 1], dtype=torch.int32)
    return torch.cat([3 * corners + plane for plane in range(3)]) if curved else corners


def weighed(shares: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Bilinear shares (K, 4) of four pixels -> those of all that is read (K, 12), times weights (K,)."""
    found = shares.new_empty(len(shares), 12)  # written in place: half the time of putting parts together
    plain = torch.mul(shares, weights[:, None], out=found[:, :4])
    for plane, right in enumerate((1, 2), 1):
        part = shares[:, right] + shares[:, 3]
        bent = part * (part - 1) / 2
        torch.mul(plain, bent[:, None], out=found[:, 4 * plane : 4 * plane + 4])
    return found


def read(
    rows: torch.Tensor, which: torch.Tensor, shares: torch.Tensor, starts: torch.Tensor | None = None
) -> torch.Tensor:
    """Sums (K, 4) of rows (..., 4) times shares (K, R), by their numbers (K, R); or from each of the `starts` (N + 1,)
    int32 on to the next, (N, 4)."""
    if starts is None:
        starts = torch.arange(len(which) + 1, dtype=torch.int32)
    return F.embedding_bag(
        which.view(-1), rows.view(-1, rows.shape[-1]), starts * which.shape[1], mode="sum",
        per_sample_weights=shares.view(-1), include_last_offset=True,
    )  # fmt: skip


def colors(sums: torch.Tensor) -> torch.Tensor:
    """Colours (N, 3) 0..1 of what was read (N, 4): a cubic goes a little beyond what it was read from."""
    return (sums[:, :3] / sums[:, 3:].clamp_min(1e-30)).clamp_(0, 1)
