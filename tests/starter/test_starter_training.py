"""Training parts: padding, objective, clock, checkpoints."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from velatura_starter.architecture import build_controlnet, build_scheduler, build_text, build_unet, build_vae
from velatura_starter.data.families import material_names
from velatura_starter.judge import DepthJudge, Judge, read_disparity, spearman
from velatura_starter.padding import periodic, wrap
from velatura_starter.tokens import load_tokenizer, train_tokenizer
from velatura_starter.training import controlnet, details, guided
from velatura_starter.training.clock import Average, Budget, learning_rate, load, save
from velatura_starter.training.controlnet import Scenery, draw_views, put, train_worded_controlnet
from velatura_starter.training.course import Course, clip, silent
from velatura_starter.training.details import FINE, NEAR, TURN, lesson, loss_of, mostly_near, shown, train_details
from velatura_starter.training.drawing import tokenize
from velatura_starter.training.export import blank_text, frozen, keep_noise, latent_moments, noise_kept, whiten
from velatura_starter.training.guided import Teacher, guide, train_guided
from velatura_starter.training.latents import Scenes, Tiles
from velatura_starter.training.objective import noised, predict, spread_times
from velatura_starter.training.reader import Reader
from velatura_starter.training.unet import Feeder, Pools, Sample, rolled, twin
from velatura_starter.training.vae import crops, train_vae


def shift_error(f, x: torch.Tensor, stride_in: int, stride_out: int, axis: int) -> float:
    """Relative error of roll(f(x)) against f(roll(x))."""
    moved, still = f(x.roll(stride_in, axis)), f(x).roll(stride_out, axis)
    return float((moved - still).norm() / still.norm())


@pytest.fixture(scope="module")
def parts():
    """Random models."""
    torch.manual_seed(0)
    return build_vae().eval().requires_grad_(False), build_unet().eval().requires_grad_(False)


@pytest.mark.parametrize(("axes", "axis"), [("xy", -1), ("xy", -2), ("x", -1), ("y", -2)])
def test_everything_is_shift_equivariant_along_the_periodic_axes(parts, axes, axis):
    vae, unet = parts
    z, context, t = torch.randn(1, 4, 16, 16), torch.randn(1, 5, 160), torch.tensor([400])
    with periodic(vae, unet, axes=axes):
        assert shift_error(lambda x: vae.encode(x).latent_dist.mean, torch.randn(1, 3, 64, 64), 20, 5, axis) < 1e-4
        assert shift_error(lambda x: vae.decode(x).sample, z, 3, 12, axis) < 1e-4
        assert shift_error(lambda x: unet(x, t, context).sample, z, 8, 8, axis) < 1e-4


@pytest.mark.parametrize("axes", ["xy", "x", "y", ""])
def test_borders_continue_on_the_other_side_of_named_axes_and_are_zero_on_others(axes):
    x, pad = torch.randn(1, 2, 5, 6), (1, 2, 3, 1)
    expected = F.pad(x, (1, 2, 0, 0), mode="circular" if "x" in axes else "constant")
    expected = F.pad(expected, (0, 0, 3, 1), mode="circular" if "y" in axes else "constant")
    assert torch.equal(wrap(x, pad, axes), expected)


def test_outside_the_block_borders_are_zeros_again(parts):
    vae, _ = parts
    x = torch.randn(1, 3, 32, 32)
    before = vae.encode(x).latent_dist.mean
    with periodic(vae):
        inside = vae.encode(x).latent_dist.mean
    assert torch.equal(vae.encode(x).latent_dist.mean, before)
    assert not torch.allclose(inside, before, atol=1e-3)


def test_x_only_leaves_the_other_axis_broken(parts):
    vae, _ = parts
    with periodic(vae, axes="x"):
        error = shift_error(lambda x: vae.encode(x).latent_dist.mean, torch.randn(1, 3, 64, 64), 20, 5, -2)
    assert error > 1e-2


def test_a_twin_shares_every_parameter():
    unet = build_unet()
    for a, b in zip(unet.parameters(), twin(unet).parameters(), strict=True):
        assert a is b


def test_each_picture_is_rolled_by_its_own_numbers(dice):
    x = torch.randn(3, 2, 8, 8, generator=dice(1))
    down, right = torch.tensor([0, 3, 7]), torch.tensor([5, 0, 2])
    moved = [one.roll((int(d), int(r)), (-2, -1)) for one, d, r in zip(x, down, right, strict=True)]
    assert torch.equal(rolled(x, down, right), torch.stack(moved))


def test_crops_are_parts_of_the_pictures(dice):
    pool = torch.arange(2 * 3 * 16 * 16).remainder(251).view(2, 3, 16, 16).to(torch.uint8)
    windows = {pool[i, :, y : y + 8, x : x + 8].numpy().tobytes() for i in range(2) for y in range(9) for x in range(9)}
    for crop in crops(pool, 12, 8, dice(2)):
        assert ((crop + 1) * 127.5).round().to(torch.uint8).contiguous().numpy().tobytes() in windows


def test_the_last_time_is_pure_noise_and_v_inverts():
    x, n = torch.randn(4, 4, 8, 8), torch.randn(4, 4, 8, 8)
    t = torch.tensor([0, 300, 700, 999])
    z, v, weight = noised(x, n, t)
    assert torch.allclose(z[3], n[3], atol=1e-3)
    abar = build_scheduler().alphas_cumprod[t].view(-1, 1, 1, 1)
    assert torch.allclose(abar.sqrt() * z - (1 - abar).sqrt() * v, x, atol=1e-5)
    assert ((weight > 0) & (weight <= 1)).all()


def test_times_are_spread_over_the_whole_range():
    t = spread_times(50, torch.Generator().manual_seed(0)).sort().values
    assert ((t >= torch.arange(50) * 20) & (t < torch.arange(1, 51) * 20)).all()


def test_the_rate_warms_up_and_falls_with_the_budget():
    assert learning_rate(0, 0, peak=1.0) == pytest.approx(0.01)
    assert learning_rate(0, 500, peak=1.0) == pytest.approx(1.0)
    assert learning_rate(1.0, 500, peak=1.0) == pytest.approx(0.02)


def test_a_budget_counts_what_was_spent_before():
    assert Budget(10, spent=4).fraction() == pytest.approx(0.4, abs=0.01)
    assert Budget(10, spent=40).fraction() == 1


def test_an_average_of_a_resting_model_is_the_model():
    model = torch.nn.Linear(2, 2)
    average = Average({"m": model}, 0.9)
    for step in range(5):
        average.update({"m": model}, step)
    assert all(torch.allclose(v, model.state_dict()[k]) for k, v in average.of("m").items())


def test_a_checkpoint_survives_a_half_written_one(tmp_path):
    save(tmp_path / "x.pt", {"a": torch.ones(2), "step": 3})
    (tmp_path / "x.part").write_bytes(b"half")
    state = load(tmp_path / "x.pt")
    assert state is not None
    assert torch.equal(state["a"], torch.ones(2))
    assert load(tmp_path / "missing.pt") is None


def test_resuming_a_finished_stage_changes_nothing_and_more_time_goes_on(tmp_path):
    pictures = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)

    def train(minutes: float) -> None:
        train_vae(tmp_path, [pictures], Course(minutes=minutes, peak=1e-3, decay=0.9, log=silent))

    train(0.02)
    first = load(tmp_path / "vae.pt")
    train(0.02)
    again = load(tmp_path / "vae.pt")
    assert first is not None
    assert again is not None
    assert again["step"] == first["step"]
    assert all(torch.equal(v, again["vae"][k]) for k, v in first["vae"].items())
    train(again["spent"] / 60 + 0.02)
    more = load(tmp_path / "vae.pt")
    assert more is not None
    assert more["step"] > first["step"]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_gradient_that_is_no_number_moves_nothing(wrong):
    a, b = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(2))
    a.grad, b.grad = torch.tensor([3.0, 0.0, 0.0]), torch.tensor([0.0, 4.0])
    clip([a, b], 1.0)
    assert a.grad.tolist() == pytest.approx([0.6, 0, 0]) and b.grad.tolist() == pytest.approx([0, 0.8])
    b.grad[0] = wrong
    clip([a, b], 1.0)
    assert a.grad.tolist() == [0, 0, 0] and b.grad.tolist() == [0, 0]


def test_whitening_keeps_pictures_and_centres_latents():
    torch.manual_seed(1)
    vae, x = build_vae().eval().requires_grad_(False), torch.rand(4, 3, 32, 32)
    keep_noise(vae, torch.full((4,), 0.08))
    before = vae.decode(vae.encode(x * 2 - 1).latent_dist.mean).sample
    mean, deviation = latent_moments(vae, x)
    whiten(vae, mean, deviation)
    z = vae.encode(x * 2 - 1).latent_dist
    assert torch.allclose(vae.decode(z.mean).sample, before, atol=1e-4)
    assert vae.config.scaling_factor == 1.0
    assert z.std.flatten(2).mean(-1)[0].tolist() == pytest.approx((0.08 / deviation).tolist(), rel=1e-3)


def test_an_autoencoder_goes_on_from_another_with_the_noise_that_it_had(tmp_path):
    torch.manual_seed(2)
    earlier, pictures = build_vae(), torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
    keep_noise(earlier, torch.tensor([0.02, 0.03, 0.04, 0.05]))
    train_vae(tmp_path, [pictures], Course(minutes=0.005, peak=1e-9, decay=0.9, log=silent), start=earlier)
    state = load(tmp_path / "vae.pt")
    assert state is not None
    for key, value in earlier.state_dict().items():
        torch.testing.assert_close(state["vae"][key], value, atol=1e-5, rtol=0)
    later = build_vae()
    later.load_state_dict(state["vae"])
    torch.testing.assert_close(noise_kept(later), torch.tensor([0.02, 0.03, 0.04, 0.05]), rtol=1e-4, atol=0)


def test_a_fresh_controlnet_changes_nothing(parts):
    _, unet = parts
    control = build_controlnet(unet).eval().requires_grad_(False)
    z, t, context = torch.randn(1, 4, 16, 16), torch.tensor([10]), torch.randn(1, 5, 160)
    down, mid = control(z, t, context, torch.rand(1, 3, 64, 64), return_dict=False)
    out = unet(z, t, context, down_block_additional_residuals=down, mid_block_additional_residual=mid).sample
    assert torch.allclose(out, unet(z, t, context).sample, atol=1e-5)


def test_the_text_encoder_reads_any_length():
    text = build_text(1337, 0, 1).eval()
    assert text(torch.randint(0, 1337, (2, 24)))[0].shape == (2, 24, 160)


def test_rank_correlation_is_one_for_any_rising_map():
    x = torch.rand(3, 8, 8)
    assert torch.allclose(spearman(x, x**3), torch.ones(3), atol=1e-5)
    assert torch.allclose(spearman(x, -x), -torch.ones(3), atol=1e-5)
    assert torch.equal(spearman(x, torch.ones(3, 8, 8)), torch.zeros(3))


def test_a_picture_read_as_nearly_nothing_is_background():
    seen = torch.tensor([[0.0, 0.02, 0.03], [0.05, 0.5, 1.0]])

    class Fixed(DepthJudge):
        def forward(self, x):
            return seen.expand(len(x), 2, 3)

    expected = torch.tensor([[0.0, 0.0, 0.03], [0.05, 0.5, 1.0]])
    assert torch.equal(read_disparity(Fixed(), torch.rand(2, 3, 32, 32))[1], expected)


def test_the_judge_takes_any_size():
    judge = Judge(5, 3).eval()
    for n in (64, 128, 256):
        m, c = judge(torch.rand(2, 3, n, n))
        assert m.shape == (2, 5)
        assert c.shape == (2, 3)


@pytest.fixture
def run(tmp_path):
    """A run folder with a tokenizer and an untrained UNet whose answers depend on words and depth."""
    torch.manual_seed(3)
    train_tokenizer(["red brick", "blue moss"] * 20, tmp_path / "tokenizer")
    unet = build_unet()
    parts = {"unet": unet, "text": blank_text(tmp_path)}
    control = build_controlnet(unet)
    for layer in (*control.controlnet_down_blocks, control.controlnet_mid_block):
        torch.nn.init.normal_(layer.weight, std=0.05)
    for name, models in (("unet", parts), ("controlnet", {"controlnet": control})):
        save(tmp_path / f"{name}.pt", {"average": Average(models).shadow, "step": 0, "spent": 0.0})
    save(tmp_path / "reader.pt", {"reader": Reader().state_dict()})
    return tmp_path


def pools(run: Path, count: int = 32) -> Pools:
    """Noise in the place of latents."""
    said, even = tokenize(run / "tokenizer", [["red brick", "blue moss"]] * count), torch.ones(count)

    def tiles(side: int) -> Tiles:
        return Tiles(torch.randn(count, 4, side, side).half(), said, torch.zeros(count, dtype=torch.long), even)

    return Pools(tiles(16), tiles(32), tiles(64), scenes(run, 32, count))


def scenes(run: Path, side: int, count: int = 32) -> Scenes:
    """Noise in the place of renders' latents; of their hints each pixel is the first latent channel's sign."""
    latents = torch.randn(count, 4, side, side).half()
    hints = 255 * (latents[:, 0] > 0).repeat_interleave(4, 1).repeat_interleave(4, 2).to(torch.uint8)
    return Scenes(latents, hints, tokenize(run / "tokenizer", [["red brick", "blue moss"]] * count), torch.ones(count))


def progress(plain: torch.Tensor, target: torch.Tensor, learned: torch.Tensor) -> float:
    """How far along the way from the plain answer to the guided one the learned answer is: 0 to 1."""
    return float(((learned - plain) * (target - plain)).sum() / (target - plain).square().sum())


@torch.no_grad()
def test_a_student_moves_towards_the_guided_answer(run):
    teacher = Teacher(run, Feeder(pools(run), run / "tokenizer", 0))
    words = load_tokenizer(run / "tokenizer")(["red brick"], padding="max_length", max_length=24, return_tensors="pt")
    told, bare = (context.expand(8, -1, -1) for context in teacher.contexts(words.input_ids))
    with torch.enable_grad():
        train_guided(
            run, pools(run), Course(minutes=0.15, peak=2e-4, decay=0.5, warmup=5, log=silent), scale=6.0, clear=0
        )
    student = frozen(run / "guided.pt", "unet", build_unet())
    z, t = torch.randn(8, 4, 16, 16), torch.full((8,), 600)
    plain = predict(teacher.unet, z, t, told)
    target = guide(predict(teacher.unet, z, t, bare), plain, 6.0)
    assert progress(plain, target, predict(student, z, t, told)) > 0.1


@pytest.fixture
def exact(monkeypatch):
    """Full precision, on processors that would train in half too."""
    for module in (controlnet, guided, details):
        monkeypatch.setattr(module, "mixed", nullcontext)


@pytest.mark.usefixtures("exact")
def test_a_student_begins_as_far_off_as_the_scale_is_from_one(run, monkeypatch):
    """The first loss, over the same batch: ((scale - 1) (told - bare))^2."""
    data, losses = pools(run), []
    monkeypatch.setattr(guided, "follow", lambda *rest: losses.append(rest[3](0.0)[1].item()))
    for scale in (0, 1, 2, 4):
        train_guided(run, data, Course(minutes=1, peak=1e-4, decay=0.9), scale=scale, clear=0)
    assert losses[0] > 1e-4 and losses[1] < 1e-9
    assert losses[2:] == pytest.approx([losses[0], 9 * losses[0]], rel=1e-3)


@pytest.mark.usefixtures("exact")
def test_a_student_hears_of_the_readers_doubt_as_much_as_is_asked(run, monkeypatch):
    data, losses = pools(run), []
    monkeypatch.setattr(guided, "follow", lambda *rest: losses.append(rest[3](0.0)[1].item()))
    for clear in (0, 1, 3):
        train_guided(run, data, Course(minutes=1, peak=1e-4, decay=0.9), scale=1, clear=clear)
    assert losses[0] < 1e-9 and losses[1] > 0.1
    assert losses[2] == pytest.approx(3 * losses[1], rel=1e-4)


def test_guidance_goes_on_from_the_bare_answer_through_the_told_one():
    bare, told = torch.tensor([1.0]), torch.tensor([3.0])
    assert [float(guide(bare, told, scale)) for scale in (0, 1, 3)] == [1, 3, 7]


def test_parts_of_renders_lie_where_parts_of_their_hints_do(run):
    feeder, scenery = Feeder(None, run / "tokenizer", 0), Scenery(scenes(run, 32), scenes(run, 64))
    sides = set()
    for _ in range(24):
        views = draw_views(feeder, scenery)
        sides.add(views.x.shape[-1])
        assert torch.equal(views.hint[:, :, ::4, ::4], (views.x[:, :1] > 0).float().expand(-1, 3, -1, -1))
    assert sides == {16, 32, 64}


def test_what_words_add_is_put_where_there_is_something():
    deep, bare, told = (torch.randn(2, 4, 2, 2) for _ in range(3))
    hint = torch.zeros(2, 3, 8, 8)
    hint[0, :, 3, 7] = 0.05  # one pixel of a far thing, in the upper right place
    made = put(deep, bare, told, hint)
    torch.testing.assert_close(made[0, :, 0, 1], (deep + told - bare)[0, :, 0, 1])
    made[0, :, 0, 1] = deep[0, :, 0, 1]
    assert torch.equal(made, deep)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("deaf", [True, False])
def test_a_controlnet_has_nothing_to_learn_where_words_and_depth_add_up(run, monkeypatch, deaf):
    """Where noise is strong: a ControlNet that adds nothing leaves words to the UNet already."""
    if deaf:
        unet = frozen(run / "unet.pt", "unet", build_unet())
        save(run / "controlnet.pt", {"average": Average({"controlnet": build_controlnet(unet)}).shadow})
    losses, words = (
        [],
        (frozen(run / "unet.pt", "unet", build_unet()), frozen(run / "unet.pt", "text", blank_text(run))),
    )
    monkeypatch.setattr(controlnet, "follow", lambda *rest: losses.append(rest[3](0.0)[1].item()))
    monkeypatch.setattr(controlnet, "TURN", 0)
    bright = [replace(s, hints=torch.full_like(s.hints, 255)) for s in (scenes(run, 32), scenes(run, 64))]
    feeder, course = Feeder(None, run / "tokenizer", 0), Course(minutes=1, peak=1e-4, decay=0.9)
    train_worded_controlnet(run, Scenery(*bright), feeder, course, *words)
    assert losses[0] < 1e-9 if deaf else losses[0] > 1e-6


def test_details_come_from_the_drawings_and_all_else_stays_but_its_colour():
    fine, other = (
        material_names().index(next(iter(FINE))),
        next(i for i, m in enumerate(material_names()) if m not in FINE),
    )
    materials = torch.tensor([fine, fine, other, other, -1])
    until = FINE[material_names()[fine]].until
    t = torch.tensor([until - 1, until, NEAR - 1, NEAR, NEAR - 1])
    v, before = torch.randn(5, 4, 8, 8), torch.randn(5, 4, 8, 8)
    asked, drawn = lesson(Sample(v, torch.zeros(5, 24), True, materials), t, v, before, redrawn=5)
    assert drawn.tolist() == [True, False, False, False, False]
    assert torch.equal(asked[0], v[0]) and torch.equal(asked[1], before[1]) and torch.equal(asked[3], before[3])
    for row in (2, 4):
        torch.testing.assert_close(asked[row].mean((1, 2)), v[row].mean((1, 2)))
        still = before[row] - before[row].mean((1, 2), keepdim=True)
        torch.testing.assert_close(asked[row] - asked[row].mean((1, 2), keepdim=True), still)


def test_what_was_redrawn_is_asked_for_the_drawing_whatever_it_shows():
    t, v, before = torch.tensor([NEAR, NEAR, 999]), torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8)
    sample = Sample(v, torch.zeros(3, 24), True, torch.full((3,), -1))
    asked, drawn = lesson(sample, t, v, before, redrawn=1)
    assert drawn.tolist() == [False, True, True]
    assert torch.equal(asked[0], before[0]) and torch.equal(asked[1:], v[1:])


def test_a_wrong_colour_costs_more_than_a_wrong_pattern_but_only_where_it_can_be_told():
    asked, drawn = torch.zeros(1, 4, 8, 8), torch.tensor([True])
    pattern = torch.ones(8, 8)
    pattern[::2] = -1
    wrong = [float(loss_of(asked + e, asked, drawn, torch.tensor([t]))) for e in (1, pattern) for t in (0, NEAR)]
    assert wrong == pytest.approx([9, 1, 1, 1])


def test_three_lessons_in_four_are_about_details_and_no_time_is_left_out():
    times = mostly_near(torch.arange(1000))
    assert int((times < TURN).sum()) == 750 and int(times.min()) == 0 and int(times.max()) > 990


def test_materials_are_shown_as_often_as_they_need_it():
    numbers = torch.arange(len(material_names()))
    tiles = Tiles(torch.zeros(24, 4, 1, 1), torch.zeros(24, 1, 24), numbers, torch.ones(24))
    weights = dict(zip(material_names(), shown(tiles).weights.tolist(), strict=True))
    assert weights == pytest.approx({name: FINE[name].often if name in FINE else 1.0 for name in material_names()})


@pytest.mark.usefixtures("exact")
def test_a_lesson_in_details_begins_with_what_was_known(run, monkeypatch):
    """Of noise in place of pictures that are no fine material, the first answers are right but for their colour."""
    data, losses = pools(run), []
    before, text = build_unet().eval().requires_grad_(False), blank_text(run)
    monkeypatch.setattr(details, "follow", lambda *rest: losses.append(rest[3](0.0)[1].item()))
    monkeypatch.setattr(details, "COLOUR", 0.0)
    monkeypatch.setattr(details, "NEAR", 0)
    train_details(run, data, Course(minutes=1, peak=1e-4, decay=0.9), before, text)
    assert losses[0] < 1e-9
