"""From weighted words to what a denoiser hears: chunks of a text encoder's window, weighted and put end to end.

The ways of AUTOMATIC1111: words past one window begin another, at a comma if one is near; a word's embedding counts
as many times as its weight says, and the whole keeps its mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from ..errors import Unsupported
from .adapters.lexicon import Lexicon

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .prompt import Branch, Chunk

BACK = 20
"""Tokens that are moved to the next window with a word, so that what stands between commas stays together."""

Window = tuple[tuple[int, ...], tuple[float, ...]]
"""Token numbers of one window without the two at its ends (negative: a lexicon's vectors), and the weight of each."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A text encoder of the CLIP kind with its tokenizer. `layer` counts from the last, 0, whose states are normed;
    deeper ones are heard as they are. One that is `pooled` answers with a whole prompt in one vector.
    """

    tokenizer: Any
    encoder: Any
    layer: int = 0
    pooled: bool = False
    lexicon: Lexicon = field(default_factory=Lexicon)
    """Words that mean vectors of their own. All readers' lexicons have the same words, of as many vectors."""


class Embedder:
    """Text encoders that hear the same words, side by side; remembers what they have encoded, for one painting."""

    def __init__(self, readers: Sequence[Reader], clip_skip: int | None = None, *, silent: bool = False) -> None:
        """`clip_skip`: how many of the encoders' last layers to leave out; None and 0 are none beyond what the model
        always leaves out. `silent`: the model learned that nothing said is no embedding at all, zeros.

        The readers' tokenizers have one vocabulary and may differ in what they fill a window with. Raises Unsupported
        where an embedding has not as many vectors for one reader as for the other.
        """
        if not all(reader.lexicon.as_long_as(readers[0].lexicon) for reader in readers):
            raise Unsupported(
                "an embedding has more vectors for one of the model's text encoders than for the other", field="prompt",
                reason="BROKEN_MODEL_FILE", remedy="get its file again, or write something else",
            )  # fmt: skip
        self.readers, self.clip_skip, self.silent = tuple(readers), clip_skip, silent
        self.tokenizer, self.lexicon = readers[0].tokenizer, readers[0].lexicon
        self.size = self.tokenizer.model_max_length - 2
        self.comma = self.tokenizer(",", add_special_tokens=False).input_ids
        self._encoded: dict[Window, tuple[torch.Tensor, torch.Tensor | None]] = {}

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
        return torch.cat([self._encode(window)[0] for window in windows], 1)

    def pooled(self, branch: Branch) -> torch.Tensor | None:
        """What a branch means in one vector (1, P), which its first window says; None where no reader makes one."""
        if not any(reader.pooled for reader in self.readers):
            return None
        if branch.blend:
            parts = [(part.weight, self.pooled(part)) for part in branch.blend]
            return torch.stack([weight * said for weight, said in parts if said is not None]).sum(0)
        return self._encode(self.windows(branch.chunks[0])[0])[1]

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

    def _encode(self, window: Window) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The embedding of a window (1, tokens, D), and in one vector (1, P) where a reader makes that."""
        if window not in self._encoded:
            tokens, weights = window
            states, pooled = [], None
            for reader in self.readers:
                tokenizer = reader.tokenizer
                pad = [tokenizer.pad_token_id] * (self.size - len(tokens))
                ids = [tokenizer.bos_token_id, *tokens, tokenizer.eos_token_id, *pad]
                said, whole = self._hear(reader, torch.tensor([ids], device=reader.encoder.device))
                states.append(said if set(weights) <= {1.0} else _weigh(said, weights))
                pooled = whole if reader.pooled else pooled
            self._encoded[window] = (states[0] if len(states) == 1 else torch.cat(states, -1)), pooled
        return self._encoded[window]

    def _hear(self, reader: Reader, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """States and the encoder's first answer, as diffusers' pipelines encode it, `clip_skip` included."""
        back = reader.layer + (self.clip_skip or 0)
        with reader.lexicon.spoken(reader.encoder, ids, reader.tokenizer.pad_token_id) as ids:
            answer = reader.encoder(ids, output_hidden_states=bool(back))
        if not back:
            return answer[0], answer[0]
        states = answer.hidden_states[-(back + 1)]
        # A model that always leaves layers out has learned to hear them as they are.
        return (states if reader.layer else reader.encoder.text_model.final_layer_norm(states)), answer[0]


def _weigh(said: torch.Tensor, weights: tuple[float, ...]) -> torch.Tensor:
    """Each word's embedding times its weight; said (1, tokens, D). The mean over all stays, or the picture fades."""
    factors = said.new_ones(said.shape[1])
    factors[1 : len(weights) + 1] = said.new_tensor(weights)
    loud = said * factors[:, None]
    before, after = said.float().mean(), loud.float().mean()
    # Near zero the ratio says nothing, and could be anything.
    keeps = abs(float(after)) > 1e-3 * abs(float(before))
    return loud * (before / after).to(said.dtype) if keeps else loud
