"""Depth in metres through the whole engine, by a ControlNet and by a UNet with a fifth channel."""

from __future__ import annotations

import numpy as np
import pytest
from contract.lab import SIDE, ramp
from velatura import pixels

MODELS = {"a ControlNet": "tiny", "a fifth channel": "tiny-five"}


def plane(metres: float = 3.0) -> np.ndarray:
    """A wall that faces the camera; an orthographic camera sees every wall so that it looks at."""
    return np.full((SIDE, SIDE), metres, np.float32)


def framed(metres: float = 3.0) -> np.ndarray:
    """The same wall with nothing around it."""
    depth = np.full((SIDE, SIDE), np.inf, np.float32)
    depth[16:48, 16:48] = metres
    return depth


def lone() -> np.ndarray:
    """One pixel of a surface."""
    depth = np.zeros((SIDE, SIDE), np.float32)
    depth[30, 30] = 2.0
    return depth


def slope() -> np.ndarray:
    """A floor under an orthographic camera: its distance is linear, and large beside its extent."""
    return (1e4 + np.linspace(-1, 1, SIDE, dtype=np.float32))[:, None].repeat(SIDE, 1)


SCENES = {"a flat plane": plane, "a flat plane in nothing": framed, "one pixel": lone, "an orthographic floor": slope}


@pytest.mark.parametrize("way", MODELS)
@pytest.mark.parametrize("scene", SCENES)
def test_a_scene_without_relief_paints_numbers(lab, way: str, scene: str):
    (painted,) = lab.exact(model=MODELS[way], depth=pixels.depth_map(SCENES[scene]()))
    assert np.isfinite(painted).all()
    assert painted.std() > 0


@pytest.mark.parametrize("way", MODELS)
def test_depth_leads_the_picture(lab, way: str):
    model = MODELS[way]
    led = lab.paint(model=model, depth=pixels.depth_map(ramp()))
    mirrored = lab.paint(model=model, depth=pixels.depth_map(ramp()[:, ::-1].copy()))
    flat = lab.paint(model=model, depth=pixels.depth_map(plane()))
    assert len({led, mirrored, flat}) == 3


@pytest.mark.parametrize("way", MODELS)
def test_depth_means_the_same_in_any_unit(lab, way: str):
    (near,), (far,) = (
        lab.exact(model=MODELS[way], depth=pixels.depth_map(ramp() * scale))
        for scale in (np.float32(1), np.float32(1e3))
    )
    assert np.abs(near - far).max() <= 1e-3


@pytest.mark.parametrize("way", MODELS)
def test_disparity_leads_too_and_flat_disparity_paints_numbers(lab, way: str):
    ready = pixels.depth_map(1 / ramp(), disparity=True)
    flat = pixels.depth_map(np.full((SIDE, SIDE), 0.5, np.float32), disparity=True)
    (led,), (even,) = (lab.exact(model=MODELS[way], depth=depth) for depth in (ready, flat))
    assert np.isfinite(even).all() and not np.array_equal(led, even)


def test_depth_and_a_mask_and_tiling_go_together(lab):
    before = np.full((SIDE, SIDE, 3), 90, np.uint8)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[16:48, 16:48] = True
    job = {"init": pixels.from_array(before), "mask": pixels.mask(mask), "tile": "xy"}
    (painted,) = lab.exact(depth=pixels.depth_map(plane()), **job)
    assert np.isfinite(painted).all() and not np.array_equal(painted[mask], before[mask] / np.float32(255))
