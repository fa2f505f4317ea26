"""Pictures that a UNet made of others by drawing their noise anew, as samplers like LCM do in every step.

What it errs by a little in each step, always to the same side, adds up there until colour and material are others.
Lessons never show it where that leads, since every lesson begins with a drawing; so some begin with such a picture, and
ask for the drawing that it was made of.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from .objective import noised, pictured, predict
from .unet import Feeder, Sample

EVERY = 10
"""Steps after which another batch is redrawn."""
ROUNDS = ((640, 50), (600, 33))
"""From which time on and in strides of how many times, in turn. A picture with more noise is made into another one, and
there nothing is lost: with the noise drawn anew before time 600 only, of 60 pictures as many were named rightly as with
all of it kept (93 %; drawn anew after, 80 %).
"""
KEPT = 6
"""Batches that are kept."""
PART = 2
"""One sample of so many begins with a redrawn picture."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of drawings and, of later and later steps, what was made of them, each (B, 4, h, w)."""

    sample: Sample
    made: list[Tensor]


@torch.no_grad()
def redraw(unet: nn.Module, x: Tensor, said: Tensor, start: int, stride: int, feeder: Feeder) -> list[Tensor]:
    """Pictures after each time, noise drawn anew at each: x (B, 4, h, w), context (B, T, D)."""
    made = []
    for time in range(start, 0, -stride):
        t = torch.full((len(x),), time, device=x.device)
        z = noised(x, feeder.noise(x.shape), t)[0]
        x = pictured(z, predict(unet, z, t, said).float(), t)
        made.append(x)
    return made


class Redrawn:
    """The last few batches that the student redrew."""

    def __init__(self, feeder: Feeder) -> None:
        self.feeder, self.batches, self.step = feeder, list[Batch](), 0

    def keep(self, unet: nn.Module, sample: Sample, said: Tensor) -> None:
        """Redraw this batch if it is time, and forget the oldest."""
        self.step += 1
        if self.step % EVERY == 0:
            start, stride = ROUNDS[self.step // EVERY % len(ROUNDS)]
            made = redraw(unet, sample.x, said, start, stride, self.feeder)
            self.batches = [*self.batches, Batch(sample, made)][-KEPT:]

    def mix(self, sample: Sample, t: Tensor, last: int) -> tuple[Sample, Tensor, Tensor, int]:
        """The batch with drawings of a kept one in its last rows, one in PART; pictures to begin with, which there are
        what was made of those drawings; times, there before ``last``; and the first of these rows, or how many there
        are where none is.
        """
        fitting = [b for b in self.batches if b.sample.x.shape[1:] == sample.x.shape[1:]] if sample.tiled else []
        if not fitting or not (count := len(t) // PART):
            return sample, sample.x, t, len(t)
        batch = fitting[int(self.feeder.integers(len(fitting), 1))]
        rows = self.feeder.integers(len(batch.sample.x), count)
        made = batch.made[int(self.feeder.integers(len(batch.made), 1))]
        told = {name: getattr(sample, name).clone() for name in ("x", "tokens", "materials")}
        for name, values in told.items():
            values[-count:] = getattr(batch.sample, name)[rows]
        times, begun = t.clone(), told["x"].clone()
        times[-count:], begun[-count:] = self.feeder.integers(last, count), made[rows]
        return replace(sample, **told), begun, times, len(t) - count
