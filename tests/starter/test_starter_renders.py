"""Depth renders and the hint: closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from velatura_starter.data.renders import Painter, Solid, disparity, shapes, texture_tiles, trace


def test_the_hint_follows_the_closed_form():
    z = torch.linspace(2.0, 6.0, 10_000).view(100, 100)
    mask = torch.ones_like(z, dtype=torch.bool)
    zn, zf = torch.quantile(z, 0.01), torch.quantile(z, 0.99)
    wanted = ((1 / z - 1 / zf) / (1 / zn - 1 / zf)).clamp(0.05, 1)
    assert torch.allclose(disparity(z, mask), wanted, atol=1e-6)


def test_the_background_is_exactly_zero_and_the_farthest_object_is_not():
    z = torch.full((8, 8), math.inf)
    z[2:6, 2:6] = torch.linspace(1, 3, 16).view(4, 4)
    hint = disparity(z, z.isfinite())
    assert (hint[~z.isfinite()] == 0).all()
    assert hint[z.isfinite()].min() == pytest.approx(0.05)
    assert hint.max() == 1


def test_a_plane_that_faces_the_camera_is_white_not_undefined():
    hint = disparity(torch.full((8, 8), 2.5), torch.ones(8, 8, dtype=torch.bool))
    assert (hint == 1).all()


def test_an_empty_scene_is_black():
    assert (disparity(torch.full((4, 4), math.inf), torch.zeros(4, 4, dtype=torch.bool)) == 0).all()


def test_a_ball_is_hit_where_geometry_says():
    n = 64
    line = (torch.arange(n) + 0.5) / n * 2 - 1
    y, x = torch.meshgrid(-line, line, indexing="ij")
    direction = torch.stack([x / 2, y / 2, torch.ones_like(x)], -1)
    ball = Solid(shapes()["sphere"], torch.eye(3), torch.tensor([0.0, 0.0, 4.0]), 1.0, 0)
    z, _ = trace([ball], torch.zeros(3), direction)
    # |t d - c|^2 = r^2 with d_z = 1: t is the camera's z.
    a, b, c = (direction**2).sum(-1), -8.0, 16 - 0.64
    root = b * b - 4 * a * c
    well_inside = root > 0.3
    wanted = (-b - root.clamp_min(0).sqrt()) / (2 * a)
    assert well_inside.sum() > 200
    assert torch.allclose(z[well_inside], wanted[well_inside], atol=5e-3)
    assert (z[root < -0.3] > 12).all()


def test_renders_have_depth_exactly_where_the_mask_says(dice):
    painter = Painter(*texture_tiles(64, dice(1), 64), dice(2), size=64)
    for _ in range(12):
        r = painter.render()
        assert torch.equal(r.depth.isfinite(), r.mask)
        assert r.mask.any()
        assert torch.isfinite(r.image).all()
        assert r.image.min() >= 0
        assert r.image.max() <= 1
