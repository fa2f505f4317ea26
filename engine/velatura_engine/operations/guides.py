"""What leads a painting besides its words: its ControlNets, whose answers a mask can hold back, and T2I-Adapters.

The pipeline runs the ControlNets; a union hears the hints of all its controls together, those with masks apart. What
the pipeline has no argument for hangs on the second seam: masks weigh what a ControlNet answers, and the features of
T2I-Adapters, which diffusers knows for text to image only, reach the denoiser in every task and beside ControlNets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import reduce
from itertools import cycle
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..models.controls import union_number
from ..pixels.picture import as_single
from ..plan import ControlPlan, DiffusePlan
from ..runtime.models import Loaded
from ..runtime.seams import steer
from ..runtime.unions import Union
from ..runtime.windows import Windows
from .canvas import framed
from .context import Context
from .hints import hint_of
from .spans import counts


class Guides:
    """The control models of one painting and their hints."""

    def __init__(self, plan: DiffusePlan, context: Context, model: Loaded) -> None:
        self.plan, self.model = plan, model
        self.nets: list[nn.Module] = []
        """ControlNets, in the order of their hints."""
        self.modules: list[nn.Module] = []
        self._hints: list[torch.Tensor] = []
        self._masks: list[torch.Tensor | None] = []
        self._led: list[tuple[float, float, float]] = []
        """Strength, start and end of each ControlNet, as the pipeline is told."""
        self._adapters: list[_Adapter] = []
        self._moment = (0, 1)
        unions: dict[int, list[tuple[ControlPlan, nn.Module, torch.Tensor, torch.Tensor | None]]] = {}
        for number, control in enumerate(plan.controls):
            module = context.models.control(control.model)
            hint = self._hint(number, control, context)
            mask = self._mask(control, context)
            self.modules.append(module)
            if control.model.kind == "t2i":
                self._adapters.append(_Adapter(control, module, hint, mask))
            elif control.model.reads:
                unions.setdefault(id(module if mask is None else control), []).append((control, module, hint, mask))
            else:
                self._follow(module, hint, mask, (control.strength, control.start, control.end))
        for together in unions.values():
            controls, nets, hints, masks = zip(*together, strict=True)
            # It weighs its hints itself, each in its own part of the run.
            self._follow(self._union(nets[0], controls), torch.cat(hints, dim=1), masks[0], (1.0, 0.0, 1.0))

    def _hint(self, number: int, control: ControlPlan, context: Context) -> torch.Tensor:
        """The hint on the canvas, (1, 3, H, W); of paintings beside each other, (B, 3, H, W)."""
        rows = [(row.controls[number], row) for row in self.plan.beside] or [(control, self.plan)]
        return torch.cat([_tensor(hint_of(its, row, context), self.model) for its, row in rows])

    def _follow(
        self, net: nn.Module, hint: torch.Tensor, mask: torch.Tensor | None, led: tuple[float, float, float]
    ) -> None:
        self.nets.append(net)
        self._hints.append(hint)
        self._masks.append(mask)
        self._led.append(led)

    def _union(self, net: nn.Module, controls: Sequence[ControlPlan]) -> Union:
        """One call of a union ControlNet for these controls."""

        def strengths() -> list[float]:
            return [control.strength if counts(control, *self._moment) else 0.0 for control in controls]

        return Union(net, [union_number(control.kind) for control in controls], strengths)

    def _mask(self, control: ControlPlan, context: Context) -> torch.Tensor | None:
        """Where a hint counts, (1, 1, H, W) on the canvas."""
        if control.mask is None:
            return None
        mask = np.clip(as_single(context.picture(control.mask)), 0, 1)
        return _tensor(framed(mask, self.plan)[..., None], self.model)

    def arguments(self) -> dict[str, Any]:
        """What the pipeline is called with for its ControlNets."""
        if not self.nets:
            return {}
        count = len(self.plan.seeds)
        name = "image" if self.plan.task == "txt2img" else "control_image"
        return {
            name: [hint.repeat(count // len(hint), 1, 1, 1) for hint in self._hints],
            "controlnet_conditioning_scale": [strength for strength, _, _ in self._led],
            "control_guidance_start": [start for _, start, _ in self._led],
            "control_guidance_end": [end for _, _, end in self._led],
        }

    def go_to(self, done: int, total: int) -> None:
        """So many of so many steps are done."""
        self._moment = done, total

    @contextmanager
    def steering(self, denoiser: nn.Module, windows: Windows | None) -> Iterator[None]:
        """Inside the block masks hold back the ControlNets, and the T2I-Adapters lead.

        With `windows` ControlNets answer for each of them; T2I-Adapters look at the whole canvas before.
        """
        self._moment = (0, 1)
        with ExitStack() as stack:
            for net in dict.fromkeys(self.nets):
                masks = [mask for other, mask in zip(self.nets, self._masks, strict=True) if other is net]
                if any(mask is not None for mask in masks):
                    stack.enter_context(steer(net, lambda args, kwargs: (args, kwargs), _weigher(masks, windows)))
            if self._adapters:
                features = [adapter.features() for adapter in self._adapters]
                stack.enter_context(steer(denoiser, lambda args, kwargs: self._lead(features, args, kwargs)))
            yield

    def _lead(self, features: list[list[torch.Tensor]], args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """The denoiser's arguments with the features of those adapters whose time it is."""
        done, total = self._moment
        chosen = [f for adapter, f in zip(self._adapters, features, strict=True) if counts(adapter.plan, done, total)]
        if not chosen:
            return args, kwargs
        rows = len(args[0] if args else kwargs["sample"])
        summed = [reduce(torch.add, level) for level in zip(*chosen, strict=True)]
        # The denoiser takes them out of the list one by one.
        return args, kwargs | {
            "down_intrablock_additional_residuals": [level.repeat(rows // len(level), 1, 1, 1) for level in summed]
        }


class _Adapter:
    """A T2I-Adapter with its hint; what it says of it is the same at every step."""

    def __init__(self, plan: ControlPlan, module: Any, hint: torch.Tensor, mask: torch.Tensor | None) -> None:
        self.plan, self.module, self.hint, self.mask = plan, module, hint, mask

    def features(self) -> list[torch.Tensor]:
        """What is added to the denoiser's rows, (1, C, h, w) each."""
        one_channel = self.module.config["in_channels"] == 1
        told = self.module(self.hint.mean(dim=1, keepdim=True) if one_channel else self.hint)
        return [_weighed(level * self.plan.strength, self.mask) for level in told]


def _weigher(masks: list[torch.Tensor | None], windows: Windows | None) -> Callable[[Any], Any]:
    """Weighs what a ControlNet answers, for all windows one after the other along the batch; one that reads several
    hints is asked for them in turn.
    """
    turn = cycle(masks)

    def finish(output: Any) -> Any:
        mask = next(turn)
        if mask is not None and windows is not None:
            mask = torch.cat([windows.cut(mask, box) for box in windows.boxes])
        down, middle = output
        return [_weighed(answer, mask) for answer in down], _weighed(middle, mask)

    return finish


def _weighed(values: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """(B, C, h, w) times the mask (1, 1, H, W) averaged to that size; of several masks each has its share of the B."""
    if mask is None:
        return values
    height, width = values.shape[-2:]
    weights = F.adaptive_avg_pool2d(mask, (height, width))
    return values * weights.repeat_interleave(len(values) // len(weights), 0)


def _tensor(values: np.ndarray, model: Loaded) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).permute(2, 0, 1)[None].to(model.device, model.dtype)
