"""Large pictures through an autoencoder tile by tile, so that what it must hold grows with a tile and not the picture.

Layers that see a neighbourhood give the same at a tile as at the whole, if a tile brings enough of its surroundings.
Two kinds of layers see everything, and are the reason for the seams and shades of tiles that are merely blended:
attention, which in these networks stands where the picture is smallest and is left to see it whole, and group norms,
whose means and spreads are those of the whole here. They are found by going over the tiles: first each tile has its
own, then all have what all had together, until that hardly changes (`CLOSE`) or enough rounds were made. Tiles agree to
rounding after the first, so there are no seams; what they agree on comes nearer to the whole's with every round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from math import ceil
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.autoencoders.vae import Decoder, Encoder
from torch import nn

from ..textures.seamless import Axes
from .autoencoder import of_films

CLOSE = 0.02
"""Change of means and spreads, in spreads, that is taken for none."""
ROUNDS = 6
"""Times to go over the tiles at most, the first of which only looks."""


@contextmanager
def by_tiles(vae: Any, side: int, axes: Axes, check: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Let an autoencoder see tiles of `side` pixels inside the block, whoever calls it; 0 changes nothing.

    Where `axes` wrap tiles bring what is across. Autoencoders for films are tiled by diffusers, which blends; those
    without group norms and attention in a middle block see the whole as ever. `check` is called between tiles.
    """
    if not side:
        yield
    elif of_films(vae):
        stride = side * 3 // 4
        vae.enable_tiling(side, side, stride, stride)
        try:
            yield
        finally:
            vae.disable_tiling()
    else:
        with ExitStack() as stack:
            for half in (getattr(vae, "encoder", None), getattr(vae, "decoder", None)):
                if isinstance(half, Encoder | Decoder) and not _attends(half):
                    stack.enter_context(_tiled(half, _Tiling(side, axes, check)))
            yield


@contextmanager
def _tiled(half: Encoder | Decoder, tiling: _Tiling) -> Iterator[None]:
    method = _encode if isinstance(half, Encoder) else _decode
    half.forward = partial(method, half, tiling)  # type: ignore[method-assign]
    try:
        yield
    finally:
        del half.forward


def _attends(half: Encoder | Decoder) -> bool:
    blocks = half.down_blocks if isinstance(half, Encoder) else half.up_blocks
    return any(isinstance(layer, Attention) for layer in blocks.modules())


def _decode(
    half: Decoder, tiling: _Tiling, sample: torch.Tensor, latent_embeds: torch.Tensor | None = None
) -> torch.Tensor:
    """Latents (B, C, h, w) -> pictures (B, 3, H, W), the middle block seeing each picture's latents whole."""
    factor = 2 ** sum(block.upsamplers is not None for block in half.up_blocks)
    if max(sample.shape[-2:]) * factor <= tiling.side:
        return type(half).forward(half, sample, latent_embeds)
    kind = next(half.up_blocks.parameters()).dtype

    def body(tile: torch.Tensor) -> torch.Tensor:
        for block in half.up_blocks:
            tile = block(tile, latent_embeds)
        return half.conv_out(half.conv_act(half.conv_norm_out(tile)))

    layers = nn.ModuleList([half.up_blocks, half.conv_norm_out])
    made = [
        tiling.run(body, layers, half.mid_block(half.conv_in(one), latent_embeds).to(kind), reach_up(half), factor, 1)
        for one in sample.split(1)
    ]
    return torch.cat(made)


def _encode(half: Encoder, tiling: _Tiling, sample: torch.Tensor) -> torch.Tensor:
    """Pictures (B, 3, H, W) -> moments of latents (B, 2 C, h, w), the middle block seeing each picture whole."""
    factor = 2 ** sum(block.downsamplers is not None for block in half.down_blocks)
    if max(sample.shape[-2:]) <= tiling.side or any(length % factor for length in sample.shape[-2:]):
        return type(half).forward(half, sample)

    def body(tile: torch.Tensor) -> torch.Tensor:
        tile = half.conv_in(tile)
        for block in half.down_blocks:
            tile = block(tile)
        return tile

    made = [tiling.run(body, half.down_blocks, one, reach_down(half), 1, factor) for one in sample.split(1)]
    return torch.cat([half.conv_out(half.conv_act(half.conv_norm_out(half.mid_block(one)))) for one in made])


def reach_up(half: Decoder) -> int:
    """How far, in latents, a pixel is from what its value depends on after the middle block."""
    far, scale = 0.0, 1
    block: Any
    for block in half.up_blocks:
        far += 2 * len(block.resnets) / scale
        if block.upsamplers is not None:
            scale *= 2
            far += 1 / scale
    return ceil(far + 1 / scale)


def reach_down(half: Encoder) -> int:
    """How far, in latents, a latent is from the pixels that its value depends on before the middle block."""
    far, scale = 1, 1
    block: Any
    for block in half.down_blocks:
        far += 2 * len(block.resnets) * scale
        if block.downsamplers is not None:
            far += 2 * scale
            scale *= 2
    return ceil(far / scale)


@dataclass(frozen=True, slots=True)
class _Part:
    """A tile along one axis, counted in latents: what it makes, and what it sees for that."""

    start: int
    stop: int
    first: int
    last: int


def cut(length: int, side: int, reach: int, wraps: bool) -> list[_Part]:
    """An axis of `length` in nearly equal parts of `side` at most, each seeing `reach` beyond: across the edge where it
    wraps, else up to it. An axis that needs no cutting sees itself, and its layers wrap by themselves."""
    count = -(-length // side)
    edges = [length * number // count for number in range(count + 1)]
    return [
        _Part(start, stop, start - reach, stop + reach)
        if wraps and count > 1
        else _Part(start, stop, max(0, start - reach), min(length, stop + reach))
        for start, stop in pairwise(edges)
    ]


@dataclass(frozen=True, slots=True)
class _Tiling:
    side: int
    axes: Axes
    check: Callable[[], None]

    def run(
        self, body: Callable[[torch.Tensor], torch.Tensor], layers: nn.Module, whole: torch.Tensor, reach: int,
        up: int, down: int,
    ) -> torch.Tensor:  # fmt: skip
        """What `body` makes of (1, C, H, W), `up` times larger or `down` times smaller, tile by tile."""
        sides = [length // down for length in whole.shape[-2:]]
        most = max(1, self.side // (up * down))
        wraps = self.axes.y, self.axes.x
        rows, columns = (cut(length, most, reach, on) for length, on in zip(sides, wraps, strict=True))
        norms = [Norm(layer) for layer in layers.modules() if isinstance(layer, nn.GroupNorm)]
        made: torch.Tensor | None = None
        # What is cut does not wrap in its layers: its tiles bring what is across.
        self.axes.y, self.axes.x = (on and len(parts) == 1 for on, parts in zip(wraps, (rows, columns), strict=True))
        try:
            with ExitStack() as stack:
                for norm in norms:
                    stack.enter_context(norm.shared())
                for _ in range(ROUNDS):
                    for row in rows:
                        for column in columns:
                            self.check()
                            for norm in norms:
                                norm.look(row, column)
                            tile = body(_take(whole, row, column, down))
                            if made is None:
                                shape = [length * up for length in sides]
                                made = tile.new_empty((1, tile.shape[1], *shape))
                            _lay(made, tile, row, column, up)
                    if max((norm.settle() for norm in norms), default=0.0) <= CLOSE:
                        break
        finally:
            self.axes.y, self.axes.x = wraps
        assert made is not None
        return made


def _take(whole: torch.Tensor, row: _Part, column: _Part, down: int) -> torch.Tensor:
    height, width = whole.shape[-2:]
    rows, columns = (
        torch.arange(part.first * down, part.last * down, device=whole.device) % length
        for part, length in ((row, height), (column, width))
    )
    return whole.index_select(2, rows).index_select(3, columns)


def _lay(made: torch.Tensor, tile: torch.Tensor, row: _Part, column: _Part, up: int) -> None:
    (top, height), (left, width) = (
        ((part.start - part.first) * up, (part.stop - part.start) * up) for part in (row, column)
    )
    made[..., row.start * up : row.stop * up, column.start * up : column.stop * up] = tile[
        ..., top : top + height, left : left + width
    ]


@dataclass(slots=True)
class Norm:
    """A group norm whose means and spreads (G,) are those of all tiles, as far as they are known."""

    layer: nn.GroupNorm
    mean: torch.Tensor | None = None
    variance: torch.Tensor | None = None
    _found: list[tuple[int, torch.Tensor, torch.Tensor]] = field(default_factory=list)
    _at: tuple[_Part, _Part] | None = None

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Stands in the layer's place inside the block."""
        self.layer.forward = self.forward  # type: ignore[method-assign]
        try:
            yield
        finally:
            del self.layer.forward

    def look(self, row: _Part, column: _Part) -> None:
        """The tile that comes next: of what it sees only what it makes counts."""
        self._at = row, column

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Values (1, C, h, w) of a tile -> the same, normed."""
        assert self._at is not None
        row, column = (_core(part, length) for part, length in zip(self._at, values.shape[-2:], strict=True))
        groups = self.layer.num_groups
        core = values[..., row, column].float().reshape(groups, -1)
        variance, mean = torch.var_mean(core, dim=1, correction=0)
        self._found.append((core.shape[1], mean.double().cpu(), variance.double().cpu()))
        if self.mean is not None and self.variance is not None:
            mean, variance = self.mean.to(mean), self.variance.to(variance)
        scale = (variance + self.layer.eps).rsqrt().repeat_interleave(values.shape[1] // groups)
        mean = mean.repeat_interleave(values.shape[1] // groups)
        if self.layer.affine:
            scale = scale * self.layer.weight.float()
            shift = self.layer.bias.float() - mean * scale
        else:
            shift = -mean * scale
        return (values.float() * scale[:, None, None] + shift[:, None, None]).to(values.dtype)

    def settle(self) -> float:
        """Take what all tiles had together; how much that changes, in spreads."""
        count = sum(number for number, _, _ in self._found)
        mean = sum(mean * (number / count) for number, mean, _ in self._found)
        assert isinstance(mean, torch.Tensor)
        variance = sum((spread + (one - mean) ** 2) * (number / count) for number, one, spread in self._found)
        assert isinstance(variance, torch.Tensor)
        self._found.clear()
        before, self.mean, self.variance = (self.mean, self.variance), mean, variance
        if before[0] is None or before[1] is None:
            return float("inf")
        spread = (variance + self.layer.eps).sqrt()
        moved = (mean - before[0]).abs() / spread + ((before[1] + self.layer.eps).sqrt() / spread - 1).abs()
        return float(moved.max())


def _core(part: _Part, length: int) -> slice:
    """Where, in a layer `length` long, lies what the tile makes."""
    scale = length / (part.last - part.first)
    return slice(round((part.start - part.first) * scale), round((part.stop - part.first) * scale))
