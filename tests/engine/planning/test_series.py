"""Paintings whose pictures say different things are planned as one painting each."""

from dataclasses import replace
from pathlib import Path

import pytest
from velatura_engine.errors import Invalid
from velatura_engine.events import Stage
from velatura_engine.models.entry import ModelEntry
from velatura_engine.operations.series import share
from velatura_engine.plan import DiffusePlan, SeriesPlan
from velatura_engine.planning import job as planning
from velatura_engine.request import Diffuse, Passage, Request, Sampling, Step
from velatura_engine.samplers import samplers
from velatura_engine.wildcards.folder import Wildcards

STARTER = ModelEntry(
    id="starter", title="Starter", kind="checkpoint", family="sd1", path=Path("starter"), format="diffusers",
    latent_factor=4, size_multiple=16, native_size=256, sampler="euler", steps=20, guidance=5.0,
    cross_attention_dim=128, is_default=True, tasks=("txt2img", "img2img", "inpaint"),
)  # fmt: skip


class Index:
    """One model at hand, without any folder."""

    wildcards = Wildcards()

    def default(self, field=""):
        return STARTER

    def adapters(self, kind):
        return []

    def sha256(self, name):
        return name


def make(ask: Diffuse, **more):
    return planning.make(Request(steps=(Step(id="a", operation=ask),), **more), Index(), draw_seed=lambda: 42)


def step(ask: Diffuse):
    (found,) = make(ask).steps
    return found


def test_a_prompt_without_choices_is_one_painting_of_all_pictures():
    found = step(Diffuse(prompt="{moss} __ [a|b]", count=3))
    assert isinstance(found, DiffusePlan) and found.seeds == (42, 43, 44)
    assert found.prompt.words.split() == ["{moss}", "__", "a", "b"]


def test_each_picture_of_a_prompt_with_choices_is_planned_as_if_it_were_alone():
    ask = Diffuse(prompt="{a|b|c|d|e|f} brick", negative="{x|y}", seed=7, count=4)
    found = step(ask)
    assert isinstance(found, SeriesPlan) and len(found.outputs) == 4
    for number, (part, (prompt, negative)) in enumerate(zip(found.parts, found.texts, strict=True)):
        alone = step(replace(ask, prompt=prompt, negative=negative, seed=7 + number, count=1))
        assert part == alone


def test_spans_and_regions_draw_for_themselves_and_are_planned_as_if_they_were_written():
    flags = "{a|b|c|d|e|f|g|h}"
    spans = (Passage(text=flags, end=0.5), Passage(text=flags, start=0.5), Passage(text=r"\{x|y\}"))
    ask = Diffuse(prompt="wall", passages=spans, negative_passages=(Passage(text=flags),), seed=7, count=6)
    found = step(ask)
    assert isinstance(found, SeriesPlan)
    for number, (part, said) in enumerate(zip(found.parts, found.texts, strict=True)):
        assert said[:2] == ("wall", "") and said[4] == r"\{x|y\}"
        written = tuple(replace(one, text=text) for one, text in zip(spans, said[2:5], strict=True))
        alone = replace(ask, passages=written, negative_passages=(Passage(text=said[5]),), seed=7 + number, count=1)
        assert part == step(alone) and part.passages[2].prompt.text == "{x|y}"
    for first, second in ((2, 3), (2, 5)):  # the same words of another place draw otherwise
        assert any(said[first] != said[second] for said in found.texts)
    assert len({said[2] for said in found.texts}) > 1


def test_literal_passages_and_those_with_a_text_for_each_picture_are_not_drawn_from():
    found = step(Diffuse(prompt="wall", passages=(Passage(text="{a|b}", literal=True),)))
    assert isinstance(found, DiffusePlan) and found.passages[0].prompt.text == "{a|b}"
    found = step(Diffuse(prompt="wall", passages=(Passage(text="a", texts=("a", "b")),), count=2))
    assert [part.passages[0].prompt.text for part in found.parts] == ["a", "b"]


def test_what_a_passage_cannot_draw_is_refused_with_its_field():
    with pytest.raises(Invalid) as caught:
        step(Diffuse(prompt="wall", passages=(Passage(text="a"), Passage(text="{0::a|0::b}"))))
    assert caught.value.field == "steps[0].diffuse.prompt.spans[1].text"


def test_a_drawn_seed_decides_what_is_said_too():
    ask = Diffuse(prompt="{a|b|c|d|e|f}")
    assert step(ask) == step(replace(ask, seed=42))


def test_literal_prompts_are_never_drawn_from():
    found = step(Diffuse(prompt=r"{a|b} \{", prompt_literal=True))
    assert isinstance(found, DiffusePlan) and found.prompt.text == r"{a|b} \{"


def test_seeds_wrap_around_in_a_series_too():
    found = step(Diffuse(prompt="{a|b}", seed=2**64 - 1, count=2))
    assert [part.seeds for part in found.parts] == [(2**64 - 1,), (0,)]


def test_every_combination_is_painted_up_to_the_count():
    ask = Diffuse(prompt="{a|b} {c|d}", every=64, count=0)
    assert [text for text, _ in step(ask).texts] == ["a c", "a d", "b c", "b d"]
    assert [text for text, _ in step(replace(ask, count=3)).texts] == ["a c", "a d", "b c"]
    assert len(step(replace(ask, count=9)).parts) == 4
    with pytest.raises(Invalid, match="more than 3"):
        step(replace(ask, every=3))


def test_a_series_may_have_no_more_pixels_than_one_painting():
    ask = Diffuse(prompt="{a|b}", width=64, height=64, count=4)
    assert make(ask, max_pixels=4 * 64 * 64)
    with pytest.raises(Invalid):
        make(ask, max_pixels=4 * 64 * 64 - 1)


def test_a_picture_that_says_too_much_for_its_steps_is_refused_with_its_field():
    words = (
        "{"
        + "["
        + "".join(f"w{n} x|" for n in range(600))
        + "]|"
        + "["
        + "".join(f"v{n} y|" for n in range(600))
        + "]}"
    )
    with pytest.raises(Invalid) as caught:
        step(Diffuse(prompt=words, sampling=Sampling(steps=600)))
    assert caught.value.field == "steps[0].diffuse.prompt"


def test_all_stages_of_a_series_are_the_whole_and_so_are_its_shares():
    plan = make(Diffuse(prompt="{a|b}", count=3))
    assert sum(stage.weight for stage in plan.stages) == pytest.approx(1)
    assert [stage.name for stage in plan.stages] == ["load", "a:diffuse", "a:decode"]
    assert plan.models == ((STARTER.id, STARTER.id),)
    stages = [Stage(name="load", weight=0.1), Stage(name="a:diffuse", weight=0.6), Stage(name="a:decode", weight=0.3)]
    ends = []
    for number in range(3):
        seen = share(stages, "a", number, 3)
        assert [stage.name for stage in seen[-2:]] == ["a:diffuse", "a:decode"]
        ends.append((sum(stage.weight for stage in seen[:-2]), sum(stage.weight for stage in seen)))
    assert ends == [pytest.approx(pair) for pair in ((0.1, 0.4), (0.4, 0.7), (0.7, 1.0))]


def test_the_explanation_tells_what_each_picture_says():
    plan = make(Diffuse(prompt="{a|b|c|d} brick", count=2))
    assert all(text in plan.explain() for text, _ in plan.steps[0].texts)


@pytest.mark.parametrize("name", [part.id for part in samplers().parts() if "eta" in {k.name for k in part.knobs}])
def test_the_share_of_fresh_noise_reaches_every_sampler_that_knows_it(name):
    asked = Sampling(sampler=name, eta=0.7)
    assert step(Diffuse(prompt="moss", sampling=asked)).knobs["eta"] == 0.7
    assert step(Diffuse(prompt="moss", sampling=replace(asked, knobs={"eta": 0.7}))).knobs["eta"] == 0.7
    with pytest.raises(Invalid, match=r"0\.7.*0\.2") as caught:
        step(Diffuse(prompt="moss", sampling=replace(asked, knobs={"eta": 0.2})))
    assert caught.value.field == "steps[0].diffuse.sampling.eta"
