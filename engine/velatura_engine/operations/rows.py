"""Paintings that go through the model as rows of one batch, each with words of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from ..conditioning.steering import Conditioning
from ..errors import Unsupported
from ..plan import DiffusePlan

Hear = Callable[[DiffusePlan], Conditioning | None]
"""What a painting's prompts mean; None where the pipeline can read them by itself."""


def together(plan: DiffusePlan, hear: Hear) -> Conditioning | Rows | None:
    """What a batch's prompts mean, all alike or each row's own."""
    if len({(row.prompt.text, row.negative.text) for row in plan.beside}) < 2:
        return hear(plan)
    heard = [hear(row) for row in plan.beside]
    if all(one is None for one in heard):
        return None
    read = [one for one in heard if one is not None]
    if len(read) < len(heard) or any(one.changes for one in read):
        raise _too_much()
    return Rows(read)


class Rows:
    """Prompts that stay as they are all along, another one for each row."""

    def __init__(self, heard: Sequence[Conditioning]) -> None:
        """Raises Unsupported where they are not equally long."""
        rows = [one.arguments for one in heard]
        if any(len({row[name].shape for row in rows}) > 1 for name in rows[0]):
            raise _too_much()
        self.arguments = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}

    def go_to(self, share: float) -> None:
        """Nothing changes on the way."""

    @contextmanager
    def steering(self, denoiser: nn.Module, controls: Sequence[nn.Module]) -> Iterator[None]:
        """The pipeline does all of it."""
        yield


def _too_much() -> Unsupported:
    return Unsupported(
        "views that are painted together cannot have words of their own beside a prompt that changes, is composed, or "
        "is longer for one view than for another", field="agreement.method",
        remedy="leave the views' prompts out, simplify the prompt, or paint the views in sequence",
    )  # fmt: skip
