"""Masks as diffusers' attention processors take them."""

import warnings

import pytest
import torch
from diffusers.image_processor import IPAdapterMaskProcessor
from velatura_engine.runtime.references import spread

FACTOR = 8


def felt(mask: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """What a layer of that many rows and columns makes of a spread mask, (rows, columns)."""
    said = IPAdapterMaskProcessor.downsample(spread(mask, FACTOR)[:, 0], 1, height * width, 1)
    return said.view(height, width)


@pytest.mark.parametrize(("rows", "columns"), [(7, 18), (14, 65), (15, 70), (8, 8), (1, 128), (128, 1), (33, 5)])
@pytest.mark.parametrize("level", [1, 2, 4])
def test_every_layer_feels_the_mask_in_its_place(rows, columns, level):
    """The first two are sizes for which diffusers, given the mask as it is, takes one row too few."""
    height, width = rows * level, columns * level
    mask = torch.zeros(1, height * FACTOR, width * FACTOR)
    mask[:, : mask.shape[1] // 2] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        said = felt(mask, rows, columns)
    assert said[: rows // 2].allclose(torch.ones(()), atol=1e-5)
    assert said[rows // 2 + 1 :].abs().max() < 1e-5 if rows > 1 else True
    assert float(said.min()) > -0.01 and float(said.max()) < 1.01


def test_each_latent_feels_its_own_mean():
    mask = torch.rand(1, 64, 96, generator=torch.Generator().manual_seed(0))
    means = torch.nn.functional.avg_pool2d(mask, FACTOR)[0]
    assert felt(mask, 8, 12).allclose(means, atol=1e-5)


def test_something_smaller_than_a_latent_is_not_missed():
    mask = torch.zeros(1, 64, 64)
    mask[:, 0, 0] = 1
    assert float(felt(mask, 8, 8)[0, 0]) == pytest.approx(1 / 64, abs=1e-6)


def test_no_size_is_mistaken_for_another():
    """A mask that changes from row to row alone is felt so: all columns are alike."""
    for rows in range(1, 65):
        ramp = torch.arange(rows * FACTOR + 1.0)[None, :, None]
        for columns in range(1, 65):
            mask = ramp.expand(1, -1, columns * FACTOR)
            said = IPAdapterMaskProcessor.downsample(mask, 1, rows * columns, 1).view(rows, columns)
            assert said.std(dim=1, correction=0).max() < 1e-2, (rows, columns)
