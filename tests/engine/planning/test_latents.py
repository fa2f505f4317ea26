"""Variations, windows and bands along the edges, with every gap filled."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from velatura_engine.errors import Invalid, Unsupported
from velatura_engine.models.entry import ModelEntry
from velatura_engine.pixels.picture import Picture
from velatura_engine.plan import VariationPlan, WindowsPlan
from velatura_engine.planning.latents import edge_mask, mended, plan_vae_tile, plan_variation, plan_windows
from velatura_engine.request import Diffuse, Reference, Tiling, Variation, Windows

MODEL = ModelEntry(
    id="m", title="M", kind="checkpoint", family="sd1", path=Path("m"), format="diffusers", size_multiple=16,
    native_size=256,
)  # fmt: skip


def draw() -> int:
    return 7


def test_nothing_asked_is_nothing_done():
    assert plan_variation(None, (64, 64), 1, draw) is None
    assert plan_windows(Diffuse(prompt="moss"), MODEL, "f") is None


def test_subseeds_count_on_and_begin_anew_after_the_last():
    plan = plan_variation(Variation(subseed=2**64 - 1, strength=0.5), (64, 64), 3, draw)
    assert plan == VariationPlan(subseeds=(2**64 - 1, 0, 1), strength=0.5, seed_size=None)


def test_a_subseed_is_drawn_only_where_one_is_needed():
    plans = [plan_variation(Variation(strength=strength), (64, 64), 2, draw) for strength in (0.5, 0.0)]
    assert [plan.subseeds for plan in plans if plan] == [(7, 8), (0, 1)]


def test_a_side_of_the_noise_that_was_left_open_is_the_canvas_own():
    plan = plan_variation(Variation(seed_width=128), (64, 32), 1, draw)
    assert plan is not None and plan.seed_size == (128, 32)


@pytest.mark.parametrize(
    ("asked", "planned"),
    [
        (Windows(), (256, 64)),
        (Windows(size=128), (128, 32)),
        (Windows(size=130, overlap=1), (144, 16)),
        (Windows(size=96, overlap=0), (96, 0)),
        (Windows(overlap=128), (256, 128)),
    ],
)
def test_windows_become_multiples_of_the_models(asked, planned):
    assert plan_windows(Diffuse(prompt="moss", windows=asked), MODEL, "f") == WindowsPlan(
        size=planned[0], overlap=planned[1]
    )


def test_windows_of_a_single_multiple_have_nothing_to_share():
    assert plan_windows(
        Diffuse(prompt="moss", windows=Windows(size=64)), replace(MODEL, size_multiple=64), "f"
    ) == WindowsPlan(size=64, overlap=0)


def test_more_than_half_shared_is_refused():
    with pytest.raises(Invalid) as caught:
        plan_windows(Diffuse(prompt="moss", windows=Windows(size=128, overlap=80)), MODEL, "f")
    assert caught.value.field == "f.windows.overlap" and "64" in caught.value.remedy


def test_a_reference_that_counts_in_places_does_not_go_through_windows():
    picture = Picture(np.zeros((48, 64, 3), np.float32))
    with pytest.raises(Unsupported) as caught:
        asked = (Reference(image=picture), Reference(image=picture, mask=picture))
        plan_windows(Diffuse(prompt="moss", windows=Windows(), references=asked), MODEL, "f")
    assert caught.value.field == "f.references[1].mask"


@pytest.mark.parametrize(("x", "y"), [(True, False), (False, True), (True, True)])
def test_the_band_lies_along_the_edges_that_meet_and_fades_inward(x, y):
    mask = edge_mask((64, 48), 8, x=x, y=y)[..., 0]
    assert mask.shape == (48, 64)
    assert np.array_equal(mask, mask[::-1, ::-1])
    assert (mask[8:40, 8:56] == 0).all()
    assert (mask[:, :4] == 1).all() == x and (mask[:4] == 1).all() == y
    middle = mask[24, :9] if x else mask[:9, 32]
    assert (np.diff(middle) <= 0).all() and 0 < middle[5] < 1


def test_mending_is_repainting_along_the_edges():
    ask = Diffuse(prompt="moss", init=Picture(np.zeros((48, 64, 3), np.float32)), tiling=Tiling(x=True, mend=8))
    mask = mended(ask, {}, "f").mask
    assert isinstance(mask, Picture) and np.array_equal(mask.pixels, edge_mask((64, 48), 8, x=True, y=False))
    assert mended(replace(ask, tiling=Tiling(x=True)), {}, "f").mask is None


def test_bands_that_leave_nothing_are_refused():
    ask = Diffuse(prompt="moss", init=Picture(np.zeros((48, 64, 3), np.float32)), tiling=Tiling(y=True, mend=24))
    with pytest.raises(Invalid) as caught:
        mended(ask, {}, "f")
    assert caught.value.field == "f.tiling.mend"


def test_the_autoencoder_sees_large_canvases_in_tiles_unless_asked_otherwise():
    assert plan_vae_tile(None, (1536, 1536), MODEL) == 0
    assert plan_vae_tile(None, (1552, 1536), MODEL) == 1024
    assert plan_vae_tile(0, (4096, 4096), MODEL) == 0
    assert plan_vae_tile(200, (512, 512), MODEL) == 208
    assert plan_vae_tile(None, (4096, 4096), replace(MODEL, pipeline="ChromaPipeline")) == 0
