"""How alike two pictures of one material are."""

from __future__ import annotations

import pytest
import torch
from velatura_starter.training.likeness import unlike


def noise(count: int = 2, side: int = 32) -> torch.Tensor:
    """Latents that vary from pixel to pixel."""
    return torch.randn(count, 4, side, side, generator=torch.Generator().manual_seed(3))


def test_a_picture_is_like_itself_rolled_and_under_another_mean():
    x = noise()
    torch.testing.assert_close(unlike(x.roll((5, 11), (2, 3)) + 2, x), torch.zeros(2), atol=1e-9, rtol=0)


@pytest.mark.parametrize(("contrast", "error"), [(0.5, 0.25), (2.0, 1.0), (0.0, 1.0)])
def test_contrast_that_is_lost_or_gained_counts_by_the_square_of_its_share(contrast, error):
    x = 10 * noise()  # so that SMALL is small
    torch.testing.assert_close(unlike(contrast * x, x), torch.full((2,), error), atol=0.02, rtol=0)


def stones(seed: int) -> torch.Tensor:
    """Waves of three to six to a picture's width, in all directions."""
    count = torch.fft.fftfreq(64) * 64
    far = (count[:, None] ** 2 + count**2).sqrt()
    white = torch.fft.fft2(torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(seed)))
    x = torch.fft.ifft2(white * ((far > 3) & (far < 6))).real
    return x / x.std((2, 3), keepdim=True)


def test_a_grid_is_less_like_stones_than_other_stones_are():
    wave = torch.sin(4.5 * torch.arange(64) * 2 * torch.pi / 64 + torch.arange(4)[:, None])
    grid = (wave[:, None] + wave[..., None])[None]
    others, given = torch.cat([stones(seed) for seed in range(2, 12)]), stones(1)
    assert unlike(grid / grid.std((2, 3), keepdim=True), given) > unlike(others, given.expand_as(others)).max()


def test_channels_that_vary_together_are_unlike_those_that_do_not():
    x = noise()
    together = x[:, :1].expand(2, 4, 32, 32)
    assert unlike(together, x).min() > 0.2 > unlike(noise(side=64), x).max()


def test_a_plain_surface_has_a_slope():
    flat = torch.zeros(1, 4, 8, 8, requires_grad=True)
    unlike(flat, noise(1, 8)).sum().backward()
    assert torch.isfinite(flat.grad).all()
