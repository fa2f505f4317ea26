"""Prompts that change from step to step, and several at once: what a denoiser is fed, what is made of its answers.

The pipeline asks for one prompt and one negative. In between, each half of its batch becomes as many as there are
sub-prompts, for ControlNets too, and the answers are composed as in Liu et al., arXiv 2206.01714: the plain answer, and
from it towards each sub-prompt by its weight. Texts for parts of the run or of the picture are answered alike,
and their answers mixed place by place.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..runtime.seams import steer
from .directions import Directed
from .embeddings import Embedder
from .voices import Choir, Said, Voice, mix

TEXT, POOLED = "encoder_hidden_states", "text_embeds"
"""What denoisers and ControlNets call a prompt's embeddings, and the same in one vector."""
KEYS = "attn2.to_k"
"""How the layers are called that make the keys of a denoiser's text attentions."""
HALVES = ("plain", "told")
"""What the parts of a batch hear under guidance, in the order of most pipelines: the negative, the prompt."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """What is heard from a step on, for the negative and for the prompt."""

    plain: tuple[Said, ...]
    told: tuple[Said, ...]

    @property
    def composed(self) -> bool:
        """Whether there is more than one sub-prompt on a side, so that answers have to be put together."""
        return any(_branches(side) > 1 for side in (self.plain, self.told))

    def side(self, part: str) -> tuple[Said, ...]:
        """What a part of the batch hears."""
        return self.told if part == "told" else self.plain


class Conditioning:
    """The prompts of one painting of `count` pictures in `steps` steps. The first voice of each side is the prompt and
    the negative themselves; others hold for parts of the run or the picture.
    """

    def __init__(
        self, told: Sequence[Voice], plain: Sequence[Voice], embedder: Embedder, *, steps: int, count: int,
        guided: Sequence[str] = HALVES, directed: Directed | None = None,
    ) -> None:  # fmt: skip
        """`guided`: what the parts of the denoiser's batch hear under guidance; without, all hear the prompt.
        `directed` turns what the prompt says, where that is asked for."""
        self.steps, self.count, self.guided, self.directed = steps, count, tuple(guided), directed
        self._share = 0.0
        self._held: torch.Tensor | None = None
        choirs = Choir(plain, steps), Choir(told, steps)
        length = max(choir.length(embedder) for choir in choirs)
        self._starts = sorted(choirs[0].starts() | choirs[1].starts())
        ears = (embedder, directed or embedder)
        stages = [
            _Stage(*(choir.at(first, ear, length) for choir, ear in zip(choirs, ears, strict=True)))
            for first in self._starts
        ]
        if embedder.silent and not any(voice.prompt.words.strip() for voice in plain):
            stages = [_Stage(tuple(one.silenced() for one in stage.plain), stage.told) for stage in stages]
        self._stages = stages
        self._stage = self._stages[0]

    @property
    def changes(self) -> bool:
        """Whether the pipeline alone cannot do it: something changes on the way, or answers are put together."""
        keeps = self.directed is not None and self.directed.keeps
        return len(self._stages) > 1 or self._stage.composed or keeps

    @property
    def arguments(self) -> dict[str, torch.Tensor]:
        """What the pipeline is given in the place of texts; right where nothing changes and nothing is composed."""
        told, plain = self._stage.told[0], self._stage.plain[0]
        rows = {"prompt_embeds": told.embeddings, "negative_prompt_embeds": plain.embeddings}
        rows |= {"pooled_prompt_embeds": told.pooled, "negative_pooled_prompt_embeds": plain.pooled}
        return {name: value[:1].repeat_interleave(self.count, 0) for name, value in rows.items() if value is not None}

    def go_to(self, share: float) -> None:
        """The run has come to this share of its steps, 0 to 1."""
        self._share = share
        step = min(int(share * self.steps + 1e-6), self.steps - 1)
        self._stage = self._stages[sum(first <= step for first in self._starts) - 1]

    @contextmanager
    def steering(self, denoiser: nn.Module, controls: Sequence[nn.Module]) -> Iterator[None]:
        """Inside the block denoiser and ControlNets hear what is to be heard at each step."""
        keeps = self.directed is not None and self.directed.keeps
        if not self.changes:
            yield  # the pipeline does all of it
            return
        with ExitStack() as stack:
            self._share = 0.0
            for name, layer in denoiser.named_modules() if keeps else ():
                if name.endswith(KEYS):
                    stack.callback(layer.register_forward_pre_hook(self._attend).remove)
            for control in dict.fromkeys(controls):  # one that reads several hints is fed once a call
                stack.enter_context(steer(control, self._feeder(control)))
            stack.enter_context(steer(denoiser, self._feeder(denoiser), self._compose))
            yield

    def _attend(self, _: nn.Module, args: tuple) -> tuple | None:
        """What a text attention makes its keys of."""
        return None if self._held is None else (args[0] - self._held.to(args[0]), *args[1:])

    def _hold(self, parts: Sequence[str], text: torch.Tensor) -> torch.Tensor | None:
        """What the keys leave out, for each row of the texts (rows, L, D): of the prompt's alone."""
        held = None if self.directed is None else self.directed.held(self._share, text)
        if held is None:
            return None
        told = [part == "told" for part in parts for _ in range(_branches(self._stage.side(part)) * self.count)]
        return held * text.new_tensor(told)[:, None, None]

    def _feeder(self, module: nn.Module) -> Any:
        signature = inspect.signature(module.forward)
        first = next(iter(signature.parameters))  # the latents, whatever they are called

        def change(args: tuple, kwargs: dict) -> tuple[tuple, dict]:
            given = signature.bind(*args, **kwargs)
            size = len(given.arguments[first])
            parts = self._parts(size)
            rows = self._rows(parts)
            # What the ControlNets add has these rows already: they were asked for as many.
            heard = {name: _take(value, rows, size) for name, value in given.arguments.items()}
            said = [one for part in parts for one in self._stage.side(part)]
            heard[TEXT] = torch.cat([one.embeddings for one in said]).to(heard[TEXT]).repeat_interleave(self.count, 0)
            self._held = self._hold(parts, heard[TEXT])
            added = heard.get("added_cond_kwargs")
            if added and POOLED in added:
                whole = torch.cat([one.pooled for one in said if one.pooled is not None])
                added[POOLED] = whole.to(added[POOLED]).repeat_interleave(self.count, 0)
            return (), heard

        return change

    def _parts(self, size: int) -> tuple[str, ...]:
        """What the parts of a batch of this size hear."""
        return self.guided if size == len(self.guided) * self.count else ("told",)

    def _rows(self, parts: Sequence[str]) -> list[int]:
        """The rows of the pipeline's batch, part by part, once for each sub-prompt."""
        own = range(self.count)
        return [
            number * self.count + row
            for number, part in enumerate(parts)
            for _ in range(_branches(self._stage.side(part)))
            for row in own
        ]

    def _compose(self, output: Any) -> Any:
        """The answers (parts x branches x pictures, C, h, w) made into the parts that the pipeline expects."""
        answer = output[0] if isinstance(output, tuple) else output.sample
        answers = answer.unflatten(0, (-1, self.count))
        sizes = {part: _branches(self._stage.side(part)) for part in HALVES}
        parts = self.guided if len(answers) == sum(sizes[part] for part in self.guided) else ("told",)
        owned = list(zip(parts, answers.split([sizes[part] for part in parts]), strict=True))
        plain = next((self._mean(part, own) for part, own in owned if part == "plain"), None)
        # Without a negative there is nothing to go from: the mean of what is told.
        composed = torch.cat([
            self._mean(part, own) if plain is None or part == "plain" else self._pull(plain, own)
            for part, own in owned
        ])  # fmt: skip
        if isinstance(output, tuple):
            return (composed, *output[1:])
        output.sample = composed
        return output

    def _mean(self, part: str, answers: torch.Tensor) -> torch.Tensor:
        said = self._stage.side(part)
        return mix([one.mean(own) for one, own in _shared_out(said, answers)], said)

    def _pull(self, plain: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
        said = self._stage.told
        return mix([one.pull(plain, own) for one, own in _shared_out(said, answers)], said)


def _take(value: Any, rows: list[int], size: int) -> Any:
    """The rows of everything in an argument that has `size` of them, a row for each picture of a batch."""
    if isinstance(value, torch.Tensor):
        return value[rows] if value.ndim and len(value) == size else value
    if isinstance(value, dict):
        return {name: _take(inner, rows, size) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_take(inner, rows, size) for inner in value)
    return value


def _branches(said: Sequence[Said]) -> int:
    return sum(len(one.weights) for one in said)


def _shared_out(said: Sequence[Said], answers: torch.Tensor) -> list[tuple[Said, torch.Tensor]]:
    """Each voice with the answers (its branches, B, C, h, w) that are its own."""
    return list(zip(said, answers.split([len(one.weights) for one in said]), strict=True))
