"""From weighted words to what a denoiser hears: chunks of a text encoder's window, weighted and put end to end.

The ways of AUTOMATIC1111: words past one window begin another, at a comma if one is near; a word's embedding counts
as many times as its weight says, and the whole keeps its mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from .adapters.lexicon import Lexicon

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .prompt import Branch, Chunk

BACK = 20
"""Tokens that are moved to the next window with a word, so that what stands between commas stays together."""

Window = tuple[tuple[int, ...], tuple[float, ...]]
"""Token numbers of one window without the two at its ends (negative: a lexicon's vectors), and the weight of each."""


class Embedder:
    """A text encoder of the CLIP kind with its tokenizer; remembers what it has encoded, for one painting."""

    def __init__(
        self, tokenizer: Any, encoder: Any, clip_skip: int | None = None, lexicon: Lexicon | None = None
    ) -> None:
        """`clip_skip`: how many of the encoder's last layers to leave out; None and 0 are all layers. `lexicon`: words
        that mean vectors of their own.
        """
        self.lexicon = lexicon or Lexicon()
        self.tokenizer, self.encoder, self.clip_skip = tokenizer, encoder, clip_skip
        self.size = tokenizer.model_max_length - 2
        self.comma = tokenizer(",", add_special_tokens=False).input_ids
        self._encoded: dict[Window, torch.Tensor] = {}

    def length(self, branches: Iterable[Branch]) -> int:
        """How many windows the longest of the branches fills, at least 1."""
        parts = (part for branch in branches for part in (branch.blend or (branch,)))
        return max((sum(len(self.windows(chunk)) for chunk in part.chunks) for part in parts), default=1)

    def embed(self, branch: Branch, length: int) -> torch.Tensor:
        """What a branch means, (1, `length` windows x tokens, D); empty windows follow where it is shorter."""
        if branch.blend:
            return torch.stack([part.weight * self.embed(part, length) for part in branch.blend]).sum(0)
        windows = [window for chunk in branch.chunks for window in self.windows(chunk)]
        windows += [((), ())] * (length - len(windows))
        return torch.cat([self._encode(window) for window in windows], 1)

    def windows(self, chunk: Chunk) -> list[Window]:
        """The tokens of a chunk, window by window; an empty chunk is one empty window."""
        tokens: list[int] = []
        weights: list[float] = []
        for span in chunk:
            ids = self._tokens(span.text)
            tokens += ids
            weights += [span.weight] * len(ids)
        windows, start = [], 0
        while start < len(tokens) or not windows:
            end = self._end(tokens, start)
            windows.append((tuple(tokens[start:end]), tuple(weights[start:end])))
            start = end
        return windows

    def _tokens(self, text: str) -> list[int]:
        """The numbers of a text's tokens and vectors."""
        tokens: list[int] = []
        for piece in self.lexicon.pieces(text):
            if isinstance(piece, tuple):
                tokens += piece
            elif piece:
                tokens += self.tokenizer(piece, add_special_tokens=False, truncation=False, verbose=False).input_ids
        return tokens

    def _end(self, tokens: list[int], start: int) -> int:
        """Where the window from `start` ends: after its last comma if that is near, and words are left over."""
        end = start + self.size
        while end < len(tokens) and tokens[end] < 0 and tokens[end] not in self.lexicon.firsts:
            end -= 1  # an embedding is not torn: it begins the next window
        if end >= len(tokens) or len(self.comma) != 1 or tokens[end] == self.comma[0]:
            return min(end, len(tokens))
        near = range(end, max(start + 1, end - BACK), -1)
        return next((stop for stop in near if tokens[stop - 1] == self.comma[0]), end)

    def _encode(self, window: Window) -> torch.Tensor:
        """The embedding of a window, (1, tokens, D)."""
        if window not in self._encoded:
            tokens, weights = window
            tokenizer = self.tokenizer
            pad = [tokenizer.pad_token_id] * (self.size - len(tokens))
            ids = [tokenizer.bos_token_id, *tokens, tokenizer.eos_token_id, *pad]
            said = self._hear(torch.tensor([ids], device=self.encoder.device))
            self._encoded[window] = said if set(weights) <= {1.0} else _weigh(said, weights)
        return self._encoded[window]

    def _hear(self, ids: torch.Tensor) -> torch.Tensor:
        """As diffusers' pipelines encode it, `clip_skip` included."""
        with self.lexicon.spoken(self.encoder, ids, self.tokenizer.pad_token_id) as ids:
            if not self.clip_skip:
                return self.encoder(ids)[0]
            layers = self.encoder(ids, output_hidden_states=True).hidden_states
        return self.encoder.text_model.final_layer_norm(layers[-(self.clip_skip + 1)])


def _weigh(said: torch.Tensor, weights: tuple[float, ...]) -> torch.Tensor:
    """Each word's embedding times its weight; said (1, tokens, D). The mean over all stays, or the picture fades."""
    factors = said.new_ones(said.shape[1])
    factors[1 : len(weights) + 1] = said.new_tensor(weights)
    loud = said * factors[:, None]
    before, after = said.float().mean(), loud.float().mean()
    # Near zero the ratio says nothing, and could be anything.
    keeps = abs(float(after)) > 1e-3 * abs(float(before))
    return loud * (before / after).to(said.dtype) if keeps else loud
