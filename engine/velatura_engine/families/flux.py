"""Flux.1: one transformer over text and picture, guidance within or none at all (Black Forest Labs, 2024)."""

from . import CLIP, FAMILIES, PICTURES, T5_WORDS, WORDS, Family, Flow, Led
from ._transformer import Shapes, follows, has, pairs, width


def _detect(shapes: Shapes) -> bool:
    """In diffusers' names or its authors', with as many channels as paint from words: not fill, depth or canny."""
    folder = has(shapes, "single_transformer_blocks.0.proj_mlp.weight", "time_text_embed.text_embedder.linear_1.weight")
    file = has(shapes, "double_blocks.0.img_attn.qkv.weight", "vector_in.in_layer.weight")
    return (folder and width(shapes, "x_embedder.weight") == 64) or (file and width(shapes, "img_in.weight") == 64)


def _detect_control(shapes: Shapes) -> bool:
    """In diffusers' names, or in those of XLabs, who took the authors'."""
    if follows(shapes, "controlnet_x_embedder.weight", "context_embedder.weight"):
        return True
    return follows(shapes, "double_blocks.0.img_attn.qkv.weight", "controlnet_blocks.0.weight", "pos_embed_input.weight")


_NEW, _ONE = "transformer_blocks.*.", "single_transformer_blocks.*."
_TOLD = "time_text_embed."
_ORIGINALS = {
    "img_in": ("x_embedder",), "txt_in": ("context_embedder",), "final_layer.linear": ("proj_out",),
    "final_layer.adaLN_modulation.1": ("~norm_out.linear",),
    **{
        f"{old}_in.{side}_layer": (f"{_TOLD}{new}_embedder.linear_{number}",)
        for old, new in (("time", "timestep"), ("vector", "text"), ("guidance", "guidance"))
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
    "double_blocks.*.img_mod.lin": (f"{_NEW}norm1.linear",),
    "double_blocks.*.txt_mod.lin": (f"{_NEW}norm1_context.linear",),
    "double_blocks.*.img_mlp.0": (f"{_NEW}ff.net.0.proj",), "double_blocks.*.img_mlp.2": (f"{_NEW}ff.net.2",),
    "double_blocks.*.txt_mlp.0": (f"{_NEW}ff_context.net.0.proj",),
    "double_blocks.*.txt_mlp.2": (f"{_NEW}ff_context.net.2",),
    "single_blocks.*.linear1": (*(f"{_ONE}attn.to_{part}" for part in "qkv"), f"{_ONE}proj_mlp"),
    "single_blocks.*.linear2": (f"{_ONE}proj_out",), "single_blocks.*.modulation.lin": (f"{_ONE}norm.linear",),
    "single_blocks.*.norm.query_norm": (f"{_ONE}attn.norm_q",),
    "single_blocks.*.norm.key_norm": (f"{_ONE}attn.norm_k",),
}  # fmt: skip
_XLABS = {
    "pos_embed_input": ("controlnet_x_embedder",), "input_hint_block.0": ("input_hint_block.conv_in",),
    "input_hint_block.14": ("input_hint_block.conv_out",),
    **{f"input_hint_block.{2 * number + 2}": (f"input_hint_block.blocks.{number}",) for number in range(6)},
}  # fmt: skip


@FAMILIES.part("flux", "Flux.1")
def build() -> Family:
    """Flux.1 dev and schnell, and their fine-tunes; dev has its guidance within, schnell needs none and four steps."""
    pipeline = "FluxPipeline"
    return Family(
        id="flux",
        title="Flux.1",
        detect=_detect,
        pipelines={"txt2img": pipeline, "img2img": pipeline, "inpaint": pipeline},
        control_pipelines={"txt2img": pipeline, "img2img": pipeline, "inpaint": pipeline},
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
            originals=_ORIGINALS,
            led=Led(
                net="FluxControlNetModel",
                answers={
                    "controlnet_block_samples": "transformer_blocks",
                    "controlnet_single_block_samples": "single_transformer_blocks",
                },
                one_voice=True,
                originals=_ORIGINALS | _XLABS,
                modes=(("canny",), ("tile",), ("depth",), ("blur",), ("openpose",), ("gray",)),
                reads=("canny", "tile", "depth", "blur", "openpose", "gray", "softedge"),
            ),
        ),
        controls="flux",
        detect_control=_detect_control,
        stride=pairs,
        native_size=1024,
        steps=28,
    )  # fmt: skip
