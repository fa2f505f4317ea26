"""ControlNets of transformer families -> torch modules, and how they are asked beside a denoiser.

diffusers' pipelines ask several of one kind only, and add what they say layer by layer, however many layers each has.
Here what each says is first spread over the denoiser's layers, so that nets of any kinds and sizes go together.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import diffusers
import torch
from safetensors.torch import load_file
from torch import nn

from ..errors import Unsupported
from ..families import Led, family
from ..models.entry import ModelEntry
from ..models.flow_controls import EXTRA, config_of
from ..models.originals import to_diffusers
from ..models.weights import Weights, weights
from .load import load_part, settle

Tensors = dict[str, torch.Tensor]
Layers = Mapping[int, torch.Tensor]
"""What is added after layers of the denoiser, by their numbers."""

_REFINES = "control_noise_refiner.0.before_proj.weight"


def load_net(entry: ModelEntry, *, dtype: torch.dtype, device: torch.device) -> nn.Module:
    """A ControlNet from its folder or single file. Raises Unsupported for a file that lacks some of its tensors."""
    flow = family(entry.family).flow
    assert flow is not None and flow.led is not None
    files = weights(entry.path) if entry.format == "diffusers" else Weights((entry.path,), "")
    wide = flow.led.net == "FluxControlNetModel" and EXTRA in config_of(files.shapes())
    if entry.format == "diffusers" and not wide:
        net = load_part(flow.led.net, entry.path, dtype)
    else:
        net = _from_files(entry, files, flow.led, dtype)
    settle(net, device)
    return net


def _from_files(entry: ModelEntry, files: Weights, led: Led, dtype: torch.dtype) -> nn.Module:
    config = config_of(files.shapes())
    tensors = {name: value for file in files.files for name, value in load_file(file).items()}
    if config.get("add_control_noise_refiner") == "control_noise_refiner" and not tensors[_REFINES].any():
        config["add_control_noise_refiner"] = "control_layers"  # files of the second version may hold one unused
    extra = config.pop(EXTRA, 0) if led.net == "FluxControlNetModel" else 0
    net = getattr(diffusers, led.net).from_config(config)
    if extra:
        net.controlnet_x_embedder = nn.Linear(net.config.in_channels + extra, net.inner_dim)
        net.register_to_config(**{EXTRA: extra})
    rows = {name: len(values) for name, values in net.state_dict().items() if values.ndim}
    try:
        lacking = net.load_state_dict(to_diffusers(tensors, led.originals, rows), strict=False).missing_keys
    except (RuntimeError, LookupError, ValueError) as trouble:  # torch's words for tensors of other shapes
        lacking = [str(trouble).splitlines()[-1].strip()]
    if lacking:
        raise Unsupported(
            f"{entry.title} is not whole: {lacking[0][:120]}", reason="BROKEN_MODEL_FILE", remedy="get the file again",
        )  # fmt: skip
    return net.to(dtype)


class Net:
    """A ControlNet beside one denoiser."""

    def __init__(self, module: Any, led: Led, denoiser: Any, mode: int | None = None) -> None:
        """`mode`: the number of its kind of hint, of those nets that tell kinds by numbers."""
        self.module, self.led, self.denoiser = module, led, denoiser
        self.mode = mode if getattr(module, "union", False) else None
        self.wants = inspect.signature(module.forward).parameters

    @property
    def sees_pixels(self) -> bool:
        """It reads its hint by layers of its own, and not as latents."""
        return getattr(self.module, "input_hint_block", None) is not None

    @property
    def unshifted(self) -> bool:
        """Its hint's latents are scaled, but not shifted (InstantX's for Stable Diffusion 3)."""
        return bool(self.module.config.get("force_zeros_for_pooled_projection")) and not self.masks

    @property
    def masks(self) -> bool:
        """It sees in a further channel what of its hint counts."""
        extra = ("extra_conditioning_channels", "extra_condition_channels")
        return any(self.module.config.get(name) for name in extra)

    @property
    def channels(self) -> int:
        """Of the hint's latents, 0 where it takes them as they are."""
        return int(self.module.config.get("control_in_dim") or 0)

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Inside the block the net has what it shares with the denoiser."""
        net, config = self.module, self.module.config
        if config.get("use_pos_embed") is False:
            net.pos_embed = net._get_pos_embed_from_transformer(self.denoiser).to(net.device, net.dtype)
        for name in self.led.borrows:
            setattr(net, name, getattr(self.denoiser, name))
        try:
            yield
        finally:
            for name in (*self.led.borrows, *(["pos_embed"] if config.get("use_pos_embed") is False else [])):
                setattr(net, name, None)

    def ask(self, given: Mapping[str, Any], hint: Any, strength: float, guidance: float) -> dict[str, Layers]:
        """What the net says of the hint, by the denoiser's arguments; `given` are those that it is asked with."""
        config, rows = self.module.config, len(hint)
        call = {name: value for name, value in given.items() if name in self.wants and not name.startswith("joint")}
        call |= {self.led.hint: hint, "conditioning_scale": strength}
        if "return_dict" in self.wants:
            call["return_dict"] = False
        if config.get("force_zeros_for_pooled_projection"):
            call["pooled_projections"] = torch.zeros_like(given["pooled_projections"])
        if "joint_attention_dim" in config and config["joint_attention_dim"] is None:
            call["encoder_hidden_states"] = None
        if "guidance" in self.wants:
            at = torch.full((rows,), guidance, device=hint.device)
            call["guidance"] = at if config["guidance_embeds"] else None
        if self.mode is not None:
            call["controlnet_mode"] = torch.full((rows, 1), self.mode, device=hint.device)
        said = self.module(**call)
        if isinstance(said, dict):
            return {next(iter(self.led.answers)): said}
        # A net of one answer gives it alone, or in a tuple of one.
        answers = said if isinstance(said, tuple) else (said,)
        return {
            name: self._spread(one, len(getattr(self.denoiser, layers)))
            for (name, layers), one in zip(self.led.answers.items(), answers, strict=True) if one is not None
        }  # fmt: skip

    def _spread(self, said: list[torch.Tensor], layers: int) -> Layers:
        """One for each of the denoiser's layers, as its own `forward` would take them."""
        if self.sees_pixels:  # XLabs' lead all layers in turn
            return {layer: said[layer % len(said)] for layer in range(layers)}
        each = layers / len(said) if "block_controlnet_hidden_states" in self.led.answers else -(-layers // len(said))
        return {layer: said[min(int(layer / each), len(said) - 1)] for layer in range(layers)}


def together(said: list[dict[str, Layers]], led: Led) -> dict[str, Any]:
    """The denoiser's arguments of what several nets say."""
    found: dict[str, Any] = {}
    for name in dict.fromkeys(name for one in said for name in one):
        sums: dict[int, torch.Tensor] = {}
        for layers in (one[name] for one in said if name in one):
            for layer, values in layers.items():
                sums[layer] = sums[layer] + values if layer in sums else values
        found[name] = sums if led.borrows else list(sums.values())
    return found
