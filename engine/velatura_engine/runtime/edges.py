"""Small networks that draw lines, with the names that their makers gave the tensors: HED, line art, M-LSD.

HED (Xie and Tu, arXiv 1504.06375) as ControlNet's authors trained it anew. Line art is the generator of Chan et al.,
arXiv 2203.12691. M-LSD is Gu et al., arXiv 2106.00186, on the front of MobileNetV2, arXiv 1801.04381.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from ..errors import Unsupported
from ..models.entry import ModelEntry
from .load import settle
from .sketches import AnimeLines, PiDiNet

SIDE, MULTIPLE = 512, 64
"""Pixels of the shorter side that they look at by default, and what both sides are multiples of, as they were
trained."""
MOST_LINES = 200


class Lines:
    """HED, PiDiNet or line art; called with a picture (H, W, 3), and the pixels that its shorter side is to have
    meanwhile, it gives how much of a line each pixel is, (H, W) 0..1.
    """

    def __init__(self, entry: ModelEntry, *, dtype: torch.dtype, device: torch.device) -> None:
        self.device, self.dtype = device, dtype
        self.net = _filled(ARTISTS[entry.family](), entry, dtype, device)

    @torch.inference_mode()
    def __call__(self, picture: np.ndarray, side: int = SIDE) -> np.ndarray:
        """How much of a line each pixel is."""
        seen = _seen(picture, side, getattr(self.net, "multiple", MULTIPLE)).to(self.device, self.dtype)
        drawn = self.net(seen).float().cpu()
        drawn = F.interpolate(drawn, size=picture.shape[:2], mode="bilinear", antialias=True)
        return drawn[0, 0].clamp(0, 1).numpy()


class StraightLines:
    """M-LSD; called with a picture (H, W, 3), and the pixels that its shorter side is to have meanwhile, it gives the
    straight lines in it: (N, 5), their ends x, y, x, y in pixels and how sure it is of each, 0 to 1.
    """

    def __init__(self, entry: ModelEntry, *, dtype: torch.dtype, device: torch.device) -> None:
        self.device, self.dtype = device, dtype
        self.net = _filled(MLsd(), entry, dtype, device)

    @torch.inference_mode()
    def __call__(self, picture: np.ndarray, side: int = SIDE) -> np.ndarray:
        """The lines, the surest first."""
        seen = _seen(picture, side) * 255
        # A fourth channel of ones is what it was trained with.
        seen = torch.cat([seen, torch.ones_like(seen[:, :1])], 1) / 127.5 - 1
        answer = self.net(seen.to(self.device, self.dtype))[0].float().cpu()  # (9, h / 2, w / 2)
        heat = answer[0].sigmoid()
        heat = heat * (F.max_pool2d(heat[None], 3, stride=1, padding=1)[0] == heat)
        width = heat.shape[1]
        sure, places = heat.flatten().topk(min(MOST_LINES, heat.numel()))
        rows, columns = places // width, places % width
        ends = answer[1:5, rows, columns].T + torch.stack([columns, rows, columns, rows], 1)
        across, down = (whole / part for whole, part in zip(picture.shape[1::-1], heat.shape[::-1], strict=True))
        return torch.cat([ends * torch.tensor([across, down] * 2), sure[:, None]], 1).numpy().astype(np.float32)


def _seen(picture: np.ndarray, shorter: int, multiple: int = MULTIPLE) -> torch.Tensor:
    """A picture (H, W, 3) 0..1 at the size that the networks look at, (1, 3, h, w) 0..1."""
    height, width = picture.shape[:2]
    scale = shorter / min(height, width)
    size = tuple(
        max(1, round(min(side * scale, 4 * shorter) / multiple)) * multiple for side in (height, width)
    )  # fmt: skip
    pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]
    return F.interpolate(pixels, size=size, mode="bicubic", antialias=True).clamp(0, 1)


def _filled(net: nn.Module, entry: ModelEntry, dtype: torch.dtype, device: torch.device) -> nn.Module:
    """The network with a file's weights. Raises Unsupported where some are missing."""
    # Whoever trained on several cards saved their names with it.
    tensors = {name.removeprefix("module."): value for name, value in load_file(entry.path).items()}
    try:
        lacking = net.load_state_dict(tensors, strict=False).missing_keys
    except RuntimeError as trouble:
        lacking = [str(trouble).splitlines()[-1].strip()]
    lacking = [name for name in lacking if not name.endswith("num_batches_tracked")]
    if lacking:
        raise Unsupported(
            f"{entry.title} is not whole: {lacking[0][:120]}", reason="BROKEN_MODEL_FILE", remedy="get the file again"
        )
    net.dtype = dtype  # type: ignore[assignment] (what `settle` asks of models)
    net.to(dtype)
    settle(net, device)
    return net


class Hed(nn.Module):
    """Five blocks of convolutions, each half as large as the one before; each draws edges, and the mean counts."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.Parameter(torch.zeros(1, 3, 1, 1))
        widths, depths = (3, 64, 128, 256, 512, 512), (2, 2, 3, 3, 3)
        for number, depth in enumerate(depths):
            self.add_module(f"block{number + 1}", _HedBlock(widths[number], widths[number + 1], depth))

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """(1, 3, h, w) 0..1 -> edges (1, 1, h, w) 0..1."""
        size, features, edges = picture.shape[-2:], picture * 255 - self.norm, []
        for number in range(5):
            if number:
                features = F.max_pool2d(features, 2)
            block: Any = self.get_submodule(f"block{number + 1}")
            for conv in block.convs:
                features = conv(features).relu()
            edges.append(F.interpolate(block.projection(features), size=size, mode="bilinear"))
        return torch.stack(edges).mean(0).sigmoid()


class _HedBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, depth: int) -> None:
        super().__init__()
        widths = [inputs] + [outputs] * depth
        self.convs = nn.Sequential(*(nn.Conv2d(*pair, 3, padding=1) for pair in itertools.pairwise(widths)))
        self.projection = nn.Conv2d(outputs, 1, 1)


class LineArt(nn.Module):
    """Down twice, three residual blocks, up twice; it draws dark on white, and here white on black is wanted."""

    def __init__(self) -> None:
        super().__init__()
        self.model0 = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(3, 64, 7), nn.InstanceNorm2d(64), nn.ReLU())
        self.model1 = nn.Sequential(*_steps(nn.Conv2d, (64, 128, 256)))
        self.model2 = nn.Sequential(*(_LineBlock() for _ in range(3)))
        self.model3 = nn.Sequential(*_steps(nn.ConvTranspose2d, (256, 128, 64), output_padding=1))
        self.model4 = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(64, 1, 7), nn.Sigmoid())

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """(1, 3, h, w) 0..1 -> lines (1, 1, h, w) 0..1."""
        for part in (self.model0, self.model1, self.model2, self.model3, self.model4):
            picture = part(picture)
        return 1 - picture


class _LineBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        half = [nn.ReflectionPad2d(1), nn.Conv2d(256, 256, 3), nn.InstanceNorm2d(256)]
        other = [nn.ReflectionPad2d(1), nn.Conv2d(256, 256, 3), nn.InstanceNorm2d(256)]
        self.conv_block = nn.Sequential(*half, nn.ReLU(), *other)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Adds what it makes of them to the features."""
        return features + self.conv_block(features)


def _steps(of: Any, widths: tuple[int, ...], **more: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [of(inputs, outputs, 3, stride=2, padding=1, **more), nn.InstanceNorm2d(outputs), nn.ReLU()]
    return layers


class MLsd(nn.Module):
    """MobileNetV2 without its last stages, and a pyramid over five of its layers."""

    STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1))
    """Times wider inside, channels, blocks, and by how much the first of these halves."""
    HEARD = (1, 3, 6, 10, 13)
    """Layers that the pyramid stands on."""

    def __init__(self) -> None:
        super().__init__()
        features: list[nn.Module] = [_Mobile(4, 32, 3, 2)]
        width = 32
        for wider, channels, blocks, stride in self.STAGES:
            for number in range(blocks):
                features.append(_Inverted(width, channels, stride if number == 0 else 1, wider))
                width = channels
        self.backbone = nn.ModuleDict({"features": nn.Sequential(*features)})
        for number, (fine, coarse) in enumerate(((64, 96), (32, 64), (24, 64), (16, 64))):
            self.add_module(f"block{15 + 2 * number}", _pair(_plain(coarse, 64, 1), _plain(fine, 64, 1)))
            self.add_module(f"block{16 + 2 * number}", _pair(_plain(128, 128, 3), _plain(128, 64, 3)))
        self.block23 = _pair(_plain(64, 64, 3, dilation=5), _plain(64, 64, 3))
        self.block23["conv3"] = nn.Conv2d(64, 16, 1)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """(1, 4, h, w) -1..1 -> (1, 9, h / 2, w / 2): how much a middle of a line, then the way to its two ends."""
        heard = []
        for number, layer in enumerate(self.backbone["features"]):  # type: ignore[arg-type]
            seen = layer(seen)
            if number in self.HEARD:
                heard.append(seen)
        told = heard.pop()
        for number in range(4):
            join: Any = self.get_submodule(f"block{15 + 2 * number}")
            mix: Any = self.get_submodule(f"block{16 + 2 * number}")
            told = join["conv1"](told)
            if number:
                told = F.interpolate(told, scale_factor=2.0, mode="bilinear", align_corners=True)
            told = torch.cat([join["conv2"](heard.pop()), told], 1)
            told = mix["conv2"](mix["conv1"](told) + told)
        for name in ("conv1", "conv2", "conv3"):
            told = self.block23[name](told)
        return told[:, 7:]


def _pair(first: nn.Module, second: nn.Module) -> nn.ModuleDict:
    return nn.ModuleDict({"conv1": first, "conv2": second})


def _plain(inputs: int, outputs: int, side: int, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (side // 2)
    conv = nn.Conv2d(inputs, outputs, side, padding=padding, dilation=dilation)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


class _Mobile(nn.Sequential):
    """A convolution with its norm; one that halves looks at a pixel more to the right and below, as TensorFlow does."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int = 1, groups: int = 1) -> None:
        padding = 0 if stride == 2 else side // 2
        conv = nn.Conv2d(inputs, outputs, side, stride, padding, groups=groups, bias=False)
        super().__init__(conv, nn.BatchNorm2d(outputs), nn.ReLU6())
        self.halves = stride == 2

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(1, C, h, w) -> (1, C', h, w), or half as large."""
        return super().forward(F.pad(input, (0, 1, 0, 1)) if self.halves else input)


class _Inverted(nn.Module):
    """MobileNetV2's block: wider, each channel by itself, narrow again; added to what came in where that fits."""

    def __init__(self, inputs: int, outputs: int, stride: int, wider: int) -> None:
        super().__init__()
        inner = inputs * wider
        widen = [_Mobile(inputs, inner, 1)] if wider > 1 else []
        alone = _Mobile(inner, inner, 3, stride, groups=inner)
        self.conv = nn.Sequential(*widen, alone, nn.Conv2d(inner, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """(1, C, h, w) -> (1, C', h, w), or half as large."""
        return seen + self.conv(seen) if self.adds else self.conv(seen)


ARTISTS: dict[str, type[nn.Module]] = {
    "softedge": Hed, "pidinet": PiDiNet, "lineart": LineArt, "lineart_anime": AnimeLines,
}  # fmt: skip
"""Networks that draw lines, by the kinds of annotators."""
