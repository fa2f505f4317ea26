"""Textual inversion (Gal et al., arXiv 2208.01618): words of a prompt that are vectors of their own.

The vectors take the places of ordinary tokens after those have been looked up, through a hook on the text encoder's
table of words, so that neither the table nor the tokenizer changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ...errors import Unsupported
from ...models.entry import ModelEntry
from ..tags import naming
from .deltas import finite


class Lexicon:
    """Embeddings for one text encoder. Their vectors are numbered from -1 downwards, where no token is."""

    def __init__(self, entries: Sequence[ModelEntry] = (), width: int = 0, longest: int = 0) -> None:
        """`width`: of the text encoder; `longest`: vectors that its window holds. Raises Unsupported."""
        self._runs: dict[str, tuple[int, ...]] = {}
        tables: list[torch.Tensor] = []
        first = 1
        for entry in entries:
            table = _read(entry, width, longest)
            run = tuple(range(-first, -first - len(table), -1))
            self._runs |= {word.lower(): run for word in entry.words}
            tables.append(table)
            first += len(table)
        self._vectors = torch.cat(tables) if tables else torch.empty(0, max(width, 1))
        self._pattern = naming(self._runs) if entries else None
        self.firsts = {run[0] for run in self._runs.values()}
        """Numbers that begin an embedding; the others may not be parted from the one before."""

    def as_long_as(self, other: Lexicon) -> bool:
        """Whether both have as many vectors for the same words."""
        return self._runs == other._runs

    def __bool__(self) -> bool:
        return bool(self._runs)

    def pieces(self, text: str) -> Iterator[str | tuple[int, ...]]:
        """A text as ordinary words, and the numbers of the vectors for the names between them."""
        at = 0
        for match in self._pattern.finditer(text) if self._pattern else ():
            yield text[at : match.start()]
            yield self._runs[match[0].lower()]
            at = match.end()
        yield text[at:]

    @contextmanager
    def spoken(self, encoder: Any, ids: torch.Tensor, stand_in: int) -> Iterator[torch.Tensor]:
        """Inside the block the encoder hears the vectors where `ids` (B, tokens) are negative; yields what to give it:
        the ids with `stand_in` in those places.
        """
        places = ids < 0
        if not places.any():
            yield ids
            return
        rows = (-ids[places] - 1).to(self._vectors.device)

        def put(_: Any, __: Any, looked_up: torch.Tensor) -> torch.Tensor:
            changed = looked_up.clone()
            changed[places] = self._vectors[rows].to(looked_up)
            return changed

        handle = encoder.get_input_embeddings().register_forward_hook(put)
        try:
            yield torch.where(places, stand_in, ids)
        finally:
            handle.remove()


def _read(entry: ModelEntry, width: int, longest: int) -> torch.Tensor:
    """The vectors (n, width) of an embedding's file."""
    try:
        tables = [values if values.ndim == 2 else values[None] for values in load_file(entry.path).values()]
        table = finite(next(table for table in tables if table.shape[-1] == width).float())
    except (SafetensorError, OSError, ValueError, StopIteration) as trouble:
        why = str(trouble) or f"has no vectors {width} wide"
        raise Unsupported(
            f"the embedding {entry.name} cannot be used: {why}", field="prompt", reason="BROKEN_MODEL_FILE",
            remedy="get the file again, or write something else",
        ) from None  # fmt: skip
    if len(table) > longest:
        raise Unsupported(
            f"the embedding {entry.name} has {len(table)} vectors, and the model's text {longest} places",
            field="prompt", reason="EMBEDDING_TOO_LONG", remedy="use one with fewer vectors",
        )  # fmt: skip
    return table
