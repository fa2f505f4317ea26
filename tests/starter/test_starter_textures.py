"""The procedural materials: periodic, labelled, in the colour they say, and two constructions of each."""

from __future__ import annotations

import pytest
import torch
from velatura_starter.data.families import family_a, family_b, material_names
from velatura_starter.data.fields import Canvas, blur, cloud, grain
from velatura_starter.data.palette import COLOURS, colour_names, sample_colours
from velatura_starter.data.textures import ATTRIBUTES, draw
from velatura_starter.seams import seam_percentiles

PROGRAMS = [
    pytest.param(material, program, id=f"{letter}-{program.__name__}")
    for letter, family in (("a", family_a()), ("b", family_b()))
    for material, programs in family.items()
    for program in programs
]


@pytest.mark.parametrize(("material", "program"), PROGRAMS)
def test_a_program_draws_finite_maps_in_range(material, program, dice):
    batch = draw(program, material, batch=2, size=64, generator=dice(1))
    assert batch.image.shape == (2, 3, 64, 64)
    for values in (batch.image, batch.surface.albedo, batch.surface.height, batch.surface.roughness, batch.ao):
        assert torch.isfinite(values).all()
        assert values.min() >= 0
        assert values.max() <= 1
    assert batch.image.std() > 0.01


@pytest.mark.parametrize(("material", "program"), PROGRAMS)
@pytest.mark.parametrize("step", [(1, 0), (0, 1), (-2, 3)])
def test_a_program_repeats_after_one_tile(material, program, step, dice, monkeypatch):
    here = draw(program, material, batch=2, size=48, generator=dice(5)).image
    uv = Canvas.uv
    monkeypatch.setattr(Canvas, "uv", lambda self: tuple(x + s for x, s in zip(uv(self), step, strict=True)))
    there = draw(program, material, batch=2, size=48, generator=dice(5)).image
    # Rounding may move a pixel on a hard edge to the other side.
    assert (there - here).abs().mean() < 3e-3


def test_noise_is_no_rougher_at_its_border_than_inside(dice):
    for make in (grain, lambda c: cloud(c, 20), lambda c: cloud(c, 20, 1.6, (6, 1)), lambda c: blur(cloud(c, 9), 3)):
        field = make(Canvas(64, 64, 1.0, dice(2))).unsqueeze(1).expand(-1, 3, -1, -1)
        for axis in "xy":
            assert 0.35 < seam_percentiles(field, axis, dice(1))["d1"] < 0.65


def test_cutting_a_texture_shows_as_a_seam(dice):
    images = torch.cat([draw(p[0], m, batch=2, size=128, generator=dice(3)).image for m, p in family_a().items()])
    whole, cut = (seam_percentiles(x, "x", dice(1))["d1"] for x in (images.roll(37, -1), images[..., :101]))
    assert whole < 0.65
    assert cut > whole + 0.15


def test_both_families_cover_every_material_and_share_no_program():
    a, b = family_a(), family_b()
    assert tuple(a) == tuple(b) == material_names()
    assert len(a) >= 24
    assert not {p for ps in a.values() for p in ps} & {p for ps in b.values() for p in ps}


def test_labels_name_the_material_and_the_colours_asked(dice):
    program = family_a()["brick"][0]
    asked = torch.tensor([0, 5, 9])
    batch = draw(program, "brick", batch=3, size=32, generator=dice(2), plain=True, colours=asked)
    assert [told.colour for told in batch.labels] == ["red", "blue", "white"]
    assert {told.material for told in batch.labels} == {"brick"}
    assert {told.attribute for told in batch.labels} == {None}


def test_every_attribute_is_drawn_some_time(dice):
    program, generator = family_a()["planks"][0], dice(4)
    seen = {draw(program, "planks", batch=1, size=32, generator=generator).labels[0].attribute for _ in range(120)}
    assert seen == {None, *ATTRIBUTES}


def test_named_colours_do_not_overlap(dice):
    names = colour_names()
    labels = torch.arange(len(names)).repeat(200)
    rgb = sample_colours(labels, dice(5)).flatten(1)
    centres = torch.stack([rgb[labels == i].mean(0) for i in range(len(names))])
    # The nearest mean colour is the right one for nearly every sample, even in plain RGB.
    nearest = torch.cdist(rgb, centres).argmin(1)
    assert (nearest == labels).float().mean() > 0.95
    assert len(COLOURS) == 12


@pytest.mark.parametrize("material", material_names())
def test_the_colour_of_a_plain_sample_dominates(material, dice):
    reds = torch.zeros(8, dtype=torch.long)
    image = draw(family_a()[material][0], material, batch=8, size=96, generator=dice(6), plain=True, colours=reds).image
    mean = image.mean((0, 2, 3))
    assert mean[0] > 1.25 * mean[1]
    assert mean[0] > 1.25 * mean[2]


def test_the_same_seed_draws_the_same_picture(dice):
    program = family_a()["marble"][0]
    one, two = (draw(program, "marble", batch=1, size=48, generator=dice(9)).image for _ in range(2))
    assert torch.equal(one, two)
