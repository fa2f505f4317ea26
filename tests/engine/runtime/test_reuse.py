"""Coarse rows that are remembered: nothing changes where the input does not, and only then is anything skipped."""

import pytest
import torch
from diffusers import UNet2DConditionModel
from velatura_engine.runtime.reuse import reusing
from velatura_engine.runtime.windows import Windows, windowed

WORDS = torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(1))
OTHER = torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(2))
NOISE = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=16,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=8,
        attention_head_dim=2,
    ).eval()


@pytest.fixture
def computed(unet):
    """How often the coarsest block was computed, as a list that grows."""
    calls = []
    handle = unet.mid_block.resnets[0].register_forward_hook(lambda *_: calls.append(1))
    yield calls
    handle.remove()


@torch.no_grad()
def ask(unet, sample=NOISE, words=WORDS, time=500):
    return unet(sample, torch.tensor(time), words).sample


def test_the_coarse_rows_are_computed_in_every_third_step_only(unet, computed):
    with reusing(unet, 3) as reuse:
        for _ in range(7):
            ask(unet)
            reuse.next_step()
    assert len(computed) == 3  # steps 0, 3 and 6


def test_where_nothing_changed_the_answer_is_the_same_to_the_bit(unet):
    whole = ask(unet)
    with reusing(unet, 2) as reuse:
        first = ask(unet)
        reuse.next_step()
        assert torch.equal(first, whole) and torch.equal(ask(unet), whole)


def test_the_finest_row_still_follows_what_it_is_shown(unet):
    with reusing(unet, 2) as reuse:
        ask(unet)
        reuse.next_step()
        moved = ask(unet, NOISE * 0.9)
    assert not torch.allclose(moved, ask(unet), atol=1e-4)
    assert (moved - ask(unet, NOISE * 0.9)).abs().max() < (moved - ask(unet)).abs().max()


def test_other_words_are_heard_at_once(unet, computed):
    with reusing(unet, 4) as reuse:
        ask(unet)
        reuse.next_step()
        changed = ask(unet, words=OTHER)
    assert len(computed) == 2 and torch.equal(changed, ask(unet, words=OTHER))


def test_each_call_of_a_step_remembers_its_own(unet):
    told, bare = ask(unet), ask(unet, words=OTHER)
    with reusing(unet, 2) as reuse:
        for _ in range(2):
            assert torch.equal(ask(unet), told) and torch.equal(ask(unet, words=OTHER), bare)
            reuse.next_step()


def test_a_solver_that_looks_twice_a_step_computes_both_looks_or_none(unet, computed):
    early, late = ask(unet), ask(unet, NOISE * 0.5)
    computed.clear()
    with reusing(unet, 2, 2) as reuse:
        for _ in range(2):
            assert torch.equal(ask(unet), early)
            reuse.next_step()
            assert torch.equal(ask(unet, NOISE * 0.5), late)
            reuse.next_step()
    assert len(computed) == 2


def test_each_window_remembers_its_own(unet, computed):
    windows = Windows((24, 16), 16, 8, grain=2, check=lambda: None)
    canvas = torch.randn(1, 4, 16, 24, generator=torch.Generator().manual_seed(4))
    with reusing(unet, 2) as reuse, windowed(unet, (), windows):
        whole = ask(unet, canvas)
        reuse.next_step()
        assert torch.equal(ask(unet, canvas), whole)
    assert len(computed) == len(windows.boxes) > 1


def test_an_interval_of_one_touches_nothing_and_any_other_is_undone(unet, computed):
    before = unet.forward
    with reusing(unet, 1):
        assert unet.forward == before
    with pytest.raises(RuntimeError), reusing(unet, 2):
        raise RuntimeError
    assert unet.forward == before and not any("forward" in vars(module) for module in unet.modules())
    ask(unet), ask(unet)
    assert len(computed) == 2
