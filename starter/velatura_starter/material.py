"""The material network: a picture of a surface to what it is made of, by convolutions alone.

Nothing in it looks further than its convolutions do, so it commutes with rolling a picture by its stride when its
borders wrap (`padding.periodic`), and answers a tile so that the maps' edges meet too.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from .data.fields import ramp
from .data.surface import brighten

STRIDE = 8
"""Sides of pictures must be divisible by it."""


@dataclass(frozen=True, slots=True)
class Maps:
    """Maps of a batch of pictures.

    albedo (B, 3, H, W) in 0..1, display-referred, without light; height (B, H, W) in pixels, of any mean;
    normal (B, 3, H, W) of length 1: x right, y up, z out of the surface; roughness, metallic and ao (B, H, W) in 0..1.
    """

    albedo: Tensor
    height: Tensor
    normal: Tensor
    roughness: Tensor
    metallic: Tensor
    ao: Tensor


class Norm(nn.Module):
    """Each pixel's values by their root mean square, so that no pixel hears of another."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, H, W): the same shape."""
        power = x.float().square().mean(1, keepdim=True)
        return x * (torch.rsqrt(power + 1e-4).to(x.dtype) * self.scale)


class Block(nn.Module):
    """Two convolutions beside the way past them."""

    def __init__(self, width: int, spread: int = 1) -> None:
        super().__init__()
        self.norm = Norm(width)
        self.first = nn.Conv2d(width, width, 3, padding=spread, dilation=spread)
        self.second = nn.Conv2d(width, width, 3, padding=spread, dilation=spread)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, H, W): the same shape."""
        return x + self.second(F.silu(self.first(self.norm(x))))


class Reader(nn.Module):
    """What reads pictures: raw maps (B, n, H, W) by the names of `MaterialNet.OUTPUTS`."""

    def maps(self, x: Tensor) -> Maps:
        """What a picture (B, 3, H, W) in 0..1 shows."""
        raw = self(x)
        return Maps(
            albedo=(x + raw["albedo"]).clamp(0, 1),
            height=raw["height"][:, 0],
            normal=to_normal(raw["slope"]),
            roughness=raw["roughness"][:, 0].sigmoid(),
            metallic=raw["metallic"][:, 0].sigmoid(),
            ao=raw["ao"][:, 0].sigmoid(),
        )


class MaterialNet(Reader):
    """A U-Net over four scales, 0.6 million parameters."""

    WIDTHS: ClassVar = (24, 40, 64, 96)
    OUTPUTS: ClassVar = {"height": 1, "slope": 2, "roughness": 1, "metallic": 1, "ao": 1, "albedo": 3}

    def __init__(self) -> None:
        super().__init__()
        widths = self.WIDTHS
        self.open = nn.Conv2d(3, widths[0], 3, padding=1)
        self.down = nn.ModuleList(Block(w) for w in widths[:-1])
        self.wider = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairwise(widths))
        self.middle = nn.Sequential(Block(widths[-1]), Block(widths[-1], 2))
        self.narrower = nn.ModuleList(nn.Conv2d(a + b, a, 1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(Block(w) for w in widths[:-1])
        self.close = nn.Conv2d(widths[0], sum(self.OUTPUTS.values()), 3, padding=1)
        # It begins flat, dull, open and as coloured as the picture is.
        self.close.weight.data *= 0.1
        self.close.bias.data = torch.tensor([0.0, 0, 0, 0.4, -3, 3, 0, 0, 0])

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """x (B, 3, H, W) in 0..1, sides divisible by STRIDE: raw float32 maps (B, n, H, W) as in OUTPUTS."""
        h, kept = self.open(x * 2 - 1), []
        for block, wider in zip(self.down, self.wider, strict=True):
            h = block(h)
            kept.append(h)
            h = wider(F.avg_pool2d(h, 2))
        h = self.middle(h)
        for block, narrower, skip in zip(*map(reversed, (self.up, self.narrower, kept)), strict=True):
            h = block(narrower(torch.cat([skip, F.interpolate(h, scale_factor=2.0)], 1)))
        with torch.autocast(x.device.type, enabled=False):  # in half precision heights would be stairs
            parts = self.close(h.float()).split(list(self.OUTPUTS.values()), 1)
        return dict(zip(self.OUTPUTS, parts, strict=True))


class BothWays(Reader):
    """The mean of a network and itself mirrored along the light's diagonal, which leaves the light where it is.

    Two answers err less than one: geometric self-ensemble (Lim et al., arXiv 1707.02921). It takes twice as long.
    """

    def __init__(self, net: MaterialNet) -> None:
        super().__init__()
        self.net, self.mirrored = net, mirrored(net)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """x (B, 3, H, W) in 0..1, sides divisible by STRIDE: raw maps as of `MaterialNet`."""
        here, there = self.net(x), self.mirrored(x)
        there["slope"] = there["slope"].flip(1)  # its right is below
        return {name: (values + there[name]) / 2 for name, values in here.items()}


def mirrored(net: MaterialNet) -> MaterialNet:
    """A copy that answers a picture as ``net`` answers its transpose, transposed; only its slopes are not swapped.

    Its kernels are transposed and not the picture, so that whoever makes edges meet along one axis makes the same meet.
    """
    other = copy.deepcopy(net)
    for layer in other.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data = layer.weight.data.transpose(-1, -2).contiguous()
    return other


def slopes(height: Tensor, axes: str = "xy") -> Tensor:
    """Rise to the right and downwards of height (B, H, W) in pixels: (B, 2, H, W), by central differences.

    Along axes that are not named, where edges do not meet, the outermost pixels rise as those beside them.
    """
    rises = []
    for dim, axis in ((-1, "x"), (-2, "y")):
        rise = (torch.roll(height, -1, dim) - torch.roll(height, 1, dim)) / 2
        if axis not in axes and height.shape[dim] > 2:
            inner = rise.narrow(dim, 1, height.shape[dim] - 2)
            rise = torch.cat([inner.narrow(dim, 0, 1), inner, inner.narrow(dim, inner.shape[dim] - 1, 1)], dim)
        rises.append(rise)
    return torch.stack(rises, 1)


def to_normal(slope: Tensor) -> Tensor:
    """Unit normals (B, 3, H, W), x right, y up, of rises to the right and downwards (B, 2, H, W)."""
    right, below = slope.unbind(1)
    return F.normalize(torch.stack([-right, below, torch.ones_like(right)], 1), dim=1)


def light(maps: Maps, towards: tuple[float, float] = (-1.0, 1.0)) -> Tensor:
    """The maps' albedo under soft light from (right, up), (B, 3, H, W): `data.textures.light` for any side.

    Only signs of ``towards`` count: the four corners are the four lights that maps are compared under.
    """
    x, y, _ = maps.normal.unbind(1)
    rise = x * towards[0] + y * towards[1]  # how far the surface turns to the light, by its unit normal
    slope = rise.clamp(-2, 2)
    shade = 1 + (0.38 * slope).clamp(-0.45, 0.4)
    glint = ramp(0.35, 0.9, slope) * (1 - maps.roughness) * 0.35
    lit = brighten(maps.albedo, shade * maps.ao) + (glint * 0.6).unsqueeze(1) * (0.25 + maps.albedo)
    return lit.clamp(0, 1)


def load_material(path: Path) -> BothWays:
    """The network with the weights of a safetensors file, in float32, beside itself mirrored."""
    net = MaterialNet()
    net.load_state_dict({k: v.float() for k, v in load_file(path).items()})
    return BothWays(net).eval().requires_grad_(False)
