"""The shelf of model families: one file each, as data; what a family cannot do is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import Unsupported
from ..shelf import Shelf

Shapes = Mapping[str, tuple[int, ...]]
"""Tensor shapes by name, of a whole single-file model or of a diffusers denoiser."""

FAMILIES = Shelf("model family", __name__)


CLIP = "CLIPTextModel"
PROJECTED = "CLIPTextModelWithProjection"
PICTURES, FOLDED, FILMS = "AutoencoderKL", "AutoencoderKLFlux2", "AutoencoderKLQwenImage"
UNET = "UNet2DConditionModel"
WORDS = "CLIPTokenizer"
T5_WORDS, QWEN_WORDS = "T5TokenizerFast", "Qwen2Tokenizer"
TOKENIZERS = (WORDS, T5_WORDS, QWEN_WORDS)
"""Classes of diffusers and transformers that components are of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReader:
    """A text encoder that the denoiser listens to, by the names of its components.

    `layer` counts from the last, 0, whose states are normed; deeper ones are heard as they are. One that is `pooled`
    also says a whole prompt in one vector.
    """

    encoder: str
    tokenizer: str
    layer: int = 0
    pooled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How single files name things: the prefix of each component's tensors, and the folder of configs, under
    `configs`, that stand for those which such a file lacks. Only `weighed` files tell by their weights, and not by
    name, what they were trained to predict.
    """

    config: str
    prefixes: Mapping[str, str]
    weighed: str = ""


Originals = Mapping[str, tuple[str, ...]]
"""Layers as a model's authors name them, and those of diffusers whose rows they join, in order; "*" is the number of a
block, and the halves of one that begins with "~" stand the other way round."""
Packing = Literal["rows", "pairs", "cells", "list"]
TextRole = Literal["clip_l", "clip_g", "t5", "qwen3", "qwen2_5"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loose:
    """How a denoiser that comes alone is put together with single files of its other parts."""

    config: Callable[[Shapes], Mapping[str, Any]]
    """The denoiser's config of diffusers from its shapes; raises LookupError."""
    schedule: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    """The scheduler's config from the denoiser's."""
    texts: Mapping[str, TextRole]
    """Its text encoders by their components."""
    vae: Mapping[str, Any] = field(default_factory=dict)
    """What the shapes of its autoencoder do not tell."""
    vae_file: str = "ae.safetensors"
    """What the file of its autoencoder is called."""
    called: tuple[str, ...]
    """Words by which files of its autoencoder are known."""
    latents: tuple[int, int] = (16, 8)
    """Channels of its latents, and pixels a latent."""
    heard: int = 1
    """Layers of its language model that stand beside each other."""
    slow: tuple[str, ...] = ()
    """Words by which files are known that were not distilled; where there are any, all others were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Led:
    """How ControlNets lead a denoiser that flows. They are asked with the denoiser's own arguments, by name."""

    net: str
    """Their class of diffusers."""
    answers: Mapping[str, str]
    """The denoiser's arguments for what a net says, in order, with the list of layers that each is for."""
    hint: str = "controlnet_cond"
    """The net's argument for its hint."""
    one_voice: bool = False
    """They hear the prompt where the denoiser is asked for the negative, too."""
    modes: tuple[tuple[str, ...], ...] = ()
    """Kinds of hints by the numbers that unions have for them."""
    reads: tuple[str, ...] = ()
    """Kinds of hints that unions without numbers read; they are told by their names."""
    borrows: tuple[str, ...] = ()
    """Attributes of the denoiser that nets share. Such nets lead some of its layers alone, and say which."""
    originals: Originals = field(default_factory=dict)
    """Layers in their authors' names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """How a family is led whose denoiser flows along straight lines and reads prompts by its pipelines' own encoder.

    `said` are the denoiser's arguments for what `encode_prompt` of its pipelines returns, in order, "" where that is
    not needed; `given` are the pipelines' own names for the same.
    """

    said: tuple[str, ...]
    given: tuple[str, ...]
    unguided: Mapping[str, float]
    """What keeps its pipelines from guiding: that is done by `conditioning/guiding.py`."""
    packing: Packing
    """How its denoiser takes latents (B, C, h, w): as they are ("rows"), two by two as tokens ("pairs"), each a token
    ("cells"), or a list with one for each picture ("list")."""
    tokens: int
    """Of a prompt that its longest reader hears."""
    tokenizer: str
    """The component that counts them."""
    embedded: float = 3.5
    """Guidance of models that learned to read it."""
    distilled: bool = False
    """Models that read no guidance are those that learned to do without."""
    renormed: bool = False
    """Guidance keeps the length of each token as the prompt alone made it."""
    classes: tuple[str, ...]
    """Pipelines of diffusers whose folders it reads; others of the same tensors do something else."""
    originals: Originals = field(default_factory=dict)
    """Layers of its denoiser in its authors' names, as single files and LoRAs may have them."""
    led: Led | None = None
    """Where it has ControlNets."""
    loose: Loose | None = None
    """Where its denoiser goes with single files of the other parts, too."""


def _unet_stride(config: Mapping[str, Any]) -> int:
    return 2 ** (len(config["block_out_channels"]) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What is common to all models of an architecture. Pipelines are diffusers class names by task; components are
    class names of diffusers or transformers by the names that pipelines and folders have for them.
    """

    id: str
    title: str
    detect: Callable[[Shapes], bool]
    """Whether tensors are of this family: those of a whole single file, or of a folder's denoiser."""
    pipelines: Mapping[str, str]
    control_pipelines: Mapping[str, str] = field(default_factory=dict)
    components: Mapping[str, str]
    denoiser: str = "unet"
    """The component that takes the noise away."""
    readers: tuple[TextReader, ...]
    """What reads the prompt, in the order in which their embeddings stand beside each other."""
    flow: Flow | None = None
    """Set where it is led as a flow; its `readers` are then none."""
    optional: tuple[str, ...] = ()
    """Components that it can do without."""
    plain: bool = True
    """Its pipelines read a prompt that says nothing special just as `conditioning` would, clip skip included."""
    settings: Mapping[str, bool] = field(default_factory=dict)
    """Constructor arguments of its pipelines; a folder's `model_index.json` may say otherwise."""
    start: str = "img2img"
    """The task where a picture is given and no mask: "img2img", or "edit" where the words say what to change of it."""
    guided: tuple[str, ...] = ("plain", "told")
    """What the parts of the denoiser's batch hear under guidance: the negative ("plain") or the prompt ("told")."""
    wide_vae: bool = False
    """Half precision cannot hold the numbers in its VAE, unless the VAE's own config says that it was mended."""
    depth_channel: bool = False
    mask_channel: bool = False
    hint_channel: bool = False
    """It reads one hint by itself, whose kind its name tells."""
    rescaling: tuple[str, ...] = ()
    """Those of its pipelines that can rescale the guidance."""
    style_layers: tuple[str, ...] = ()
    """Beginnings of the names, as diffusers has them, of the attentions that paint style more than content
    (InstantStyle, Wang et al., arXiv 2404.02733)."""
    controls: str = ""
    """The family whose ControlNets it takes; none without."""
    detect_control: Callable[[Shapes], bool] | None = None
    """Whether tensors are a ControlNet of this family; only of those that `controls` of some family names."""
    layouts: tuple[Layout, ...] = ()
    """How its single files may look; without any it is read from folders only."""
    stride: Callable[[Mapping[str, Any]], int] = _unet_stride
    """Latents in a row that the denoiser needs whole multiples of, from its config."""
    native_size: int = 512
    """Pixels a side that it is best at, where its files do not say."""
    sampler: str = "euler"
    schedule: str = "normal"
    steps: int = 20
    guidance: float = 7.5
    image_guidance: float | None = None
    """How much the picture to start from counts; None where that is no question."""

    @property
    def weights(self) -> dict[str, str]:
        """Those of its components that hold weights, with their classes."""
        return {name: kind for name, kind in self.components.items() if kind not in TOKENIZERS}

    @property
    def pixels_first(self) -> bool:
        """Its pipelines take the picture to start from as pixels, because they read more than its latents."""
        return self.depth_channel or self.mask_channel or self.edits

    @property
    def edits(self) -> bool:
        """The picture to start from is looked at, and painted anew as the words say, always in full."""
        return self.start == "edit"

    def pipeline(self, task: str, controlled: bool, *, field: str = "") -> str:
        """Class name of the diffusers pipeline for a task. Raises Unsupported naming what the family can do."""
        led = self.flow is not None and self.flow.led is not None  # by the same pipeline
        table = self.control_pipelines if controlled and not led else self.pipelines
        if task not in table:
            able = ", ".join(sorted(table)) or "nothing"
            raise Unsupported(
                f"{self.title} cannot do {task}{' with a ControlNet' if controlled else ''}",
                field=field,
                remedy=f"it can do: {able}; or choose another model",
            )
        return table[task]


def families() -> Shelf:
    """The shelf itself."""
    return FAMILIES


def family(name: str) -> Family:
    """The family of that name. Raises NotFound."""
    return FAMILIES.get(name).build()


def detect(shapes: Shapes) -> Family | None:
    """The family that a model's tensors belong to, or None."""
    found = (part.build() for part in FAMILIES.parts())
    return next((family for family in found if family.detect(shapes)), None)


def detect_control(shapes: Shapes) -> Family | None:
    """The family that a ControlNet's tensors were made for, or None."""
    found = (part.build() for part in FAMILIES.parts())
    return next((family for family in found if family.detect_control and family.detect_control(shapes)), None)
