"""Large canvases through small windows: each is painted alone, and where they overlap they agree at every step.

MultiDiffusion (Bar-Tal et al., arXiv 2302.08113) with weights that fall towards a window's edge, as in Mixture of
Diffusers (Jiménez, arXiv 2302.02412): smooth, so that no window's edge shows. Along an axis that tiles, windows reach
across the canvas' edge; the layers then wrap only along axes that are not cut. Since denoiser and ControlNets are
called through windows, samplers, prompts, masks and the blending of repainting never notice.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

import torch
from torch import nn

from .seams import hide

HINTS = ("sample", "controlnet_cond")
"""Arguments (B, C, H, W) over the whole canvas, at whatever scale."""
MADE = ("down_block_additional_residuals", "mid_block_additional_residual", "down_intrablock_additional_residuals")
"""What ControlNets and other adapters add: made through the same windows, or for the whole canvas."""


def places(side: int, window: int, overlap: int, wraps: bool) -> list[int]:
    """Where windows begin, evenly, so that neighbours share `overlap` at least and everything is covered."""
    if window >= side:
        return [0]
    stride = window - overlap
    if wraps:
        count = -(-side // stride)
        return [number * side // count for number in range(count)]
    count = -(-(side - window) // stride) + 1
    return [number * (side - window) // (count - 1) for number in range(count)]


def slope(length: int, like: torch.Tensor) -> torch.Tensor:
    """Weights along one side of a window, nearly 0 at its ends and 1 in the middle (Hann), (length,)."""
    middles = (torch.arange(length, dtype=torch.float64) + 0.5) / length
    return torch.sin(torch.pi * middles).square().to(like.device, torch.float32)


class Windows:
    """Square windows over one canvas. Whether they reach across its edges may change between steps."""

    def __init__(
        self, canvas: tuple[int, int], size: int, overlap: int, *, grain: int, check: Callable[[], None]
    ) -> None:
        """`canvas` (width, height), `size` and `overlap` in latents, all multiples of `grain`: the latents that the
        model's coarsest layer sees as one. `check` is called before each window, and raises to stop.
        """
        self.canvas = tuple(side // grain for side in canvas)
        self.size, self.overlap, self.check = size // grain, overlap // grain, check
        self.x = self.y = False

    def wrap(self, x: bool, y: bool) -> tuple[bool, bool]:
        """Reach across the edges along these axes; gives those along which the model's own layers have to wrap."""
        self.x, self.y = x, y
        width, height = self.canvas
        return x and self.size >= width, y and self.size >= height

    @property
    def boxes(self) -> list[tuple[int, int]]:
        """Left and top of every window, in grains."""
        width, height = self.canvas
        columns = places(width, self.size, self.overlap, self.x)
        return [(left, top) for top in places(height, self.size, self.overlap, self.y) for left in columns]

    def cut(self, values: torch.Tensor, box: tuple[int, int]) -> torch.Tensor:
        """What of the canvas' values (..., H, W), at any scale, a window sees."""
        for dim, start, side in ((-1, box[0], self.canvas[0]), (-2, box[1], self.canvas[1])):
            length = min(self.size, side) * values.shape[dim] // side
            if length < values.shape[dim]:
                values = values.index_select(dim, self._along(start, side, length, values.shape[dim], values.device))
        return values

    def blend(self, ask: Callable[[int, tuple[int, int]], torch.Tensor], height: int, width: int) -> torch.Tensor:
        """Answers (B, C, h, w) for every window, by number and box, made into one (B, C, height, width)."""
        whole = answer = None
        weights = torch.empty(0)
        for number, box in enumerate(self.boxes):
            self.check()
            answer = ask(number, box)
            if whole is None:
                whole = torch.zeros((*answer.shape[:-2], height, width), device=answer.device)
                weights = self.weights(answer, height, width)
            # One window alone has weights of exactly 1, and changes nothing.
            whole[self._place(box, answer, whole)] += answer.float() * weights[number]
        assert whole is not None and answer is not None
        return whole.to(answer.dtype)

    def weights(self, answer: torch.Tensor, height: int, width: int) -> list[torch.Tensor]:
        """How much each window's answer counts, (h, w) each; they add up to 1 everywhere on (height, width)."""
        one = slope(answer.shape[-2], answer)[:, None] * slope(answer.shape[-1], answer)
        total = torch.zeros((height, width), device=answer.device)
        spots = [self._place(box, answer, total) for box in self.boxes]
        for spot in spots:
            total[spot] += one
        return [one / total[spot] for spot in spots]

    def _place(self, box: tuple[int, int], answer: torch.Tensor, whole: torch.Tensor) -> tuple[Any, ...]:
        """The index of a window's values within the canvas'."""
        rows = self._along(box[1], self.canvas[1], answer.shape[-2], whole.shape[-2], whole.device)
        columns = self._along(box[0], self.canvas[0], answer.shape[-1], whole.shape[-1], whole.device)
        return (..., rows[:, None], columns)

    def _along(self, start: int, side: int, length: int, extent: int, device: torch.device) -> torch.Tensor:
        """Indices of `length` values from grain `start` of `side`, where the canvas has `extent` of them."""
        return (torch.arange(length, device=device) + start * extent // side) % extent


@contextmanager
def windowed(denoiser: nn.Module, controls: Sequence[nn.Module], windows: Windows) -> Iterator[None]:
    """Inside the block denoiser and ControlNets are called once for each window."""
    with ExitStack() as stack:
        for control in dict.fromkeys(controls):  # one that reads several hints is cut once
            hide(stack, control, _through_all(control.forward, windows))
        hide(stack, denoiser, _agreeing(denoiser.forward, windows))
        yield


def _through_all(forward: Callable, windows: Windows) -> Callable:
    """A ControlNet's answers for all windows, one after the other along the batch: (windows x B, C, h, w)."""
    signature = inspect.signature(forward)

    @wraps(forward)
    def answer(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        answers = []
        for number, box in enumerate(windows.boxes):
            windows.check()
            answers.append(forward(**_seen(given, windows, number, box)))
        downs = [tuple(part[0] if isinstance(part, tuple) else part.down_block_res_samples) for part in answers]
        middles = [part[1] if isinstance(part, tuple) else part.mid_block_res_sample for part in answers]
        down, middle = tuple(torch.cat(parts) for parts in zip(*downs, strict=True)), torch.cat(middles)
        if isinstance(answers[0], tuple):
            return down, middle
        return type(answers[0])(down_block_res_samples=down, mid_block_res_sample=middle)

    return answer


def _agreeing(forward: Callable, windows: Windows) -> Callable:
    """A denoiser's answers for all windows, made into one for the canvas."""
    signature = inspect.signature(forward)

    @wraps(forward)
    def answer(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        last: Any = None

        def ask(number: int, box: tuple[int, int]) -> torch.Tensor:
            nonlocal last
            last = forward(**_seen(given, windows, number, box))
            return last[0] if isinstance(last, tuple) else last.sample

        whole = windows.blend(ask, *given["sample"].shape[-2:])
        if isinstance(last, tuple):
            return (whole, *last[1:])
        last.sample = whole
        return last

    return answer


def _seen(given: dict[str, Any], windows: Windows, number: int, box: tuple[int, int]) -> dict[str, Any]:
    """A model's arguments as one window sees them."""
    rows, count = len(given["sample"]), len(windows.boxes)

    def part(values: Any) -> Any:
        if isinstance(values, (tuple, list)):
            return type(values)(part(value) for value in values)
        if not isinstance(values, torch.Tensor):
            return values
        if count > 1 and len(values) == count * rows:
            return values[number * rows : (number + 1) * rows]
        return windows.cut(values, box)

    seen = {name: windows.cut(value, box) if name in HINTS else value for name, value in given.items()}
    return seen | {name: part(given[name]) for name in MADE if name in given}
