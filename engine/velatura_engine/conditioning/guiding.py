"""Guidance for denoisers that read prompts by their pipelines' own encoder: what is said step by step, and how hard.

Such pipelines guide in ways of their own, some by one call of the denoiser, some by two. Here they are kept from it:
the denoiser's `forward` is hidden behind one that asks for each sub-prompt in turn and makes one answer of all, as
Liu et al., arXiv 2206.01714, compose them. So prompts that change, several at once, and texts for parts of a picture
mean the same in every family. In the same place latents are rolled for tiling: by whole tokens, to another place at
each call, so that no edge is anywhere (Vecchio et al., ControlMat, arXiv 2309.01700).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import torch
from torch import nn

from ..runtime.tokens import Tokens
from .prompt import Branch
from .voices import Choir, Said, Voice, mix, outside

Heard = dict[str, Any]
"""The denoiser's arguments for one text."""
Read = Callable[[str], Heard]
Shifts = list[tuple[int, int]]
"""How far each picture is rolled, (rows, columns) in tokens."""
Lead = Callable[[Heard, Shifts | None], Heard]
"""Gives further arguments of the denoiser for those that it is asked with."""
Taste = Callable[[bool, Shifts | None], Heard]
"""Gives further arguments of the denoiser for what is told (True), and for the other side."""
_NOTHING = torch.empty(0)


@dataclass(frozen=True, slots=True)
class _Part:
    """A voice at a step: its sub-prompts as the denoiser hears them, and how they count."""

    heard: tuple[Heard, ...]
    said: Said


class Guidance:
    """What is said on both sides of one painting's guidance, and how hard the one pulls from the other."""

    def __init__(
        self, told: Sequence[Voice], plain: Sequence[Voice], read: Read, tokens: Tokens, *, steps: int, scale: float,
        renormed: bool = False, check: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        """`scale`: 1 and less are none, and the negative is not heard. `read` makes arguments of a text; `check` is
        called before each call of the denoiser, and raises to stop.
        """
        self.tokens, self.scale, self.renormed, self.check = tokens, scale, renormed, check
        self.steps = steps
        self._texts: dict[str, Heard] = {}
        self._read = read
        self._choirs = {"told": Choir(told, steps)} | ({"plain": Choir(plain, steps)} if scale > 1 else {})
        self._starts = sorted({0}.union(*(choir.starts() for choir in self._choirs.values())))
        self._stages = [
            {side: self._parts(choir, first) for side, choir in self._choirs.items()} for first in self._starts
        ]
        self._stage = self._stages[0]
        self.roll: Callable[[], Shifts] | None = None
        """Gives for each picture how far it is rolled at this call."""
        self.lead: Lead | None = None
        """What leads besides words. Asked once a call for what each text says."""
        self.taste: Taste | None = None
        """What is to be taken after. Asked beside each text."""
        self.one_voice = False
        """What leads hears the prompt where the negative is asked for, too."""

    @property
    def first(self) -> Heard:
        """What the pipeline is to be given."""
        return self._stage["told"][0].heard[0]

    def go_to(self, share: float) -> None:
        """The run has come to this share of its steps, 0 to 1."""
        step = min(int(share * self.steps + 1e-6), self.steps - 1)
        self._stage = self._stages[sum(first <= step for first in self._starts) - 1]

    @contextmanager
    def leading(self, denoiser: nn.Module) -> Iterator[None]:
        """Inside the block the denoiser answers as everything that is said together would have it."""
        denoiser.forward = self._composed(denoiser.forward)
        try:
            yield
        finally:
            del denoiser.forward

    def _parts(self, choir: Choir, step: int) -> tuple[_Part, ...]:
        parts = []
        for voice, schedule in zip(choir.voices, choir.schedules, strict=True):
            if step not in voice.heard(choir.steps):
                continue
            branches = next(branches for first, branches in reversed(schedule) if first <= step)
            said = Said(_NOTHING, tuple(branch.weight for branch in branches), voice.weight, voice.mask)
            parts.append(_Part(tuple(self._text(words(branch)) for branch in branches), said))
        if choir.silent and len(parts) > 1:
            mask = outside([part.said for part in parts[1:]])
            if mask is None:
                return tuple(parts[1:])
            parts[0] = replace(parts[0], said=replace(parts[0].said, mask=mask))
        return tuple(parts)

    def _text(self, text: str) -> Heard:
        if text not in self._texts:
            self._texts[text] = self._read(text)
        return self._texts[text]

    def _composed(self, forward: Callable) -> Callable:
        signature = inspect.signature(forward)
        latents = next(iter(signature.parameters))

        @wraps(forward)
        def answer(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs).arguments
            held = given[latents]
            shifts = self.roll() if self.roll else None
            seen = held if shifts is None else self.tokens.like(self._rolled(self.tokens.grid(held), shifts), held)

            led: dict[int, Heard] = {}

            def ask(heard: Heard, listens: Heard, told: bool) -> torch.Tensor:
                self.check()
                call = given | {latents: seen} | heard
                if self.lead is not None:
                    if id(listens) not in led:
                        led[id(listens)] = self.lead(call | listens, shifts)
                    call |= led[id(listens)]
                if self.taste is not None:
                    call |= self.taste(told, shifts)
                output = forward(**call)
                said = self.tokens.grid(output[0] if isinstance(output, tuple) else output.sample)
                return said if shifts is None else self._rolled(said, [(-down, -right) for down, right in shifts])

            return (self.tokens.like(self._compose(ask), held),)

        return answer

    def _compose(self, ask: Callable[[Heard, Heard, bool], torch.Tensor]) -> torch.Tensor:
        """One answer (B, C, h, w) of all that is said."""
        told = [
            (part.said, torch.stack([ask(heard, heard, True) for heard in part.heard])) for part in self._stage["told"]
        ]
        saids = [said for said, _ in told]
        alone = mix([said.mean(answers) for said, answers in told], saids)
        if "plain" not in self._stage:
            return alone
        prompt = self.first if self.one_voice else None
        others = [
            (part.said, torch.stack([ask(heard, prompt or heard, False) for heard in part.heard]))
            for part in self._stage["plain"]
        ]
        plain = mix([said.mean(answers) for said, answers in others], [said for said, _ in others])
        pulled = mix([said.pull(plain, answers) for said, answers in told], saids)
        guided = plain + self.scale * (pulled - plain)
        return self._renorm(guided, alone) if self.renormed else guided

    def _renorm(self, guided: torch.Tensor, alone: torch.Tensor) -> torch.Tensor:
        """Each token as long as the prompt alone makes it."""
        long, right = self.tokens.row(guided), self.tokens.row(alone).norm(dim=-1, keepdim=True)
        return self.tokens.grid(long * (right / long.norm(dim=-1, keepdim=True)))

    def _rolled(self, grid: torch.Tensor, shifts: Shifts) -> torch.Tensor:
        unit = self.tokens.unit
        return torch.stack([
            one.roll((down * unit, right * unit), (-2, -1)) for one, (down, right) in zip(grid, shifts, strict=True)
        ])  # fmt: skip


def words(branch: Branch) -> str:
    """A sub-prompt as plain text: weights within it and where its chunks end are not heard."""
    return " ".join(text for chunk in branch.chunks if (text := "".join(span.text for span in chunk).strip()))
