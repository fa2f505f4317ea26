"""Families are told by content, and say what they can do."""

import inspect
import subprocess
import sys
from typing import Annotated

import pytest
from velatura_engine.errors import Invalid, NotFound, Unsupported
from velatura_engine.families import detect, detect_control, families, family
from velatura_engine.shelf import Choice, Range, Shelf

NAMES = [part.id for part in families().parts() if part.id != "generic"]


FILE = "model.diffusion_model."
KINDS = {
    # family: (input channels, resolutions, whether it hears the prompt in one vector)
    "sd1": (4, 4, False),
    "sd1_edit": (8, 4, False),
    "sd1_inpaint": (9, 4, False),
    "sd2_depth": (5, 4, False),
    "sdxl": (4, 3, True),
    "sdxl_inpaint": (9, 3, True),
    "sdxl_refiner": (4, 4, True),
}


def flux(channels):
    """Of Flux.1 and its relatives, which differ in what they see."""
    return (
        {"single_transformer_blocks.0.proj_mlp.weight": (8, 8), "x_embedder.weight": (8, channels),
         "time_text_embed.text_embedder.linear_1.weight": (8, 8)},
        {"double_blocks.0.img_attn.qkv.weight": (8, 8), "vector_in.in_layer.weight": (8, 8),
         "img_in.weight": (8, channels)},
    )  # fmt: skip


FLOWS = {
    # family: some tensors of a folder's denoiser, and of a file's
    "sd3": (
        {"context_embedder.weight": (8, 8), "transformer_blocks.0.attn.add_k_proj.weight": (8, 8),
         "pos_embed.proj.weight": (8, 16, 2, 2)},
        {"joint_blocks.0.context_block.attn.qkv.weight": (8, 8)},
    ),
    "flux": flux(64),
    "flux_control": flux(128),
    "flux_fill": flux(384),
    "flux2": (
        {"double_stream_modulation_img.linear.weight": (8, 8),
         "single_transformer_blocks.0.attn.to_out.weight": (8, 8)},
        {"double_stream_modulation_img.lin.weight": (8, 8), "single_blocks.0.linear1.weight": (8, 8)},
    ),
    "z_image": ({"cap_embedder.1.weight": (8, 8), "noise_refiner.0.adaLN_modulation.0.weight": (8, 8),
                 "x_pad_token": (1, 8)},) * 2,
    "qwen_image": ({"txt_norm.weight": (8,), "img_in.weight": (8, 64),
                    "transformer_blocks.0.img_mod.1.weight": (8, 8)},) * 2,
}  # fmt: skip


NETS = {
    # family: some tensors of its ControlNets
    "sd3": {"pos_embed_input.proj.weight": (8, 16, 2, 2), "controlnet_blocks.0.weight": (8, 8)},
    "flux": {"controlnet_x_embedder.weight": (8, 64), "context_embedder.weight": (8, 8)},
    "qwen_image": {"controlnet_x_embedder.weight": (8, 64), "txt_norm.weight": (8,)},
    "z_image": {"control_all_x_embedder.2-1.weight": (8, 64), "control_layers.0.after_proj.weight": (8, 8)},
}


def denoiser(name, prefix=""):
    """A few shapes of a family's denoiser, of a folder's or, with a prefix, of a whole file."""
    if name in KINDS:
        return unet(*KINDS[name], prefix=prefix)
    folder, file = FLOWS[name]
    return {f"{prefix}{key}": shape for key, shape in (file if prefix else folder).items()}


def unet(channels, levels=4, pooled=False, *, prefix=""):
    """A few shapes of a UNet, of a folder's denoiser or, with a prefix, of a whole file."""
    first = f"{prefix}input_blocks.0.0.weight" if prefix else "conv_in.weight"
    down = "input_blocks.{}.0.op.weight" if prefix else "down_blocks.{}.downsamplers.0.conv.weight"
    shapes = {first: (320, channels, 3, 3), f"{prefix}x.attn2.to_k.weight": (320, 768)}
    shapes |= {f"{prefix}{down.format(level)}": (320, 320, 3, 3) for level in range(levels - 1)}
    if not pooled:
        return shapes
    if prefix:
        return shapes | {f"{prefix}label_emb.0.0.weight": (8, 8), "conditioner.embedders.0.model.x": (8,)}
    return shapes | {"add_embedding.linear_1.weight": (1280, 2816)}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prefix", ["", FILE])
def test_a_family_is_told_by_its_shapes_in_either_layout(name, prefix):
    assert detect(denoiser(name, prefix)).id == name


@pytest.mark.parametrize(
    "shapes",
    [
        unet(7),
        {},
        {"transformer.x": (4, 4)},
        denoiser("flux") | {"x_embedder.weight": (8, 96)},
        unet(4) | {"class_embedding.linear_1.weight": (8, 8)},
        unet(4, 4, prefix=FILE) | {f"{FILE}label_emb.0.0.weight": (8, 8), "cond_stage_model.model.x": (8,)},
        unet(4, 3, True) | {"encoder_hid_proj.weight": (8, 8)},
        unet(4, 3, True, prefix=FILE) | {"edm_mean": (1,)},
    ],
    ids=[
        "seven channels",
        "nothing",
        "a transformer",
        "another Flux",
        "unCLIP",
        "an unCLIP file",
        "Kolors",
        "Playground",
    ],
)
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
    if found.flow is not None:
        read = {"generator", "latents", "output_type", *found.flow.unguided, *found.flow.given} - {""}
        assert all(read <= call.keys() for call in calls.values())
        return
    read = {"eta", "generator"} | ({"clip_skip"} if found.plain else {"prompt_embeds", "negative_prompt_embeds"})
    read |= {"pooled_prompt_embeds"} if any(reader.pooled for reader in found.readers) else set()
    read |= {"image_guidance_scale"} if found.image_guidance else set()
    assert all(read <= call.keys() for call in calls.values())


@pytest.mark.parametrize("name", [name for name in NAMES if family(name).flow and family(name).controls])
def test_controlnets_of_a_family_that_flows_lead_its_denoiser(name):
    import diffusers

    led, denoiser = family(name).flow.led, getattr(diffusers, family(name).components[family(name).denoiser])
    assert led.hint in inspect.signature(getattr(diffusers, led.net).forward).parameters
    assert led.answers.keys() <= inspect.signature(denoiser.forward).parameters.keys()
    assert detect_control(NETS[name]).id == name


@pytest.mark.parametrize("name", NAMES)
def test_every_component_of_a_family_is_one_that_its_pipelines_take(name):
    import diffusers

    found = family(name)
    assert {found.denoiser, "vae", *(reader.encoder for reader in found.readers)} <= found.weights.keys()
    words = found.components.keys() - found.weights.keys()
    assert {reader.tokenizer for reader in found.readers} == words or (found.flow and found.flow.tokenizer in words)
    for kind in {*found.pipelines.values(), *found.control_pipelines.values()}:
        taken = inspect.signature(getattr(diffusers, kind).__init__).parameters
        assert found.components.keys() <= taken.keys()
        assert not found.controls or found.flow or kind not in found.control_pipelines.values() or "controlnet" in taken


@pytest.mark.parametrize("name", NAMES)
def test_the_controlnets_that_a_family_takes_are_those_of_a_family_that_tells_them(name):
    found = family(name)
    assert bool(found.controls) == bool(found.control_pipelines or (found.flow and found.flow.led))
    if found.controls:
        assert family(found.controls).detect_control is not None


def test_controlnets_are_told_apart_by_what_they_hear():
    classic = {"x.attn2.to_k.weight": (320, 768)}
    assert detect_control(classic).id == "sd1"
    assert detect_control(classic | {"add_embedding.linear_1.weight": (1280, 2816)}).id == "sdxl"
    assert detect_control({"conv_in.weight": (320, 4, 3, 3)}) is None


@pytest.mark.parametrize("name", NAMES)
def test_every_family_finds_only_itself(name):
    assert [other for other in NAMES if family(other).detect(denoiser(name))] == [name]


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
