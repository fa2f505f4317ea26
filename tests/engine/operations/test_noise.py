"""Noise between two seeds and of another size: exact at both ends, and of the right spread between them."""

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler
from velatura_engine.errors import Unsupported
from velatura_engine.operations.noise import Variation, generators, lay_centred, slerp
from velatura_engine.plan import VariationPlan

SHAPE = (2, 4, 16, 24)
LIKE = torch.zeros(1)


def drawn(*seeds: int, shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    """Noise as a pipeline draws it: each picture by its own seed."""
    return torch.cat([torch.randn((1, *shape[1:]), generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def variation(strength: float, size: tuple[int, int] | None = None, skip: int = 0, seeds=(1, 2)) -> Variation:
    plan = VariationPlan(subseeds=tuple(seed + 100 for seed in seeds), strength=strength, seed_size=size)
    return Variation(plan, seeds, 8, skip)


def test_no_strength_is_the_seeds_noise_and_all_of_it_the_subseeds():
    assert torch.equal(variation(0).apply(drawn(1, 2)), drawn(1, 2))
    assert torch.equal(variation(1).apply(drawn(1, 2)), drawn(101, 102))


def test_on_the_way_noise_turns_evenly_and_keeps_its_length():
    low, high = drawn(1), drawn(2)
    low, high = low / low.norm(), high / high.norm()
    whole = torch.acos((low * high).sum())
    for share in (0.1, 0.5, 0.8):
        mixed = slerp(low, high, share)
        assert float(mixed.norm()) == pytest.approx(1, abs=1e-6)
        assert float(torch.acos((low * mixed).sum())) == pytest.approx(float(share * whole), abs=1e-4)


def test_noise_on_its_way_to_itself_stays():
    assert torch.equal(slerp(drawn(1), drawn(1), 0.5), drawn(1))


def test_a_batch_is_varied_as_each_picture_would_be_alone():
    together = variation(0.4).apply(drawn(1, 2))
    alone = [variation(0.4, seeds=(seed,)).apply(drawn(seed)) for seed in (1, 2)]
    assert torch.equal(together, torch.cat(alone))


@pytest.mark.parametrize("size", [(192, 128), (128, 64), (256, 256), (64, 256)])
def test_noise_of_another_size_lies_in_the_middle_of_the_canvas_own(size):
    width, height = (side // 8 for side in size)
    small, laid = drawn(1, 2, shape=(2, 4, height, width)), variation(0, size).apply(drawn(1, 2))
    top, left = (16 - height) // 2, (24 - width) // 2
    inner = laid[..., max(top, 0) : 16 - max(top, 0), max(left, 0) : 24 - max(left, 0)]
    taken = small[..., max(-top, 0) : height - max(-top, 0), max(-left, 0) : width - max(-left, 0)]
    assert torch.equal(inner, taken)
    outside = torch.ones(16, 24, dtype=torch.bool)
    outside[max(top, 0) : 16 - max(top, 0), max(left, 0) : 24 - max(left, 0)] = False
    assert torch.equal(laid[..., outside], drawn(1, 2)[..., outside])


def test_odd_differences_of_size_are_laid_too():
    laid = lay_centred(torch.ones(1, 1, 3, 8), torch.zeros(1, 1, 6, 5))
    assert laid.sum() == 15 and torch.equal(laid[0, 0, 1:4], torch.ones(3, 5))


def test_a_subseed_and_another_size_go_together():
    laid = variation(1, (128, 64)).apply(drawn(1, 2))
    assert torch.equal(laid[..., 4:12, 4:20], drawn(101, 102, shape=(2, 4, 8, 16)))


def test_what_is_drawn_ready_made_leaves_the_generators_where_a_pipeline_would():
    sources, others = generators((1, 2)), generators((1, 2))
    variation(0.5).start(SHAPE, sources, LIKE)
    for source, other in zip(sources, others, strict=True):
        torch.randn((1, *SHAPE[1:]), generator=other)
        assert torch.equal(source.get_state(), other.get_state())


def test_the_subseed_passes_over_what_a_pipeline_draws_before():
    source = torch.Generator().manual_seed(101)
    torch.randn((1, *SHAPE[1:]), generator=source)
    second = torch.randn((1, *SHAPE[1:]), generator=source)
    assert torch.equal(variation(1, skip=1, seeds=(1,)).apply(drawn(1)), second)


def test_whichever_way_a_scheduler_lays_noise_it_is_the_variations():
    clean, noise, step = torch.zeros(SHAPE), drawn(1, 2), torch.tensor([500])
    ddim, flow = DDIMScheduler(), FlowMatchEulerDiscreteScheduler()
    flow.set_timesteps(4)
    before = ddim.add_noise(clean, drawn(101, 102), step), flow.scale_noise(clean, flow.timesteps[1:2], drawn(101, 102))
    for scheduler in (ddim, flow):
        variation(1).take_part(scheduler)
    assert torch.equal(ddim.add_noise(clean, noise, step), before[0])
    assert torch.equal(flow.scale_noise(clean, flow.timesteps[1:2], noise), before[1])
    assert torch.equal(flow.scale_noise(sample=clean, noise=noise, timestep=flow.timesteps[1:2]), before[1])


def test_noise_without_rows_and_columns_is_refused():
    with pytest.raises(Unsupported, match="rows"):
        variation(0.5).apply(torch.zeros(2, 64, 16))


def test_spread_stays_where_a_straight_line_would_lose_it():
    mixed = variation(0.5).apply(drawn(1, 2))
    assert np.isclose(float(mixed.std()), float(drawn(1, 2, 101, 102).std()), atol=0.03)
    assert float(((drawn(1, 2) + drawn(101, 102)) / 2).std()) < 0.8
