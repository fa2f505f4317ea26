"""Views that share what they show: agreed they stay, apart they meet where both see, and nothing reaches further."""

import numpy as np
import pytest
import torch
from engine.textures.test_projection import Camera, look, perspective
from engine.textures.test_views import SIDE, seen
from velatura_engine.textures.sharing import Sharing

PLACES = [(2.5, -3, 2), (3, 2.5, 2), (-2.5, -3, 2)]
"""All see the top of a box; the first shares a side with each of the others."""


@pytest.fixture(scope="module")
def scene():
    """Arrays of three views, their colours (3, 3, H, W), where they show something, and their sharing."""
    made = [seen(Camera(look(place), perspective(45))) for place in PLACES]
    colors = torch.stack([torch.from_numpy(truth).permute(2, 0, 1).float() for _, truth, _ in made])
    arrays = [each[0] for each in made]
    return arrays, colors, torch.from_numpy(np.stack([hit for _, _, hit in made])), Sharing(arrays, (SIDE, SIDE))


def test_views_that_agree_stay_as_they_are(scene):
    _, colors, hit, sharing = scene
    off = (sharing.blend(colors, 4.0) - colors).abs().amax(1)
    assert off[hit].median() < 0.005 and (off[hit] > 0.1).float().mean() < 0.01
    assert not off[~hit].any()


def test_views_that_differ_meet_where_several_see_and_stay_apart_elsewhere(scene):
    _, colors, hit, sharing = scene
    tints = torch.zeros_like(colors)
    tints[0] = 1.0
    blended = sharing.blend(tints, 1.0)[:, 0]
    shared = (blended > 0.05) & (blended < 0.95)
    assert 0.2 < shared[hit].float().mean() < 0.8
    assert (blended[0][hit[0]] == 1).any() and (blended[1][hit[1]] == 0).any()
    again = sharing.blend(blended[:, None].expand_as(colors).contiguous(), 1.0)[:, 0]
    apart = (again - blended).abs()[hit]
    assert apart.median() < 0.01 and (apart > 0.05).float().mean() < 0.05  # a place has one colour, seen from anywhere


def test_a_high_power_leaves_each_place_to_whom_it_faces(scene):
    _, colors, hit, sharing = scene
    tints = torch.zeros_like(colors)
    tints[0] = 1.0

    def mixed(power):
        blended = sharing.blend(tints, power)[:, 0][hit]
        return ((blended > 0.05) & (blended < 0.95)).float().mean()

    assert mixed(16.0) < 0.75 * mixed(1.0)


def test_how_much_is_a_views_own_is_what_the_blend_leaves_of_it(scene):
    _, colors, hit, sharing = scene
    for number in range(len(PLACES)):
        lit = torch.zeros_like(colors)
        lit[number] = 1.0
        expected = torch.where(hit[number], sharing.blend(lit, 4.0, [number])[0, 0], 1.0)
        np.testing.assert_allclose(sharing.own(4.0, [number])[0].numpy(), expected.numpy(), atol=1e-5)


def test_only_the_views_that_are_asked_for_are_blended(scene):
    _, colors, _, sharing = scene
    assert torch.equal(sharing.blend(colors, 2.0, [2]), sharing.blend(colors, 2.0)[2:])


def test_latents_are_shared_like_pixels(scene):
    arrays, colors, _, _ = scene
    coarse = torch.nn.functional.avg_pool2d(torch.cat([colors, colors], 1), 4)  # six channels, a quarter as large
    sharing = Sharing(arrays, (SIDE // 4, SIDE // 4))
    off = (sharing.blend(coarse, 4.0) - coarse).abs().amax(1)
    assert off.median() < 0.02 and (off > 0.25).float().mean() < 0.05
