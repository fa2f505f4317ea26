"""Periodic borders for training and judging: convolutions wrap, and so does the encoder's down-sampling."""

from __future__ import annotations

import types
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from diffusers.models.downsampling import Downsample2D
from torch import Tensor, nn
from torch.nn import functional as F


def wrap(x: Tensor, pad: tuple[int, int, int, int], axes: str) -> Tensor:
    """Pad (left, right, top, bottom): wrapped on the named axes ("x", "y", "xy"), zeros on the others."""
    left, right, top, bottom = pad
    x = _continued(x, -1, left, right) if "x" in axes else F.pad(x, (left, right, 0, 0))
    return _continued(x, -2, top, bottom) if "y" in axes else F.pad(x, (0, 0, top, bottom))


def _continued(x: Tensor, dim: int, before: int, after: int) -> Tensor:
    # Joined, not padded: to follow F.pad's circular mode back copies the whole gradient once for each border.
    return torch.cat([x.narrow(dim, x.shape[dim] - before, before), x, x.narrow(dim, 0, after)], dim)


def _convolve(axes: str):
    def forward(self: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        py, px = self.padding
        return F.conv2d(wrap(x, (px, px, py, py), axes), weight, bias, self.stride, 0, self.dilation, self.groups)

    return forward


def _downsample(axes: str):
    def forward(self: Downsample2D, x: Tensor, *_: object, **__: object) -> Tensor:
        # diffusers pads right and below with zeros outside the convolution when its own padding is 0.
        return self.conv(wrap(x, (0, 1, 0, 1), axes))

    return forward


@contextmanager
def periodic(*models: nn.Module, axes: str = "xy") -> Iterator[None]:
    """Within the block the models see a picture that repeats along ``axes``; afterwards all is as before."""
    with ExitStack() as undo:
        for module in (m for model in models for m in model.modules()) if axes else ():
            if isinstance(module, nn.Conv2d) and module.padding != (0, 0):
                module._conv_forward = types.MethodType(_convolve(axes), module)
                undo.callback(module.__dict__.pop, "_conv_forward")
            elif isinstance(module, Downsample2D) and module.padding == 0:
                module.forward = types.MethodType(_downsample(axes), module)
                undo.callback(module.__dict__.pop, "forward")
        yield
