"""Stable Diffusion 3 and 3.5: text and picture in one transformer, three text encoders (arXiv 2403.03206)."""

from . import FAMILIES, PICTURES, PROJECTED, T5_WORDS, WORDS, Family, Flow, Led, Loose
from . import _flow_configs as configs
from ._transformer import follows, has

_BLOCK = "transformer_blocks.*."
_ORIGINALS = {
    **{
        f"joint_blocks.*.{old}.qkv": tuple(f"{_BLOCK}{one}" for one in new)
        for old, new in {
            "x_block.attn": ("attn.to_q", "attn.to_k", "attn.to_v"),
            "x_block.attn2": ("attn2.to_q", "attn2.to_k", "attn2.to_v"),
            "context_block.attn": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
        }.items()
    },
    "joint_blocks.*.x_block.attn.proj": (f"{_BLOCK}attn.to_out.0",),
    "joint_blocks.*.x_block.attn2.proj": (f"{_BLOCK}attn2.to_out.0",),
    "joint_blocks.*.context_block.attn.proj": (f"{_BLOCK}attn.to_add_out",),
    "joint_blocks.*.x_block.mlp.fc1": (f"{_BLOCK}ff.net.0.proj",),
    "joint_blocks.*.x_block.mlp.fc2": (f"{_BLOCK}ff.net.2",),
    "joint_blocks.*.context_block.mlp.fc1": (f"{_BLOCK}ff_context.net.0.proj",),
    "joint_blocks.*.context_block.mlp.fc2": (f"{_BLOCK}ff_context.net.2",),
    "joint_blocks.*.x_block.adaLN_modulation.1": (f"{_BLOCK}norm1.linear",),
}  # fmt: skip
"""Of its blocks, which LoRAs change."""
_STABILITY = {
    f"{_BLOCK}attn.qkv": tuple(f"{_BLOCK}attn.to_{part}" for part in "qkv"),
    f"{_BLOCK}attn.proj": (f"{_BLOCK}attn.to_out.0",),
    f"{_BLOCK}mlp.fc1": (f"{_BLOCK}ff.net.0.proj",),
    f"{_BLOCK}mlp.fc2": (f"{_BLOCK}ff.net.2",),
    f"{_BLOCK}adaLN_modulation.1": (f"{_BLOCK}norm1.linear",),
}
"""Stability's own ControlNets."""


@FAMILIES.part("sd3", "Stable Diffusion 3.5")
def build() -> Family:
    """Stable Diffusion 3 and 3.5, medium, large and turbo; its third text encoder, T5, may be missing."""
    pipeline = "StableDiffusion3Pipeline"
    return Family(
        id="sd3",
        title="Stable Diffusion 3.5",
        detect=lambda shapes: (
            has(
                shapes,
                "context_embedder.weight",
                "transformer_blocks.0.attn.add_k_proj.weight",
                "pos_embed.proj.weight",
            )
            or has(shapes, "joint_blocks.0.context_block.attn.qkv.weight")
        ),
        # Pictures to start from are laid under noise before, and the pipeline begins in the middle.
        pipelines={"txt2img": pipeline, "img2img": pipeline, "inpaint": pipeline},
        components={
            "vae": PICTURES,
            "transformer": "SD3Transformer2DModel",
            "text_encoder": PROJECTED,
            "tokenizer": WORDS,
            "text_encoder_2": PROJECTED,
            "tokenizer_2": WORDS,
            "text_encoder_3": "T5EncoderModel",
            "tokenizer_3": T5_WORDS,
        },
        optional=("text_encoder_3", "tokenizer_3"),
        denoiser="transformer",
        readers=(),
        flow=Flow(
            said=("encoder_hidden_states", "", "pooled_projections", ""),
            given=("prompt_embeds", "", "pooled_prompt_embeds", ""),
            unguided={"guidance_scale": 1.0},
            packing="rows",
            tokens=256,
            tokenizer="tokenizer_3",
            classes=(pipeline, "StableDiffusion3Img2ImgPipeline", "StableDiffusion3InpaintPipeline"),
            originals=_ORIGINALS,
            led=Led(
                net="SD3ControlNetModel",
                answers={"block_controlnet_hidden_states": "transformer_blocks"},
                originals=_STABILITY,
            ),
            loose=Loose(
                config=configs.sd3,
                schedule=configs.sd3_schedule,
                texts={"text_encoder": "clip_l", "text_encoder_2": "clip_g", "text_encoder_3": "t5"},
                vae={"scaling_factor": 1.5305, "shift_factor": 0.0609, "force_upcast": True},
                vae_file="sd3_vae.safetensors",
                called=("sd3", "sd35"),
            ),
        ),
        controls="sd3",
        detect_control=lambda shapes: follows(shapes, "pos_embed_input.proj.weight", "controlnet_blocks.0.weight"),
        stride=lambda config: config["patch_size"],
        native_size=1024,
        steps=28,
        guidance=4.5,
    )
