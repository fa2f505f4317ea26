"""Edit directions (Parmar et al., pix2pix-zero, arXiv 2302.03027): a change of meaning, added to all that is said.

A direction is the mean of what some phrases say less the mean of what others say, place by place in the text encoder's
window. Where the layout is to be kept, the keys of the denoiser's text attentions leave it out for a while: places then
attend to words as they would without it, and are told something else (prompt-to-prompt, Hertz et al., arXiv
2208.01626).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .embeddings import Embedder
from .prompt import Branch, Prompt


@dataclass(frozen=True, slots=True)
class Turn:
    """What a direction adds to one window (1, tokens, D), to the whole in one vector (1, P) if the model hears that,
    and for which first share of the run its keys leave it out."""

    window: torch.Tensor
    pooled: torch.Tensor | None
    keep: float


def turn(source: Sequence[Prompt], target: Sequence[Prompt], strength: float, keep: float, embedder: Embedder) -> Turn:
    """The direction from some phrases to others, times `strength`. Of phrases longer than a window the first counts."""
    (before, whole_before), (after, whole_after) = (_mean(phrases, embedder) for phrases in (source, target))
    pooled = None if whole_before is None or whole_after is None else (whole_after - whole_before) * strength
    return Turn((after - before) * strength, pooled, keep)


def _mean(phrases: Sequence[Prompt], embedder: Embedder) -> tuple[torch.Tensor, torch.Tensor | None]:
    branches = [phrase.at(0, 1)[0] for phrase in phrases]
    window = embedder.size + 2
    said = torch.stack([embedder.embed(branch, 1)[:, :window].float() for branch in branches]).mean(0)
    whole = [vector.float() for branch in branches if (vector := embedder.pooled(branch)) is not None]
    return said, torch.stack(whole).mean(0) if whole else None


class Directed(Embedder):
    """Text encoders whose answers are turned; all else is as in the embedder that they are of."""

    def __init__(self, embedder: Embedder, turns: Sequence[Turn]) -> None:
        super().__init__(embedder.readers, embedder.clip_skip, silent=embedder.silent)
        self._encoded = embedder._encoded
        self.turns = tuple(turns)

    def embed(self, branch: Branch, length: int) -> torch.Tensor:
        """What a branch means, turned, (1, `length` windows x tokens, D)."""
        said = super().embed(branch, length)
        if branch.blend:  # its parts are turned already, and their weights may not sum to 1
            return said
        for one in self.turns:
            said = said + one.window.to(said).repeat(1, length, 1)
        return said

    def pooled(self, branch: Branch) -> torch.Tensor | None:
        """What a branch means in one vector, turned, (1, P)."""
        whole = super().pooled(branch)
        if whole is None or branch.blend:
            return whole
        for one in self.turns:
            if one.pooled is not None:
                whole = whole + one.pooled.to(whole)
        return whole

    @property
    def keeps(self) -> bool:
        """Whether any keys leave a direction out for a while."""
        return any(one.keep > 0 for one in self.turns)

    def held(self, share: float, like: torch.Tensor) -> torch.Tensor | None:
        """What keys leave out at this share of the run, for texts as long as `like` (B, L, D); None is nothing."""
        left = [one.window for one in self.turns if share < one.keep]
        if not left:
            return None
        window = torch.stack(left).sum(0)
        return window.to(like).repeat(1, like.shape[1] // window.shape[1], 1)
