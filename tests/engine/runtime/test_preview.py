"""Glimpses: the map from latents to colour, fitted on a VAE that is linear, so that the answer is known."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from velatura_engine.runtime.autoencoder import fold, unfold
from velatura_engine.runtime.preview import fit

CPU = torch.device("cpu")
MIX = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))


def encode(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures (B, 3, H, W) -> (B, 8, H / 8, W / 8)."""
    return torch.einsum("cd,bdhw->bchw", MIX, F.avg_pool2d(pictures, 8)) + 0.5


@pytest.mark.parametrize("folded", [False, True])
def test_a_glimpse_of_a_linear_vae_is_the_picture_made_small_also_where_four_latents_lie_in_one(folded):
    def seen(pictures: torch.Tensor) -> torch.Tensor:
        return fold(encode(pictures)) if folded else encode(pictures)

    picture = torch.rand(1, 3, 64, 32, generator=torch.Generator().manual_seed(1))
    glimpse = fit(seen, 8, CPU, torch.float32, unfold if folded else None).picture(seen(picture * 2 - 1)[0], 8)
    known = F.avg_pool2d(picture, 8)[0].permute(1, 2, 0)
    assert glimpse.shape == (8, 4, 3) and glimpse / 255 == pytest.approx(known.numpy(), abs=0.005)
