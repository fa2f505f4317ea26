"""Prompts with choices through a real engine: each picture says its own, and its recipe paints it again to the bit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from contract.lab import quick
from velatura import errors, pixels, recipe
from velatura.v1 import diffuse_pb2

ALONE = "{red|blue|green} {brick|moss}"
SAME = "{a|b|c|d|e|f|g|h|i|j}"


@pytest.fixture
def colours(models):
    """A wildcard file beside the models."""
    folder = models / "wildcards"
    folder.mkdir(exist_ok=True)
    (folder / "colour.txt").write_text("red\nblue\ngreen\n", "utf-8")
    (folder / "self.txt").write_text("__self__\n", "utf-8")


def said(artifact):
    return artifact.recipe.spec.steps[0].diffuse.prompt.text


def test_every_picture_of_a_batch_says_its_own(lab):
    result = lab.result(quick(SAME, count=5))
    prompts = [said(artifact) for artifact in result.artifacts]
    assert len(set(prompts)) > 1 and set(prompts) <= set("abcdefghij")
    assert [artifact.index for artifact in result.artifacts] == [0, 1, 2, 3, 4] and result.seeds == [1, 2, 3, 4, 5]
    assert list(result.resolved.steps[0].diffuse.prompt.texts) == prompts


def test_a_seed_says_the_same_alone_and_in_a_batch(lab):
    batch = lab.result(quick(ALONE, count=3))
    for number, image in enumerate(batch.images):
        assert lab.result(quick(ALONE, seed=1 + number)).images[0].data == image.data


def test_a_recipe_paints_its_picture_again_to_the_bit(lab):
    batch = lab.result(quick(ALONE, negative="{old|new} wood", guidance=3.0, count=3))
    for artifact in batch.artifacts:
        made = recipe.read(artifact.image.data)
        again = lab.result(recipe.replay(made))
        assert len(again.images) == 1 and again.images[0].data == artifact.image.data
        assert "{" not in said(again.artifacts[0])


def test_the_whole_job_is_painted_again_from_what_it_resolved_to(lab):
    batch = lab.result(quick(ALONE, count=3))
    again = lab.result(batch.resolved)
    assert [image.data for image in again.images] == [image.data for image in batch.images]


def test_spans_and_regions_draw_too_and_their_recipes_paint_them_again(lab, colours):
    def job(**more):
        spans = [diffuse_pb2.PromptSpan(text="{a|b|c|d} brick", end=0.5)]
        left = np.zeros((64, 64), np.uint8)
        left[:, :32] = 255
        regions = [diffuse_pb2.PromptRegion(text="__colour__ {e|f|g|h}", mask=pixels.mask(left))]
        return quick("", spans=spans, regions=regions, **more)

    batch = lab.result(job(count=3))
    said = [artifact.recipe.spec.steps[0].diffuse.prompt for artifact in batch.artifacts]
    assert len({prompt.regions[0].text for prompt in said}) > 1
    assert all("_" not in prompt.regions[0].text and "{" not in prompt.spans[0].text for prompt in said)
    resolved = batch.resolved.steps[0].diffuse.prompt
    assert list(resolved.regions[0].texts) == [prompt.regions[0].text for prompt in said]
    for number, artifact in enumerate(batch.artifacts):
        again = lab.result(recipe.replay(recipe.read(artifact.image.data)))
        assert [image.data for image in again.images] == [artifact.image.data]
        assert lab.result(job(seed=1 + number)).images[0].data == artifact.image.data
    assert [image.data for image in lab.result(batch.resolved).images] == [image.data for image in batch.images]
    resolved.spans[0].ClearField("texts")
    resolved.spans[0].texts.append("a")
    with pytest.raises(errors.Invalid, match="1 texts for 3 pictures") as caught:
        lab.result(batch.resolved)
    assert caught.value.field == "steps[0].diffuse.prompt.spans[0].texts"


def test_what_was_drawn_is_painted_as_if_it_had_been_written(lab):
    (artifact,) = lab.result(quick(ALONE)).artifacts
    assert lab.exact(prompt=ALONE)[0].tobytes() == lab.exact(prompt=said(artifact))[0].tobytes()


def test_every_combination_is_painted_where_it_is_asked_for(lab):
    result = lab.result(quick("{red|blue} {brick|moss}", every=True))
    assert [said(artifact) for artifact in result.artifacts] == ["red brick", "red moss", "blue brick", "blue moss"]
    assert len(lab.result(quick("{red|blue} {brick|moss}", every=True, count=3)).images) == 3


def test_more_combinations_than_pictures_are_refused(lab):
    with pytest.raises(errors.Invalid, match="more than 64") as caught:
        lab.result(quick("{a|b|c|d|e|f|g|h|i} {a|b|c|d|e|f|g|h}", every=True))
    assert caught.value.field == "steps[0].diffuse.prompt.draw"


def test_a_prompt_may_be_said_for_each_picture(lab):
    job = quick("moss")
    job.steps[0].diffuse.prompt.texts.extend(["moss", "brick"])
    first, second = lab.result(job).images
    assert first.data == lab.paint("moss") and said(lab.result(job).artifacts[1]) == "brick"
    job.steps[0].diffuse.count = 3
    with pytest.raises(errors.Invalid, match="2 texts for 3 pictures") as caught:
        lab.result(job)
    assert caught.value.field == "steps[0].diffuse.prompt.texts" and second.data


def test_wildcards_are_lines_of_files_and_listed(lab, colours):
    result = lab.result(quick("__colour__ brick", count=4))
    assert {said(artifact) for artifact in result.artifacts} <= {"red brick", "blue brick", "green brick"}
    catalog = lab.engine.rescan_models()
    (shelf,) = (shelf for shelf in catalog.shelves if shelf.name == "wildcards")
    assert "colour" in [part.id for part in shelf.parts]
    assert "wildcards" not in [model.id for model in catalog.models]


@pytest.mark.parametrize("prompt, field", [
    ("__color__", "prompt"), ("__../../etc/passwd__", "prompt"), ("__self__", "prompt"), ("{0::a|0::b}", "prompt"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_refused_with_its_field_and_a_way_out(lab, colours, prompt, field):
    with pytest.raises(errors.VelaturaError) as caught:
        lab.result(quick(prompt))
    assert caught.value.field == f"steps[0].diffuse.{field}" and (caught.value.remedy or caught.value.suggestions)


def test_braces_without_a_choice_and_escaped_ones_are_painted_as_they_stand(lab):
    braces, escaped, bare = (lab.exact(prompt=words)[0].tobytes() for words in ("{moss}", r"\{moss\}", "moss"))
    assert braces == escaped != bare
    literal = quick("{a|b}")
    literal.steps[0].diffuse.prompt.syntax = diffuse_pb2.PROMPT_SYNTAX_PLAIN
    (artifact,) = lab.result(literal).artifacts
    assert said(artifact) == "{a|b}"
    assert lab.exact(prompt=r"\{a|b\}")[0].tobytes() != lab.exact(prompt="{a|b}")[0].tobytes()


def test_a_plan_tells_what_would_be_said(lab):
    planned = lab.engine.plan(quick(ALONE, count=2))
    texts = planned.resolved.steps[0].diffuse.prompt.texts
    assert len(texts) == 2 and all(text in planned.explanation for text in texts)


def test_progress_of_several_pictures_never_goes_back(lab):
    job = lab.engine.generate(quick(SAME, count=4, steps=4))
    fractions = [event.progress.fraction for event in job.events() if event.HasField("progress")]
    assert fractions == sorted(fractions) and fractions[-1] > 0.7


def test_later_steps_take_the_pictures_they_name(lab):
    from velatura import spec

    first = quick(SAME, count=3, id="first")
    second = spec.diffuse("moss", init=pixels.from_step("first", 2), strength=0.0, seed=1, steps=2)
    result = lab.result(spec.job(first, second))
    assert result.images[3].data and result.artifacts[3].step_id != "first"
    made = recipe.read(result.artifacts[2].image.data)
    assert len(made.spec.steps[0].diffuse.prompt.texts) == 3 and made.index == 2
    assert json.loads(recipe.dumps(made))
    again = lab.result(recipe.replay(made))
    assert [image.data for image in again.images] == [image.data for image in result.images]
