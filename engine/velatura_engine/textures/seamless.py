"""Seamless tiling of convolutional models: wrap the borders of every layer, per axis, and undo it.

A network whose every layer wraps commutes with rolling its input, so opposite edges of its output meet. Two places
pad: `Conv2d` itself, and diffusers' `Downsample2D`, which pads by hand before its convolution in VAE encoders
(`models/downsampling.py`); leaving the second out breaks img2img and inpainting of seamless pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
import torch.nn.functional as F
from diffusers.models.downsampling import Downsample2D
from torch import nn


class Axes:
    """Which axes wrap right now; a run may switch it between steps."""

    def __init__(self, x: bool, y: bool) -> None:
        self.x, self.y = x, y


@contextmanager
def seamless(modules: Iterable[nn.Module], x: bool, y: bool) -> Iterator[Axes]:
    """Make convolutional modules wrap around along x (left-right) and/or y (top-bottom) inside the block.

    Yields the switch that tells the patched layers what to do, so that wrapping can begin or end during a run.
    Exact only for sizes that are multiples of the model's total stride. With neither axis nothing is touched.
    """
    axes = Axes(x, y)
    patched: list[tuple[nn.Module, str]] = []
    try:
        for layer in _layers(modules) if x or y else ():
            if isinstance(layer, nn.Conv2d) and any(_padding(layer)):
                patched.append(_patch(layer, "_conv_forward", partial(_convolve, layer, axes)))
            elif isinstance(layer, Downsample2D) and layer.use_conv and layer.padding == 0:
                patched.append(_patch(layer, "forward", partial(_downsample, layer, axes)))
        yield axes
    finally:
        for layer, name in patched:
            delattr(layer, name)


def _patch(layer: nn.Module, name: str, method: Callable[..., torch.Tensor]) -> tuple[nn.Module, str]:
    """Hide a method of this one layer behind another; deleting the name again brings it back."""
    setattr(layer, name, method)
    return layer, name


def _layers(modules: Iterable[nn.Module]) -> Iterator[nn.Module]:
    seen: set[int] = set()
    for module in modules:
        for layer in module.modules():
            if id(layer) not in seen:
                seen.add(id(layer))
                yield layer


def _padding(conv: nn.Conv2d) -> tuple[int, int]:
    """Padding on each side, (rows, columns)."""
    if conv.padding == "valid":
        return 0, 0
    if conv.padding == "same":
        rows, columns = (d * (k - 1) // 2 for d, k in zip(conv.dilation, conv.kernel_size, strict=True))
    else:
        rows, columns = (int(side) for side in conv.padding)
    return rows, columns


def wrap(values: torch.Tensor, pad: tuple[int, int, int, int], axes: Axes) -> torch.Tensor:
    """Pad (B, C, H, W) by (left, right, top, bottom): with what is across where the axis wraps, else with zeros.

    Raises ValueError where a wrapped side is shorter than its padding.
    """
    batch, channels, height, width = values.shape
    left, right, top, bottom = pad
    if (axes.x and max(left, right) > width) or (axes.y and max(top, bottom) > height):
        raise ValueError(f"{width} x {height} values are too few to wrap by {pad}")
    # Not F.pad: its circular mode loses the order in which channels lie together, and the convolution restores it
    # with another copy. On a processor the two cost as much as the convolution.
    lay = torch.channels_last if values.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    shape = batch, channels, top + height + bottom, left + width + right
    out = torch.empty(shape, dtype=values.dtype, device=values.device, memory_format=lay)
    out[..., top : top + height, left : left + width] = values
    if left:
        out[..., :left] = out[..., width : width + left] if axes.x else 0
    if right:
        out[..., left + width :] = out[..., left : left + right] if axes.x else 0
    if top:
        out[..., :top, :] = out[..., height : height + top, :] if axes.y else 0
    if bottom:
        out[..., top + height :, :] = out[..., top : top + bottom, :] if axes.y else 0
    return out


def _convolve(
    conv: nn.Conv2d, axes: Axes, values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    rows, columns = _padding(conv)
    values = wrap(values, (columns, columns, rows, rows), axes)
    return F.conv2d(values, weight, bias, conv.stride, 0, conv.dilation, conv.groups)


def _downsample(layer: Downsample2D, axes: Axes, values: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
    # The layer's own padding is one zero row and column at the far sides; wrapped, those are the near ones.
    if layer.norm is not None:
        values = layer.norm(values.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return layer.conv(wrap(values, (0, 1, 0, 1), axes))
