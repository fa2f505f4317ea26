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
from .embeddings import Embedder
from .voices import Choir, Said, Voice, mix

BATCHED = ("sample", "encoder_hidden_states", "controlnet_cond", "timestep", "added_cond_kwargs")
"""Arguments whose rows belong to the pictures of a batch."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """What is heard from a step on, for the negative and for the prompt."""

    plain: tuple[Said, ...]
    told: tuple[Said, ...]

    @property
    def composed(self) -> bool:
        """Whether there is more than one sub-prompt on a side, so that answers have to be put together."""
        return any(_branches(side) > 1 for side in (self.plain, self.told))


class Conditioning:
    """The prompts of one painting of `count` pictures in `steps` steps. The first voice of each side is the prompt and
    the negative themselves; others hold for parts of the run or the picture.
    """

    def __init__(
        self, told: Sequence[Voice], plain: Sequence[Voice], embedder: Embedder, *, steps: int, count: int
    ) -> None:
        self.steps, self.count = steps, count
        choirs = Choir(plain, steps), Choir(told, steps)
        length = max(choir.length(embedder) for choir in choirs)
        self._starts = sorted(choirs[0].starts() | choirs[1].starts())
        self._stages = [_Stage(*(choir.at(first, embedder, length) for choir in choirs)) for first in self._starts]
        self._stage = self._stages[0]

    @property
    def arguments(self) -> dict[str, torch.Tensor]:
        """What the pipeline is given in the place of texts; right where nothing changes and nothing is composed."""
        rows = {"prompt_embeds": self._stage.told, "negative_prompt_embeds": self._stage.plain}
        return {name: said[0].embeddings[:1].repeat(self.count, 1, 1) for name, said in rows.items()}

    def go_to(self, share: float) -> None:
        """The run has come to this share of its steps, 0 to 1."""
        step = min(int(share * self.steps + 1e-6), self.steps - 1)
        self._stage = self._stages[sum(first <= step for first in self._starts) - 1]

    @contextmanager
    def steering(self, denoiser: nn.Module, controls: Sequence[nn.Module]) -> Iterator[None]:
        """Inside the block denoiser and ControlNets hear what is to be heard at each step."""
        if len(self._stages) == 1 and not self._stage.composed:
            yield  # the pipeline does all of it
            return
        with ExitStack() as stack:
            for control in dict.fromkeys(controls):  # one that reads several hints is fed once a call
                stack.enter_context(steer(control, self._feeder(control)))
            stack.enter_context(steer(denoiser, self._feeder(denoiser), self._compose))
            yield

    def _feeder(self, module: nn.Module) -> Any:
        signature = inspect.signature(module.forward)

        def change(args: tuple, kwargs: dict) -> tuple[tuple, dict]:
            given = signature.bind(*args, **kwargs)
            size = len(given.arguments["sample"])
            rows = self._rows(size)
            for name in BATCHED:
                if name in given.arguments:
                    given.arguments[name] = _follow(given.arguments[name], rows, size)
            given.arguments["encoder_hidden_states"] = self._heard(given.arguments["encoder_hidden_states"])
            return (), given.arguments

        return change

    def _guided(self, size: int) -> bool:
        """Whether a batch of this size holds the negative's half."""
        return size == 2 * self.count

    def _rows(self, size: int) -> list[int]:
        """The rows of the pipeline's batch, negatives first, once for each sub-prompt."""
        own = list(range(self.count))
        if not self._guided(size):
            return own * _branches(self._stage.told)
        return own * _branches(self._stage.plain) + [self.count + row for row in own] * _branches(self._stage.told)

    def _heard(self, given: torch.Tensor) -> torch.Tensor:
        """An embedding for each row; `given` has the rows already, and says by their number what they are."""
        stage, count = self._stage, self.count
        guided = len(given) != count * _branches(stage.told)
        said = (*stage.plain, *stage.told) if guided else stage.told
        return torch.cat([one.embeddings for one in said]).to(given).repeat_interleave(count, 0)

    def _compose(self, output: Any) -> Any:
        """The answers (branches x pictures, C, h, w) made into the half, or two halves, that the pipeline expects."""
        answer = output[0] if isinstance(output, tuple) else output.sample
        stage = self._stage
        answers = answer.unflatten(0, (-1, self.count))
        if len(answers) == _branches(stage.told):  # without a negative there is nothing to go from: the mean of them
            composed = mix([one.mean(own) for one, own in _shared_out(stage.told, answers)], stage.told)
        else:
            split = _branches(stage.plain)
            plain = mix([one.mean(own) for one, own in _shared_out(stage.plain, answers[:split])], stage.plain)
            told = mix([one.pull(plain, own) for one, own in _shared_out(stage.told, answers[split:])], stage.told)
            composed = torch.cat([plain, told])
        if isinstance(output, tuple):
            return (composed, *output[1:])
        output.sample = composed
        return output


def _branches(said: Sequence[Said]) -> int:
    return sum(len(one.weights) for one in said)


def _follow(value: Any, rows: list[int], size: int) -> Any:
    """What belongs to the rows of a batch of that size, for other rows: tensors, also in lists and dictionaries."""
    if isinstance(value, dict):
        return {name: _follow(part, rows, size) for name, part in value.items()}
    if isinstance(value, list):
        return [_follow(part, rows, size) for part in value]
    return value[rows] if isinstance(value, torch.Tensor) and value.ndim and len(value) == size else value


def _shared_out(said: Sequence[Said], answers: torch.Tensor) -> list[tuple[Said, torch.Tensor]]:
    """Each voice with the answers (its branches, B, C, h, w) that are its own."""
    return list(zip(said, answers.split([len(one.weights) for one in said]), strict=True))
