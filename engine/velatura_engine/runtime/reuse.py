"""Reuse of a UNet's coarse rows from one step to the next: DeepCache (Ma, Fang and Wang, arXiv 2312.00858).

What the coarse rows say changes slowly along a run, and they are most of the work. Every so many steps the UNet is
computed whole; in between only its finest row is, over what the others said last.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import torch
from torch import nn

from .seams import hide


@dataclass(slots=True)
class _Memory:
    """What one call within a step was asked, and what each coarse block answered when it was last computed whole."""

    shape: torch.Size
    words: torch.Tensor
    answers: dict[int, Any] = field(default_factory=dict)

    def fits(self, sample: torch.Tensor, words: torch.Tensor) -> bool:
        return self.shape == sample.shape and self.words.shape == words.shape and torch.equal(self.words, words)


class Reuse:
    """Counts the steps and the calls within them; each call (a window, a side of guidance, one of several looks that a
    solver takes in a step) has its own memory.
    """

    def __init__(self, interval: int, looks: int = 1) -> None:
        self.interval, self.looks = interval, looks
        self.step = 0
        self._looked = 0
        self._call = 0
        self._memories: dict[int, _Memory] = {}
        self._whole, self._memory = True, _Memory(torch.Size(), torch.empty(0))

    def next_step(self) -> None:
        """The scheduler has taken a step, which is the solver's where that has looked as often as it does."""
        self._looked += 1
        if self._looked % self.looks == 0:
            self.step, self._call = self.step + 1, 0

    def begin(self, sample: torch.Tensor, words: torch.Tensor) -> None:
        """A call begins; it is computed whole when its turn has come, or when its words are others than before."""
        memory = self._memories.get(self._call)
        self._whole = memory is None or self.step % self.interval == 0 or not memory.fits(sample, words)
        if self._whole or memory is None:
            memory = self._memories[self._call] = _Memory(sample.shape, words.clone())
        self._memory = memory
        self._call += 1

    def answer(self, block: int, compute: Callable[[], Any]) -> Any:
        """What a block says: computed, or remembered."""
        if self._whole:
            self._memory.answers[block] = compute()
        return self._memory.answers[block]


@contextmanager
def reusing(unet: nn.Module, interval: int, looks: int = 1) -> Iterator[Reuse]:
    """Compute the coarse rows of a UNet2DConditionModel only in every `interval`-th step inside the block.

    Whoever takes the steps calls `next_step` after each. With an interval of 1 nothing is touched. Solvers that ask the
    model several times (`looks`) in a step take all of them whole, or none: were every second look a remembered one,
    and that is the one that decides, every step would go by what is remembered.
    """
    reuse = Reuse(interval, looks)
    with ExitStack() as stack:
        if interval > 1:
            blocks = [*unet.down_blocks[1:], unet.mid_block, *unet.up_blocks[:-1]]  # type: ignore[index, misc]
            for number, block in enumerate(block for block in blocks if block is not None):
                hide(stack, block, _remembered(block.forward, number, reuse))
            hide(stack, unet, _begun(unet.forward, reuse))
        yield reuse


def _begun(forward: Callable, reuse: Reuse) -> Callable:
    signature = inspect.signature(forward)

    @wraps(forward)
    def answer(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        reuse.begin(given["sample"], given["encoder_hidden_states"])
        return forward(*args, **kwargs)

    return answer


def _remembered(forward: Callable, number: int, reuse: Reuse) -> Callable:
    @wraps(forward)
    def answer(*args: Any, **kwargs: Any) -> Any:
        return reuse.answer(number, lambda: forward(*args, **kwargs))

    return answer
