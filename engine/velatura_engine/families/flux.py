"""Flux.1: one transformer over text and picture, guidance within or none at all (Black Forest Labs, 2024)."""

from . import CLIP, FAMILIES, PICTURES, T5_WORDS, WORDS, Family, Flow
from ._transformer import Shapes, has, pairs, width


def _detect(shapes: Shapes) -> bool:
    """In diffusers' names or its authors', with as many channels as paint from words: not fill, depth or canny."""
    folder = has(shapes, "single_transformer_blocks.0.proj_mlp.weight", "time_text_embed.text_embedder.linear_1.weight")
    file = has(shapes, "double_blocks.0.img_attn.qkv.weight", "vector_in.in_layer.weight")
    return (folder and width(shapes, "x_embedder.weight") == 64) or (file and width(shapes, "img_in.weight") == 64)


@FAMILIES.part("flux", "Flux.1")
def build() -> Family:
    """Flux.1 dev and schnell, and their fine-tunes; dev has its guidance within, schnell needs none and four steps."""
    pipeline = "FluxPipeline"
    return Family(
        id="flux",
        title="Flux.1",
        detect=_detect,
        pipelines={"txt2img": pipeline, "img2img": pipeline, "inpaint": pipeline},
        components={
            "vae": PICTURES, "transformer": "FluxTransformer2DModel",
            "text_encoder": CLIP, "tokenizer": WORDS, "text_encoder_2": "T5EncoderModel", "tokenizer_2": T5_WORDS,
        },
        denoiser="transformer",
        readers=(),
        flow=Flow(
            said=("encoder_hidden_states", "pooled_projections", "txt_ids"),
            given=("prompt_embeds", "pooled_prompt_embeds", ""),
            unguided={"true_cfg_scale": 1.0},
            packing="pairs",
            tokens=512,
            tokenizer="tokenizer_2",
            distilled=True,
            classes=(pipeline, "FluxImg2ImgPipeline", "FluxInpaintPipeline"),
        ),
        stride=pairs,
        native_size=1024,
        steps=28,
    )  # fmt: skip
