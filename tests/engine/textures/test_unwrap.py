"""Texture space: what is nearest to a texel, and which triangles a camera may see."""

import numpy as np
import pytest
import torch
from engine.textures.test_projection import CAMERAS, Camera, box, look, perspective, quads, view_of
from velatura_engine.textures.eyes import eye
from velatura_engine.textures.sight import Rules, may_see, sight
from velatura_engine.textures.unwrap import Facets, nearest, unwrap


@pytest.mark.parametrize(("share", "reach"), [(0.001, 7), (0.02, 5), (0.3, 16), (0.9, 1)])
def test_the_nearest_known_texel_is_found_exactly_and_no_farther_than_asked(share, reach):
    known = np.random.default_rng(3).random((37, 53)) < share
    known[36, 0] = True  # a corner
    to, of = (each.numpy() for each in nearest(torch.from_numpy(known), reach, lambda: None))
    y, x = np.indices(known.shape)
    rows, columns = np.nonzero(known)
    square = (y[..., None] - rows) ** 2 + (x[..., None] - columns) ** 2
    least = square.min(-1)
    expected = np.flatnonzero((least <= reach**2) & ~known)
    np.testing.assert_array_equal(to, expected)
    assert known.ravel()[of].all()
    off = (to // 53 - of // 53) ** 2 + (to % 53 - of % 53) ** 2
    np.testing.assert_array_equal(off, least.ravel()[expected])


@pytest.mark.parametrize("name", [*CAMERAS, "on the floor"])
def test_no_triangle_is_left_out_that_shows_a_texel(name):
    floor = [(-9, -9, -0.5), (9, -9, -0.5), (9, 9, -0.5), (-9, 9, -0.5)]  # it reaches behind the camera
    mesh = quads(floor) if name == "on the floor" else box()
    camera = Camera(look((0.5, -3, 0.2), (0, 3, -0.5)), perspective(70)) if name == "on the floor" else CAMERAS[name]
    one = eye(view_of([mesh], camera), 1.0)
    surface = unwrap(mesh, (128, 128))
    facets = Facets(surface)
    texels = torch.nonzero(surface.owner.view(-1) < len(surface.triangles))[:, 0]
    shown = sight(one, facets.places(texels), Rules(max_angle=89.0, exponent=1.0, depth_tolerance=0.002))
    seen = torch.unique(facets.triangles(texels)[shown.places.long()])
    may = may_see(one, facets.corners, facets.planes)
    assert len(seen) and may[seen].all()
    assert name == "on the floor" or int(may.sum()) == 6, "three sides of a cube face any camera outside"
