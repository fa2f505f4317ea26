"""Seamless tiling is exact: a network that wraps commutes with rolling its input."""

import pytest
import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from velatura_engine.textures.seamless import seamless

TEXT = torch.randn(1, 4, 16, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    return UNet2DConditionModel(
        block_out_channels=(16, 32),
        layers_per_block=1,
        norm_num_groups=8,
        cross_attention_dim=16,
        attention_head_dim=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    ).eval()


@pytest.fixture(scope="module")
def vae():
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=(16, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        norm_num_groups=8,
        latent_channels=4,
    ).eval()


@pytest.fixture(scope="module")
def control(unet):
    torch.manual_seed(0)
    net = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(16, 32, 96)).eval()
    for block in (*net.controlnet_down_blocks, net.controlnet_mid_block, net.controlnet_cond_embedding.conv_out):
        torch.nn.init.normal_(block.weight, std=0.2)  # they start at zero and would prove nothing
    return net


def error(function, values: torch.Tensor, shift: int, dim: int, scale: float) -> float:
    """Relative difference between rolling before and after; the output is `scale` times as large."""
    before = function(values.roll(shift, dim))
    after = function(values).roll(int(shift * scale), dim)
    return float((before - after).norm() / after.norm())


@pytest.fixture(scope="module")
def chain(unet, vae, control):
    """Encoder, denoiser with ControlNet and decoder, one after the other: pictures to pictures."""

    @torch.no_grad()
    def run(picture: torch.Tensor) -> torch.Tensor:
        latents = vae.encode(picture).latent_dist.mode()
        down, mid = control(latents, 500, TEXT, picture, return_dict=False)
        latents = unet(latents, 500, TEXT, None, None, None, None, None, down, mid).sample
        return vae.decode(latents).sample

    return run


@pytest.mark.parametrize(("x", "y"), [(True, True), (True, False), (False, True)])
def test_the_whole_chain_commutes_with_rolling_along_exactly_the_chosen_axes(chain, unet, vae, control, x, y):
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2)) * 2 - 1
    with seamless([vae, unet, control], x, y):
        for dim, tiled in ((3, x), (2, y)):
            difference = error(chain, picture, 24, dim, 1)
            assert difference <= 1e-4 if tiled else difference >= 0.1


def test_without_tiling_nothing_commutes(chain):
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2)) * 2 - 1
    assert error(chain, picture, 24, 3, 1) >= 0.1


def test_the_encoder_alone_commutes_although_diffusers_pads_it_by_hand(vae):
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3)) * 2 - 1

    @torch.no_grad()
    def encode(values):
        return vae.encode(values).latent_dist.mode()

    with seamless([vae], True, True):
        assert error(encode, picture, 16, 3, 0.25) <= 1e-5
    assert error(encode, picture, 16, 3, 0.25) >= 0.1


def test_leaving_the_block_leaves_no_trace_even_after_an_error(unet):
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        before = unet(latents, 500, TEXT).sample
        with pytest.raises(KeyError), seamless([unet], True, True):
            raise KeyError
        after = unet(latents, 500, TEXT).sample
    assert torch.equal(before, after)
    assert not any("_conv_forward" in vars(layer) for layer in unet.modules())


def test_the_switch_turns_wrapping_off_inside_the_block(unet):
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        plain = unet(latents, 500, TEXT).sample
        with seamless([unet], True, True) as axes:
            axes.x = axes.y = False
            assert torch.allclose(unet(latents, 500, TEXT).sample, plain, atol=1e-6)
