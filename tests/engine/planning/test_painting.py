"""A plan fills every gap, and refuses what cannot be before anything runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from velatura_engine import plan
from velatura_engine.errors import Invalid, NotFound, Unsupported
from velatura_engine.models.entry import ModelEntry
from velatura_engine.pixels.picture import Picture
from velatura_engine.planning import job as planning
from velatura_engine.planning.painting import HEARD
from velatura_engine.request import (
    Adapter,
    Control,
    Depth,
    Diffuse,
    Inpaint,
    Output,
    Project,
    Request,
    Sampling,
    Step,
    Target,
    Tiling,
    View,
)

STARTER = ModelEntry(
    id="starter", title="Starter", kind="checkpoint", family="sd1", path=Path("starter"), format="diffusers",
    latent_factor=4, size_multiple=16, native_size=256, sampler="euler", steps=20, guidance=5.0,
    cross_attention_dim=128, is_default=True, tasks=("txt2img", "img2img", "inpaint"),
)  # fmt: skip
DEEP = replace(STARTER, id="deep", title="Deep", family="sd2_depth", in_channels=5, is_default=False)
LEASH = replace(STARTER, id="leash", title="Leash", kind="controlnet", control_kind="depth", is_default=False)


class Index:
    """Models at hand without any folder."""

    def __init__(self, *entries: ModelEntry) -> None:
        self._entries = {entry.id: entry for entry in entries}

    def get(self, name, kind="checkpoint", field=""):
        if name not in self._entries:
            raise NotFound(kind, name, known=self._entries, field=field)
        return self._entries[name]

    def named(self, name, kind, field=""):
        return self.get(name, kind, field)

    def adapters(self, kind):
        return [entry for entry in self._entries.values() if entry.kind == kind]

    def entries(self):
        return tuple(self._entries.values())

    def default(self, field=""):
        return next(entry for entry in self._entries.values() if entry.is_default)

    def controls(self, kind, family, cross_attention_dim, latent_factor, rows=()):
        kinds = ("controlnet", "t2i")
        return [e for e in self._entries.values() if e.kind in kinds and kind in ("*", e.control_kind)]

    def annotators(self, kind):
        return [e for e in self._entries.values() if e.kind == "annotator" and e.control_kind == kind]

    def sha256(self, name):
        return name


RUST = replace(STARTER, id="rust", title="Rust", kind="lora", name="rust", is_default=False)
ALIEN = replace(RUST, id="alien", title="Alien", name="alien", cross_attention_dim=768)
INDEX = Index(STARTER, DEEP, LEASH, RUST, ALIEN)


def picture(width: int, height: int, channels: int = 3) -> Picture:
    return Picture(np.zeros((height, width, channels), np.float32))


def make(*asks, index: Index = INDEX) -> plan.Plan:
    steps = tuple(Step(id=str(number), operation=ask) for number, ask in enumerate(asks))
    return planning.make(Request(steps=steps), index, draw_seed=lambda: 42)


def test_what_was_left_open_comes_from_the_model():
    (step,) = make(Diffuse(prompt="brick")).steps
    assert (step.model.id, step.task, step.size, step.seeds) == ("starter", "txt2img", (256, 256), (42,))
    assert (step.steps, step.guidance, step.sampler) == (20, 5.0, "euler")


@pytest.mark.parametrize(("own", "negative", "asked", "planned"), [
    (1.0, "", None, 1.0), (1.0, "mud", None, HEARD), (5.0, "mud", None, 5.0), (1.0, "mud", 1.0, 1.0),
])  # fmt: skip
def test_a_negative_prompt_is_heard_unless_guidance_was_asked_that_is_deaf_to_it(own, negative, asked, planned):
    index = Index(replace(STARTER, guidance=own))
    ask = Diffuse(prompt="brick", negative=negative, sampling=Sampling(guidance=asked))
    assert make(ask, index=index).steps[0].guidance == planned


@pytest.mark.parametrize(("text", "literal", "words", "plain"), [
    ("old brick", False, "old brick", True), ("(old:1.2) brick", False, "old brick", False),
    ("(old:1.2) brick", True, "(old:1.2) brick", True), (r"\(old\) brick", False, "(old) brick", True),
])  # fmt: skip
def test_prompts_are_read_before_anything_runs_unless_they_are_literal(text, literal, words, plain):
    ask = Diffuse(prompt=text, prompt_literal=literal, negative=text, negative_literal=literal)
    (step,) = make(ask).steps
    assert (step.prompt.text, step.prompt.plain) == (step.negative.text, step.negative.plain) == (words, plain)


def test_a_prompt_that_says_too_much_for_its_steps_is_refused_before_anything_runs():
    words = "[" + "|".join(f"word{number}" for number in range(600)) + "]"
    assert make(Diffuse(prompt=words, sampling=Sampling(steps=500)))
    with pytest.raises(Invalid, match="600 steps") as caught:
        make(Diffuse(prompt=words, sampling=Sampling(steps=600)))
    assert caught.value.field == "steps[0].diffuse.prompt"


def test_what_the_list_and_the_prompt_name_is_worn_in_that_order_and_hashed():
    ask = Diffuse(prompt="brick <lora:rust:0.5:1> <lora:rust:2>", adapters=(Adapter(model="rust", weight=0.25),))
    planned = make(ask)
    (step,) = planned.steps
    weights = [(worn.model.id, worn.weight, worn.text_weight) for worn in step.adapters]
    assert weights == [("rust", 0.25, 0.25), ("rust", 1.0, 0.5), ("rust", 2.0, 2.0)]
    assert planned.models == (("starter", "starter"), ("rust", "rust"))
    assert "wearing Rust at 0.25" in planned.explain()


def test_an_adapter_in_a_negative_prompt_is_refused():
    with pytest.raises(Invalid, match="rust") as caught:
        make(Diffuse(prompt="moss", negative="brick <lora:rust:0.5>"))
    assert caught.value.field == "steps[0].diffuse.negative"


@pytest.mark.parametrize("ask", [{"adapters": (Adapter(model="alien"),)}, {"prompt": "moss <lora:alien:1>"}])
def test_an_adapter_for_another_base_is_refused_unless_it_is_forced(ask):
    with pytest.raises(Unsupported, match="768") as caught:
        make(Diffuse(**({"prompt": "moss"} | ask)))
    assert caught.value.reason == "WRONG_BASE" and caught.value.suggestions == ("rust",)
    assert make(Diffuse(prompt="moss", adapters=(Adapter(model="alien", force=True),)))


def test_what_was_asked_is_kept():
    ask = Diffuse(
        prompt="brick", width=96, height=48, seed=7, count=3, sampling=Sampling(steps=5, guidance=1.0, sampler="ddim")
    )
    (step,) = make(ask).steps
    assert (step.size, step.seeds, step.steps, step.guidance, step.sampler) == ((96, 48), (7, 8, 9), 5, 1.0, "ddim")


def test_a_size_between_multiples_is_painted_larger_and_cropped():
    (step,) = make(Diffuse(prompt="brick", width=100, height=50)).steps
    assert step.size == (100, 50) and step.canvas == (112, 64)


def test_a_size_that_cannot_tile_is_refused_with_the_nearest_that_can():
    with pytest.raises(Invalid, match="multiple of 16") as caught:
        make(Diffuse(prompt="brick", width=100, height=50, tiling=Tiling(x=True)))
    assert caught.value.field == "steps[0].diffuse.width" and "96 or 112" in caught.value.remedy
    assert make(Diffuse(prompt="brick", width=96, height=50, tiling=Tiling(x=True)))


@pytest.mark.parametrize("ask", [
    Diffuse(prompt="brick", width=257, height=256),
    Diffuse(prompt="brick", count=2),
    Diffuse(prompt="brick", width=512),
    Diffuse(prompt="brick", init=picture(512, 256)),
    Diffuse(prompt="brick", depth=Depth(image=picture(512, 256, 1))),
])  # fmt: skip
def test_too_many_pixels_in_all_are_refused_wherever_the_size_comes_from(ask):
    step = Step(id="0", operation=ask)
    with pytest.raises(Invalid, match="allowed are 65536") as caught:
        planning.make(Request(steps=(step,), max_pixels=256 * 256), INDEX)
    assert caught.value.field == "steps[0].diffuse.width"


def test_the_last_seed_wraps_around():
    (step,) = make(Diffuse(prompt="brick", seed=2**64 - 1, count=2)).steps
    assert step.seeds == (2**64 - 1, 0)


def test_a_mask_of_another_size_names_both_sizes():
    with pytest.raises(Invalid, match="32 x 32 pixels, the init picture 64 x 64") as caught:
        make(Diffuse(prompt="brick", init=picture(64, 64), mask=picture(32, 32, 1)))
    assert caught.value.field == "steps[0].diffuse.mask"


def test_full_repainting_fills_from_the_surroundings_and_partial_keeps_what_is_there():
    fresh, partial = make(
        Diffuse(prompt="brick", init=picture(64, 64), mask=picture(64, 64, 1)),
        Diffuse(prompt="brick", init=picture(64, 64), mask=picture(64, 64, 1), strength=0.5),
    ).steps
    assert (fresh.strength, fresh.inpaint) == (1.0, Inpaint(fill="surroundings", color_match=False))
    assert (partial.strength, partial.inpaint) == (0.5, Inpaint(fill="original", color_match=False))


def test_depth_finds_its_controlnet_by_itself():
    (step,) = make(Diffuse(prompt="brick", depth=Depth(image=picture(64, 48, 1)))).steps
    assert [control.model.id for control in step.controls] == ["leash"] and step.size == (64, 48)


def test_depth_without_any_controlnet_says_so():
    with pytest.raises(NotFound) as caught:
        make(Diffuse(prompt="brick", depth=Depth(image=picture(64, 48, 1))), index=Index(STARTER))
    assert caught.value.reason == "NO_CONTROL_MODEL"


def test_a_five_channel_model_reads_depth_itself_and_needs_it():
    (step,) = make(Diffuse(prompt="brick", model="deep", depth=Depth(image=picture(64, 48, 1)))).steps
    assert step.depth is not None and not step.controls
    with pytest.raises(Unsupported, match="depth"):
        make(Diffuse(prompt="brick", model="deep"))


def deep(**more) -> Diffuse:
    return Diffuse(prompt="brick", model="deep", depth=Depth(image=picture(64, 48, 1)), **more)


RESCALED = Sampling(guidance_rescale=0.7)


@pytest.mark.parametrize(("ask", "field"), [
    (replace(deep(), depth=Depth(image=picture(64, 48, 1), strength=0.5)), "depth.strength"),
    (replace(deep(), depth=Depth(image=picture(64, 48, 1), model="leash")), "depth.model"),
    (deep(controls=(Control(kind="depth", image=picture(8, 8)),)), "model"),
    (deep(sampling=RESCALED), "sampling.guidance_rescale"),
    (Diffuse(prompt="brick", init=picture(64, 64), sampling=RESCALED), "sampling.guidance_rescale"),
    (Diffuse(prompt="brick", depth=Depth(image=picture(64, 64, 1)), sampling=RESCALED), "sampling.guidance_rescale"),
    (Diffuse(prompt="brick", model="nine"), "model"),
    (Diffuse(prompt="brick", model="nine", sampling=RESCALED, init=picture(64, 64), mask=picture(64, 64)),
     "sampling.guidance_rescale"),
])  # fmt: skip
def test_what_a_model_would_leave_out_is_refused_by_the_name_of_the_field(ask, field):
    nine = replace(DEEP, id="nine", title="Nine", family="sd1_inpaint", in_channels=9)
    with pytest.raises(Unsupported) as caught:
        make(ask, index=Index(STARTER, DEEP, LEASH, nine))
    assert caught.value.field == f"steps[0].diffuse.{field}" and caught.value.remedy


def test_the_guidance_is_rescaled_where_a_picture_comes_from_words_alone():
    (step,) = make(Diffuse(prompt="brick", sampling=RESCALED)).steps
    assert step.guidance_rescale == 0.7


def test_one_layer_of_the_text_encoder_is_left():
    short = replace(STARTER, text_layers=4)
    assert make(Diffuse(prompt="brick", sampling=Sampling(clip_skip=3)), index=Index(short))
    with pytest.raises(Invalid) as caught:
        make(Diffuse(prompt="brick", sampling=Sampling(clip_skip=4)), index=Index(short))
    assert caught.value.field == "steps[0].diffuse.sampling.clip_skip" and "3 at most" in caught.value.remedy


def test_what_is_valid_of_a_depth_is_as_large_as_the_depth():
    with pytest.raises(Invalid, match="32 x 32 pixels, the depth 64 x 48") as caught:
        make(Diffuse(prompt="brick", depth=Depth(image=picture(64, 48, 1), validity=picture(32, 32, 1))))
    assert caught.value.field == "steps[0].diffuse.depth.validity"


def test_a_hint_for_another_base_is_refused_before_anything_runs():
    stranger = replace(LEASH, id="stranger", control_kind="canny")
    with pytest.raises(Unsupported) as caught:
        make(
            Diffuse(prompt="brick", controls=(Control(kind="depth", image=picture(8, 8), model="stranger"),)),
            index=Index(STARTER, LEASH, stranger),
        )
    assert caught.value.reason == "WRONG_BASE" and "leash" in caught.value.remedy


@pytest.mark.parametrize(("sampling", "error"), [
    (Sampling(sampler="eular"), NotFound), (Sampling(schedule="kares"), Unsupported),
])  # fmt: skip
def test_unknown_samplers_and_schedules_offer_the_known_ones(sampling, error):
    with pytest.raises(error) as caught:
        make(Diffuse(prompt="brick", sampling=sampling))
    assert caught.value.field.startswith("steps[0].diffuse.sampling") and "euler" in caught.value.remedy + "euler"


def test_a_sampler_that_paints_one_picture_at_a_time_is_refused_several():
    alone = Sampling(sampler="dpm_adaptive")
    assert make(Diffuse(prompt="brick", sampling=alone))
    with pytest.raises(Unsupported, match="DPM adaptive") as caught:
        make(Diffuse(prompt="brick", sampling=alone, count=2))
    assert caught.value.field == "steps[0].diffuse.count" and "one picture at a time" in caught.value.remedy


@pytest.mark.parametrize(("sampler", "knobs", "error", "name", "way_out"), [
    ("dpmpp_2m", {"nonsense": 3}, NotFound, "nonsense", "order"),
    ("dpmpp_2m", {"ordr": 3}, NotFound, "ordr", "did you mean order?"),
    ("euler", {"order": 2}, NotFound, "order", "Euler has no knobs"),
    ("dpmpp_2m", {"order": 4}, Invalid, "order", ""),
    ("dpmpp_2m", {"order": 1.5}, Invalid, "order", ""),
    ("dpmpp_2m", {"order": "two"}, Invalid, "order", ""),
])  # fmt: skip
def test_a_knob_that_the_sampler_lacks_or_cannot_turn_so_far_is_refused(sampler, knobs, error, name, way_out):
    with pytest.raises(error) as caught:
        make(Diffuse(prompt="brick", sampling=Sampling(sampler=sampler, knobs=knobs)))
    assert caught.value.field == f"steps[0].diffuse.sampling.knobs[{name}]" and way_out in caught.value.remedy


def test_a_knob_arrives_in_its_own_type():
    (step,) = make(Diffuse(prompt="brick", sampling=Sampling(sampler="dpmpp_2m", knobs={"order": 3.0}))).steps
    assert step.knobs == {"order": 3} and isinstance(step.knobs["order"], int)


def view(color) -> View:
    eye = np.eye(4)
    return View(world_to_camera=eye, camera_to_clip=eye, color=color, depth=picture(64, 64, 1))


def test_a_projection_takes_the_picture_of_an_earlier_step():
    steps = make(
        Diffuse(prompt="brick", width=64, height=64),
        Project(targets=(Target(id="cube", mesh=None),), views=(view(Output("0")),)),
    ).steps
    assert steps[1].outputs == ((1024, 1024),)


def test_textures_that_are_too_large_together_are_refused():
    targets = tuple(Target(id=name, mesh=None, size=(64, 64)) for name in "ab")
    step = Step(id="0", operation=Project(targets=targets, views=(view(picture(64, 64)),)))
    planning.make(Request(steps=(step,), max_texels=2 * 64 * 64), INDEX)
    with pytest.raises(Invalid, match="together") as caught:
        planning.make(Request(steps=(step,), max_texels=2 * 64 * 64 - 1), INDEX)
    assert caught.value.field == "steps[0].project.targets"


@pytest.mark.parametrize(
    ("more", "field"), [({"mask": picture(32, 32, 1)}, "mask"), ({"depth": picture(64, 32)}, "color")]
)
def test_what_a_view_shows_and_what_counts_lie_over_each_other(more, field):
    with pytest.raises(Invalid, match="64 x 64") as caught:
        make(Project(targets=(Target(id="cube", mesh=None),), views=(replace(view(picture(64, 64)), **more),)))
    assert caught.value.field == f"steps[0].project.views[0].{field}"


@pytest.mark.parametrize("source", [Output("later"), Output("0", 5)])
def test_a_picture_that_will_not_be_is_refused(source):
    with pytest.raises(Invalid, match=r"views\[0\].color"):
        make(
            Diffuse(prompt="brick", width=64, height=64),
            Project(targets=(Target(id="cube", mesh=None),), views=(view(source),)),
        )


def test_the_shares_of_the_stages_add_up_and_the_plan_explains_itself():
    made = make(Diffuse(prompt="brick", tiling=Tiling(x=True, y=True)), Diffuse(prompt="moss", count=2))
    assert sum(stage.weight for stage in made.stages) == pytest.approx(1)
    assert "seamless along x and y" in made.explain() and made.models == (("starter", "starter"),)


def test_rows_are_remembered_as_long_as_the_model_says_unless_asked():
    quick = replace(STARTER, cache_interval=2)
    (own,) = make(Diffuse(prompt="brick"), index=Index(quick)).steps
    (asked,) = make(Diffuse(prompt="brick", sampling=Sampling(cache_interval=1)), index=Index(quick)).steps
    assert (own.cache_interval, asked.cache_interval) == (2, 1)


@pytest.mark.parametrize("name", ["dpm_adaptive", "heun", "dpm2", "dpm2_a", "dpmpp_2s_a", "dpmpp_sde"])
def test_a_sampler_of_several_answers_a_step_remembers_nothing_unless_asked(name):
    quick = Index(replace(STARTER, cache_interval=2))
    (own,) = make(Diffuse(prompt="brick", sampling=Sampling(sampler=name)), index=quick).steps
    asked = Sampling(sampler=name, cache_interval=3)
    (told,) = make(Diffuse(prompt="brick", sampling=asked), index=quick).steps
    assert (own.cache_interval, told.cache_interval) == (1, 3)
