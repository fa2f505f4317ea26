"""What Flux.1 and its relatives share: their parts, how they are led, and how their authors name layers."""

from __future__ import annotations

from . import CLIP, PICTURES, T5_WORDS, WORDS, Flow, Led, Loose
from . import _flow_configs as configs
from ._transformer import Shapes, follows, has, width

PIPELINE = "FluxPipeline"
PARTS = {
    "vae": PICTURES, "transformer": "FluxTransformer2DModel",
    "text_encoder": CLIP, "tokenizer": WORDS, "text_encoder_2": "T5EncoderModel", "tokenizer_2": T5_WORDS,
}  # fmt: skip
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
    # XLabs name what they add to after their own processors.
    "double_blocks.*.processor.qkv_lora1": tuple(f"{_NEW}attn.to_{part}" for part in "qkv"),
    "double_blocks.*.processor.qkv_lora2": tuple(f"{_NEW}attn.add_{part}_proj" for part in "qkv"),
    "double_blocks.*.processor.proj_lora1": (f"{_NEW}attn.to_out.0",),
    "double_blocks.*.processor.proj_lora2": (f"{_NEW}attn.to_add_out",),
    "single_blocks.*.processor.qkv_lora": tuple(f"{_ONE}attn.to_{part}" for part in "qkv"),
    "single_blocks.*.processor.proj_lora": (f"{_ONE}proj_out",),
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


def is_flux(shapes: Shapes, channels: int) -> bool:
    """In diffusers' names or its authors', with so many channels in: 64 where it paints from words alone."""
    folder = has(shapes, "single_transformer_blocks.0.proj_mlp.weight", "time_text_embed.text_embedder.linear_1.weight")
    file = has(shapes, "double_blocks.0.img_attn.qkv.weight", "vector_in.in_layer.weight")
    return (folder and width(shapes, "x_embedder.weight") == channels) or (
        file and width(shapes, "img_in.weight") == channels
    )


def is_flux_control(shapes: Shapes) -> bool:
    """In diffusers' names, or in those of XLabs, who took the authors'."""
    if follows(shapes, "controlnet_x_embedder.weight", "context_embedder.weight"):
        return True
    return follows(
        shapes, "double_blocks.0.img_attn.qkv.weight", "controlnet_blocks.0.weight", "pos_embed_input.weight"
    )


def flow(*classes: str, embedded: float = 3.5, led: Led | None = None) -> Flow:
    """How a relative of Flux.1 is led, whose folders name one of these pipelines."""
    return Flow(
        said=("encoder_hidden_states", "pooled_projections", "txt_ids"),
        given=("prompt_embeds", "pooled_prompt_embeds", ""),
        unguided={"true_cfg_scale": 1.0},
        packing="pairs",
        tokens=512,
        tokenizer="tokenizer_2",
        distilled=True,
        embedded=embedded,
        classes=classes,
        originals=_ORIGINALS,
        led=led,
        loose=Loose(
            config=configs.flux,
            schedule=configs.flux_schedule,
            texts={"text_encoder": "clip_l", "text_encoder_2": "t5"},
            vae=configs.FLUX_VAE,
            called=("ae", "flux", "flux1"),
        ),
    )


LED = Led(
    net="FluxControlNetModel",
    answers={
        "controlnet_block_samples": "transformer_blocks",
        "controlnet_single_block_samples": "single_transformer_blocks",
    },
    one_voice=True,
    modes=(("canny",), ("tile",), ("depth",), ("blur",), ("openpose",), ("gray",)),
    reads=("canny", "tile", "depth", "blur", "openpose", "gray", "softedge"),
    originals=_ORIGINALS | _XLABS,
)
"""How its ControlNets lead; the numbers are those of InstantX's and Shakker's unions."""
