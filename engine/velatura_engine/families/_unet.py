"""How UNet models tell what they are, by the shapes of a few tensors in either key layout, and what they share."""

from __future__ import annotations

from collections.abc import Mapping

from . import CLIP, PICTURES, PROJECTED, UNET, WORDS, Layout, TextReader

ENTRY = ("model.diffusion_model.input_blocks.0.0.weight", "conv_in.weight")
CROSS = ".attn2.to_k.weight"
POOLED = "add_embedding.linear_1.weight"
LABELS = "model.diffusion_model.label_emb.0.0.weight"

CLASSIC_PARTS = {"vae": PICTURES, "unet": UNET, "text_encoder": CLIP, "tokenizer": WORDS}
CLASSIC_READERS = (TextReader(encoder="text_encoder", tokenizer="tokenizer"),)
_FILE = {"unet": "model.diffusion_model.", "vae": "first_stage_model."}
CLASSIC_LAYOUTS = (
    Layout(config="sd1", prefixes=_FILE | {"text_encoder": "cond_stage_model.transformer.text_model."}),
    Layout(
        config="sd2",
        prefixes=_FILE | {"text_encoder": "cond_stage_model.model."},
        weighed="model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias",
    ),
)
"""Single files of the first generation, and of the second, whose text encoder has OpenCLIP's names."""

XL_PARTS = CLASSIC_PARTS | {"text_encoder_2": PROJECTED, "tokenizer_2": WORDS}
XL_READERS = (
    TextReader(encoder="text_encoder", tokenizer="tokenizer", layer=1),
    TextReader(encoder="text_encoder_2", tokenizer="tokenizer_2", layer=1, pooled=True),
)
XL_LAYOUTS = (
    Layout(
        config="sdxl",
        prefixes=_FILE
        | {
            "text_encoder": "conditioner.embedders.0.transformer.text_model.",
            "text_encoder_2": "conditioner.embedders.1.model.",
        },
    ),
)
REFINER_LAYOUTS = (
    Layout(config="sdxl_refiner", prefixes=_FILE | {"text_encoder_2": "conditioner.embedders.0.model."}),
)

Shapes = Mapping[str, tuple[int, ...]]

XL_STYLE_LAYERS = ("up_blocks.0.attentions.1.",)
"""Where SDXL paints style (InstantStyle, Wang et al., arXiv 2404.02733)."""
STYLE_LAYERS = ("up_blocks.1.",)
"""Where UNets of the first kind paint style, as InstantStyle's authors have it for Stable Diffusion 1.5; they call it
experimental, and it parts style from content less clearly than in SDXL."""


def in_channels(shapes: Shapes) -> int:
    """Input channels of the denoiser, 0 where there is no UNet."""
    return next((shapes[name][1] for name in ENTRY if name in shapes), 0)


def cross_attention(shapes: Shapes) -> int:
    """Width of the text that a UNet or ControlNet attends to, 0 where it attends to none."""
    return next((shape[1] for name, shape in shapes.items() if name.endswith(CROSS)), 0)


def attention_widths(shapes: Shapes) -> tuple[int, ...]:
    """Widths of the text attentions of a denoiser, sorted: they tell the bases of IP-Adapters apart."""
    return tuple(sorted(shape[0] for name, shape in shapes.items() if name.endswith(CROSS)))


def is_classic(shapes: Shapes) -> bool:
    """A UNet of the first kind: text attention, and nothing pooled as SDXL (text) and unCLIP (pictures) have."""
    pooled = (POOLED, "class_embedding.linear_1.weight", LABELS)
    return bool(cross_attention(shapes)) and not any(name in shapes for name in pooled)


def is_xl(shapes: Shapes) -> bool:
    """A UNet of the second kind: it also hears the prompt in one vector, and sizes.

    Not Kolors, which listens to a language model, nor Playground 2.5, which counts noise in a way of its own.
    """
    if "encoder_hid_proj.weight" in shapes or "edm_mean" in shapes:
        return False
    # unCLIP has labels too; a file of this kind is told by its text encoders' place.
    file = LABELS in shapes and any(name.startswith("conditioner.embedders.") for name in shapes)
    return bool(cross_attention(shapes)) and (POOLED in shapes or file)


def levels(shapes: Shapes) -> int:
    """Resolutions of a UNet in either layout: one more than its downsamplers."""
    file, folder = "model.diffusion_model.input_blocks.", "down_blocks."
    ends = {file: ".op.weight", folder: ".downsamplers.0.conv.weight"}
    return 1 + sum(name.startswith(mark) and name.endswith(end) for name in shapes for mark, end in ends.items())
