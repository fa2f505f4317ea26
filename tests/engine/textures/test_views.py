"""Pictures carried from camera to camera, against colours that are known everywhere."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from engine.textures.test_projection import Camera, box, cast, look, orthographic, perspective, quads
from velatura_engine.textures import filling, views
from velatura_engine.textures.eyes import ViewArrays, eye
from velatura_engine.textures.projection import project

SIDE = 128
BOX = box(1.4)


def color_of(places):
    return 0.5 + 0.4 * np.sin(places * 5 + np.array([0.0, 1.0, 2.0]))


def seen(camera, meshes=(BOX,), counts=None):
    """A view whose colours are a function of the place, and those colours; magenta where nothing is."""
    depth, _, _ = cast(list(meshes), camera, SIDE, SIDE)
    start, way = camera.rays(SIDE, SIDE)
    hit = np.isfinite(depth)
    shown = np.where(hit[..., None], color_of(start + np.where(hit, depth, 0)[..., None] * way), (1.0, 0.0, 1.0))
    color = shown if counts is None else np.concatenate([shown, np.full((SIDE, SIDE, 1), counts)], 2)
    arrays = ViewArrays(
        world_to_camera=camera.world_to_camera, camera_to_clip=camera.camera_to_clip,
        color=color.astype(np.float32), depth=depth.astype(np.float32),
    )  # fmt: skip
    return arrays, shown, hit


def lens(kind):
    return perspective(45) if kind == "perspective" else orthographic(3.0)


@pytest.mark.parametrize("kind", ["perspective", "orthographic"])
def test_what_another_camera_painted_is_seen_where_it_is_and_nowhere_else(kind):
    first, second = Camera(look((2.5, -3, 2)), lens(kind)), Camera(look((3, 2.5, 2)), lens("perspective"))
    (there, _, _), (here, truth, hit) = seen(first), seen(second)
    carried = views.carry(eye(here, 0), [eye(there, 0)], (SIDE, SIDE))
    known = carried.known > 0
    _, which, _ = cast([BOX], second, SIDE, SIDE)
    both = np.isin(which[..., 1] // 2, (5, 1))  # the top and +x, which the first camera sees too
    inner = both & ~edges(which[..., 1] // 2)
    hidden = hit & ~both & ~edges(which[..., 1] // 2)
    assert known[inner].mean() > 0.98 and not known[hidden].any() and not known[~hit].any()
    off = np.abs(carried.color - truth).max(-1)
    assert np.median(off[known]) < 0.01 and (off[known & inner] > 0.1).mean() < 0.005
    assert (carried.facing[hit] > 0).mean() > 0.99 and not carried.facing[~hit].any()


def test_fine_detail_is_carried_over_as_it_was_painted():
    wall = quads([(-2, 0, -2), (2, 0, -2), (2, 0, 2), (-2, 0, 2)])
    there, here = (Camera(look((shift, -3, shift / 2), (shift, 0, shift / 2)), orthographic(2.0)) for shift in (0, 0.1))

    def waves(camera):
        start, _ = camera.rays(SIDE, SIDE)
        return 0.5 + 0.4 * np.sin(2 * np.pi * 10 * start)  # about six pixels a wave

    (before, _, _), (after, _, _) = seen(there, [wall]), seen(here, [wall])
    before = replace(before, color=waves(there).astype(np.float32))
    carried = views.carry(eye(after, 0), [eye(before, 0)], (SIDE, SIDE))
    inner = np.s_[16:-16, 16:-16]
    assert carried.known[inner].min() > 0.99
    off = (carried.color - waves(here))[inner][..., [0, 2]]
    assert 10 * np.log10(1 / (off**2).mean()) >= 34  # along straight lines it is 31


def edges(faces):
    """Pixels beside another face."""
    found = np.zeros(faces.shape, bool)
    for axis in (0, 1):
        for step in (-1, 1, -2, 2):
            found |= np.roll(faces, step, axis) != faces
    return found


def test_the_angle_is_that_of_the_surface():
    wall = quads([(-2, 0, -2), (2, 0, -2), (2, 0, 2), (-2, 0, 2)])
    for degrees in (0, 40, 70):
        turn = np.radians(degrees)
        camera = Camera(look((3 * np.sin(turn), -3 * np.cos(turn), 0)), orthographic(0.5))
        here, _, hit = seen(camera, [wall])
        facing = views.carry(eye(here, 0), [], (SIDE, SIDE)).facing
        np.testing.assert_allclose(facing[hit], np.cos(turn), atol=1e-4)


def carried_of(known, facing):
    shape = np.asarray(known, np.float32).reshape(1, -1).repeat(8, 0), np.asarray(facing, np.float32).reshape(1, -1)
    return views.Carried(np.zeros((*shape[0].shape, 3), np.float32), shape[0], shape[1].repeat(8, 0))


def test_unknown_surfaces_are_painted_known_ones_kept_and_better_seen_ones_refined():
    known = [0.0] * 16 + [0.9] * 16 + [0.4] * 16 + [0.5] * 16
    facing = [0.8] * 16 + [0.9] * 16 + [0.95] * 16 + [0.0] * 16
    asked = views.wanted(carried_of(known, facing), refine=0.4, gain=0.2)[4]
    assert asked[5] == 1 and asked[28] == 0 and asked[44] == pytest.approx(0.4) and asked[60] == 1
    counts = views.counts(asked[None], 0.4)[0]
    assert counts[5] == 1 and counts[28] == pytest.approx(views.FLOOR) and counts[44] == 1


def test_a_worse_look_never_paints_over_a_better_one():
    grid = np.linspace(0.2, 1, 64)
    asked = views.wanted(carried_of(grid, grid - 0.15), refine=1.0, gain=0.0)
    assert asked.max() == 0


def test_pixels_that_only_repeat_others_are_outvoted():
    camera = Camera(look((0.3, -3, 0.5)), perspective(45))
    (good, _, _), (copied, _, _) = seen(camera), seen(camera, counts=views.FLOOR)
    wrong = ViewArrays(**{name: getattr(copied, name) for name in ("world_to_camera", "camera_to_clip", "depth")},
                       color=np.concatenate([0 * copied.color[..., :3], copied.color[..., 3:]], 2))  # fmt: skip
    alone = project(BOX, [good], (96, 96)).rgba
    both = project(BOX, [good, wrong], (96, 96))
    assert np.abs(alone - both.rgba)[..., :3].max() < 0.02
    copy = project(BOX, [copied], (96, 96)).rgba
    np.testing.assert_allclose(copy[..., :3], alone[..., :3], atol=1e-5)  # with nobody else they count


def test_views_that_differ_are_told_by_how_much_they_differ():
    camera, other = Camera(look((0.3, -3, 0.5)), perspective(45)), Camera(look((-0.3, -3, 0.5)), perspective(45))
    same = project(BOX, [seen(camera)[0], seen(other)[0]], (96, 96)).scores["agreement"]
    one = seen(camera)[0]
    shifted = ViewArrays(world_to_camera=one.world_to_camera, camera_to_clip=one.camera_to_clip, depth=one.depth,
                         color=np.clip(one.color + 0.2, 0, 1).astype(np.float32))  # fmt: skip
    apart = project(BOX, [shifted, seen(other)[0]], (96, 96)).scores["agreement"]
    assert same < 1.5 < 6 < apart
    assert "agreement" not in project(BOX, [one], (96, 96)).scores


def test_what_nobody_saw_is_coloured_like_what_is_near_in_space():
    camera = Camera(look((2.5, -3, 2)), perspective(45))
    made = project(BOX, [seen(camera)[0]], (120, 120), fill=True)
    bare = project(BOX, [seen(camera)[0]], (120, 120))
    painted = made.rgba[..., 3] > 0
    np.testing.assert_array_equal(painted, bare.rgba[..., 3] > 0)
    np.testing.assert_array_equal(made.rgba[painted], bare.rgba[painted])
    assert made.scores == bare.scores and 0.4 < made.scores["coverage"] < 0.6
    assert (made.rgba[..., :3].min(-1) > 0).mean() > 0.5


def test_a_thin_wall_is_filled_from_its_own_side():
    grid = np.stack(np.meshgrid(np.linspace(0, 1, 20), np.linspace(0, 1, 20)), -1).reshape(-1, 2)
    front, back = (np.c_[grid, np.full(len(grid), z)] for z in (0.0, 0.001))
    away, there = np.tile((0.0, 0.0, -1.0), (len(grid), 1)), np.tile((0.0, 0.0, 1.0), (len(grid), 1))
    seen_back = grid[:, 0] < 0.9
    places = np.concatenate([front, back[seen_back]])
    normals = np.concatenate([away, there[seen_back]])
    paint = np.where(normals[:, 2:] > 0, (0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    found = filling.neighbours(places, normals, back[~seen_back], there[~seen_back])
    found = (paint[found.which] * found.share[..., None]).sum(1)
    np.testing.assert_allclose(found, np.tile((0.0, 0.0, 1.0), (len(found), 1)), atol=0.02)


def test_filling_works_where_denormal_numbers_are_flushed_as_in_the_worker():
    flat = np.zeros((64, 3))
    up = np.tile((0.0, 0.0, 1.0), (64, 1))
    torch.set_flush_denormal(True)
    try:
        found = filling.neighbours(flat, up, flat[:2], up[:2])
    finally:
        torch.set_flush_denormal(False)
    np.testing.assert_allclose(found.share.sum(1), 1, rtol=1e-6)
