"""Texts that hold for part of a run or of a picture, beside the one that holds for all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from .embeddings import Embedder
from .prompt import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A text with when and where it is heard: between two shares of the run, where `mask` (1, 1, H, W) says (0..1; None
    is everywhere), and by `weight`, above 0, against the others that are heard there and then.
    """

    prompt: Prompt
    start: float = 0.0
    end: float = 1.0
    weight: float = 1.0
    mask: torch.Tensor | None = None

    def heard(self, steps: int) -> range:
        """The steps at which it is heard; the fraction of a step is cut off, as where a prompt is edited."""
        first, end = (int(share * steps + 1e-6) for share in (self.start, self.end))
        return range(first, steps if self.end >= 1 else end)


@dataclass(frozen=True, slots=True)
class Said:
    """What a voice says at a step: embeddings of its sub-prompts (branches, L, D), in one vector each (branches, P)
    where the model hears that, and their weights.
    """

    embeddings: torch.Tensor
    weights: tuple[float, ...]
    share: float
    mask: torch.Tensor | None
    pooled: torch.Tensor | None = None

    def silenced(self) -> Said:
        """The same without a sound."""
        pooled = None if self.pooled is None else torch.zeros_like(self.pooled)
        return replace(self, embeddings=torch.zeros_like(self.embeddings), pooled=pooled)

    def mean(self, answers: torch.Tensor) -> torch.Tensor:
        """The weighted mean of the denoiser's answers (branches, B, C, h, w) to its sub-prompts."""
        total = sum(self.weights)
        return (answers * self._factors(answers)).sum(0) / (total if abs(total) > 1e-6 else 1.0)

    def pull(self, plain: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
        """From the plain answer (B, C, h, w) towards each sub-prompt's by its weight."""
        return plain + ((answers - plain) * self._factors(answers)).sum(0)

    def _factors(self, answers: torch.Tensor) -> torch.Tensor:
        return answers.new_tensor(self.weights).view(-1, 1, 1, 1, 1)


class Choir:
    """The voices of one side of the guidance, step by step; the first is the whole picture's own prompt."""

    def __init__(self, voices: Sequence[Voice], steps: int) -> None:
        """Raises Invalid where a prompt changes too often."""
        first, *others = voices
        # A prompt that says nothing is heard only where nothing else is.
        self.silent = bool(others) and not first.prompt.words.strip()
        self.voices = voices
        self.steps = steps
        self.schedules = [voice.prompt.schedule(steps) for voice in voices]

    def length(self, embedder: Embedder) -> int:
        """Windows that its longest text fills."""
        return max(embedder.length(branches) for schedule in self.schedules for _, branches in schedule)

    def starts(self) -> set[int]:
        """Steps from which something else may be said."""
        edits = {first for schedule in self.schedules for first, _ in schedule}
        spans = [voice.heard(self.steps) for voice in self.voices]
        turns = {step for span in spans for step in (span.start, span.stop)}
        return {step for step in edits | turns if step < self.steps}

    def at(self, step: int, embedder: Embedder, length: int) -> tuple[Said, ...]:
        """What is said from a step on, all padded to as many windows."""
        said = []
        for voice, schedule in zip(self.voices, self.schedules, strict=True):
            if step not in voice.heard(self.steps):
                continue
            branches = next(branches for first, branches in reversed(schedule) if first <= step)
            embeddings = torch.cat([embedder.embed(branch, length) for branch in branches])
            whole = [vector for branch in branches if (vector := embedder.pooled(branch)) is not None]
            pooled = torch.cat(whole) if whole else None
            said.append(Said(embeddings, tuple(b.weight for b in branches), voice.weight, voice.mask, pooled))
        if self.silent and len(said) > 1:
            said[0] = replace(said[0], mask=outside(said[1:]))
            return tuple(said) if said[0].mask is not None else tuple(said[1:])
        return tuple(said)


def mix(answers: Sequence[torch.Tensor], said: Sequence[Said]) -> torch.Tensor:
    """One answer (B, C, h, w) of one for each voice, at every place their mean by weight and mask."""
    if len(said) == 1:
        return answers[0]
    size = answers[0].shape[-2:]
    shares = [
        one.share if one.mask is None else one.share * F.interpolate(one.mask.float(), size=size, mode="area")
        for one in said
    ]
    total = sum(shares[1:], start=shares[0])
    mixed = sum(answer.float() * share for answer, share in zip(answers, shares, strict=True))
    assert isinstance(mixed, torch.Tensor)
    return (mixed / total).to(answers[0].dtype)


def outside(said: Sequence[Said]) -> torch.Tensor | None:
    """Where none of these is heard, (1, 1, H, W); None where one of them is heard everywhere."""
    masks = [one.mask for one in said]
    if any(mask is None for mask in masks):
        return None
    size = masks[0].shape[-2:]  # type: ignore[union-attr]
    fitted = [F.interpolate(mask.float(), size=size, mode="area") for mask in masks]  # type: ignore[union-attr]
    return 1 - torch.stack(fitted).amax(0)
