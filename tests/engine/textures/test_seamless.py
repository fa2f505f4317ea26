"""Seamless tiling is exact: a network that wraps commutes with rolling its input."""

import pytest
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from fakes.tiny_models import make_control, make_tiny
from velatura_engine.models.identify import identify
from velatura_engine.runtime.load import load_checkpoint, load_control
from velatura_engine.textures.seamless import Axes, seamless, wrap

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


def error(function, values: torch.Tensor, shift: int, dim: int, scale: float) -> float:
    """Relative difference between rolling before and after; the output is `scale` times as large."""
    before = function(values.roll(shift, dim))
    after = function(values).roll(int(shift * scale), dim)
    return float((before - after).norm() / after.norm())


@pytest.fixture(scope="module", params=["starter", "sd1"])
def chain(request, tmp_path_factory):
    """Random models of a true layout, and one after the other as a function: encoder, ControlNet, denoiser, decoder."""
    folder = make_tiny(tmp_path_factory.mktemp("models") / "tiny", request.param)
    path = make_control(folder.parent / "tiny-depth", folder)
    full = {"dtype": torch.float32, "device": torch.device("cpu")}
    parts, control = load_checkpoint(identify(folder, "tiny"), **full), load_control(identify(path, "depth"), **full)
    text = torch.randn(1, 4, parts.unet.config["cross_attention_dim"], generator=torch.Generator().manual_seed(1))

    @torch.no_grad()
    def run(picture: torch.Tensor) -> torch.Tensor:
        latents = parts.vae.encode(picture, return_dict=False)[0].mode()
        down, mid = control(latents, 500, text, picture, return_dict=False)
        latents = parts.unet(latents, 500, text, None, None, None, None, None, down, mid).sample
        return parts.vae.decode(latents, return_dict=False)[0]

    return [parts.vae, parts.unet, control], run


PICTURE = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(2)) * 2 - 1
HALF = 64
"""A shift of 128 pixels that is a multiple of every layout's stride."""


@pytest.mark.parametrize(("x", "y"), [(True, True), (True, False), (False, True)])
def test_the_whole_chain_commutes_with_rolling_along_exactly_the_chosen_axes(chain, x, y):
    modules, run = chain
    with seamless(modules, x, y):
        for dim, tiled in ((3, x), (2, y)):
            difference = error(run, PICTURE, HALF, dim, 1)
            assert difference <= 1e-4 if tiled else difference >= 0.1


def test_without_tiling_nothing_commutes(chain):
    _, run = chain
    assert all(error(run, PICTURE, HALF, dim, 1) >= 0.1 for dim in (2, 3))


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


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("pad", [(1, 1, 1, 1), (0, 1, 0, 1), (2, 1, 3, 0)])
@pytest.mark.parametrize(("x", "y"), [(True, True), (True, False), (False, True), (False, False)])
def test_wrapping_copies_what_is_across_and_keeps_the_order_of_the_values(layout, pad, x, y):
    values = torch.randn(2, 3, 4, 5).contiguous(memory_format=layout)
    left, right, top, bottom = pad
    expected = F.pad(values, (left, right, 0, 0), mode="circular" if x else "constant")
    expected = F.pad(expected, (0, 0, top, bottom), mode="circular" if y else "constant")
    padded = wrap(values, pad, Axes(x, y))
    assert torch.equal(padded, expected)
    assert padded.is_contiguous(memory_format=layout)


def test_a_side_shorter_than_its_padding_cannot_wrap():
    with pytest.raises(ValueError, match="too few"):
        wrap(torch.zeros(1, 1, 4, 2), (3, 3, 1, 1), Axes(True, True))
