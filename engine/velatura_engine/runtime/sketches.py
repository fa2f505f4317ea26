"""Two more networks that draw lines, with the names that their makers gave the tensors: PiDiNet, and line art of anime.

PiDiNet is Su et al., arXiv 2108.07009, in its full size. The line artist of anime is the generator of Xiang et al.,
Anime2Sketch, a U-Net as of Isola et al., arXiv 1611.07004, with norms of single pictures.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

KINDS = ("central", "angular", "radial", "plain")
"""Differences that layers take, in turn."""
_TURNED = [3, 0, 1, 6, 4, 2, 7, 8, 5]
"""The neighbours of a pixel, each moved on by one around it."""
_OUTER, _INNER = [0, 2, 4, 10, 14, 20, 22, 24], [6, 7, 8, 11, 13, 16, 17, 18]
"""Where, in five rows of five, the neighbours lie at a distance of two and of one."""


def kernel(weight: torch.Tensor, kind: str) -> torch.Tensor:
    """The ordinary kernel (O, I, 3, 3), or (O, I, 5, 5), that takes such differences between pixels with a weight
    (O, I, 3, 3): from the middle one, from the next around it, or of two in a row away from it.
    """
    if kind == "plain":
        return weight
    flat = weight.flatten(2)
    if kind == "central":
        middle = torch.zeros_like(flat)
        middle[..., 4] = flat.sum(-1)
        return (flat - middle).view_as(weight)
    if kind == "angular":
        return (flat - flat[..., _TURNED]).view_as(weight)
    wide = flat.new_zeros(*flat.shape[:2], 25)
    wide[..., _OUTER], wide[..., _INNER] = flat[..., 1:], -flat[..., 1:]
    return wide.unflatten(2, (5, 5))


class _Differences(nn.Module):
    """A convolution without bias whose pixels are differences."""

    def __init__(self, kind: str, inputs: int, outputs: int, groups: int = 1) -> None:
        super().__init__()
        self.kind, self.groups = kind, groups
        self.weight = nn.Parameter(torch.empty(outputs, inputs // groups, 3, 3))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """(1, I, h, w) -> (1, O, h, w)."""
        weight = kernel(self.weight, self.kind)
        return F.conv2d(seen, weight, padding=weight.shape[-1] // 2, groups=self.groups)


class PiDiNet(nn.Module):
    """Sixteen layers of differences at four sizes; at each edges are drawn, and weighed together at the end."""

    WIDTHS = (60, 120, 240, 240)
    INNER = 24

    def __init__(self) -> None:
        super().__init__()
        self.init_block = _Differences(KINDS[0], 3, self.WIDTHS[0])
        width, layer = self.WIDTHS[0], 1
        for level, wide in enumerate(self.WIDTHS, 1):
            for number in range(1 if level == 1 else 0, 4):
                halves = level > 1 and number == 0
                # The first size has one block less, since its first layer stands before.
                name = f"block{level}_{number + (level > 1)}"
                self.add_module(name, _Block(KINDS[layer % 4], width, wide, halves))
                width, layer = wide, layer + 1
        self.dilations = nn.ModuleList(_Wide(wide, self.INNER) for wide in self.WIDTHS)
        self.attentions = nn.ModuleList(_Attention(self.INNER) for _ in self.WIDTHS)
        self.conv_reduces = nn.ModuleList(_Reduced(self.INNER) for _ in self.WIDTHS)
        self.classifier = nn.Conv2d(len(self.WIDTHS), 1, 1)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """(1, 3, h, w) 0..1 -> edges (1, 1, h, w) 0..1."""
        size, drawn = picture.shape[-2:], []
        seen = self.init_block(picture.flip(1))  # it learned blue, green, red
        for level in range(4):
            for number in range(1, 4 if level == 0 else 5):
                seen = self.get_submodule(f"block{level + 1}_{number}")(seen)
            told = self.conv_reduces[level](self.attentions[level](self.dilations[level](seen)))
            drawn.append(F.interpolate(told, size=size, mode="bilinear", align_corners=False))
        return self.classifier(torch.cat(drawn, 1)).sigmoid()


class _Block(nn.Module):
    """Differences of each channel by itself, mixed, and added to what came in; `halves` at half its size."""

    def __init__(self, kind: str, inputs: int, outputs: int, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        if halves:
            self.shortcut = nn.Conv2d(inputs, outputs, 1)
        self.conv1 = _Differences(kind, inputs, inputs, groups=inputs)
        self.conv2 = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """(1, I, h, w) -> (1, O, h, w), or half as large."""
        if self.halves:
            seen = F.max_pool2d(seen, 2)
        told = self.conv2(self.conv1(seen).relu())
        return told + (self.shortcut(seen) if self.halves else seen)


class _Wide(nn.Module):
    """Four looks around at once, from near to far."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 1)
        for number, far in enumerate((5, 7, 9, 11), 1):
            self.add_module(f"conv2_{number}", nn.Conv2d(outputs, outputs, 3, padding=far, dilation=far, bias=False))

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """(1, I, h, w) -> (1, O, h, w)."""
        seen = self.conv1(seen.relu())
        looks: list[Any] = [self.get_submodule(f"conv2_{number}")(seen) for number in range(1, 5)]
        return torch.stack(looks).sum(0)


class _Attention(nn.Module):
    """How much each place counts."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 4, 1)
        self.conv2 = nn.Conv2d(4, 1, 3, padding=1, bias=False)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """(1, C, h, w) -> the same, weighed."""
        return seen * self.conv2(self.conv1(seen.relu())).sigmoid()


class _Reduced(nn.Module):
    """All channels as one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 1, 1)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """(1, C, h, w) -> (1, 1, h, w)."""
        return self.conv(seen)


class AnimeLines(nn.Module):
    """A U-Net of eight halvings; it draws dark on white, and here white on black is wanted."""

    multiple = 256
    """Of both sides of what it sees, pixels."""
    WIDTHS = (1, 64, 128, 256, 512, 512, 512, 512, 512)

    def __init__(self) -> None:
        super().__init__()
        inner: nn.Module | None = None
        for outer, width in zip(self.WIDTHS[-2::-1], self.WIDTHS[:0:-1], strict=True):
            inner = _Halved(outer, width, inner)
        assert inner is not None
        self.model = inner

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """(1, 3, h, w) 0..1 -> lines (1, 1, h, w) 0..1."""
        return 0.5 - self.model(picture * 2 - 1) / 2


class _Halved(nn.Module):
    """Half as large, what is within, and twice as large again, beside what came in; the outermost is alone."""

    def __init__(self, outer: int, width: int, within: nn.Module | None) -> None:
        super().__init__()
        self.outermost = outer == 1
        down: list[nn.Module] = [nn.Conv2d(3 if self.outermost else outer, width, 4, 2, 1)]
        if not self.outermost:
            down.insert(0, nn.LeakyReLU(0.2))
        if within is not None:
            down += [within] if self.outermost else [nn.InstanceNorm2d(width), within]
        up = nn.ConvTranspose2d(width if within is None else 2 * width, outer, 4, 2, 1)
        last = nn.Tanh() if self.outermost else nn.InstanceNorm2d(outer)
        self.model = nn.Sequential(*down, nn.ReLU(), up, last)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """(1, C, h, w) -> (1, 2 C, h, w), or the lines."""
        made = self.model(seen)
        return made if self.outermost else torch.cat([seen, made], 1)
