"""An autoencoder that sees a large picture tile by tile makes what it makes of the whole."""

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderKLQwenImage
from velatura_engine.runtime import autoencoder, tiles
from velatura_engine.runtime.tiles import by_tiles, cut, reach_up
from velatura_engine.textures.seamless import Axes, seamless
from velatura_starter import weights_path

HEIGHT, WIDTH = 64, 96


@pytest.fixture(scope="module")
def vae() -> AutoencoderKL:
    """Random, with attention in its middle, of three levels."""
    torch.manual_seed(0)
    levels = (8, 16, 16)
    made = AutoencoderKL(
        block_out_channels=levels, down_block_types=("DownEncoderBlock2D",) * 3, layers_per_block=1,
        up_block_types=("UpDecoderBlock2D",) * 3, norm_num_groups=4, mid_block_add_attention=True,
    )  # fmt: skip
    return made.eval()


def picture(height: int = HEIGHT, width: int = WIDTH) -> torch.Tensor:
    """Noise that is brighter and wilder on one side, so that tiles differ."""
    dice = torch.Generator().manual_seed(1)
    ramp = torch.linspace(-0.6, 0.6, width)
    return (ramp + torch.randn(1, 3, height, width, generator=dice) * (0.3 + ramp.abs() / 2)).clamp(-1, 1)


@torch.no_grad()
def through(vae, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Its latents, and the picture that is made of the same numbers every time."""
    latents = vae.encode(pixels).latent_dist.mode()
    dice = torch.Generator().manual_seed(2)
    shape = (1, 4, pixels.shape[2] // 4, pixels.shape[3] // 4)
    return latents, vae.decode(torch.randn(shape, generator=dice) * torch.linspace(0.5, 2, shape[-1])).sample


@pytest.mark.parametrize("x, y", [(False, False), (True, False)])
def test_after_enough_rounds_tiles_make_the_whole(vae, monkeypatch, x, y):
    monkeypatch.setattr(tiles, "ROUNDS", 30)
    monkeypatch.setattr(tiles, "CLOSE", 1e-7)
    with seamless([vae], x, y) as axes:
        whole = through(vae, picture())
        with by_tiles(vae, 32, axes):
            made = through(vae, picture())
        assert (axes.x, axes.y) == (x, y)
        for one, other in zip(made, whole, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=2e-4)
        again = through(vae, picture())
    assert all(torch.equal(one, other) for one, other in zip(again, whole, strict=True))


def test_of_the_starters_own_pictures_tiles_make_nearly_the_whole_and_no_seams():
    vae = AutoencoderKL.from_pretrained(weights_path() / "texture", subfolder="vae").eval()
    pixels = picture(64, 192)
    pixels[..., 10:40, 30:90] = torch.tensor([0.9, -0.8, 0.1])[:, None, None]
    with torch.no_grad():
        latents = vae.encode(pixels).latent_dist.mode()
        whole = vae.decode(latents).sample
        with by_tiles(vae, 64, Axes(False, False)):
            made = vae.decode(latents).sample
    off = made - whole
    assert 10 * torch.log10(4 / (off**2).mean()) > 38
    # What is off is off alike on both sides of where tiles meet.
    jumps = (off[..., 1:] - off[..., :-1]).abs().mean((0, 1, 2))
    assert max(jumps[63], jumps[127]) <= 1.5 * jumps.median()


def test_what_it_holds_grows_with_a_tile_and_not_with_the_picture(vae):
    seen = []
    layer = vae.decoder.up_blocks[-1].resnets[0].conv1
    handle = layer.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[-2:]))
    try:
        with torch.no_grad(), by_tiles(vae, 32, Axes(False, False)):
            vae.decode(torch.randn(1, 4, 40, 64))
    finally:
        handle.remove()
    most = 32 + 2 * 4 * reach_up(vae.decoder)
    assert seen and all(max(shape) <= most for shape in seen)


def test_autoencoders_for_films_are_tiled_by_diffusers_for_as_long(vae):
    torch.manual_seed(0)
    coder = AutoencoderKLQwenImage(base_dim=4, z_dim=16, num_res_blocks=1).eval()
    sizes = []
    handle = coder.decoder.register_forward_pre_hook(lambda _, args: sizes.append(args[0].shape[-1]))
    try:
        with torch.no_grad():
            with by_tiles(coder, 64, Axes(False, False)):
                made = autoencoder.decode(coder, torch.randn(1, 16, 16, 16))
            autoencoder.decode(coder, torch.randn(1, 16, 16, 16))
    finally:
        handle.remove()
    assert made.shape == (1, 3, 128, 128) and max(sizes[:-1]) == 8 and sizes[-1] == 16


def test_an_axis_is_cut_into_parts_that_cover_it_once_and_see_around_themselves():
    parts = cut(50, 20, 6, False)
    assert [(part.start, part.stop) for part in parts] == [(0, 16), (16, 33), (33, 50)]
    assert [(part.first, part.last) for part in parts] == [(0, 22), (10, 39), (27, 50)]
    assert [(part.first, part.last) for part in cut(50, 20, 6, True)] == [(-6, 22), (10, 39), (27, 56)]
    assert [(part.first, part.last) for part in cut(20, 20, 6, True)] == [(0, 20)]


def test_small_pictures_are_seen_whole(vae):
    whole = through(vae, picture())
    with by_tiles(vae, 96, Axes(False, False)):
        assert all(torch.equal(one, other) for one, other in zip(through(vae, picture()), whole, strict=True))


def test_a_stop_between_tiles_leaves_nothing_behind(vae):
    class Stop(Exception):
        """Somebody asked to stop."""

    def stop():
        raise Stop

    axes = Axes(True, True)
    with pytest.raises(Stop), by_tiles(vae, 32, axes, stop):
        through(vae, picture())
    assert axes.x and axes.y
    layers = [vae.encoder, vae.decoder, *vae.modules()]
    assert not any("forward" in vars(layer) for layer in layers)
