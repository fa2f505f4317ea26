"""Flux.2 klein: a smaller Flux that listens to layers of a language model (Black Forest Labs, 2026)."""

from . import FAMILIES, QWEN_WORDS, Family, Flow
from ._transformer import has, only


@FAMILIES.part("flux2", "Flux.2 klein")
def build() -> Family:
    """Flux.2 klein, distilled to four steps without guidance, and its base."""
    pipeline = "Flux2KleinPipeline"
    return Family(
        id="flux2",
        title="Flux.2 klein",
        detect=lambda shapes: has(
            shapes, "double_stream_modulation_img.linear.weight", "single_transformer_blocks.0.attn.to_out.weight"
        ) or has(shapes, "double_stream_modulation_img.lin.weight", "single_blocks.0.linear1.weight"),
        pipelines={"txt2img": pipeline, "img2img": pipeline, "inpaint": pipeline},
        components={
            "vae": "AutoencoderKLFlux2", "transformer": "Flux2Transformer2DModel",
            "text_encoder": "Qwen3ForCausalLM", "tokenizer": QWEN_WORDS,
        },
        denoiser="transformer",
        readers=(),
        settings={"is_distilled": False},
        flow=Flow(
            said=("encoder_hidden_states", "txt_ids"),
            given=("prompt_embeds", ""),
            unguided={"guidance_scale": 1.0},
            packing="cells",
            tokens=512,
            tokenizer="tokenizer",
            classes=(pipeline,),
        ),
        stride=only,
        native_size=1024,
        steps=50,
        guidance=4.0,
    )  # fmt: skip
