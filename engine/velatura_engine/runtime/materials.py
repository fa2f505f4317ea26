"""What reads materials off pictures: the starter's network, its rules of thumb, and diffusers' Marigold pipelines."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import diffusers
import torch
import torch.nn.functional as F
from velatura_starter import classical
from velatura_starter.classical import integrate, occlusion
from velatura_starter.material import STRIDE, load_material
from velatura_starter.material import Maps as Read

from ..errors import Unsupported
from ..models.entry import ModelEntry
from ..pixels.picture import linear_to_srgb
from ..textures.seamless import seamless
from .load import load_part, settle
from .seams import observe

Maps = dict[str, torch.Tensor]
"""By names of `models.materials.MAPS`: albedo and normal (1, 3, H, W), others (1, H, W); height in pixels."""

Tick = Callable[[int, int], None]
"""Hears how much is done of how much; may raise to stop."""

Reader = Callable[[torch.Tensor, str, Tick], Maps]
"""Picture (1, 3, H, W) sRGB 0..1, axes whose edges meet -> maps."""

WINDOW = 768
"""Side of what the network sees at once besides what lies around it, pixels: bounds memory, changes nothing else."""

AROUND = 88
"""Pixels around a place that its maps depend on: 6 + 8 + 16 + 48 through the convolutions of four scales, and 8."""


def by_rules(picture: torch.Tensor, axes: str, tick: Tick) -> Maps:
    """Maps without a model."""
    tick(0, 1)
    return _named(classical.estimate(picture, axes))


RULES: Reader = by_rules


def complete(made: Maps, rest: Maps, axes: str) -> Maps:
    """What one model made with the rest from another. Occlusion and normals follow the height that is taken."""
    whole = rest | made
    if "normal" in made:
        whole["occlusion"] = occlusion(whole["height"], axes)
    return whole


class Network:
    """The starter's material network, or one of its layout."""

    def __init__(self, entry: ModelEntry, device: torch.device) -> None:
        """Load it. Raises Unsupported where its weights are not of this layout."""
        try:
            self.net = load_material(entry.path)
        except (RuntimeError, OSError) as trouble:
            raise Unsupported(
                f"{entry.title} is not a material network of this version ({str(trouble).splitlines()[0]})",
                reason="UNSUPPORTED_LAYOUT", remedy="train it again with this version's starter",
            ) from None  # fmt: skip
        settle_network(self.net, device)
        self.device = device

    @torch.inference_mode()
    def __call__(self, picture: torch.Tensor, axes: str, tick: Tick) -> Maps:
        """Maps of a picture, window by window; no place's maps depend on how it was cut."""
        height, width = picture.shape[-2:]
        if max(height, width) <= WINDOW and not (height % STRIDE or width % STRIDE):
            tick(0, 1)
            # The same in a third of the time for small tiles, which windows surround by as much again.
            with seamless([self.net], "x" in axes, "y" in axes):
                seen = _named(self.net.maps(picture.to(self.device)))
            return {name: values.cpu() for name, values in seen.items()}
        whole: Maps = {}
        spans = [(y, x) for y in range(0, height, WINDOW) for x in range(0, width, WINDOW)]
        for number, (top, left) in enumerate(spans):
            tick(number, len(spans))
            rows, y = _span(top, height, "y" in axes)
            columns, x = _span(left, width, "x" in axes)
            part = picture.index_select(-2, rows).index_select(-1, columns)
            seen = _named(self.net.maps(part.to(self.device)))
            tall, wide = min(WINDOW, height - top), min(WINDOW, width - left)
            for name, values in seen.items():
                if name not in whole:
                    whole[name] = torch.empty(*values.shape[:-2], height, width)
                inner = values[..., y : y + tall, x : x + wide]
                whole[name][..., top : top + tall, left : left + wide] = inner.cpu()
        return whole


def settle_network(net: torch.nn.Module, device: torch.device) -> None:
    """Make the network ready to run on a device."""
    net.to(device)
    if device.type == "cpu":
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _span(start: int, length: int, wrap: bool) -> tuple[torch.Tensor, int]:
    """Indices of a window and of what lies around it, a multiple of the network's stride, and where the window begins.

    Windows begin at multiples of the stride, as the whole picture would. Past an edge that meets nothing there is
    nothing to see: the network pads it as it was taught, and only a remainder of the stride is filled up.
    """
    end = min(start + WINDOW, length)
    if wrap:
        low, high = start - AROUND, end + AROUND
    else:
        low, high = max(0, start - AROUND), min(length, end + AROUND)
    high += -(high - low) % STRIDE
    index = torch.arange(low, high)
    return (index % length if wrap else index.clamp(max=length - 1)), start - low


def _named(read: Read) -> Maps:
    return {
        "albedo": read.albedo, "normal": read.normal, "height": read.height, "roughness": read.roughness,
        "metallic": read.metallic, "occlusion": read.ao,
    }  # fmt: skip


class Marigold:
    """A user's Marigold pipeline: intrinsics (albedo, roughness, metallic) or normals."""

    STEPS, RESOLUTION = 4, 768
    """Where the model does not say."""

    def __init__(self, entry: ModelEntry, *, dtype: torch.dtype, device: torch.device) -> None:
        """Load its parts, each by the class that it must be of: nothing that the folder names is looked for."""
        self.entry, path = entry, entry.path
        told = json.loads((path / "model_index.json").read_text(encoding="utf-8"))
        self.kind: Any = getattr(diffusers, told["_class_name"])
        classes = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "text_encoder": "CLIPTextModel"}
        self.parts: dict[str, Any] = {name: load_part(of, path / name, dtype) for name, of in classes.items()}
        for part in self.parts.values():
            settle(part, device)
        self.parts["tokenizer"] = load_part("CLIPTokenizer", path / "tokenizer", dtype)
        schedule = json.loads((path / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))
        of = diffusers.LCMScheduler if schedule.get("_class_name") == "LCMScheduler" else diffusers.DDIMScheduler
        self.scheduler = of.from_config(schedule)
        names = inspect.signature(self.kind.__init__).parameters.keys() - self.parts.keys() - {"self", "scheduler"}
        self.settings = {name: told[name] for name in names if name in told}
        self.steps = _whole(self.settings.get("default_denoising_steps"), 1, 50, self.STEPS)
        self.resolution = _whole(self.settings.get("default_processing_resolution"), 64, 4096, self.RESOLUTION)

    @torch.inference_mode()
    def __call__(self, picture: torch.Tensor, axes: str, tick: Tick) -> Maps:
        """Maps of a picture at the model's own resolution, brought to the picture's; the same every time."""
        size = picture.shape[-2], picture.shape[-1]
        scheduler = copy.deepcopy(self.scheduler)
        observe(scheduler, lambda moment: tick(moment.done, moment.total))
        pipeline = self.kind(**self.parts, scheduler=scheduler, **self.settings)
        pipeline.set_progress_bar_config(disable=True)
        seen = resized(picture, self._working_size(size), axes).clamp(0, 1)
        with ExitStack() as undo:
            undo.enter_context(seamless((self.parts["unet"], self.parts["vae"]), "x" in axes, "y" in axes))
            answer = pipeline(
                seen, num_inference_steps=self.steps, processing_resolution=0, match_input_resolution=False,
                generator=torch.Generator().manual_seed(0), output_type="pt",
            ).prediction.float().cpu()  # fmt: skip
        answer = resized(answer, size, axes)
        return self._normals(answer, axes) if self.entry.variant == "normals" else self._intrinsics(answer)

    def _working_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns, multiples of the model's stride, at most its own resolution."""
        levels = len(self.parts["vae"].config.block_out_channels) + len(self.parts["unet"].config.block_out_channels)
        multiple = 2 ** (levels - 2)
        scale = min(1.0, self.resolution / max(size))
        rows, columns = (max(1, round(side * scale / multiple)) * multiple for side in size)
        return rows, columns

    def _normals(self, answer: torch.Tensor, axes: str) -> Maps:
        normal = F.normalize(answer, dim=1)
        x, y, z = normal.unbind(1)
        # Steeper than 80 degrees no height is found again.
        slope = torch.stack([-x, y], 1) / z.clamp_min(0.17).unsqueeze(1)
        height = integrate(slope, axes)
        return {"normal": normal, "height": height}

    def _intrinsics(self, answer: torch.Tensor) -> Maps:
        """Maps by the names that the model gives its targets, colours as sRGB."""
        told: Mapping[str, Any] = self.settings["target_properties"]
        made: Maps = {}
        for name, values in zip(told["target_names"], answer.clamp(0, 1), strict=True):
            facts = told.get(name) or {}
            for channel, below in enumerate(facts.get("sub_target_names") or ()):
                if below in ("roughness", "metallicity", "metallic"):
                    made["roughness" if below == "roughness" else "metallic"] = values[channel][None]
            if name == "albedo":
                if facts.get("prediction_space") == "linear":
                    scale = values.max().clamp_min(1e-6) if facts.get("up_to_scale") else 1.0
                    values = torch.from_numpy(linear_to_srgb((values / scale).numpy()))
                made["albedo"] = values[None]
        return made


def _whole(value: object, low: int, high: int, usual: int) -> int:
    return value if isinstance(value, int) and low <= value <= high else usual


def resized(values: torch.Tensor, size: tuple[int, int], axes: str) -> torch.Tensor:
    """(B, C, H, W) at another size, as if it repeated along the named axes."""
    for dim, axis, side in ((-2, "y", size[0]), (-1, "x", size[1])):
        if values.shape[dim] == side:
            continue
        wrap = axis in axes
        wide = torch.cat([values] * 3, dim) if wrap else values
        target = [*values.shape[-2:]]
        target[dim] = side * 3 if wrap else side
        wide = F.interpolate(wide, size=tuple(target), mode="bicubic", antialias=True, align_corners=False)
        values = wide.narrow(dim, side, side) if wrap else wide
    return values


def load_reader(entry: ModelEntry, *, dtype: torch.dtype, device: torch.device) -> Reader:
    """What reads materials with a model."""
    if entry.variant == "network":
        return Network(entry, device)
    return Marigold(entry, dtype=dtype, device=device)
