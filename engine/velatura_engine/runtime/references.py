"""IP-Adapters on a denoiser: put on for the time of a run, taken off without a trace, as diffusers makes them.

diffusers converts the original files; what its `unload_ip_adapter` does is left alone, because it puts new attention
processors in the place of those that were there. Here those very objects come back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

import numpy as np
import torch
from diffusers.models.embeddings import MultiIPAdapterImageProjection
from PIL import Image
from safetensors import safe_open
from torch import nn
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionModelWithProjection,
    SiglipImageProcessorPil,
    SiglipVisionModel,
)

from ..errors import Unsupported
from ..models.entry import ModelEntry
from ..models.sd3_reference import EYES
from ..models.weights import weights
from .flow_references import FlowAdapter
from .load import ALIGNED
from .sd3_references import JointAdapter
from .seams import steer

KEEP = 2
"""Picture encoders kept in memory, and sets of adapters for each denoiser that is."""
LONGEST = 4
"""Sides of a picture that is looked at: the longer at most so many times the shorter. Only its middle is seen."""

Kept = TypeVar("Kept")


class Eyes:
    """A picture encoder, and how a picture is laid before it. CLIP sees the middle square, its shortest side brought to
    the encoder's size; SigLIP all of it, brought to a square.
    """

    def __init__(self, encoder: CLIPVisionModelWithProjection | SiglipVisionModel) -> None:
        self.encoder = encoder
        side = cast(int, encoder.config.image_size)
        self.prepare: Any = (
            SiglipImageProcessorPil(size={"height": side, "width": side})
            if isinstance(encoder, SiglipVisionModel)
            else CLIPImageProcessorPil(size=side, crop_size=side)
        )

    @torch.inference_mode()
    def see(self, picture: np.ndarray, *, whole: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """What is seen of a picture (H, W, 3), float32 sRGB 0..1, and what stands for none, as diffusers has both.

        `whole`: the projected embedding, (1, D) and zeros. Else the last layer but one, (1, T, D), and that of nothing.
        """
        image = Image.fromarray(np.rint(_cut(picture) * 255).astype(np.uint8))
        pixels = self.prepare(images=image, return_tensors="pt").pixel_values
        pixels = pixels.to(self.encoder.device, self.encoder.dtype)
        if whole:
            seen = self.encoder(pixels).image_embeds
            return seen, torch.zeros_like(seen)
        both = torch.cat([pixels, torch.zeros_like(pixels)])
        seen, nothing = self.encoder(both, output_hidden_states=True).hidden_states[-2].chunk(2)
        return seen, nothing


@dataclass(frozen=True, slots=True)
class Readers:
    """Adapters converted for one denoiser: its new attention processors by name, and the projections of pictures."""

    processors: dict[str, Any]
    projection: nn.Module


@dataclass(frozen=True, slots=True)
class Look:
    """What one adapter gets: pictures seen and what stands for none, (N, D) or (N, T, D); their masks, (1, N, H, W), or
    None; and the strength of each now by the name of an attention.
    """

    seen: torch.Tensor
    nothing: torch.Tensor
    mask: torch.Tensor | None
    strengths: Callable[[str], list[float]]


class References:
    """Encoders and adapters at hand on one device."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype
        self._eyes: OrderedDict[tuple, Eyes] = OrderedDict()
        self._flowing: OrderedDict[tuple, FlowAdapter | JointAdapter] = OrderedDict()
        # Forgotten with the denoiser that they were made for.
        self._readers: WeakKeyDictionary[nn.Module, OrderedDict[tuple, Readers]] = WeakKeyDictionary()

    def eyes(self, entry: ModelEntry) -> Eyes:
        """A picture encoder, loaded if need be."""
        return _kept(self._eyes, _key(entry), lambda: load_eyes(entry, self.device, self.dtype))

    def flow_adapter(self, entry: ModelEntry) -> FlowAdapter | JointAdapter:
        """An adapter for a model that flows, loaded if need be."""
        of = JointAdapter if entry.variant == EYES else FlowAdapter
        return _kept(self._flowing, _key(entry), lambda: _settled(of(entry), self.device, self.dtype))

    def readers(self, entries: Sequence[ModelEntry], unet: Any) -> Readers:
        """Adapters for this very denoiser, loaded if need be. Raises Unsupported where they do not fit it."""
        shelf = self._readers.setdefault(unet, OrderedDict())
        key = tuple(map(_key, entries))
        return _kept(shelf, key, lambda: load_readers(entries, unet, self.device, self.dtype))


def load_eyes(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Eyes:
    """Load a picture encoder from its folder."""
    of = SiglipVisionModel if entry.variant == EYES else CLIPVisionModelWithProjection
    encoder = of.from_pretrained(
        entry.path, dtype=dtype, variant=weights(entry.path).variant or None, local_files_only=True,
        use_safetensors=True,
    )  # fmt: skip
    return Eyes(_settled(encoder, device, dtype))


def load_readers(entries: Sequence[ModelEntry], unet: Any, device: torch.device, dtype: torch.dtype) -> Readers:
    """Convert adapter files for a denoiser, which stays as it is. Raises Unsupported where they do not fit it."""
    files = [_tensors(entry, dtype) for entry in entries]
    names = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for entry, file in zip(entries, files, strict=True):
        for number, name in enumerate(names):
            attention = unet.get_submodule(name.removesuffix(".processor"))
            given = file["ip_adapter"].get(f"{2 * number + 1}.to_k_ip.weight")
            if given is None or tuple(given.shape) != (attention.inner_kv_dim, attention.cross_attention_dim):
                raise Unsupported(
                    f"{entry.title} was made for another base: it does not fit {name.removesuffix('.processor')}",
                    reason="WRONG_BASE", remedy="use an adapter for this model's base",
                )  # fmt: skip
    made = unet._convert_ip_adapter_attn_to_diffusers(files)
    eyes = [unet._convert_ip_adapter_image_proj_to_diffusers(file["image_proj"]) for file in files]
    return Readers(
        processors={name: _settled(made[name], device, dtype) for name in names},
        projection=_settled(MultiIPAdapterImageProjection(eyes), device, dtype),
    )


@contextmanager
def reading(unet: Any, readers: Readers, looks: Sequence[Look], count: int) -> Iterator[None]:
    """Inside the block the denoiser takes after pictures; afterwards it is what it was, whatever happened.

    What it is asked for `count` pictures comes in rows: those of the negative first, where there is one. `looks` are
    in the order of the readers. Enter it before what changes the rows, so that these follow.
    """
    masks = [look.mask for look in looks]

    def change(args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        for name, processor in readers.processors.items():
            # A single picture without a mask has a number, as diffusers wants it; several have a list.
            strengths = [look.strengths(name) for look in looks]
            processor.scale = [s if look.mask is not None else s[0] for s, look in zip(strengths, looks, strict=True)]
        rows = len(args[0] if args else kwargs["sample"]) // count
        seen = [torch.stack([look.nothing] * (rows > 1) + [look.seen] * (rows - (rows > 1))) for look in looks]
        added = dict(kwargs.get("added_cond_kwargs") or {})
        added["image_embeds"] = [one.repeat_interleave(count, 0) for one in seen]  # (rows x count, N, …)
        kwargs = kwargs | {"added_cond_kwargs": added}
        if any(mask is not None for mask in masks):
            attention = dict(kwargs.get("cross_attention_kwargs") or {})
            kwargs["cross_attention_kwargs"] = attention | {"ip_adapter_masks": masks}
        return args, kwargs

    with _worn(unet, readers), steer(unet, change):
        yield


@contextmanager
def _worn(unet: Any, readers: Readers) -> Iterator[None]:
    processors = unet.attn_processors
    projection, kind = unet.encoder_hid_proj, unet.config.encoder_hid_dim_type
    try:
        unet.set_attn_processor(processors | readers.processors)
        unet.encoder_hid_proj = readers.projection
        unet.config.encoder_hid_dim_type = "ip_image_proj"
        yield
    finally:
        unet.config.encoder_hid_dim_type = kind
        # Deleted first: torch would keep the name of a module that becomes None.
        del unet.encoder_hid_proj
        unet.encoder_hid_proj = projection
        unet.set_attn_processor(dict(processors))


def spread(mask: torch.Tensor, latent_factor: int) -> torch.Tensor:
    """A mask (N, H, W), 0..1, as diffusers' attention processors take it: (1, N, H + 1, W).

    They pick points of it for each layer's rows and columns. So every latent gets its own mean, which leaves nothing
    between the points to be missed. One more row, because they find the number of rows by a square root, and miss it
    by one where that is rounded down (for 7 x 18, say); a mask that is a little too high is never rounded down.
    """
    means = nn.functional.avg_pool2d(mask[None], latent_factor)
    wide = nn.functional.interpolate(means, scale_factor=latent_factor, mode="nearest")
    return torch.cat([wide, wide[..., -1:, :]], dim=-2)


def _tensors(entry: ModelEntry, dtype: torch.dtype) -> dict[str, dict[str, torch.Tensor]]:
    """A file's tensors in its two parts, as diffusers takes them."""
    parts: dict[str, dict[str, torch.Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    with safe_open(entry.path, framework="pt") as file:
        for key in file.keys():  # noqa: SIM118 (not a dictionary)
            part, _, name = key.partition(".")
            if part in parts:
                parts[part][name] = file.get_tensor(key).to(dtype)
    return parts


def _settled(module: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """Ready to run, with weights that begin where torch would put them; see `load`."""
    module.eval().requires_grad_(False).to(device, dtype)
    for values in (*module.parameters(), *module.buffers()):
        if values.data_ptr() % ALIGNED:
            values.data = values.data.clone()
    return module


def _cut(picture: np.ndarray) -> np.ndarray:
    """The middle of a very long picture, which would be huge once its shortest side is that of the encoder."""
    height, width = picture.shape[:2]
    longest = LONGEST * min(height, width)
    top, left = max(0, height - longest) // 2, max(0, width - longest) // 2
    return picture[top : top + longest, left : left + longest]


def _key(entry: ModelEntry) -> tuple[str, str]:
    return entry.id, entry.stamp or str(entry.path)


def _kept(shelf: OrderedDict[tuple, Kept], key: tuple, make: Callable[[], Kept]) -> Kept:
    """What is on the shelf under that key, made if need be; the one unused for longest makes room."""
    if key not in shelf:
        while len(shelf) >= KEEP:
            shelf.popitem(last=False)
        shelf[key] = make()
    shelf.move_to_end(key)
    return shelf[key]
