"""Textures as arrays: which texels faces have, padding beyond islands, small copies, and paint laid over. No bpy here.

Places on a texture are counted in texels, x to the right and y down, whole numbers at the corners of texels. Where a
triangle leaves the picture it comes in again on the other side, as textures repeat.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator

import numpy as np

AT_ONCE = 1 << 18
"""Texels that are drawn at once; bounds the memory, and how long Blender's thread waits for a step of another."""
PADDING = 8
"""Texels beyond islands that get paint too, so that filtering and mipmaps show none of the old."""
MOST_TILES = 64
"""How often one triangle may repeat the texture."""


def corners_of(uvs: np.ndarray, width: int, height: int) -> np.ndarray:
    """UVs (..., 2), v up, as places on a texture."""
    return np.stack([uvs[..., 0] * width, (1 - uvs[..., 1]) * height], -1).astype(np.float64)


def drawn(corners: np.ndarray, width: int, height: int) -> np.ndarray:
    """Texels (H, W) whose centres lie in one of the triangles (T, 3, 2); of two that touch, one has each centre."""
    found = np.zeros(height * width, bool)
    for texels in _centres(corners, width, height):
        found[texels] = True
    return found.reshape(height, width)


def counted(corners: np.ndarray, width: int, height: int) -> np.ndarray:
    """In how many of the triangles (T, 3, 2) the centre of each texel lies, (H, W)."""
    found = np.zeros(height * width, np.int64)
    for texels in _centres(corners, width, height):
        found += np.bincount(texels, minlength=height * width)
    return found.reshape(height, width)


def _centres(corners: np.ndarray, width: int, height: int) -> Iterator[np.ndarray]:
    """Numbers of the texels whose centres lie in triangles, one after the other, in portions."""
    for rows, first, last in _spans(corners):
        # What is longer than the picture covers a row whole; no centre needs to be drawn twice.
        last = np.minimum(last, first + width)
        count = last - first
        for part in _portions(count):
            columns = np.arange(count[part].sum()) - np.repeat(np.cumsum(count[part]) - count[part], count[part])
            columns += np.repeat(first[part], count[part])
            yield np.repeat(rows[part], count[part]) % height * width + columns % width


def _spans(corners: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows, first columns and columns behind the last (N,) of triangles, by the rule that the centre counts."""
    order = np.argsort(corners[..., 1], axis=1, kind="stable")
    low, middle, high = np.moveaxis(np.take_along_axis(corners, order[..., None], 1), 1, 0)
    top, bottom = (np.ceil(corner[:, 1] - 0.5).astype(np.int64) for corner in (low, high))
    for part in _portions(bottom - top):
        count = (bottom - top)[part]
        rows = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(top[part], count)
        a, b, c = (np.repeat(corner[part], count, 0) for corner in (low, middle, high))
        y = rows + 0.5
        long = _across(a, c, y)
        short = np.where(y < b[:, 1], _across(a, b, y), _across(b, c, y))
        ends = np.ceil(np.sort(np.stack([long, short]), 0) - 0.5).astype(np.int64)
        some = ends[1] > ends[0]
        yield rows[some], ends[0][some], ends[1][some]


def _across(a: np.ndarray, b: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where lines (N, 2) to (N, 2) are at y; the same number whichever way round the line comes."""
    height = b[:, 1] - a[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(height > 0, (y - a[:, 1]) / height, 0)
    return a[:, 0] + (b[:, 0] - a[:, 0]) * np.clip(part, 0, 1)


def _portions(count: np.ndarray) -> Iterator[slice]:
    """Slices over things of these sizes, each holding about `AT_ONCE` at most."""
    ends = np.cumsum(count)
    start = 0
    while start < len(count):
        before = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, before + AT_ONCE, "right")), start + 1)
        yield slice(start, stop)
        start = stop


def in_square(uvs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (T, 3, 2) of a texture that repeats, moved into the square 0..1: one copy for each repeat that they
    touch; and which triangle each is of (N,). Raises ValueError where there are too many."""
    low = np.floor(uvs.min(1) + 1e-6)
    count = np.maximum(np.ceil(uvs.max(1) - 1e-6) - low, 1).astype(np.int64)  # (T, 2)
    if len(count) and count.prod(1).max() > MOST_TILES:
        raise ValueError("repeats its texture too often over a single face for an edit: bake it first")
    which = np.repeat(np.arange(len(uvs)), count.prod(1))
    number = np.arange(len(which)) - np.repeat(np.cumsum(count.prod(1)) - count.prod(1), count.prod(1))
    shift = low[which] + np.stack([number % count[which, 0], number // count[which, 0]], 1)
    return uvs[which] - shift[:, None], which


def padded(values: np.ndarray, known: np.ndarray, steps: int = PADDING) -> np.ndarray:
    """Values (H, W) carried up to `steps` texels past what is known; where two are as near, the smaller one goes on."""
    values = np.where(known, values, 0)
    if not values.any():
        return values
    rows, columns = (np.flatnonzero(values.any(axis)) for axis in (1, 0))
    # Only around what is not 0, with room for zeros to come from the other side.
    part = tuple(slice(max(at[0] - 2 * steps, 0), at[-1] + 2 * steps + 1) for at in (rows, columns))
    kind = np.int16 if values.dtype == np.uint8 else np.int32
    unknown = np.iinfo(kind).max
    inside = np.where(known[part], values[part].astype(kind), unknown)
    for number in range(steps):
        found = inside.copy()
        ways = [(0, 1), (0, -1), (1, 0), (-1, 0)] + [(1, 1), (1, -1), (-1, 1), (-1, -1)] * (number % 2)
        for down, right in ways:
            to, of = _beside(inside.shape, down, right)
            np.minimum(found[to], inside[of], out=found[to])
        inside = np.where(inside == unknown, found, inside)
    values = values.copy()
    values[part] = np.where(inside == unknown, 0, inside)
    return values


def _beside(shape: tuple[int, ...], down: int, right: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices of texels that have a neighbour there, and of those neighbours."""
    to, of = [], []
    for step, length in zip((down, right), shape, strict=True):
        to.append(slice(max(-step, 0), length - max(step, 0)))
        of.append(slice(max(step, 0), length - max(-step, 0)))
    return (to[0], to[1]), (of[0], of[1])


def filled(pixels: np.ndarray, known: np.ndarray, steps: int = 4 * PADDING) -> np.ndarray:
    """Colours (H, W, C) carried past the islands that are known (H, W), so that nothing beside them draws an edge."""
    colors, there = pixels.astype(np.float32), known.copy()
    for _ in range(steps):
        if there.all():
            break
        new = _edge(there)
        total, count = np.zeros((len(new[0]), colors.shape[2]), np.float32), np.zeros(len(new[0]), np.float32)
        for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            rows, columns = new[0] + down, new[1] + right
            inside = (rows >= 0) & (rows < there.shape[0]) & (columns >= 0) & (columns < there.shape[1])
            inside[inside] = there[rows[inside], columns[inside]]
            total[inside] += colors[rows[inside], columns[inside]]
            count += inside
        colors[new] = total / count[:, None]
        there[new] = True
    return np.rint(colors).astype(pixels.dtype)


def _edge(there: np.ndarray) -> tuple[np.ndarray, ...]:
    """Rows and columns (N,) of the texels beside those that are there."""
    near = np.zeros_like(there)
    for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        to, of = _beside(there.shape, down, right)
        near[to] |= there[of]
    return np.nonzero(near & ~there)


def resized(values: np.ndarray, width: int, height: int) -> np.ndarray:
    """(H, W) or (H, W, C) uint8 at another size: bilinear, and where it becomes smaller the mean of what falls in."""
    found = values.astype(np.float32)
    for axis, wanted in ((0, height), (1, width)):
        length = found.shape[axis]
        if wanted == length:
            continue
        fine = max(-(-length // wanted), 1)
        shape = [*found.shape[:axis], wanted, fine, *found.shape[axis + 1 :]]
        if length == wanted * fine:
            found = found.reshape(shape).mean(axis + 1)
            continue
        at = np.clip((np.arange(wanted * fine) + 0.5) * length / (wanted * fine) - 0.5, 0, length - 1)
        low = np.floor(at).astype(int)
        part = (at - low).astype(np.float32).reshape([-1 if each == axis else 1 for each in range(found.ndim)])
        found = found.take(low, axis) * (1 - part) + found.take(np.minimum(low + 1, length - 1), axis) * part
        found = found.reshape(shape).mean(axis + 1)
    return np.rint(found).astype(values.dtype)


def sampled(pixels: np.ndarray, places: np.ndarray, *, smooth: bool = True) -> np.ndarray:
    """What a repeating picture (H, W, C) uint8 shows at places (N, 2) in texels: (N, C) float32, bilinear or not."""
    height, width = pixels.shape[:2]
    if not smooth:
        at = np.floor(places).astype(np.int64)
        return pixels[at[:, 1] % height, at[:, 0] % width].astype(np.float32)
    low = np.floor(places - 0.5).astype(np.int64)
    part = (places - 0.5 - low).astype(np.float32)
    found = np.zeros((len(places), pixels.shape[2]), np.float32)
    for down in (0, 1):
        for right in (0, 1):
            weight = np.abs(1 - down - part[:, 1]) * np.abs(1 - right - part[:, 0])
            found += weight[:, None] * pixels[(low[:, 1] + down) % height, (low[:, 0] + right) % width]
    return found


def write(**arrays: np.ndarray) -> str:
    """Arrays of bytes or truth values as words, to be kept in a file."""
    kept = {}
    for name, array in arrays.items():
        bits = array.dtype == bool
        body = np.packbits(array).tobytes() if bits else np.ascontiguousarray(array, np.uint8).tobytes()
        kept[name] = [list(array.shape), bits, base64.b85encode(zlib.compress(body, 6)).decode()]
    return json.dumps(kept)


def read(words: str) -> dict[str, np.ndarray]:
    """The arrays of such words."""
    found = {}
    for name, (shape, bits, body) in json.loads(words).items():
        flat = np.frombuffer(zlib.decompress(base64.b85decode(body)), np.uint8)
        found[name] = (np.unpackbits(flat, count=int(np.prod(shape))).astype(bool) if bits else flat).reshape(shape)
    return found


def around(weights: np.ndarray, surroundings: float, most: int) -> tuple[tuple[int, int, int, int], tuple[int, int]]:
    """The box (left, top, width, height) of what is not 0 in (H, W) with its surroundings, a share of its longer side,
    and the size of that box with `most` texels at its longer side."""
    height, width = weights.shape
    rows, columns = np.flatnonzero(weights.any(1)), np.flatnonzero(weights.any(0))
    margin = max(round((max(np.ptp(rows), np.ptp(columns)) + 1) * surroundings), 2)
    left, top = max(columns[0] - margin, 0), max(rows[0] - margin, 0)
    right, bottom = min(columns[-1] + margin + 1, width), min(rows[-1] + margin + 1, height)
    box = int(left), int(top), int(right - left), int(bottom - top)
    scale = min(most / max(box[2:]), 1.0)
    return box, (max(round(box[2] * scale), 16), max(round(box[3] * scale), 16))
