"""What is known of an installed model without loading it: everything `plan` needs, and nothing of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal[
    "checkpoint", "controlnet", "t2i", "annotator", "vae", "ip_adapter", "image_encoder", "lora", "embedding",
    "hypernetwork", "material", "text_encoder",
]  # fmt: skip
ADAPTERS: tuple[Kind, ...] = ("lora", "embedding", "hypernetwork")
"""Kinds that add to a checkpoint, by the list or the words of a prompt."""
Format = Literal["diffusers", "single"]


@dataclass(frozen=True, slots=True)
class Piece:
    """Where a part of a model lies: in a file, its tensors' names with `prefix` before them."""

    path: Path
    prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """An installed model. Sizes in pixels; `latent_factor` pixels a latent; `size_multiple` for exact tiling.

    `latent_scale` is what its latents are multiplied by, 0 where its file does not say. `stamp` is another where the
    weights have changed. `pure_noise`: it was trained from noise without a trace of a picture. `widths` are those of a
    denoiser's text attentions, or of those that an IP-Adapter was made for, sorted; of a transformer that of its text
    for each of its attentions, of an adapter that attends to none 0. `sees` is the (projected, hidden)
    width of encoded pictures, as an encoder makes them; of an adapter the one that it takes, the other 0.
    `text_widths` are a checkpoint's, one a text encoder; of a LoRA, embedding or hypernetwork those it was made for
    (LoRA: 0 where it leaves an encoder alone; hypernetwork: all that it changes).
    """

    id: str
    title: str
    kind: Kind
    family: str
    path: Path
    format: Format
    size: int = 0
    description: str = ""
    tasks: tuple[str, ...] = ()
    in_channels: int = 4
    latent_factor: int = 8
    latent_channels: int = 4
    latent_scale: float = 0.0
    size_multiple: int = 64
    native_size: int = 512
    sampler: str = "euler"
    schedule: str = "normal"
    steps: int = 20
    guidance: float = 7.5
    image_guidance: float | None = None
    cache_interval: int = 1
    view_depth: float = 1.0
    """How strongly the depth of a view is followed where views of a scene are painted and nothing is said."""
    prediction: str = "epsilon"
    pure_noise: bool = False
    control_kind: str = ""
    reads: tuple[str, ...] = ()
    """Kinds of hints that a union ControlNet reads; none for other models."""
    cross_attention_dim: int = 0
    """Width of the text that a UNet attends to; of a transformer, and of what leads it, that of its tokens."""
    rows: tuple[int, ...] = ()
    """Channels of a UNet's rows, or of the features that a T2I-Adapter adds to them."""
    text_layers: int = 12
    widths: tuple[int, ...] = ()
    variant: str = ""
    sees: tuple[int, int] = (0, 0)
    text_widths: tuple[int, ...] = ()
    name: str = ""
    """An adapter's file without its ending: what prompts call it."""
    words: tuple[str, ...] = ()
    """What an embedding is called in prompts."""
    license: str = ""
    vocabulary: tuple[str, ...] = field(default_factory=tuple)
    is_default: bool = False
    stamp: str = ""
    max_side: int = 0
    """Of a picture, pixels, where the model cannot count further; 0 where it can."""
    prompt_tokens: int = 0
    """Tokens of a prompt that are heard; 0 where longer ones go on in windows."""
    negative: bool = True
    """It hears negative prompts, where the guidance is above 1."""
    weighs: bool = True
    """It hears weights of words."""
    pipeline: str = ""
    """Class of diffusers of a model that no family knows."""
    volume: int = 0
    """Numbers in the denoiser of a model that flows: a file fits a folder that has as many."""
    base: Path | None = None
    """The folder whose other parts a single file of a denoiser is used with."""
    pieces: tuple[tuple[str, Piece], ...] = ()
    """Parts, by the names of components, that such a file is used with where there is no such folder."""
    over: ModelEntry | None = None
    """The checkpoint that such a file changes into another."""
    modular: bool = False
    """It is of modular blocks."""
    takes: tuple[str, ...] = ()
    """Arguments of that class which a painting can fill."""

    @property
    def flows(self) -> bool:
        """Its denoiser flows along straight lines from noise to picture."""
        return self.prediction == "flow_prediction"
