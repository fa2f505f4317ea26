"""Families are told by content, and say what they can do."""

import inspect
import subprocess
import sys
from typing import Annotated

import pytest
from velatura_engine.errors import Invalid, NotFound, Unsupported
from velatura_engine.families import detect, families, family
from velatura_engine.shelf import Choice, Range, Shelf

NAMES = [part.id for part in families().parts()]


def unet(channels, *, prefix="", pooled=False):
    first = "model.diffusion_model.input_blocks.0.0.weight" if prefix else "conv_in.weight"
    shapes = {first: (320, channels, 3, 3), f"{prefix}x.attn2.to_k.weight": (320, 768)}
    return shapes | ({"add_embedding.linear_1.weight": (1280, 2816)} if pooled else {})


@pytest.mark.parametrize(("channels", "name"), [(4, "sd1"), (9, "sd1_inpaint"), (5, "sd2_depth")])
@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_a_family_is_told_by_its_input_channels_in_either_layout(channels, name, prefix):
    assert detect(unet(channels, prefix=prefix)).id == name


@pytest.mark.parametrize("shapes", [unet(4, pooled=True), unet(7), {}, {"transformer.x": (4, 4)}])
def test_an_unknown_architecture_belongs_to_no_family(shapes):
    assert detect(shapes) is None


@pytest.mark.parametrize("name", NAMES)
def test_a_task_that_a_family_cannot_do_is_refused_with_those_it_can(name):
    found = family(name)
    with pytest.raises(Unsupported) as refusal:
        found.pipeline("sculpt", controlled=False)
    assert all(task in refusal.value.remedy for task in found.pipelines)


@pytest.mark.parametrize("name", NAMES)
def test_a_family_rescales_the_guidance_with_those_pipelines_that_can(name):
    import diffusers

    found = family(name)
    kinds = {*found.pipelines.values(), *found.control_pipelines.values()}
    calls = {kind: inspect.signature(getattr(diffusers, kind).__call__).parameters for kind in kinds}
    assert set(found.rescaling) == {kind for kind, call in calls.items() if "guidance_rescale" in call}
    assert all({"eta", "clip_skip", "generator"} <= call.keys() for call in calls.values())


@pytest.mark.parametrize("name", NAMES)
def test_every_family_finds_only_itself(name):
    channels = {"sd1": 4, "sd1_inpaint": 9, "sd2_depth": 5}
    assert [other for other in NAMES if family(other).detect(unet(channels[name]))] == [name]


def test_listing_families_and_samplers_imports_no_torch():
    code = (
        "import sys; from velatura_engine.families import families; from velatura_engine.samplers import samplers;"
        "assert families().parts() and samplers().parts(); assert not {'torch', 'diffusers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_new_file_is_a_new_part(tmp_path):
    (tmp_path / "twice.py").write_text(
        "from velatura_engine.samplers import SAMPLERS\n"
        "@SAMPLERS.part('twice', 'Twice', schedules=('normal',))\n"
        "def build(config, schedule):\n    'Does it twice.'\n"
    )
    from velatura_engine.samplers import SAMPLERS

    try:
        SAMPLERS.discover(tmp_path)
        assert SAMPLERS.get("twice").description == "Does it twice."
    finally:
        SAMPLERS._parts.pop("twice", None)


def mixed():
    shelf = Shelf("paint", "velatura_engine.families")

    @shelf.part("mixed", "Mixed")
    def build(*, amount: Annotated[float, Range(0, 1, 0.1)] = 0.5, order: Annotated[int, Range(1, 3)] = 2,
              tone: Annotated[str, Choice("warm", "cold")] = "warm"):  # fmt: skip
        """Mixes.

        Not shown."""

    return shelf._parts["mixed"]


def test_keyword_parameters_become_knobs():
    part = mixed()
    amount, _, tone = part.knobs
    assert (amount.minimum, amount.maximum, amount.step, amount.default) == (0, 1, 0.1, 0.5)
    assert tone.choices == ("warm", "cold") and part.description == "Mixes."


def test_knobs_take_values_in_their_range_and_type():
    checked = mixed().checked({"amount": 1, "order": 3.0, "tone": "cold"})
    assert checked == {"amount": 1.0, "order": 3, "tone": "cold"} and isinstance(checked["order"], int)


@pytest.mark.parametrize(
    "knobs",
    [{"amount": 1.4}, {"amount": float("nan")}, {"order": 1.5}, {"order": True}, {"tone": "hot"}, {"amount": "1"}],
)
def test_a_knob_out_of_range_is_refused_by_name(knobs):
    with pytest.raises(Invalid) as refusal:
        mixed().checked(knobs)
    assert refusal.value.field == f"knobs[{next(iter(knobs))}]"


def test_an_unknown_knob_offers_near_ones():
    with pytest.raises(NotFound) as refusal:
        mixed().checked({"amont": 1})
    assert refusal.value.suggestions[0] == "amount" and refusal.value.field == "knobs[amont]"
