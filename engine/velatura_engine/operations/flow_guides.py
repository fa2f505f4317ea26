"""What leads a painting of a model that flows besides its words: ControlNets, and pictures to take after.

They are asked where the denoiser is (`conditioning/guiding.py`), for each text and with the same arguments; latents
that are rolled for tiling have their hints and masks rolled with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..conditioning.guiding import Heard, Shifts
from ..models.controls import canonical
from ..pixels.picture import as_single
from ..plan import ControlPlan, DiffusePlan
from ..runtime.flow_nets import Layers, Net, together
from ..runtime.models import Loaded
from ..runtime.tokens import Tokens, rolled
from .canvas import framed
from .context import Context
from .flow_likeness import FlowLikeness
from .hints import hint_of
from .scene import Scene
from .spans import counts

Encode = Callable[[torch.Tensor], torch.Tensor]
"""Pictures (1, 3, H, W) in -1..1 -> latents (1, C, h, w), as the painting has them."""


@dataclass(slots=True)
class _Control:
    """A net, its hint (1, 3, H, W) from 0 to 1, and -1 in what is to be painted, and where it counts, (1, 1, H, W)."""

    plan: ControlPlan
    net: Net
    pixels: torch.Tensor
    mask: torch.Tensor | None
    hint: torch.Tensor | None = None
    """As the net reads it: latents, or pixels where it has layers for them."""


class FlowGuides:
    """The ControlNets of one painting and their hints."""

    def __init__(self, plan: DiffusePlan, context: Context, model: Loaded) -> None:
        flow = model.family.flow
        assert flow is not None
        self.plan, self.model, self.led = plan, model, flow.led
        factor = plan.model.latent_factor
        width, height = (side // factor for side in plan.canvas)
        self.tokens = Tokens(flow.packing, width, height)
        self.modules: list[nn.Module] = []
        self._controls: list[_Control] = []
        self.likeness = FlowLikeness(plan, context, model, self.tokens)
        self._moment = (0, 1)
        self._own: torch.Tensor | None = None
        """A hint (1, 3, H, W) that the denoiser reads by itself."""
        self._beside: torch.Tensor | None = None
        """What the denoiser sees in further channels, (1, C, h, w)."""
        for control in plan.controls:
            if model.family.hint_channel:
                self._own = _tensor(hint_of(control, plan, context), model) * 2 - 1
                continue
            assert self.led is not None
            module = context.models.control(control.model)
            net = Net(module, self.led, model.denoiser, _mode(control, self.led.modes))
            self.modules.append(module)
            pixels = _tensor(hint_of(control, plan, context), model)
            self._controls.append(_Control(control, net, pixels, self._mask(control, context)))

    @property
    def one_voice(self) -> bool:
        """They hear the prompt where the negative is asked for, too."""
        return self.led is not None and self.led.one_voice

    @property
    def leads(self) -> bool:
        """Whether there is anything for `lead` to say."""
        return bool(self._controls) or self._beside is not None

    def go_to(self, done: int, total: int) -> None:
        """So many of so many steps are done."""
        self._moment = done, total
        self.likeness.go_to(done, total)

    def see(self, encode: Encode, scene: Scene) -> None:
        """Make of all hints what is read of them, and of the picture and its mask where the denoiser sees those."""
        if self._own is not None:
            self._beside = encode(self._own)
        if self.model.family.mask_channel:
            self._beside = self._masked(encode, scene)
        for control in self._controls:
            control.hint = self._read(control, encode, scene)

    @contextmanager
    def leading(self) -> Iterator[None]:
        """Inside the block `lead` can be asked, and the likeness's `taste`."""
        self._moment = (0, 1)
        with ExitStack() as stack:
            if self.likeness:
                stack.enter_context(self.likeness.leading())
            for control in self._controls:
                stack.enter_context(control.net.beside())
            yield

    def lead(self, given: Heard, shifts: Shifts | None) -> Heard:
        """Further arguments of the denoiser for those that it is asked with, its pictures rolled by `shifts`."""
        more: Heard = {}
        if self._beside is not None:
            beside = rolled(self._beside.repeat(len(self.plan.seeds), 1, 1, 1), shifts, self.tokens.unit)
            more["hidden_states"] = torch.cat([given["hidden_states"], self.tokens.row(beside)], dim=-1)
        if self.led is None:
            return more
        said = []
        for control in self._controls:
            if counts(control.plan, *self._moment):
                hint = self._form(control, shifts)
                answers = control.net.ask(given, hint, control.plan.strength, self.plan.guidance)
                said.append({name: self._weighed(layers, control, shifts) for name, layers in answers.items()})
        return more | together(said, self.led)

    def _masked(self, encode: Encode, scene: Scene) -> torch.Tensor:
        """What is to stay of the picture, and each latent's pixels of the mask, (1, C, h, w)."""
        assert scene.init is not None and scene.mask is not None
        mask = (_tensor(scene.mask[..., None], self.model) > 0).to(self.model.dtype)
        stays = (_tensor(scene.init, self.model) * 2 - 1) * (1 - mask)
        return torch.cat([encode(stays), F.pixel_unshuffle(mask, self.plan.model.latent_factor)], dim=1)

    def _read(self, control: _Control, encode: Encode, scene: Scene) -> torch.Tensor:
        """The hint as its net reads it, (1, C, h, w)."""
        net = control.net
        repainted = control.pixels.amin(1, keepdim=True) < 0
        pixels = torch.where(repainted, -torch.ones_like(control.pixels), control.pixels * 2 - 1)
        if net.sees_pixels:
            return pixels
        latents = encode(pixels)
        space = self.model.space
        if net.unshifted:
            latents = latents + (space.shift * space.scale).to(latents)
        if net.masks:
            kept = 1 - F.interpolate(repainted.to(latents), size=latents.shape[2:])
            latents = torch.cat([latents, kept], dim=1)
        more = max(net.channels - latents.shape[1], 0)
        if more and scene.mask is not None:
            latents = torch.cat([latents, self._kept(encode, scene)], dim=1)[:, : net.channels]
        return F.pad(latents, (0, 0, 0, 0, 0, net.channels - latents.shape[1] if more else 0))

    def _kept(self, encode: Encode, scene: Scene) -> torch.Tensor:
        """Which latents are to stay, and those of the picture without what is repainted, (1, C, h, w)."""
        assert scene.init is not None and scene.mask is not None
        mask = (_tensor(scene.mask[..., None], self.model) > 0).to(self.model.dtype)
        latents = encode((_tensor(scene.init, self.model) * 2 - 1) * (1 - mask))
        return torch.cat([F.interpolate(1 - mask, size=latents.shape[2:]), latents], dim=1)

    def _form(self, control: _Control, shifts: Shifts | None) -> Any:
        """The hint for each picture, rolled as it is, in the form that the denoiser's latents have."""
        assert control.hint is not None
        side = self.tokens.unit * (self.plan.model.latent_factor if control.net.sees_pixels else 1)
        hint = rolled(control.hint.repeat(len(self.plan.seeds), 1, 1, 1), shifts, side)
        if control.net.sees_pixels or self.tokens.packing == "rows":
            return hint
        return hint[:, :, None] if self.tokens.packing == "list" else self.tokens.row(hint)

    def _weighed(self, layers: Layers, control: _Control, shifts: Shifts | None) -> Layers:
        """Answers (B, n, C) times the mask over their tokens; what stands behind those of the picture has its mean."""
        if control.mask is None:
            return layers
        rows, columns = (side // self.tokens.unit for side in (self.tokens.height, self.tokens.width))
        mask = F.adaptive_avg_pool2d(control.mask, (rows, columns)).repeat(len(self.plan.seeds), 1, 1, 1)
        weights = rolled(mask, shifts, 1).flatten(2).transpose(1, 2)  # (B, n, 1)
        mean = weights.mean(1, keepdim=True)
        found = {}
        for layer, values in layers.items():
            behind = values.shape[1] - weights.shape[1]
            found[layer] = values * torch.cat([weights, mean.expand(-1, behind, -1)], dim=1)
        return found

    def _mask(self, control: ControlPlan, context: Context) -> torch.Tensor | None:
        """Where a hint counts, (1, 1, H, W) on the canvas."""
        if control.mask is None:
            return None
        mask = np.clip(as_single(context.picture(control.mask)), 0, 1)
        return _tensor(framed(mask, self.plan)[..., None], self.model)


def _mode(control: ControlPlan, modes: tuple[tuple[str, ...], ...]) -> int | None:
    """The number of a control's kind of hint, None where its net has none for it."""
    return next((number for number, kinds in enumerate(modes) if canonical(control.kind) in kinds), None)


def _tensor(values: np.ndarray, model: Loaded) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).permute(2, 0, 1)[None].to(model.device, model.dtype)
