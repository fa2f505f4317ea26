"""What the denoiser hears at each step, and how its answers become one: on a denoiser whose answer is known."""

import pytest
import torch
from torch import nn
from velatura_engine.conditioning.grammar import parse
from velatura_engine.conditioning.steering import Conditioning
from velatura_engine.conditioning.voices import Voice

VALUES = {"": 0.0, "a": 1.0, "b": 10.0, "c": 100.0}


class Words:
    """An embedder whose embedding is one number a text."""

    silent = False

    def length(self, branches):
        return 1

    def pooled(self, branch):
        return None

    def embed(self, branch, length):
        text = "".join(span.text for chunk in branch.chunks for span in chunk).strip()
        return torch.full((1, 1, 1), VALUES[text])


class Denoiser(nn.Module):
    """Answers the picture's first value plus what it hears, and keeps what it was asked."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def forward(self, sample, timestep, encoder_hidden_states=None, return_dict=True):
        self.asked.append(encoder_hidden_states.flatten().tolist())
        return (sample + encoder_hidden_states.view(-1, 1, 1, 1),)


def conditioning(prompt, negative="", steps=10, count=1, asides=(), negative_asides=()):
    told, plain = [Voice(prompt=parse(prompt)), *asides], [Voice(prompt=parse(negative)), *negative_asides]
    return Conditioning(told, plain, Words(), steps=steps, count=count)  # type: ignore[arg-type]


def aside(prompt, **more):
    return Voice(prompt=parse(prompt), **more)


def ask(heard, denoiser, sample, controls=()):
    """What the pipeline gets from the denoiser; it sends one embedding a row."""
    given = heard.arguments
    halves = [given["prompt_embeds"]] if len(sample) == heard.count else list(given.values())[::-1]
    with heard.steering(denoiser, controls):
        return denoiser(sample, torch.tensor(5), encoder_hidden_states=torch.cat(halves), return_dict=False)[0]


def at_each_step(heard, denoiser):
    said = []
    for step in range(heard.steps):
        heard.go_to(step / heard.steps)
        ask(heard, denoiser, torch.zeros(2, 1, 1, 1))
        said.append(denoiser.asked[-1][-1])
    return said


class Beholder(Denoiser):
    """Keeps the pictures that it is shown, one a row."""

    def forward(self, sample, timestep, encoder_hidden_states=None, added_cond_kwargs=None, return_dict=True):
        assert added_cond_kwargs is not None
        self.shown = added_cond_kwargs["image_embeds"][0].flatten().tolist()
        return super().forward(sample, timestep, encoder_hidden_states, return_dict)


def test_pictures_that_are_taken_after_follow_the_rows_of_a_composed_prompt():
    heard, denoiser = conditioning("a AND b", "c", count=2), Beholder()
    pictures = [torch.tensor([0.0, 0.0, 7.0, 8.0])[:, None]]  # no picture for the negatives, one for each of two
    with heard.steering(denoiser, []):
        words = torch.cat(list(heard.arguments.values())[::-1])
        sample = torch.zeros(4, 1, 1, 1)
        denoiser(sample, torch.tensor(5), words, added_cond_kwargs={"image_embeds": pictures}, return_dict=False)
    assert denoiser.shown == [0.0, 0.0, 7.0, 8.0, 7.0, 8.0]


def test_a_prompt_is_edited_at_the_step_that_is_asked():
    assert at_each_step(conditioning("[a:b:0.3]"), Denoiser()) == [1.0] * 3 + [10.0] * 7


def test_options_take_turns_step_by_step():
    assert at_each_step(conditioning("[a|b|c]", steps=5), Denoiser()) == [1.0, 10.0, 100.0, 1.0, 10.0]


def test_the_negative_is_edited_in_its_own_time():
    heard, denoiser = conditioning("[a:b:0.5]", "[b:c:0.2]"), Denoiser()
    at_each_step(heard, denoiser)
    assert denoiser.asked[0] == [10.0, 1.0] and denoiser.asked[3] == [100.0, 1.0] and denoiser.asked[9] == [100.0, 10.0]


def test_sub_prompts_pull_from_the_plain_answer_by_their_weights():
    pictures = torch.tensor([3.0, 5.0]).view(2, 1, 1, 1)
    heard, denoiser = conditioning("a AND b :0.5", "c", count=2), Denoiser()
    plain, told = ask(heard, denoiser, torch.cat([pictures, pictures])).chunk(2)
    assert torch.equal(plain, pictures + 100)
    assert torch.allclose(told, pictures + 100 + 1.0 * (1 - 100) + 0.5 * (10 - 100))
    assert denoiser.asked == [[100.0, 100.0, 1.0, 1.0, 10.0, 10.0]]


def test_one_prompt_in_two_halves_is_that_prompt():
    heard = conditioning("a :0.5 AND a :0.5", "b")
    answer = ask(heard, Denoiser(), torch.zeros(2, 1, 1, 1))
    assert answer.flatten().tolist() == [10.0, 1.0]


def test_without_guidance_sub_prompts_have_their_weighted_mean():
    assert ask(conditioning("a :3 AND b :1"), Denoiser(), torch.zeros(1, 1, 1, 1)).item() == pytest.approx(13 / 4)


def test_negatives_divided_by_and_have_their_weighted_mean():
    answer = ask(conditioning("a", "b :1 AND c :1"), Denoiser(), torch.zeros(2, 1, 1, 1))
    assert answer.flatten().tolist() == [55.0, 1.0]


def test_weights_that_add_up_to_nothing_give_no_endless_numbers():
    answer = ask(conditioning("a :1 AND b :-1"), Denoiser(), torch.zeros(1, 1, 1, 1))
    assert torch.isfinite(answer).all()


HALVES = torch.tensor([1.0, 1.0, 0.0, 0.0]).view(1, 1, 1, 4)
"""Left, and not right."""


def test_a_span_is_heard_in_its_part_of_the_run_only():
    heard, denoiser = conditioning("a", asides=[aside("b", start=0.3, end=0.6, weight=2)]), Denoiser()
    answers = []
    for step in range(10):
        heard.go_to(step / 10)
        answers.append(ask(heard, denoiser, torch.zeros(2, 1, 1, 1))[1].item())
    assert answers == pytest.approx([1.0] * 3 + [(1 + 2 * 10) / 3] * 3 + [1.0] * 4)


def test_a_region_is_heard_where_its_mask_says_and_by_its_weight():
    heard = conditioning("a", "b", asides=[aside("c", mask=HALVES, weight=3)])
    plain, told = ask(heard, Denoiser(), torch.zeros(2, 1, 1, 4))
    assert plain.flatten().tolist() == [10.0] * 4
    assert told.flatten().tolist() == pytest.approx([(1 + 300) / 4] * 2 + [1.0] * 2)


def test_an_empty_prompt_is_heard_only_where_no_region_is():
    heard = conditioning("", "b", asides=[aside("a", mask=HALVES), aside("c", mask=HALVES / 2)])
    _, told = ask(heard, Denoiser(), torch.zeros(2, 1, 1, 4))
    assert told.flatten().tolist() == pytest.approx([(1 + 50) / 1.5] * 2 + [0.0] * 2)


def test_an_empty_prompt_is_not_heard_beside_a_span_that_holds_everywhere():
    heard, denoiser = conditioning("", asides=[aside("a", end=0.5)]), Denoiser()
    assert ask(heard, denoiser, torch.zeros(2, 1, 1, 1))[1].item() == 1.0
    heard.go_to(0.5)
    assert ask(heard, denoiser, torch.zeros(2, 1, 1, 1))[1].item() == 0.0


def test_regions_of_the_negative_change_what_is_gone_away_from():
    heard = conditioning("a", "b", negative_asides=[aside("c", mask=HALVES)])
    plain, told = ask(heard, Denoiser(), torch.zeros(2, 1, 1, 4))
    assert plain.flatten().tolist() == pytest.approx([55.0] * 2 + [10.0] * 2)
    assert told.flatten().tolist() == pytest.approx([1.0] * 4)


def test_without_guidance_regions_count_alike():
    heard = conditioning("a", asides=[aside("c", mask=HALVES)], count=2)
    answer = ask(heard, Denoiser(), torch.zeros(2, 1, 1, 4))
    assert answer.flatten().tolist() == pytest.approx(([50.5] * 2 + [1.0] * 2) * 2)


def test_sub_prompts_inside_a_region_pull_by_their_own_weights():
    heard = conditioning("a", "b", asides=[aside("c :0.5 AND a :0.5", mask=HALVES)])
    _, told = ask(heard, Denoiser(), torch.zeros(2, 1, 1, 4))
    assert told.flatten().tolist() == pytest.approx([(1 + 50.5) / 2] * 2 + [1.0] * 2)


class Control(Denoiser):
    def forward(self, sample, timestep, encoder_hidden_states=None, controlnet_cond=None, return_dict=True):
        assert len(controlnet_cond) == len(sample) == len(encoder_hidden_states)
        return super().forward(sample + controlnet_cond, timestep, encoder_hidden_states)


def test_controls_hear_the_same_and_see_each_picture_with_its_own_hint():
    heard, control, denoiser = conditioning("a AND b", "c", count=2), Control(), Denoiser()
    hints = torch.arange(4.0).view(4, 1, 1, 1)
    with heard.steering(denoiser, [control]):
        said = control(torch.zeros(4, 1, 1, 1), 5, encoder_hidden_states=torch.zeros(4, 1, 1), controlnet_cond=hints)[0]
    assert said.flatten().tolist() == [100.0, 101.0, 3.0, 4.0, 12.0, 13.0]


def test_what_the_pipeline_can_do_by_itself_is_left_to_it():
    heard, denoiser = conditioning("a", "b", count=2), Denoiser()
    assert {name: rows.flatten().tolist() for name, rows in heard.arguments.items()} == {
        "prompt_embeds": [1.0, 1.0], "negative_prompt_embeds": [10.0, 10.0],
    }  # fmt: skip
    with heard.steering(denoiser, []):
        assert not denoiser._forward_pre_hooks


def test_afterwards_the_denoiser_is_as_it_was_also_where_a_step_failed():
    denoiser = Denoiser()
    with pytest.raises(KeyError), conditioning("a AND b").steering(denoiser, []):
        raise KeyError
    assert not denoiser._forward_pre_hooks and not denoiser._forward_hooks


class Vectors(Words):
    """Says each text in one vector too, ten times its number."""

    def __init__(self, silent=False):
        self.silent = silent

    def pooled(self, branch):
        return 10 * self.embed(branch, 1)[:, 0]


class Sizes(Denoiser):
    """Also answers with the vector it hears and the size it is told."""

    def forward(self, sample, timestep, encoder_hidden_states=None, added_cond_kwargs=None, return_dict=True):
        said = super().forward(sample, timestep, encoder_hidden_states)[0]
        assert added_cond_kwargs is not None
        extra = added_cond_kwargs["text_embeds"] + added_cond_kwargs["time_ids"]
        return (said + extra.view(-1, 1, 1, 1),)


def test_vectors_and_sizes_follow_the_rows_of_a_composed_batch():
    voices = [Voice(prompt=parse("a AND b"))], [Voice(prompt=parse("c"))]
    heard = Conditioning(*voices, Vectors(), steps=1, count=2)  # type: ignore[arg-type]
    # Sizes differ by picture and by half: 1000 for the negative's, and 0 or 1 for each picture.
    sizes = torch.tensor([[1000.0], [1001.0], [2000.0], [2001.0]])
    given, denoiser = {"text_embeds": torch.zeros(4, 1), "time_ids": sizes}, Sizes()
    with heard.steering(denoiser, []):
        answer = denoiser(torch.zeros(4, 1, 1, 1), 5, torch.zeros(4, 1, 1), added_cond_kwargs=given)[0]
    plain = [100.0 + 1000 + 1000, 100.0 + 1000 + 1001]
    told = [
        side + (1 + 10 + size - side) + (10 + 100 + size - side) for side, size in zip(plain, (2000, 2001), strict=True)
    ]
    assert answer.flatten().tolist() == [*plain, *told]
    assert given["text_embeds"].shape == (4, 1), "what the pipeline holds stays as it was"


def test_a_model_that_learned_silence_hears_no_embedding_at_all_where_nothing_is_to_be_avoided():
    for negative, expected in (("", 0.0), ("c", 1000.0)):
        voices = [Voice(prompt=parse("a"))], [Voice(prompt=parse(negative))]
        rows = Conditioning(*voices, Vectors(silent=True), steps=1, count=1).arguments  # type: ignore[arg-type]
        assert rows["negative_pooled_prompt_embeds"].item() == expected
        assert rows["negative_prompt_embeds"].item() == expected / 10
        assert rows["pooled_prompt_embeds"].item() == 10.0


def test_with_three_parts_of_a_batch_the_prompt_pulls_from_the_answer_to_the_same_picture():
    voices = [Voice(prompt=parse("a AND b :0.5"))], [Voice(prompt=parse("c"))]
    parts = ("told", "plain", "plain")
    heard = Conditioning(*voices, Words(), steps=1, count=1, guided=parts)  # type: ignore[arg-type]
    denoiser, pictures = Denoiser(), torch.tensor([1000.0, 1000.0, 0.0]).view(3, 1, 1, 1)
    with heard.steering(denoiser, []):
        answer = denoiser(pictures, 5, torch.zeros(3, 1, 1))[0]
    assert denoiser.asked == [[1.0, 10.0, 100.0, 100.0]]
    assert answer.flatten().tolist() == [1100 + (1 - 100) + 0.5 * (10 - 100), 1100.0, 100.0]
