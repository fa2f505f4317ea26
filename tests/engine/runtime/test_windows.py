"""Painting through windows: nothing is left out, one window changes nothing, and no window knows where it lies."""

import itertools
from types import SimpleNamespace

import pytest
import torch
from fakes.tiny_models import make_control, make_tiny
from torch import nn
from velatura_engine.models.identify import identify
from velatura_engine.runtime.load import load_checkpoint, load_control
from velatura_engine.runtime.windows import Windows, places, windowed
from velatura_engine.textures.seamless import seamless

GRAIN = 4
TEXT = torch.randn(2, 4, 32, generator=torch.Generator().manual_seed(1))


def windows(width: int, height: int, size: int, overlap: int, x: bool = False, y: bool = False) -> Windows:
    made = Windows((width, height), size, overlap, grain=GRAIN, check=lambda: None)
    made.wrap(x, y)
    return made


@pytest.mark.parametrize("wraps", [False, True])
def test_windows_cover_a_side_with_the_overlap_asked(wraps):
    for side, window in itertools.product(range(1, 40), range(1, 20)):
        for overlap in range(window // 2 + 1):
            begins = places(side, window, min(overlap, window - 1), wraps)
            assert begins[0] == 0 and begins == sorted(set(begins))
            if window >= side:
                assert begins == [0]
                continue
            ends = [*begins[1:], side] if wraps else begins[1:]
            assert all(end - start <= window - overlap for start, end in zip(begins, ends, strict=False))
            assert wraps or begins[-1] == side - window


@pytest.mark.parametrize(("x", "y"), [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("scale", [1, 8])
def test_weights_add_up_to_one_everywhere(x, y, scale):
    made = windows(56, 40, 16, 4, x, y)
    answer = torch.zeros(1, 1, 16 * scale, 16 * scale)
    ones = made.blend(lambda number, box: torch.ones_like(answer), 40 * scale, 56 * scale)
    assert torch.allclose(ones, torch.ones(1, 1, 40 * scale, 56 * scale), atol=1e-6)
    assert all(float(part.min()) > 0 for part in made.weights(answer, 40 * scale, 56 * scale))


@pytest.mark.parametrize(("x", "y"), [(False, False), (True, True)])
def test_what_is_cut_and_laid_back_is_what_it_was(x, y):
    values = torch.randn(2, 3, 40, 56)
    made = windows(56, 40, 16, 8, x, y)
    assert torch.allclose(made.blend(lambda number, box: made.cut(values, box), 40, 56), values, atol=1e-6)


def test_no_windows_edge_shows():
    """A window that answers alone with its number: from one to the next it changes slowly."""
    made = windows(64, 16, 32, 16)
    row = made.blend(lambda number, box: torch.full((1, 1, 16, 32), float(number)), 16, 64)[0, 0, 0]
    assert float(row.diff().abs().max()) < 0.15 and float(row.diff().min()) >= -1e-6
    assert (float(row[0]), float(row[-1])) == (0, len(made.boxes) - 1)


class Pointwise(nn.Module):
    """A denoiser that looks at one pixel at a time."""

    def forward(self, sample, timestep, encoder_hidden_states, return_dict=True):
        return SimpleNamespace(sample=torch.tanh(sample) * 2 + 1) if return_dict else (torch.tanh(sample) * 2 + 1,)


@pytest.mark.parametrize("return_dict", [True, False])
@pytest.mark.parametrize(("x", "y"), [(False, False), (True, False), (True, True)])
def test_a_denoiser_that_looks_at_single_pixels_never_notices(x, y, return_dict):
    denoiser, latents = Pointwise(), torch.randn(2, 4, 40, 56)
    plain = denoiser(latents, 5, TEXT, return_dict=False)[0]
    with windowed(denoiser, [], windows(56, 40, 16, 8, x, y)):
        answer = denoiser(latents, 5, encoder_hidden_states=TEXT, return_dict=return_dict)
    assert torch.allclose(answer.sample if return_dict else answer[0], plain, atol=1e-5)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = make_tiny(tmp_path_factory.mktemp("models") / "tiny", "starter")
    path = make_control(folder.parent / "tiny-depth", folder)
    full = {"dtype": torch.float32, "device": torch.device("cpu")}
    return load_checkpoint(identify(folder, "tiny"), **full).unet, load_control(identify(path, "depth"), **full)


HINT = torch.rand(2, 3, 96, 128, generator=torch.Generator().manual_seed(2))
LATENTS = torch.randn(2, 4, 24, 32, generator=torch.Generator().manual_seed(3))


@torch.no_grad()
def led(models, latents: torch.Tensor = LATENTS, hint: torch.Tensor = HINT) -> torch.Tensor:
    """What the denoiser answers, led by a ControlNet."""
    unet, control = models
    down, middle = control(latents, 500, TEXT, hint, conditioning_scale=0.8, return_dict=False)
    return unet(
        latents, 500, encoder_hidden_states=TEXT, down_block_additional_residuals=down,
        mid_block_additional_residual=middle, return_dict=False,
    )[0]  # fmt: skip


def test_one_window_as_large_as_the_canvas_changes_no_bit(models):
    plain = led(models)
    with windowed(models[0], [models[1]], windows(32, 24, 32, 8)):
        assert torch.equal(led(models), plain)


def test_each_window_is_led_by_its_own_part_of_the_hint(models):
    made = windows(32, 24, 16, 8)
    alone = [led(models, made.cut(LATENTS, box), made.cut(HINT, box)) for box in made.boxes]
    expected = made.blend(lambda number, box: alone[number], 24, 32)
    with windowed(models[0], [models[1]], made):
        assert torch.allclose(led(models), expected, atol=1e-5)
    assert len(alone) > 1 and not torch.allclose(led(models), expected, atol=1e-2)


def test_what_an_adapter_made_for_the_whole_canvas_is_cut_at_every_scale(models):
    unet, _ = models
    features = [torch.randn(2, c, *s, generator=torch.Generator().manual_seed(4)) for c, s in
                ((16, (24, 32)), (32, (12, 16)), (32, (6, 8)))]  # fmt: skip
    made = windows(32, 24, 16, 8)

    @torch.no_grad()
    def ask(latents: torch.Tensor, parts: list[torch.Tensor]) -> torch.Tensor:
        return unet(latents, 500, TEXT, down_intrablock_additional_residuals=list(parts), return_dict=False)[0]

    alone = [ask(made.cut(LATENTS, box), [made.cut(f, box) for f in features]) for box in made.boxes]
    with windowed(unet, [], made):
        assert torch.allclose(ask(LATENTS, features), made.blend(lambda n, _: alone[n], 24, 32), atol=1e-5)


@pytest.mark.parametrize(("x", "y"), [(True, False), (False, True), (True, True)])
def test_rolling_by_a_windows_stride_rolls_the_answer_along_axes_that_wrap(models, x, y):
    made = windows(32, 32, 16, 8, x, y)
    latents, hint = torch.randn(2, 4, 32, 32), torch.rand(2, 3, 128, 128)
    with seamless(models, x, y) as axes, windowed(models[0], [models[1]], made):
        axes.x, axes.y = made.wrap(x, y)
        assert (axes.x, axes.y) == (False, False)
        before = led(models, latents, hint)
        for dim, tiled in ((3, x), (2, y)):
            after = led(models, latents.roll(8, dim), hint.roll(32, dim))
            same = torch.allclose(after, before.roll(8, dim), atol=1e-4)
            assert same == tiled


def test_layers_wrap_along_an_axis_that_is_not_cut(models):
    made = windows(16, 32, 16, 8)
    with seamless(models, True, True) as axes, windowed(models[0], [models[1]], made):
        axes.x, axes.y = made.wrap(True, True)
        assert (axes.x, axes.y) == (True, False)
        latents, hint = torch.randn(2, 4, 32, 16), torch.rand(2, 3, 128, 64)
        before, after = led(models, latents, hint), led(models, latents.roll(4, 3), hint.roll(16, 3))
        assert torch.allclose(after, before.roll(4, 3), atol=1e-4)


def test_leaving_the_block_leaves_no_trace_even_after_an_error(models):
    plain = led(models)
    with pytest.raises(KeyError), windowed(models[0], [models[1]], windows(32, 24, 16, 8)):
        raise KeyError
    assert torch.equal(led(models), plain)
    assert not any("forward" in vars(module) for module in models)


def test_a_run_can_be_stopped_between_windows(models):
    asked = []

    def check() -> None:
        asked.append(None)
        if len(asked) == 3:
            raise InterruptedError

    made = Windows((32, 24), 16, 8, grain=GRAIN, check=check)
    with pytest.raises(InterruptedError), windowed(models[0], [], made), torch.no_grad():
        models[0](LATENTS, 500, TEXT)
