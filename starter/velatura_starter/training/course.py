"""The loop that every latent model is trained by: budget, rate, averages, company and checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from .clock import Average, Budget, learning_rate, load, save, set_rate
from .together import average_gradients, once, rank_and_world

Log = Callable[[str], None]
Score = Callable[[float], tuple[str, Tensor]]
"""Share of the budget used -> (kind of batch, its scalar loss)."""


def silent(_: object) -> None:
    """For those who want to hear nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How long and how fast to train, and who hears of it: ``export`` sees the averages at each checkpoint."""

    minutes: float
    peak: float
    decay: float
    warmup: int = 100
    export: Callable[[Average], None] = silent
    log: Log = print


def clip(parameters: Sequence[Tensor], most: float = 1.0) -> None:
    """Shorten the gradient to ``most``; one that is no number becomes nothing.

    One such step is the end of all weights, as was seen once in bfloat16 on a card.
    """
    grads = [p.grad for p in parameters if p.grad is not None]
    whole = torch.isfinite(nn.utils.clip_grad_norm_(parameters, most))
    for g in grads:
        g.copy_(torch.where(whole, g, 0.0))


def follow(
    course: Course, file: Path, parts: Mapping[str, nn.Module], score: Score, reseed: Callable[[int], None] = silent
) -> None:
    """Train ``parts`` until the budget is used; ``file`` holds their state and averages, and is gone on from.

    ``reseed`` is told the step that a checkpoint was made at, so that no batch is drawn twice.
    """
    parameters = [p for part in parts.values() for p in part.parameters()]
    optimizer = torch.optim.AdamW(parameters, course.peak, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    average, budget, step = Average(parts, course.decay), Budget(course.minutes * 60), 0
    if state := load(file):
        for name, part in parts.items():
            part.load_state_dict(state[name])
        optimizer.load_state_dict(state["optimizer"])
        average.shadow, step, budget.spent = state["average"], state["step"], state["spent"]
        reseed(step)
    first = rank_and_world()[0] == 0
    saved, means, fraction = budget.used(), {}, budget.fraction()
    while fraction < 1:
        set_rate(optimizer, learning_rate(fraction, step, peak=course.peak, warmup=course.warmup))
        kind, loss = score(fraction)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        fraction = average_gradients(parameters, budget.fraction())
        clip(parameters)
        optimizer.step()
        average.update(parts, step)
        step += 1
        # Left where it is: to fetch it in every step would let a card wait.
        means[kind] = torch.lerp(means.get(kind, loss.detach()), loss.detach(), 0.05)
        if not first:
            continue
        if step % 25 == 0:
            said = " ".join(f"{k}:{float(v):.4f}" for k, v in sorted(means.items()))
            course.log(f"{file.stem} {step} {budget.used():.0f}s {said}")
        if budget.used() - saved > 180 or fraction >= 1:
            saved = budget.used()
            state = {n: p.state_dict() for n, p in parts.items()} | {"optimizer": optimizer.state_dict()}
            save(file, state | {"average": average.shadow, "step": step, "spent": budget.used()})
            course.export(average)
    once(lambda: None)  # what comes next may read the file, in every process
