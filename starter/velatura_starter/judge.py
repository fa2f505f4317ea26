"""Small independent judges: which material and colour a picture shows, and how deep a scene looks.

They are trained on family B programs, which never train the model.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from .data.renders import FARTHEST


class Stage(nn.Module):
    """A strided convolution and a residual one."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, inputs, H, W): (B, outputs, H / stride, W / stride)."""
        h = F.relu(self.norms[0](self.first(x)))
        return F.relu(h + self.norms[1](self.second(h)))


class Judge(nn.Module):
    """Names material and colour; any size from 64 px."""

    WIDTHS = (32, 64, 96, 128)

    def __init__(self, materials: int, colours: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*(Stage(a, b, 2) for a, b in itertools.pairwise((3, *self.WIDTHS))))
        self.material = nn.Linear(2 * self.WIDTHS[-1] + 2, materials)
        # Colour needs no structure: a soft histogram of a quarter of the pixels, and the body's summary.
        self.pixel = nn.Sequential(nn.Conv2d(3, 32, 1), nn.SiLU(), nn.Conv2d(32, 32, 1), nn.SiLU())
        self.colour = nn.Sequential(nn.Linear(32 + 2 * self.WIDTHS[-1], 64), nn.SiLU(), nn.Linear(64, colours))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, 3, H, W) in 0..1: logits (B, materials) and (B, colours)."""
        # Without its mean colour and contrast a picture is structure alone; with them the net learns colour only.
        plain = x - x.mean((2, 3), keepdim=True)
        contrast = plain.std((1, 2, 3), keepdim=True).clamp_min(1e-3)
        f = self.body(plain / contrast)
        seen = torch.cat([f.mean((2, 3)), f.std((2, 3))], 1)
        # How strong the contrast was, absolutely and for the brightness, still tells concrete from leather.
        strength = torch.cat([contrast, contrast / x.mean((1, 2, 3), keepdim=True).clamp_min(0.02)], 1).flatten(1).log()
        tint = self.pixel(x[..., ::2, ::2] * 2 - 1).mean((2, 3))
        return self.material(torch.cat([seen, strength], 1)), self.colour(torch.cat([tint, seen], 1))


class DepthJudge(nn.Module):
    """Guesses disparity (near 1, background 0) at a quarter of the picture's size."""

    WIDTHS = (24, 48, 80, 112, 128)

    def __init__(self) -> None:
        super().__init__()
        widths = (3, *self.WIDTHS)
        self.down = nn.ModuleList(Stage(a, b, 2) for a, b in itertools.pairwise(widths))
        self.up = nn.ModuleList(
            Stage(a + b, b, 1) for a, b in zip(self.WIDTHS[:1:-1], self.WIDTHS[-2:0:-1], strict=True)
        )
        self.out = nn.Conv2d(self.WIDTHS[1], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, 3, H, W) in 0..1, sides divisible by 32: (B, H/4, W/4) in 0..1."""
        kept, h = [], x * 2 - 1
        for stage in self.down:
            h = stage(h)
            kept.append(h)
        for stage, skip in zip(self.up, kept[-2:0:-1], strict=True):
            h = stage(torch.cat([F.interpolate(h, scale_factor=2.0), skip], 1))
        return self.out(h)[:, 0].sigmoid()


@torch.no_grad()
def read_disparity(judge: DepthJudge, images: Tensor) -> Tensor:
    """Disparity (B, H/4, W/4) that the judge sees in pictures (B, 3, H, W) in 0..1: background 0, like a hint.

    What is nearer to 0 than to the farthest object is background. Left as guessed, the thousandths that differ there
    would rank half of most pictures at random, and the order of what is in them would hardly count.
    """
    seen = judge(images)
    return torch.where(seen < FARTHEST / 2, 0.0, seen)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Names seen in each picture."""

    materials: tuple[str, ...]
    colours: tuple[str, ...]


@torch.no_grad()
def name(judge: Judge, images: Tensor, materials: tuple[str, ...], colours: tuple[str, ...]) -> Verdict:
    """What the judge sees in pictures (B, 3, H, W) in 0..1."""
    parts = [judge(x) for x in images.split(32)]
    m, c = (torch.cat(p).argmax(1).tolist() for p in zip(*parts, strict=True))
    return Verdict(tuple(materials[i] for i in m), tuple(colours[i] for i in c))


def load_judge(path: Path, materials: int, colours: int) -> Judge:
    """The shipped material and colour judge."""
    judge = Judge(materials, colours)
    judge.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in load_file(path).items()})
    return judge.eval().requires_grad_(False)


def load_depth_judge(path: Path) -> DepthJudge:
    """The shipped depth judge."""
    judge = DepthJudge()
    judge.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in load_file(path).items()})
    return judge.eval().requires_grad_(False)


def ranks(x: Tensor) -> Tensor:
    """Ranks along the last axis; ties share their mean rank."""
    ordered = x.sort(-1).values
    low = torch.searchsorted(ordered, x, right=False)
    high = torch.searchsorted(ordered, x, right=True)
    return (low + high - 1).float() / 2


def spearman(a: Tensor, b: Tensor) -> Tensor:
    """Rank correlation of flattened maps (B, ...): (B,); 0 where one is constant."""
    ra, rb = (ranks(t.flatten(1).contiguous()) for t in (a, b))
    ra, rb = ra - ra.mean(1, keepdim=True), rb - rb.mean(1, keepdim=True)
    return (ra * rb).sum(1) / (ra.norm(dim=1) * rb.norm(dim=1)).clamp_min(1e-6)
