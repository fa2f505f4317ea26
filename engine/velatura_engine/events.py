"""What the worker tells the front about a running job: plain data, in the order it happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .errors import VelaturaError
from .pixels.picture import Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of a job and its share of the whole; the shares of a job add up to 1."""

    name: str
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The job begins to run on `device`, going through `stages` in order."""

    stages: tuple[Stage, ...]
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`step` of `steps` of `stage` are done, `fraction` (0..1) of the whole job, `remaining` seconds if known."""

    stage: str
    step: int
    steps: int
    fraction: float
    remaining: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A small glimpse, (h, w, 3) uint8 sRGB, of picture `index` of step `step_id` after `step` denoising steps."""

    pixels: np.ndarray
    index: int
    step: int
    step_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A result: a picture with its seed, place on the canvas, target or map name, and measures; or a `file`, whose
    format is its name."""

    step_id: str
    index: int
    kind: str
    picture: Picture | None = None
    file: bytes = b""
    seed: int = 0
    name: str = ""
    offset: tuple[int, int] = (0, 0)
    scores: Mapping[str, float] = field(default_factory=dict)
    hidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Warning:
    """Something the artist should know: a constant reason, words, and the field it is about."""

    reason: str
    message: str
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """All went well: seconds by stage, and the most device memory held in bytes (0 = unknown)."""

    timings: Mapping[str, float]
    peak_memory: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It ended with an error (a `Cancelled` among them)."""

    error: VelaturaError


Event = Started | Progress | Preview | Artifact | Warning | Done | Failed
