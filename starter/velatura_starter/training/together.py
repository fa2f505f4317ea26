"""Train with several one-thread processes that average their gradients once a step.

On a shared machine this beats threads: threads wait for each other at every operation, processes once a step.
Start them with ``torchrun --nproc-per-node 2 -m velatura_starter train``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import timedelta

import torch
from torch import Tensor, distributed


def join() -> None:
    """Join the other processes when torchrun started this one; each then uses one thread."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        torch.set_num_threads(1)
        distributed.init_process_group("gloo", timeout=timedelta(hours=3))


def once(work: Callable[[], None]) -> None:
    """Let the first process work while the others wait."""
    if rank_and_world()[0] == 0:
        work()
    if distributed.is_initialized():
        distributed.barrier()


def rank_and_world() -> tuple[int, int]:
    """This process's number and how many there are; (0, 1) when alone."""
    if distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def average_gradients(parameters: Sequence[Tensor], fraction: float) -> float:
    """Average the gradients and the budget's fraction over the processes, so that all stop at the same step."""
    if not distributed.is_initialized():
        return fraction
    for p in parameters:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
    grads = [p.grad for p in parameters]
    flat = torch.cat([*(g.reshape(-1) for g in grads), torch.tensor([fraction])])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    start = 0
    for g in grads:
        g.copy_(flat[start : start + g.numel()].view_as(g))
        start += g.numel()
    return float(flat[-1])
