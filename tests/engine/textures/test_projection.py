"""Projection against a ray caster that shares no code with it: every face carries its number, every texel is asked."""

import time
from dataclasses import dataclass, replace

import numpy as np
import pytest
from velatura_engine.request import Mesh
from velatura_engine.textures.eyes import ViewArrays, eye
from velatura_engine.textures.memory import Memory
from velatura_engine.textures.projection import project

MAGENTA = (1.0, 0.0, 1.0)


@dataclass(frozen=True)
class Camera:
    world_to_camera: np.ndarray
    camera_to_clip: np.ndarray

    def rays(self, width, height):
        """World-space origins and directions (h, w, 3) with camera depth 1 per unit of direction."""
        x = (np.arange(width) + 0.5) / width * 2 - 1
        y = 1 - (np.arange(height) + 0.5) / height * 2
        x, y = np.meshgrid(x, y)
        m, pose = self.camera_to_clip, np.linalg.inv(self.world_to_camera)
        if m[3, 2]:
            way = np.stack([(x + m[0, 2]) / m[0, 0], (y + m[1, 2]) / m[1, 1], -np.ones_like(x)], -1)
            start = np.zeros_like(way)
        else:
            start = np.stack([(x - m[0, 3]) / m[0, 0], (y - m[1, 3]) / m[1, 1], np.zeros_like(x)], -1)
            way = np.broadcast_to([0.0, 0.0, -1.0], start.shape)
        return start @ pose[:3, :3].T + pose[:3, 3], way @ pose[:3, :3].T


def look(place, target=(0, 0, 0)):
    back = np.subtract(place, target) / np.linalg.norm(np.subtract(place, target))
    right = np.cross((0, 0, 1), back)
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([right, np.cross(back, right), back])
    matrix[:3, 3] = -matrix[:3, :3] @ place
    return matrix


def perspective(degrees=50.0, aspect=1.0, shift=(0.0, 0.0), near=0.1, far=100.0):
    f = 1 / np.tan(np.radians(degrees) / 2)
    return np.array(
        [
            [f / aspect, 0, 2 * shift[0], 0],
            [0, f, 2 * shift[1], 0],
            [0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)],
            [0, 0, -1, 0],
        ]
    )


def orthographic(scale=4.0, aspect=1.0, shift=(0.0, 0.0), near=0.1, far=100.0):
    matrix = np.diag([2 / scale / aspect, 2 / scale, -2 / (far - near), 1.0])
    matrix[0, 3], matrix[1, 3], matrix[2, 3] = -2 * shift[0], -2 * shift[1], -(far + near) / (far - near)
    return matrix


def quads(*corners):
    """A mesh of quads, each given by 4 corners counter-clockwise, laid side by side in UV with a gap."""
    side = int(np.ceil(np.sqrt(len(corners))))
    positions, triangles, uvs = [], [], []
    for number, quad in enumerate(corners):
        low = np.array([number % side, number // side]) + 0.05
        flat = (low + 0.9 * np.array([[0, 0], [1, 0], [1, 1], [0, 1]])) / side
        for pick in ((0, 1, 2), (0, 2, 3)):
            triangles.append([4 * number + k for k in pick])
            uvs.append(flat[list(pick)])
        positions.extend(quad)
    return Mesh(
        positions=np.array(positions, np.float32),
        triangles=np.array(triangles, np.uint32),
        uvs=np.array(uvs, np.float32),
    )


def box(size=1.0, middle=(0, 0, 0)):
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    points = signs * size / 2 + np.array(middle)
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return quads(*[[points[k] for k in face] for face in faces])


def cast(meshes, camera, width, height):
    """Depth (h, w), number of the mesh, of the triangle and its UVs at each pixel; -1 and infinity where nothing is."""
    start, way = (part.reshape(-1, 3) for part in camera.rays(width, height))
    depth, which = np.full(len(start), np.inf), np.full((len(start), 2), -1)
    uvs = np.zeros((len(start), 2))
    for number, mesh in enumerate(meshes):
        for triangle, (a, b, c) in enumerate(mesh.positions.astype(float)[mesh.triangles]):
            normal = np.cross(b - a, c - a)
            with np.errstate(divide="ignore", invalid="ignore"):
                t = (a - start) @ normal / (way @ normal)
                hit = start + t[:, None] * way - a
                v = np.cross(b - a, hit) @ normal / (normal @ normal)
                u = np.cross(hit, c - a) @ normal / (normal @ normal)
                ahead = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0) & (t < depth)
            depth[ahead], which[ahead] = t[ahead], (number, triangle)
            weights = np.stack([1 - u - v, u, v], 1)[ahead]
            uvs[ahead] = weights @ mesh.uvs[triangle].astype(float)
    return depth.reshape(height, width), which.reshape(height, width, 2), uvs.reshape(height, width, 2)


def truth(mesh, size):
    """Triangle of each texel by brute force, -1 for none, and its world position."""
    width, height = size
    owner, place = np.full((height, width), -1), np.zeros((height, width, 3))
    u, v = np.meshgrid((np.arange(width) + 0.5) / width, 1 - (np.arange(height) + 0.5) / height)
    for number, (a, b, c) in enumerate(mesh.uvs.astype(float)):
        (ax, ay), (bx, by) = b - a, c - a
        area = ax * by - ay * bx
        s = ((u - a[0]) * (c - a)[1] - (v - a[1]) * (c - a)[0]) / area
        t = ((v - a[1]) * (b - a)[0] - (u - a[0]) * (b - a)[1]) / area
        inside = (s >= 0) & (t >= 0) & (s + t <= 1) & (owner < 0)
        owner[inside] = number
        p, q, r = mesh.positions.astype(float)[mesh.triangles[number]]
        place[inside] = p + s[inside, None] * (q - p) + t[inside, None] * (r - p)
    return owner, place


def face_color(mesh, triangle):
    """A colour that tells the face: 2 triangles are a quad."""
    code = 1 + 40 * mesh + triangle // 2
    return np.stack([code % 5 / 4, code // 5 % 5 / 4 * 0.8 + 0.1, code // 25 / 4], -1)


def view_of(meshes, camera, size=(256, 256), **more):
    depth, which, _ = cast(meshes, camera, *size)
    color = np.where(which[..., :1] >= 0, face_color(which[..., 0], which[..., 1]), MAGENTA)
    return ViewArrays(
        world_to_camera=camera.world_to_camera,
        camera_to_clip=camera.camera_to_clip,
        color=color.astype(np.float32),
        depth=depth.astype(np.float32),
        **more,
    )


def wrong_ids(rgba, number, owner, count=2):
    """Painted texels whose colour is nearer to another face's (or the background's) than to their own face's."""
    known = np.array(
        [face_color(np.int64(m), np.int64(2 * face)) for m in range(count) for face in range(6)] + [MAGENTA]
    )
    nearest = np.linalg.norm(rgba[..., None, :3] - known, axis=-1).argmin(-1)
    return (rgba[..., 3] > 0) & (nearest != 6 * number + owner // 2)


def wrong_part(meshes, number, camera, size=(200, 200), knobs=None):
    """Part of the painted texels of a mesh with another face's colour, and the painting."""
    made = project(meshes[number], [view_of(meshes, camera, (320, 320))], size, **(knobs or {}))
    owner, _ = truth(meshes[number], size)
    painted = made.rgba[..., 3] > 0
    wrong = wrong_ids(made.rgba, number, owner)
    return wrong.sum() / max(painted.sum(), 1), painted, owner


CAMERAS = {
    "perspective": Camera(look((2.5, -3, 2)), perspective()),
    "orthographic": Camera(look((2.5, -3, 2)), orthographic()),
    "lens shift": Camera(look((2.5, -3, 2)), perspective(shift=(0.2, -0.15))),
    "shifted orthographic": Camera(look((2.5, -3, 2)), orthographic(shift=(0.1, 0.2))),
    "wide": Camera(look((1.2, -1.4, 1)), perspective(90)),
}


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize("margin", [0.0, 1.0])
def test_each_face_of_a_cube_gets_its_own_color(name, margin):
    wrong, painted, owner = wrong_part([box()], 0, CAMERAS[name], knobs={"edge_margin": margin})
    assert wrong <= 0.005
    assert {face for face in range(6) if painted[owner // 2 == face].mean() > 0.8} == {1, 2, 5}  # +x, -y, +z are seen
    assert not painted[np.isin(owner // 2, (0, 3, 4))].any()


def test_an_occluder_leaves_nothing_behind_itself():
    wall = quads([(-2, 1, -2), (2, 1, -2), (2, 1, 2), (-2, 1, 2)])
    meshes = [wall, box(1.0, (0, -0.5, 0))]
    camera = Camera(look((0.4, -4, 0.3)), perspective(70))
    wrong, painted, _ = wrong_part(meshes, 0, camera)
    _, place = truth(wall, (200, 200))
    behind = shadowed(place, box(0.96, (0, -0.52, 0)), camera)  # its front less a pixel and a bit
    assert wrong <= 0.005 and painted.mean() > 0.4
    assert behind.sum() > 1000 and not (painted & behind).any()
    wrong, painted, _ = wrong_part(meshes, 1, camera)
    assert wrong <= 0.005 and painted.any()


def shadowed(place, mesh, camera):
    """Whether a mesh stands between the camera and places (H, W, 3)."""
    start = np.linalg.inv(camera.world_to_camera)[:3, 3]
    way, blocked = place.reshape(-1, 3) - start, np.zeros(place[..., 0].size, bool)
    for a, b, c in mesh.positions.astype(float)[mesh.triangles]:
        normal = np.cross(b - a, c - a)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (a - start) @ normal / (way @ normal)
            hit = start + t[:, None] * way - a
            v, u = np.cross(b - a, hit) @ normal, np.cross(hit, c - a) @ normal
        blocked |= (u >= 0) & (v >= 0) & (u + v <= normal @ normal) & (t > 0) & (t < 0.999)
    return blocked.reshape(place.shape[:2])


@pytest.mark.parametrize("gap", [0.0, 0.001, 0.01])
def test_the_back_of_a_thin_shell_stays_bare(gap):
    front = [(-1, 0, -1), (1, 0, -1), (1, 0, 1), (-1, 0, 1)]
    back = [(-1, gap, -1), (-1, gap, 1), (1, gap, 1), (1, gap, -1)]
    _, painted, owner = wrong_part([quads(front, back)], 0, Camera(look((0.5, -3, 0.8)), perspective()))
    assert painted[owner // 2 == 0].mean() > 0.9
    assert not painted[owner // 2 == 1].any()


def test_a_second_wall_right_behind_the_first_stays_bare():
    front = [(-1, 0, -1), (1, 0, -1), (1, 0, 1), (-1, 0, 1)]
    second = [(-1, 0.05, -1), (1, 0.05, -1), (1, 0.05, 1), (-1, 0.05, 1)]
    wrong, painted, owner = wrong_part([quads(front, second)], 0, Camera(look((0.0, -3, 0.0)), perspective()))
    assert wrong <= 0.005 and painted[owner // 2 == 1].mean() < 0.01


@pytest.mark.parametrize("margin", [0.0, 1.0, 3.0])
def test_the_background_never_gets_onto_the_object(margin):
    view = view_of([box()], CAMERAS["perspective"])
    rgba = project(box(), [view], (300, 300), edge_margin=margin).rgba
    painted = rgba[rgba[..., 3] > 0][:, :3]
    assert len(painted) and (np.abs(painted - np.array(MAGENTA)).max(1) < 0.3).sum() == 0


def pattern(uv):
    """A smooth picture over UV space, 0..1."""
    u, v = uv[..., 0] * 12, uv[..., 1] * 12
    return np.stack([0.5 + 0.4 * np.sin(u), 0.5 + 0.4 * np.cos(v + 1), 0.5 + 0.4 * np.sin(u + v)], -1)


def psnr(error):
    return -10 * np.log10(np.mean(error**2))


@pytest.mark.parametrize("name", CAMERAS)
def test_a_known_texture_comes_back(name):
    camera, mesh, size = CAMERAS[name], box(), (256, 256)
    depth, which, uv = cast([mesh], camera, 512, 512)
    color = np.where(which[..., :1] >= 0, pattern(uv), MAGENTA)
    view = ViewArrays(
        world_to_camera=camera.world_to_camera, camera_to_clip=camera.camera_to_clip, color=color, depth=depth
    )
    rgba = project(mesh, [view], size).rgba
    u, v = np.meshgrid((np.arange(256) + 0.5) / 256, 1 - (np.arange(256) + 0.5) / 256)
    painted = rgba[..., 3] > 0
    assert painted.sum() > 10000
    assert psnr(rgba[painted][:, :3] - pattern(np.stack([u, v], -1))[painted]) >= 32


def test_fine_detail_stays_as_it_was_painted_though_texels_lie_between_pixels():
    wall = quads([(-1, 0, -1), (1, 0, -1), (1, 0, 1), (-1, 0, 1)])
    camera = Camera(look((0, -3, 0)), orthographic(2.4))
    depth, which, uv = cast([wall], camera, 128, 128)
    color = np.where(which[..., :1] >= 0, waves(uv), MAGENTA).astype(np.float32)
    view = ViewArrays(
        world_to_camera=camera.world_to_camera, camera_to_clip=camera.camera_to_clip, color=color, depth=depth
    )
    rgba = project(wall, [view], (256, 256)).rgba
    u, v = np.meshgrid((np.arange(256) + 0.5) / 256, 1 - (np.arange(256) + 0.5) / 256)
    inside = np.maximum(np.abs(u - 0.5), np.abs(v - 0.5)) < 0.4
    assert psnr((rgba[..., :3] - waves(np.stack([u, v], -1)))[inside]) >= 36  # along straight lines it is 32


def waves(uv):
    """About six pixels of the picture a wave, each way."""
    x, y = (np.sin(uv[..., part] * 2 * np.pi * 20) for part in (0, 1))
    return np.stack([0.5 + 0.4 * x, 0.5 + 0.4 * y, 0.5 + 0.2 * x * y], -1)


def test_what_lies_past_a_fold_has_no_say_in_what_is_painted_before_it():
    left, right = [(-1, 1, -1), (0, 0, -1), (0, 0, 1), (-1, 1, 1)], [(0, 0, -1), (1, 1, -1), (1, 1, 1), (0, 0, 1)]
    book, camera = quads(left, right), Camera(look((0, -3, 0)), orthographic(2.4))
    view = view_of([book], camera, (100, 100))
    pixel = 2.4 / 100
    shade = np.where((np.arange(100) + 0.5) / 100 < 0.5, 0.25, 0.75)
    color = np.broadcast_to(shade[None, :, None], (100, 100, 3)).astype(np.float32)
    rgba = project(book, [replace(view, color=color)], (200, 200)).rgba
    owner, place = truth(book, (200, 200))
    away, inside = np.abs(place[..., 0]), np.abs(place[..., 2]) < 0.9
    seen = (rgba[..., 3] > 0) & (owner >= 0) & inside & (away > pixel / 2) & (away < 3 * pixel)
    wanted = np.where(owner // 2 == 0, 0.25, 0.75)
    assert seen.sum() > 500
    assert np.abs(rgba[..., 0] - wanted)[seen].max() < 1e-6


def test_one_huge_quad_is_not_warped_by_perspective():
    floor = quads([(-20, -2, 0), (20, -2, 0), (20, 60, 0), (-20, 60, 0)])
    camera = Camera(look((0, -4, 3), (0, 2, 0)), perspective(60))
    depth, which, uv = cast([floor], camera, 400, 400)
    color = np.where(which[..., :1] >= 0, np.pad(uv, ((0, 0), (0, 0), (0, 1))), MAGENTA)
    view = ViewArrays(
        world_to_camera=camera.world_to_camera, camera_to_clip=camera.camera_to_clip, color=color, depth=depth
    )
    rgba = project(floor, [view], (400, 400)).rgba
    u, v = np.meshgrid((np.arange(400) + 0.5) / 400, 1 - (np.arange(400) + 0.5) / 400)
    painted = rgba[..., 3] > 0
    error = np.abs(rgba[..., :2] - np.stack([u, v], -1))[painted]
    assert painted.sum() > 5000 and error.max() < 0.005  # two texels, where a pixel is seven texels long


def test_depth_may_be_finer_or_coarser_than_the_picture():
    camera = CAMERAS["perspective"]
    fine, coarse = view_of([box()], camera, (384, 384)), view_of([box()], camera, (192, 192))
    for color, depth in ((fine, coarse), (coarse, fine)):
        view = ViewArrays(
            world_to_camera=camera.world_to_camera,
            camera_to_clip=camera.camera_to_clip,
            color=color.color,
            depth=depth.depth,
        )
        rgba = project(box(), [view], (200, 200)).rgba
        owner, _ = truth(box(), (200, 200))
        painted = rgba[..., 3] > 0
        wrong = wrong_ids(rgba, 0, owner)[painted]
        assert painted.mean() > 0.2 and wrong.mean() <= 0.005


def test_views_are_blended_and_the_one_that_faces_the_surface_wins():
    wall = quads([(-1, 0, -1), (1, 0, -1), (1, 0, 1), (-1, 0, 1)])
    cameras = [Camera(look((0, -4, 0.0)), perspective()), Camera(look((4, -2, 0.0)), perspective())]
    views = []
    for camera, shade in zip(cameras, (0.2, 0.8), strict=True):
        seen = view_of([wall], camera)
        views.append(
            ViewArrays(
                world_to_camera=seen.world_to_camera,
                camera_to_clip=seen.camera_to_clip,
                color=np.full_like(seen.color, shade),
                depth=seen.depth,
            )
        )
    soft = project(wall, views, (64, 64), exponent=0).rgba[32, 32, 0]
    sharp = project(wall, views, (64, 64), exponent=16).rgba[32, 32, 0]
    assert soft == pytest.approx(0.5, abs=1e-5) and sharp == pytest.approx(0.2, abs=1e-3)


def test_max_angle_leaves_steep_faces_out():
    camera = Camera(look((0.5, -3, 0.5)), perspective())
    _, painted, owner = wrong_part([box()], 0, camera, knobs={"max_angle": 60.0})
    assert painted[owner // 2 == 2].mean() > 0.9
    assert not painted[np.isin(owner // 2, (1, 5))].any()


def test_the_mask_keeps_its_pixels_and_its_soft_edge():
    wall = quads([(-1, 0, -1), (1, 0, -1), (1, 0, 1), (-1, 0, 1)])
    mask = np.zeros((256, 256), np.float32)
    mask[:, 100:128], mask[:, 128:] = 0.5, 1.0
    view = view_of([wall], Camera(look((0, -4, 0.0)), perspective()), mask=mask)
    alpha = project(wall, [view], (64, 64), base=np.zeros((64, 64, 3))).rgba[32, :, 3]
    assert alpha[5] == 0 and alpha[26] == pytest.approx(0.5) and alpha[50] == 1


def test_the_base_stays_where_nothing_is_painted_and_paint_bleeds_past_islands_only():
    base = np.full((200, 200, 4), 0.25, np.float32)
    view = view_of([box()], CAMERAS["perspective"])
    rgba = project(box(), [view], (200, 200), base=base, bleed=4).rgba
    owner, _ = truth(box(), (200, 200))
    bare = (owner >= 0) & (rgba[..., 3] == 0)
    assert bare.any() and (rgba[bare][:, :3] == 0.25).all()
    assert (rgba[owner < 0][:, 3] == 0).all() and (rgba[owner < 0][:, :3] != 0.25).any()


def test_bleeding_takes_the_nearest_painted_texel_and_no_further_than_asked():
    wall = quads([(-1, 0, -1), (1, 0, -1), (1, 0, 1), (-1, 0, 1)])
    view = view_of([wall], Camera(look((0, -4, 0.0)), perspective()))
    flat = ViewArrays(
        world_to_camera=view.world_to_camera,
        camera_to_clip=view.camera_to_clip,
        color=np.ones_like(view.color),
        depth=view.depth,
    )
    rgba = project(wall, [flat], (128, 128), bleed=3, edge_margin=0).rgba
    painted, filled = rgba[..., 3] > 0, rgba[..., 0] == 1
    rows, columns = np.nonzero(painted)
    y, x = np.indices(painted.shape)
    reach = np.hypot(
        np.maximum(np.maximum(rows.min() - y, y - rows.max()), 0),
        np.maximum(np.maximum(columns.min() - x, x - columns.max()), 0),
    )
    assert painted.sum() == (reach == 0).sum()
    np.testing.assert_array_equal(filled, reach <= 3)


def test_triangles_without_area_and_broken_numbers_are_skipped():
    good = box()
    positions = np.concatenate([good.positions, [[np.nan, 0, 0]]]).astype(np.float32)
    triangles = np.concatenate([[[0, 0, 1], [1, 2, len(positions) - 1]], good.triangles]).astype(np.uint32)
    uvs = np.concatenate([good.uvs[:2], good.uvs]).astype(np.float32)
    broken = Mesh(positions=positions, triangles=triangles, uvs=uvs)
    view = view_of([good], CAMERAS["perspective"])
    clean, odd = project(good, [view], (128, 128)), project(broken, [view], (128, 128))
    np.testing.assert_array_equal(clean.rgba, odd.rgba)
    assert odd.scores["degenerate"] == pytest.approx(2 / 14) and np.isfinite(odd.rgba).all()


def test_where_triangles_overlap_the_first_one_wins_and_the_score_says_so():
    good = box()
    doubled = Mesh(
        positions=good.positions,
        triangles=np.concatenate([good.triangles, good.triangles[::-1]]),
        uvs=np.concatenate([good.uvs, good.uvs]),
    )
    view = view_of([good], CAMERAS["perspective"])
    clean, odd = project(good, [view], (128, 128)), project(doubled, [view], (128, 128))
    np.testing.assert_array_equal(clean.rgba, odd.rgba)
    assert clean.scores["overlap"] == 0 and odd.scores["overlap"] > 0.9


def test_uvs_past_the_border_are_clipped_and_counted():
    good = box()
    shifted = Mesh(positions=good.positions, triangles=good.triangles, uvs=good.uvs + np.float32(0.5))
    made = project(shifted, [view_of([good], CAMERAS["perspective"])], (64, 64))
    assert made.scores["outside"] > 0.5 and made.rgba.shape == (64, 64, 4)


def test_nothing_in_view_gives_an_empty_texture():
    away = Camera(look((3, -3, 2), (6, -6, 4)), perspective())
    made = project(box(), [view_of([box()], away)], (32, 32))
    assert made.scores["coverage"] == 0 and not made.rgba.any()
    empty = Mesh(positions=np.zeros((0, 3)), triangles=np.zeros((0, 3), np.uint32), uvs=np.zeros((0, 3, 2)))
    assert not project(empty, [view_of([box()], away)], (32, 32)).rgba.any()


def test_a_view_made_ready_once_gives_the_same_and_so_does_a_second_run():
    view = view_of([box()], CAMERAS["perspective"])
    first = project(box(), [view], (128, 128)).rgba
    np.testing.assert_array_equal(first, project(box(), [eye(view, 1.0)], (128, 128)).rgba)


def test_it_can_be_stopped():
    class Stop(Exception):
        pass

    def check():
        raise Stop

    with pytest.raises(Stop):
        project(box(), [view_of([box()], CAMERAS["perspective"])], (64, 64), check=check)


def test_two_hundred_thousand_triangles_take_seconds():
    steps = 317
    x, y = (part.ravel() for part in np.meshgrid(np.linspace(-1, 1, steps), np.linspace(-1, 1, steps)))
    positions = np.stack([x, y, 0.1 * np.sin(6 * x) * np.cos(5 * y)], 1).astype(np.float32)
    corner = (np.arange(steps - 1)[:, None] * steps + np.arange(steps - 1)).ravel()
    triangles = np.concatenate(
        [
            np.stack([corner, corner + 1, corner + steps + 1], 1),
            np.stack([corner, corner + steps + 1, corner + steps], 1),
        ]
    )
    uvs = (np.stack([x, y], 1) * 0.5 + 0.5)[triangles].astype(np.float32)
    mesh = Mesh(positions=positions, triangles=triangles.astype(np.uint32), uvs=uvs)
    view = ViewArrays(
        world_to_camera=look((0, -0.1, 4)),
        camera_to_clip=perspective(),
        color=np.ones((64, 64, 3), np.float32),
        depth=np.full((64, 64), 4.0, np.float32),
    )
    began = time.process_time()
    made = project(mesh, [view], (1024, 1024), depth_tolerance=0.1)
    assert time.process_time() - began < 40  # of processor time; about 3 s on two idle cores
    assert len(triangles) > 199000 and made.scores["coverage"] > 0.9 and made.scores["overlap"] == 0


def test_what_was_seen_before_is_painted_again_with_other_colors_to_the_bit():
    memory = Memory()
    views = [view_of([box()], camera) for camera in list(CAMERAS.values())[:2]]
    project(box(), views, (96, 96), fill=True, memory=memory)
    kept = memory.size
    other = [
        replace(view, color=view.color[::-1].copy(), weight=weight) for view, weight in zip(views, (1, 3), strict=True)
    ]
    again = project(box(), other, (96, 96), exponent=2.0, fill=True, memory=memory)
    assert memory.size == kept > 0, "nothing was worked out anew"
    plain = project(box(), other, (96, 96), exponent=2.0, fill=True)
    np.testing.assert_array_equal(again.rgba, plain.rgba)
    assert again.scores == plain.scores


@pytest.mark.parametrize("which", [(0, 1), (2, 0), (1,), (1, 2, 0), (0, 0)])
def test_some_of_the_views_and_others_beside_them_are_blended_as_if_nothing_was_known(which):
    memory = Memory()
    views = [view_of([box()], camera) for camera in list(CAMERAS.values())[:3]]
    project(box(), views[:2], (96, 96), memory=memory)
    chosen = [replace(views[n], color=views[n].color[::-1].copy(), weight=1.0 + n) for n in which]
    for _ in range(2):
        again = project(box(), chosen, (96, 96), memory=memory)
        plain = project(box(), chosen, (96, 96))
        np.testing.assert_array_equal(again.rgba, plain.rgba)
        assert again.scores == plain.scores


def test_pictures_of_several_sizes_and_masks_are_blended_as_each_alone_would_be():
    """Where one view alone sees a face, the others change nothing."""
    cameras = [Camera(look(place), perspective()) for place in ((0, -3, 0.1), (0, 3, 0.1), (-3, 0, 0.1))]
    sizes = ((256, 256), (64, 96), (200, 40))
    soft = np.linspace(0.2, 1, 96 * 64, dtype=np.float32).reshape(96, 64)
    views = [
        view_of([box()], camera, size, mask=soft if number == 1 else None)
        for number, (camera, size) in enumerate(zip(cameras, sizes, strict=True))
    ]
    memory = Memory()
    made = project(box(), views, (128, 128), memory=memory).rgba
    shown = [project(box(), [view], (128, 128)).rgba for view in views]
    for number, alone in enumerate(shown):
        others = np.max([other[..., 3] for n, other in enumerate(shown) if n != number], axis=0)
        only = (alone[..., 3] > 0) & (others == 0)
        assert only.sum() > 500
        np.testing.assert_allclose(made[only], alone[only], atol=1e-6)
    np.testing.assert_array_equal(project(box(), views, (128, 128), memory=memory).rgba, made)


def test_another_camera_or_depth_or_size_is_not_mistaken_for_one_seen_before():
    memory = Memory()
    near, far = (view_of([box()], camera) for camera in list(CAMERAS.values())[:2])
    nothing = replace(near, depth=np.full_like(near.depth, np.inf))
    for view, size in ((near, (64, 64)), (far, (64, 64)), (nothing, (64, 64)), (near, (32, 64))):
        np.testing.assert_array_equal(
            project(box(), [view], size, memory=memory).rgba, project(box(), [view], size).rgba
        )
