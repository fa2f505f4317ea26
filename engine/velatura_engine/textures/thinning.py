"""Fewer triangles where a depth map is flat: right-angled triangles that are split until they fit.

After Evans, Kirkpatrick and Townsend, Right-Triangulated Irregular Networks (2001). The corners stay pixels of the
depth map, so no place is moved; a midpoint is used by both of its triangles or by none, so no crack opens. Over the
picture 1 / distance of a plane is linear: a plane is exact with two triangles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TILE = 64
"""Side of the largest triangles, in pixels that are looked at."""
FLAT = 1e-6
"""Deviation, as a part of the distance, that is never worth a triangle: float32 has no more digits."""
ANY = 1e30
"""Deviation that is more than any finite one: only cuts are split for."""


def joined(z: np.ndarray, one: np.ndarray, other: np.ndarray, jump: float) -> np.ndarray:
    """Whether pixels of `z` (N,), named by number, both hold something and are no farther apart than `jump` allows."""
    a, b = z[one], z[other]
    return (a > 0) & (b > 0) & (np.maximum(a, b) <= np.minimum(a, b) * (1 + jump))


def thinned(z: np.ndarray, jump: float, most: int) -> np.ndarray:
    """Triangles (T, 3) of `z` (H, W), named by y * W + x, counter-clockwise, at most `most`, as exact as these allow.

    Along cuts and holes all pixels are used; where that is too many, fewer rows and columns are looked at.
    """
    share = 1.0
    while True:
        tree = _tree(z, jump, share, most)
        if tree is None or tree.count(ANY) > most:
            share *= 0.75
            continue
        if tree.count(FLAT) <= most:
            return tree.triangles(FLAT)
        if tree.count(1.0) > most:
            return tree.triangles(ANY)
        low, high = np.log(FLAT), 0.0
        while high - low > 0.02:
            middle = (low + high) / 2
            low, high = (low, middle) if tree.count(np.exp(middle)) <= most else (middle, high)
        return tree.triangles(np.exp(high))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    """All triangles of a lattice, level by level; those of number n have the halves 2 n and 2 n + 1 in the next.

    `corners` (N, 3) numbers of pixels: the ends of the longest side, then the corner opposite it; `middles` (N,) places
    of the longest side's midpoint in `errors`, which say how far the surface deviates there and below, as a part of its
    distance, and are infinite where a triangle holds a cut. `whole` (N,): it holds surface and nothing else.
    """

    corners: list[np.ndarray]
    middles: list[np.ndarray]
    whole: list[np.ndarray]
    errors: np.ndarray

    def leaves(self, error: float) -> list[np.ndarray]:
        """Numbers of the triangles, level by level, that deviate by no more than this."""
        found, open_ = [], np.arange(len(self.corners[0]))
        for level, whole in enumerate(self.whole):
            if level + 1 == len(self.whole):
                found.append(open_[whole[open_]])
                break
            split = self.errors[self.middles[level][open_]] > error
            kept = open_[~split]
            found.append(kept[whole[kept]])
            halves = open_[split]
            open_ = np.stack([2 * halves, 2 * halves + 1], 1).ravel()
        return found

    def count(self, error: float) -> int:
        """How many triangles that are."""
        return sum(map(len, self.leaves(error)))

    def triangles(self, error: float) -> np.ndarray:
        """Those triangles (T, 3)."""
        return np.concatenate([
            corners[found] for corners, found in zip(self.corners, self.leaves(error), strict=True)
        ])  # fmt: skip


def _tree(z: np.ndarray, jump: float, share: float, most: int) -> _Tree | None:
    """The triangles over `share` of the rows and columns; None where their largest are too many already."""
    height, width = z.shape
    steps = tuple(max(1, int((side - 1) * share)) for side in (height, width))
    tile = 1 << max(1, min(TILE, min(steps) // 8)).bit_length() - 1  # an eighth of the pixels at most is left out
    tiles = tuple(side // tile for side in steps)
    if 2 * tiles[0] * tiles[1] > most and min(steps) > 1:
        return None
    rows, columns = (
        np.rint(np.linspace(0, side - 1, count * tile + 1)).astype(np.int32)
        for side, count in zip((height, width), tiles, strict=True)
    )
    across = len(columns)
    down, right = np.meshgrid(np.arange(tiles[0]) * tile, np.arange(tiles[1]) * tile, indexing="ij")
    corner = (down * across + right).ravel()
    far, below, beside = corner + tile * (across + 1), corner + tile * across, corner + tile
    roots = np.stack([np.stack([far, corner, below], 1), np.stack([corner, far, beside], 1)], 1).reshape(-1, 3)
    lattice, middles = [roots.astype(np.int32)], []
    for _ in range(2 * (tile.bit_length() - 1)):
        a, b, c = lattice[-1].T
        middle = (a + b) // 2  # exact: both coordinates of the ends are even there, or equal
        middles.append(middle)
        lattice.append(np.stack([np.stack([c, a, middle], 1), np.stack([b, c, middle], 1)], 1).reshape(-1, 3))
    pixels = (rows[:, None].astype(np.int64) * width + columns).ravel()
    distance = z.ravel()[pixels].astype(np.float64)
    return _measured(lattice, middles, pixels, distance, (rows, columns), jump)


def _measured(
    lattice: list[np.ndarray], middles: list[np.ndarray], pixels: np.ndarray, z: np.ndarray,
    sides: tuple[np.ndarray, np.ndarray], jump: float,
) -> _Tree:  # fmt: skip
    """The tree with the errors of its midpoints, from the smallest triangles up."""
    across = len(sides[1])
    y, x = (side.astype(np.float64) for side in (np.repeat(sides[0], across), np.tile(sides[1], len(sides[0]))))
    nearness = np.divide(1, z, out=np.zeros_like(z), where=z > 0)
    errors = np.zeros(len(z))
    a, b, c = lattice[-1].T
    some = joined(z, a, b, jump) & joined(z, b, c, jump) & joined(z, c, a, jump)
    whole = [some]
    for level in reversed(range(len(middles))):
        (a, b, c), m = lattice[level].T, middles[level]
        every, some = np.all(whole[0].reshape(-1, 2), axis=1), np.any(some.reshape(-1, 2), axis=1)
        ax, ay, bx, by = x[a] - x[c], y[a] - y[c], x[b] - x[c], y[b] - y[c]
        mx, my, turn = x[m] - x[c], y[m] - y[c], ax * by - ay * bx
        flat = nearness[c] + ((mx * by - my * bx) * (nearness[a] - nearness[c])
                              + (ax * my - ay * mx) * (nearness[b] - nearness[c])) / turn  # fmt: skip
        own = np.abs(nearness[m] - flat) / np.maximum(nearness[m], 1e-300)
        own = np.where(every, own, np.where(some, np.inf, 0))
        if level + 1 < len(middles):
            own = np.maximum(own, errors[middles[level + 1]].reshape(-1, 2).max(1))
        np.maximum.at(errors, m, own)
        whole.insert(0, every)
    return _Tree(corners=[pixels[each] for each in lattice], middles=middles, whole=whole, errors=errors)
