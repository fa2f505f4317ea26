"""Prompts that change from step to step, and several at once: what a denoiser is fed, what is made of its answers.

The pipeline asks for one prompt and one negative. In between, each half of its batch becomes as many as there are
sub-prompts, for ControlNets too, and the answers are composed as in Liu et al., arXiv 2206.01714: the plain answer, and
from it towards each sub-prompt by its weight.
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
from .prompt import Branch, Prompt

BATCHED = ("sample", "encoder_hidden_states", "controlnet_cond", "timestep")
"""Arguments whose rows belong to the pictures of a batch."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """What is heard from a step on: embeddings (branches, L, D) and weights of the negative and of the prompt."""

    plain: torch.Tensor
    plain_weights: tuple[float, ...]
    told: torch.Tensor
    told_weights: tuple[float, ...]


class Conditioning:
    """The prompts of one painting of `count` pictures in `steps` steps."""

    def __init__(self, prompt: Prompt, negative: Prompt, embedder: Embedder, *, steps: int, count: int) -> None:
        self.steps, self.count = steps, count
        schedules = prompt.schedule(steps), negative.schedule(steps)
        length = max(embedder.length(branches) for schedule in schedules for _, branches in schedule)
        told, plain = ([(first, *_embed(branches, embedder, length)) for first, branches in s] for s in schedules)
        self._starts = sorted({first for first, _, _ in (*told, *plain)})
        self._stages = [_Stage(*_last(plain, first), *_last(told, first)) for first in self._starts]
        self._stage = self._stages[0]

    @property
    def arguments(self) -> dict[str, torch.Tensor]:
        """What the pipeline is given in the place of texts; right where nothing changes and nothing is composed."""
        rows = {"prompt_embeds": self._stage.told, "negative_prompt_embeds": self._stage.plain}
        return {name: value[:1].repeat(self.count, 1, 1) for name, value in rows.items()}

    def go_to(self, share: float) -> None:
        """The run has come to this share of its steps, 0 to 1."""
        step = min(int(share * self.steps + 1e-6), self.steps - 1)
        self._stage = self._stages[sum(first <= step for first in self._starts) - 1]

    @contextmanager
    def steering(self, denoiser: nn.Module, controls: Sequence[nn.Module]) -> Iterator[None]:
        """Inside the block denoiser and ControlNets hear what is to be heard at each step."""
        if len(self._stages) == 1 and len(self._stage.plain) == len(self._stage.told) == 1:
            yield  # the pipeline does all of it
            return
        with ExitStack() as stack:
            for control in controls:
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
                value = given.arguments.get(name)
                if isinstance(value, torch.Tensor) and value.ndim and len(value) == size:
                    given.arguments[name] = value[rows]
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
            return own * len(self._stage.told)
        return own * len(self._stage.plain) + [self.count + row for row in own] * len(self._stage.told)

    def _heard(self, given: torch.Tensor) -> torch.Tensor:
        """An embedding for each row; `given` has the rows already, and says by their number what they are."""
        stage, count = self._stage, self.count
        guided = len(given) != count * len(stage.told)
        said = torch.cat([stage.plain, stage.told]) if guided else stage.told
        return said.to(given).repeat_interleave(count, 0)

    def _compose(self, output: Any) -> Any:
        """The answers (branches x pictures, C, h, w) made into the half, or two halves, that the pipeline expects."""
        answer = output[0] if isinstance(output, tuple) else output.sample
        stage = self._stage
        answers = answer.unflatten(0, (-1, self.count))
        told_weights = answer.new_tensor(stage.told_weights).view(-1, 1, 1, 1, 1)
        if len(answers) == len(stage.told):  # without a negative there is nothing to go from: the mean of them
            composed = (answers * told_weights).sum(0) / _away_from_zero(sum(stage.told_weights))
        else:
            plain_weights = answer.new_tensor(stage.plain_weights).view(-1, 1, 1, 1, 1)
            split = len(stage.plain)
            plain = (answers[:split] * plain_weights).sum(0) / _away_from_zero(sum(stage.plain_weights))
            told = plain + ((answers[split:] - plain) * told_weights).sum(0)
            composed = torch.cat([plain, told])
        if isinstance(output, tuple):
            return (composed, *output[1:])
        output.sample = composed
        return output


def _away_from_zero(total: float) -> float:
    return total if abs(total) > 1e-6 else 1.0


def _embed(branches: Sequence[Branch], embedder: Embedder, length: int) -> tuple[torch.Tensor, tuple[float, ...]]:
    """Embeddings (branches, L, D) and weights."""
    return torch.cat([embedder.embed(branch, length) for branch in branches]), tuple(b.weight for b in branches)


def _last(schedule: list[tuple[int, torch.Tensor, tuple[float, ...]]], step: int) -> tuple[torch.Tensor, Any]:
    """What a schedule says at a step."""
    return next((said, weights) for first, said, weights in reversed(schedule) if first <= step)
