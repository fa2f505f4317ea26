"""The four networks of the starter model, in the Stable Diffusion layout of diffusers and transformers."""

from __future__ import annotations

from diffusers import AutoencoderKL, ControlNetModel, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

TEXT_WIDTH = 160
TOKENS = 24


def build_vae() -> AutoencoderKL:
    """Factor 4, four latent channels, purely convolutional so that it tiles exactly."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(32, 64, 64),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=256,
    )


def build_text(vocabulary: int, begin: int, end: int) -> CLIPTextModel:
    """A two-layer text encoder."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=TEXT_WIDTH,
            intermediate_size=4 * TEXT_WIDTH,
            projection_dim=TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=5,
            max_position_embeddings=TOKENS,
            bos_token_id=begin,
            eos_token_id=end,
            pad_token_id=end,
        )
    )


def build_unet() -> UNet2DConditionModel:
    """Attention on the two coarse levels only and no position codes: shift-equivariant, any size."""
    return UNet2DConditionModel(
        sample_size=64,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(64, 128, 192),
        layers_per_block=1,
        norm_num_groups=16,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
    )


def build_controlnet(unet: UNet2DConditionModel) -> ControlNetModel:
    """A depth ControlNet that starts as a copy of the UNet's encoder; two strides match factor 4."""
    return ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(16, 32, 96))


def build_scheduler() -> DDIMScheduler:
    """Zero-terminal-SNR, v-prediction, trailing spacing: true blacks and whites at few steps."""
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )
