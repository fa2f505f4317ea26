"""How a denoiser takes latents: in rows and columns, as a row of tokens, or as a list of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..families import Packing


def rolled(values: torch.Tensor, shifts: Sequence[tuple[int, int]] | None, side: int) -> torch.Tensor:
    """(B, C, h, w), each rolled by so many (rows, columns) of tokens of that side; None leaves them."""
    if shifts is None:
        return values
    return torch.stack([
        one.roll((down * side, right * side), (-2, -1)) for one, (down, right) in zip(values, shifts, strict=True)
    ])  # fmt: skip


class Tokens:
    """Turns one canvas' latents (B, C, h, w) into what its pipeline and denoiser hold, and back."""

    def __init__(self, packing: Packing, width: int, height: int) -> None:
        """`width` and `height` in latents."""
        self.packing, self.width, self.height = packing, width, height

    @property
    def unit(self) -> int:
        """Latents a side of what may be rolled: of a token."""
        return 1 if self.packing == "cells" else 2

    def grid(self, values: Any) -> torch.Tensor:
        """What a pipeline or denoiser holds -> (B, C, h, w)."""
        if isinstance(values, list | tuple):
            return torch.stack([one[:, 0] for one in values])
        if values.ndim == 4:
            return values
        if self.packing == "cells":
            return values.transpose(1, 2).unflatten(2, (self.height, self.width))
        cells = values.unflatten(2, (-1, 2, 2)).unflatten(1, (self.height // 2, self.width // 2))  # (B, h, w, C, 2, 2)
        return cells.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)

    def row(self, grid: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) -> tokens (B, n, C)."""
        if self.packing == "cells":
            return grid.flatten(2).transpose(1, 2)
        cells = grid.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))  # (B, C, h, 2, w, 2)
        return cells.permute(0, 2, 4, 1, 3, 5).flatten(3, 5).flatten(1, 2)

    def like(self, grid: torch.Tensor, values: Any) -> Any:
        """(B, C, h, w) in the form in which `values` are."""
        if isinstance(values, list | tuple):
            return list(grid[:, :, None].unbind(0))
        return grid if values.ndim == 4 else self.row(grid)

    def start(self, grid: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) as a pipeline takes latents that are ready made."""
        return self.row(grid) if self.packing == "pairs" else grid
