"""Repainting through the whole engine: what the mask leaves out stays as it was, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contract.lab import SIDE, array, noise, quick
from velatura import pixels, png
from velatura.v1 import diffuse_pb2, pixels_pb2

RGBA16 = {"kind": np.uint16, "channels": 4}
FLOAT = {"kind": np.float32}
"""Linear light, also above 1."""
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # name: (the picture, what else is asked)
    "RGB": ({}, {}),
    "RGBA": ({"channels": 4}, {}),
    "16 bits": ({"kind": np.uint16}, {"output": pixels_pb2.PIXEL_FORMAT_RGB16}),
    "16 bits with alpha": (RGBA16, {"output": pixels_pb2.PIXEL_FORMAT_RGBA16}),
    "float": (FLOAT, {"output": pixels_pb2.PIXEL_FORMAT_RGB32F}),
    "float with alpha": (FLOAT | {"channels": 4}, {"output": pixels_pb2.PIXEL_FORMAT_RGBA32F}),
    "odd sides": ({"width": 67, "height": 45}, {}),
    "odd sides with alpha": ({"width": 33, "height": 71, "channels": 4}, {}),
    "tiled": ({}, {"tile": "xy"}),
    "tiled along x with alpha": ({"channels": 4}, {"tile": "x"}),
    "half strength": ({}, {"strength": 0.5}),
    "a sampler with noise of its own": ({}, {"sampler": "euler_a"}),
    "a model that sees the mask": ({}, {"model": "tiny-nine"}),
    "a model that sees the mask, odd sides": ({"width": 67, "height": 45}, {"model": "tiny-nine"}),
}


def disc(height: int, width: int) -> np.ndarray:
    """A mask (H, W) 0..1: a disc in the middle with a soft rim, nothing around it."""
    y, x = np.mgrid[:height, :width]
    away = np.hypot(x - width / 2, y - height / 2)
    return np.clip((min(width, height) / 3 - away) / 6, 0, 1).astype(np.float32)


def repaint(lab, before: np.ndarray, mask: np.ndarray, **more: Any) -> np.ndarray:
    """What the engine makes of a picture (H, W, C) and a mask (H, W)."""
    height, width = mask.shape
    sides = {"width": width, "height": height}
    job = quick(init=pixels.from_array(before), mask=pixels.mask(mask), **sides, **more)
    return pixels.to_array(lab.result(job).images[0])


@pytest.mark.parametrize("case", CASES)
def test_pixels_outside_the_mask_are_left_alone(lab, case: str):
    picture, asked = CASES[case]
    before = noise(**picture)
    mask = disc(*before.shape[:2])
    after = repaint(lab, before, mask, **asked)
    assert after.shape == before.shape and after.dtype == before.dtype
    assert np.array_equal(after[mask == 0], before[mask == 0])
    assert not np.array_equal(after[mask == 1], before[mask == 1])
    if before.shape[2] == 4:
        assert np.array_equal(after[..., 3], before[..., 3])


def test_an_empty_mask_changes_nothing(lab):
    assert np.array_equal(repaint(lab, noise(), np.zeros((SIDE, SIDE), bool)), noise())


def test_a_mask_that_grows_still_leaves_alone_what_lies_beyond(lab):
    mask = np.zeros((SIDE, SIDE), bool)
    mask[28:36, 28:36] = True
    after = repaint(lab, noise(), mask, inpaint=diffuse_pb2.InpaintSettings(grow=4, feather=8))
    reach = np.zeros((SIDE, SIDE), bool)
    reach[16:48, 16:48] = True  # 4 grown and 8 softened on every side
    assert np.array_equal(after[~reach], noise()[~reach])
    assert not np.array_equal(after[24:28, 24:40], noise()[24:28, 24:40])


def test_a_png_comes_back_with_its_own_pixels_outside(lab):
    mask = disc(SIDE, SIDE)
    raster = png.Raster(width=SIDE, height=SIDE, channels=4, data=noise(channels=4).tobytes())
    after = array(lab.paint(init=pixels.from_file(png.encode(raster)), mask=pixels.mask(mask)))
    assert np.array_equal(after[mask == 0], noise(channels=4)[mask == 0])


@pytest.mark.parametrize("fill", ["ORIGINAL", "SURROUNDINGS", "NEUTRAL", "NOISE"])
def test_every_way_to_fill_leaves_the_outside_alone(lab, fill: str):
    mask = disc(SIDE, SIDE)
    settings = diffuse_pb2.InpaintSettings(fill=diffuse_pb2.FillMode.Value(f"FILL_MODE_{fill}"))
    after = repaint(lab, noise(), mask, inpaint=settings, strength=0.6)
    assert np.array_equal(after[mask == 0], noise()[mask == 0])
