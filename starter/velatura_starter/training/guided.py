"""Teach the models to answer at once what guidance makes of two answers, so that a picture costs half.

The trained UNet is the teacher: its answer with the words and its answer without them are combined as classifier-free
guidance does, and a copy learns to give the result by itself (Meng et al., arXiv 2210.03142, with one fixed scale). A
ControlNet is taught in a similar way (`controlnet`).
"""

from __future__ import annotations

import itertools
from pathlib import Path

import torch
from torch import Tensor

from ..architecture import build_unet
from ..device import device
from .course import Course, follow
from .export import blank_text, frozen
from .objective import predict, weighted_error, weights_at
from .precision import mixed
from .reader import load_reader, plainness
from .unet import Feeder, Pools, Sample, both_ways
from .walks import Walks


def guide(bare: Tensor, told: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance (Ho & Salimans, arXiv 2207.12598): ``bare`` + scale (``told`` - ``bare``)."""
    return bare + scale * (told - bare)


class Teacher:
    """The frozen networks of a run."""

    def __init__(self, run: Path, feeder: Feeder) -> None:
        self.unet = frozen(run / "unet.pt", "unet", build_unet())
        self.text = frozen(run / "unet.pt", "text", blank_text(run))
        self.empty = feeder.empty

    @torch.no_grad()
    def contexts(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """What the words mean and what no words mean, (B, T, D) each."""
        return self.text(tokens)[0], self.text(self.empty.expand(len(tokens), -1))[0]


def train_guided(run: Path, pools: Pools, course: Course, *, scale: float, clear: float, seed: int = 8) -> None:
    """Train a copy of ``unet.pt``'s UNet until the budget is used; ``guided.pt`` holds state and average.

    Three batches of five are what the student itself has painted so far (as in Ross et al., arXiv 1011.0686): a noised
    real picture gives away what it is, and a student that only sees those never learns to come back from a wrong turn.
    Where the words are empty it learns what the teacher answers, so that it can still be guided further. Where they
    name a material, the reader's doubt of it counts ``clear`` times: guidance by a classifier (Dhariwal & Nichol,
    arXiv 2105.05233), learned rather than computed in each step.
    """
    feeder = Feeder(pools, run / "tokenizer", seed)
    teacher = Teacher(run, feeder)
    student = build_unet().to(device())
    student.load_state_dict(teacher.unet.state_dict())
    walks, turns = Walks(feeder, feeder.size(16)), itertools.cycle((True, False, True, True, False))
    with both_ways(teacher.unet) as wise, both_ways(student) as unets:
        reader = load_reader(run)

        def answer(z: Tensor, t: Tensor, sample: Sample | Walks, tiled: bool) -> tuple[Tensor, Tensor]:
            """The student's v, and its loss."""
            told, bare = teacher.contexts(sample.tokens)
            with mixed():
                with torch.no_grad():
                    target = guide(*(predict(wise[tiled], z, t, said) for said in (bare, told)), scale)
                v = predict(unets[tiled], z, t, told).float()
            error = weighted_error(v, target.float(), weights_at(t))
            return v, error + clear * plainness(reader, z, v, t, sample.materials)

        def score(_: float) -> tuple[str, Tensor]:
            if next(turns):
                v, loss = answer(walks.z, walks.t, walks, tiled=True)
                walks.advance(v.detach())
                return "walk", loss
            sample = feeder.next(0.9)
            # Towards noise: colour is decided there, what guidance adds is largest, and it was seen to be learned last.
            z, t, *_ = feeder.noised(sample.x, 0.5)
            return sample.kind, answer(z, t, sample, sample.tiled)[1]

        follow(course, run / "guided.pt", {"unet": student}, score, feeder.reseed)
