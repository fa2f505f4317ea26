"""Meshes of depth maps against surfaces that are known everywhere."""

import numpy as np
import pytest
from engine.textures.test_projection import Camera, look, orthographic, perspective
from velatura_engine.planning.reliefs import pinhole
from velatura_engine.textures.relief import relief, sheet, unproject

WIDTH, HEIGHT = 96, 64
LENS = pinhole(WIDTH, HEIGHT, 60)
NORMAL = np.array([0.3, 0.2, 1.0])


def ways(lens=LENS, width=WIDTH, height=HEIGHT):
    """Directions (H, W, 3) through the pixels' centres, one metre deep."""
    x, y = (np.arange(width) + 0.5) / width * 2 - 1, 1 - (np.arange(height) + 0.5) / height * 2
    return np.stack(np.broadcast_arrays((x / lens[0, 0])[None], (y / lens[1, 1])[:, None], -1.0), 2)


def plane():
    """Depth of the plane NORMAL . p = -5."""
    return (-5 / (ways() @ NORMAL)).astype(np.float32)


def ball(around=0.0):
    """Depth of a ball of radius 1 at (0, 0, -4), with a wall at `around` metres behind it, or nothing."""
    way = ways()
    length = (way**2).sum(2)
    middle = 4 / length
    under = middle**2 - 15 / length
    return np.where(under > 0, middle - np.sqrt(np.maximum(under, 0)), around).astype(np.float32)


def sides(surface):
    """Which way the triangles face: positive toward the camera at the origin."""
    corners = surface.positions[surface.triangles].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return -(normals * corners.mean(1)).sum(1)


def test_a_field_of_view_goes_over_the_longer_side():
    wide, high = pinhole(200, 100, 90), pinhole(100, 200, 90)
    assert (wide[0, 0], wide[1, 1]) == pytest.approx((1, 2)) and (high[0, 0], high[1, 1]) == pytest.approx((2, 1))


def test_a_plane_lies_where_it_is_and_faces_the_camera():
    surface = relief(plane(), LENS)
    assert len(surface.positions) == WIDTH * HEIGHT
    assert len(surface.triangles) == 2 * (WIDTH - 1) * (HEIGHT - 1)
    assert np.abs(surface.positions @ NORMAL + 5).max() < 2e-6
    assert np.allclose(surface.positions, (ways() * plane()[..., None]).reshape(-1, 3), atol=1e-6)
    assert (sides(surface) > 0).all()


def test_a_ball_lies_where_it_is_without_what_is_not_there():
    surface = relief(ball(), LENS)
    distance = np.linalg.norm(surface.positions - np.array([0, 0, -4]), axis=1)
    assert np.abs(distance - 1).max() < 2e-6
    assert (sides(surface) > 0).all()


def test_every_vertex_wears_the_pixel_it_was_seen_in():
    surface = relief(ball(6.0), LENS)
    seen = surface.positions.astype(np.float64)
    clip = np.concatenate([seen, np.ones((len(seen), 1))], 1) @ LENS.T
    assert np.allclose(surface.uvs, clip[:, :2] / clip[:, 3:] / 2 + 0.5, atol=1e-6)


@pytest.mark.parametrize("lens", [perspective(45), orthographic(3.0)], ids=["perspective", "orthographic"])
def test_a_given_camera_puts_the_mesh_into_the_world(lens):
    shift = np.eye(4)
    shift[0, 3] = 0.2  # also where the picture is not centred
    camera = Camera(look((3, -4, 2)), shift @ lens)
    start, way = camera.rays(WIDTH, HEIGHT)
    z = np.random.default_rng(2).uniform(3, 3.01, (HEIGHT, WIDTH)).astype(np.float32)
    surface = relief(z, camera.camera_to_clip, camera.world_to_camera)
    assert np.allclose(surface.positions.reshape(HEIGHT, WIDTH, 3), start + way * z[..., None], atol=1e-5)


def test_nothing_goes_from_one_thing_to_what_it_hides():
    surface = relief(ball(6.0), LENS, jump=0.1)
    spread = np.abs(surface.positions[surface.triangles][..., 2]).max(1) / np.abs(
        surface.positions[surface.triangles][..., 2]
    ).min(1)
    assert spread.max() <= 1.1 + 1e-6
    behind = np.abs(surface.positions[:, 2] - -6) < 1e-6
    assert behind.any() and not behind.all()
    assert (behind[surface.triangles].all(1) | ~behind[surface.triangles].any(1)).all()


def test_a_large_jump_leaves_the_mesh_whole():
    assert len(relief(ball(6.0), LENS, jump=10).triangles) == 2 * (WIDTH - 1) * (HEIGHT - 1)


def test_a_step_cuts_just_the_quads_across_it():
    z = np.full((8, 10), 2, np.float32)
    z[:, 5:] = 3
    triangles = sheet(z, 0.05)
    assert len(triangles) == 2 * 7 * (9 - 1)
    assert not ((triangles % 10 == 4).any(1) & (triangles % 10 == 5).any(1)).any()


def test_of_a_quad_with_one_hole_the_other_triangle_stays():
    for hole, kept in ((0, {1, 2, 3}), (1, {0, 2, 3}), (2, {0, 1, 3}), (3, {0, 1, 2})):
        z = np.ones(4, np.float32)
        z[hole] = 0
        assert [set(each) for each in sheet(z.reshape(2, 2), 0.05)] == [kept]


def test_a_depth_of_holes_has_no_triangle():
    surface = relief(np.zeros((4, 4), np.float32), LENS)
    assert (len(surface.positions), len(surface.triangles)) == (0, 0)


def test_unprojecting_undoes_projecting():
    dice = np.random.default_rng(3)
    lens = LENS.copy()
    lens[0, 2], lens[1, 2] = 0.3, -0.2
    z = dice.uniform(1, 9, (HEIGHT, WIDTH))
    places = np.concatenate([unproject(z, lens), np.ones((HEIGHT, WIDTH, 1))], 2)
    clip = places @ lens.T
    x, y = clip[..., 0] / clip[..., 3], clip[..., 1] / clip[..., 3]
    assert np.allclose((x[0] + 1) / 2 * WIDTH, np.arange(WIDTH) + 0.5)
    assert np.allclose((1 - y[:, 0]) / 2 * HEIGHT, np.arange(HEIGHT) + 0.5)
