"""Flux.2 klein: a smaller Flux that listens to layers of a language model (Black Forest Labs, 2026)."""

from . import FAMILIES, FOLDED, QWEN_WORDS, Family, Flow, Loose
from . import _flow_configs as configs
from ._transformer import Shapes, has, only

_NEW, _ONE = "transformer_blocks.*.", "single_transformer_blocks.*."
_ORIGINALS = {
    "img_in": ("x_embedder",), "txt_in": ("context_embedder",), "final_layer.linear": ("proj_out",),
    "final_layer.adaLN_modulation.1": ("~norm_out.linear",),
    **{f"{name}.lin": (f"{name}.linear",) for name in (
        "double_stream_modulation_img", "double_stream_modulation_txt", "single_stream_modulation")},
    **{
        f"{old}_in.{side}_layer": (f"time_guidance_embed.{new}_embedder.linear_{number}",)
        for old, new in (("time", "timestep"), ("guidance", "guidance"))
        for number, side in ((1, "in"), (2, "out"))
    },
    "double_blocks.*.img_attn.qkv": tuple(f"{_NEW}attn.to_{part}" for part in "qkv"),
    "double_blocks.*.txt_attn.qkv": tuple(f"{_NEW}attn.add_{part}_proj" for part in "qkv"),
    "double_blocks.*.img_attn.proj": (f"{_NEW}attn.to_out.0",),
    "double_blocks.*.txt_attn.proj": (f"{_NEW}attn.to_add_out",),
    "double_blocks.*.img_attn.norm.query_norm": (f"{_NEW}attn.norm_q",),
    "double_blocks.*.img_attn.norm.key_norm": (f"{_NEW}attn.norm_k",),
    "double_blocks.*.txt_attn.norm.query_norm": (f"{_NEW}attn.norm_added_q",),
    "double_blocks.*.txt_attn.norm.key_norm": (f"{_NEW}attn.norm_added_k",),
    "double_blocks.*.img_mlp.0": (f"{_NEW}ff.linear_in",), "double_blocks.*.img_mlp.2": (f"{_NEW}ff.linear_out",),
    "double_blocks.*.txt_mlp.0": (f"{_NEW}ff_context.linear_in",),
    "double_blocks.*.txt_mlp.2": (f"{_NEW}ff_context.linear_out",),
    "single_blocks.*.linear1": (f"{_ONE}attn.to_qkv_mlp_proj",), "single_blocks.*.linear2": (f"{_ONE}attn.to_out",),
    "single_blocks.*.norm.query_norm": (f"{_ONE}attn.norm_q",),
    "single_blocks.*.norm.key_norm": (f"{_ONE}attn.norm_k",),
}  # fmt: skip


def _is_klein(shapes: Shapes) -> bool:
    """Flux.2 dev, which reads its guidance and listens to another language model, is another family."""
    if has(shapes, "double_stream_modulation_img.linear.weight", "single_transformer_blocks.0.attn.to_out.weight"):
        return not has(shapes, "time_guidance_embed.guidance_embedder.linear_1.weight")
    file = has(shapes, "double_stream_modulation_img.lin.weight", "single_blocks.0.linear1.weight")
    return file and not has(shapes, "guidance_in.in_layer.weight")


@FAMILIES.part("flux2", "Flux.2 klein")
def build() -> Family:
    """Flux.2 klein, distilled to four steps without guidance, and its base."""
    pipeline = "Flux2KleinPipeline"
    return Family(
        id="flux2",
        title="Flux.2 klein",
        detect=_is_klein,
        pipelines={"txt2img": pipeline, "img2img": pipeline, "inpaint": pipeline},
        components={
            "vae": FOLDED, "transformer": "Flux2Transformer2DModel",
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
            originals=_ORIGINALS,
            loose=Loose(
                config=configs.flux2,
                schedule=configs.flux2_schedule,
                texts={"text_encoder": "qwen3"},
                heard=3,
                vae_file="flux2-vae.safetensors",
                called=("flux2",),
                latents=(128, 16),
                slow=("base",),
            ),
        ),
        stride=only,
        native_size=1024,
        steps=50,
        guidance=4.0,
    )  # fmt: skip
