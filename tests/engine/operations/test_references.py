"""Pictures to take after: what each counts, where, and that nothing of it stays behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from fakes.tiny_models import make_tiny
from fakes.tiny_references import make_adapter, make_encoder
from PIL import Image
from transformers import CLIPVisionModelWithProjection
from velatura_engine.errors import Cancelled, NotFound, Unsupported
from velatura_engine.events import Artifact, Event
from velatura_engine.models.index import ModelIndex
from velatura_engine.pixels.picture import Picture, as_srgb
from velatura_engine.planning.job import make
from velatura_engine.request import Depth, Diffuse, Reference, Request, Sampling, Step
from velatura_engine.run import Runner
from velatura_engine.samplers import sampler

SIDE = 64
PLAIN, PLUS, FACE = "plain", "plus", "full-face"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_tiny(folder / "tiny")
    make_tiny(folder / "five", "sd2_depth")
    for variant in (PLAIN, PLUS, FACE):
        make_adapter(folder / "ip_adapter" / f"{variant}.safetensors", folder / "tiny", variant.replace("-", " "))
    make_adapter(folder / "ip_adapter" / "five-plain.safetensors", folder / "five")
    make_encoder(folder / "clip_vision" / "eyes")
    return folder


@pytest.fixture(scope="module")
def index(folder: Path) -> ModelIndex:
    return ModelIndex([folder], starter=False)


@pytest.fixture(scope="module")
def runner() -> Runner:
    return Runner(device="cpu", threads=1)


def plan(index: ModelIndex, *references: Reference, **more: Any):
    fields = {"prompt": "moss", "model": "tiny", "seed": 3, "width": SIDE, "height": SIDE} | more
    fields = {"sampling": Sampling(steps=2, guidance=4.0), "references": references} | fields
    return make(Request(steps=(Step(id="0", operation=Diffuse(**fields)),)), index)


@pytest.fixture
def paint(index, runner):
    """Paints in two steps with guidance, and gives the first picture back, (H, W, 3)."""

    def paint(*references: Reference, **more: Any) -> np.ndarray:
        events: list[Event] = []
        runner.run(plan(index, *references, **more), lambda: None, events.append)
        return next(as_srgb(event.picture) for event in events if isinstance(event, Artifact))

    return paint


def picture(seed: int, height: int = 40, width: int = 40) -> Picture:
    """A picture of random patches."""
    patches = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return Picture(np.asarray(Image.fromarray(patches).resize((width, height))))


def mask(value: float | np.ndarray) -> Picture:
    return Picture(np.broadcast_to(np.float32(value), (SIDE, SIDE))[..., None].astype(np.float32), "data")


def after(seed: int = 1, **more: Any) -> Reference:
    return Reference(**({"image": picture(seed), "model": PLAIN} | more))


@pytest.mark.parametrize("variant", [PLAIN, PLUS, FACE])
@pytest.mark.parametrize("guidance", [4.0, 1.0])
def test_it_paints_what_diffusers_own_way_paints(folder, index, paint, variant, guidance):
    ours = paint(after(model=variant, strength=0.7), sampling=Sampling(steps=2, guidance=guidance))
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(
        folder / "tiny", safety_checker=None, requires_safety_checker=False,
        image_encoder=CLIPVisionModelWithProjection.from_pretrained(folder / "clip_vision" / "eyes"),
    )  # fmt: skip
    pipeline.load_ip_adapter(str(folder / "ip_adapter"), subfolder="", weight_name=f"{variant}.safetensors")
    pipeline.set_ip_adapter_scale(0.7)
    step = plan(index).steps[0]
    pipeline.scheduler = sampler(step.sampler).build(dict(pipeline.scheduler.config), step.schedule)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        "moss", negative_prompt="", ip_adapter_image=Image.fromarray(picture(1).pixels), num_inference_steps=2,
        guidance_scale=guidance, width=SIDE, height=SIDE, generator=torch.Generator().manual_seed(3), output_type="np",
    ).images[0]  # fmt: skip
    assert ours == pytest.approx(theirs, abs=1e-4)
    assert np.abs(ours - paint(sampling=Sampling(steps=2, guidance=guidance))).max() > 0.01


@pytest.mark.parametrize("variant", [PLAIN, PLUS, FACE])
def test_no_strength_is_no_reference(paint, variant):
    assert np.array_equal(paint(after(model=variant, strength=0.0)), paint())


def test_one_of_no_strength_beside_another_counts_nothing(paint):
    assert np.array_equal(paint(after(1), after(2, strength=0.0)), paint(after(1)))


@pytest.mark.parametrize("variant", [PLAIN, PLUS])
def test_a_mask_of_everywhere_is_no_mask(paint, variant):
    assert paint(after(model=variant, mask=mask(1))) == pytest.approx(paint(after(model=variant)), abs=1e-6)


@pytest.mark.parametrize("variant", [PLAIN, PLUS])
def test_a_mask_of_nowhere_is_no_reference(paint, variant):
    assert paint(after(model=variant, mask=mask(0))) == pytest.approx(paint(), abs=1e-6)


def test_half_a_mask_is_half_the_strength(paint):
    assert paint(after(mask=mask(0.5))) == pytest.approx(paint(after(strength=0.5)), abs=1e-5)


@pytest.mark.parametrize("models", [(PLAIN, PLAIN), (PLAIN, PLUS), (PLUS, PLUS)])
def test_their_order_does_not_matter(paint, models):
    first, second = after(1, model=models[0]), after(2, model=models[1])
    there, back = paint(first, second), paint(second, first)
    assert np.array_equal(there, back)
    assert np.abs(there - paint(first)).max() > 0.001 and np.abs(there - paint(second)).max() > 0.001


def test_the_same_picture_twice_at_half_strength_is_once_at_full(paint):
    plain = {"sampling": Sampling(steps=2, guidance=1.0)}  # guidance would multiply what sums of halves round
    twice = paint(after(strength=0.5), after(strength=0.5), **plain)
    assert twice == pytest.approx(paint(after(), **plain), abs=1e-5)


def test_two_in_halves_of_the_picture_are_one_in_all_of_it(paint):
    left = np.zeros((SIDE, SIDE), np.float32)
    left[:, : SIDE // 2] = 1
    halves = paint(after(mask=mask(left)), after(mask=mask(1 - left)))
    assert halves == pytest.approx(paint(after()), abs=1e-5)


def test_style_is_less_than_all_of_a_picture(paint):
    style, content, none = paint(after(role="style")), paint(after()), paint()
    assert np.abs(style - none).max() > 1e-3 and np.abs(style - content).max() > 1e-3


def test_a_face_is_read_by_the_adapter_for_faces(index):
    chosen = plan(index, after(role="face", model=None)).steps[0].references[0].model.id
    assert chosen == FACE


@pytest.mark.parametrize(("role", "best"), [("content", PLUS), ("style", PLAIN)])
def test_where_none_is_named_a_role_has_its_best(index, role, best):
    assert plan(index, after(role=role, model=None)).steps[0].references[0].model.id == best


def test_each_picture_of_a_batch_is_as_if_painted_alone(index, runner):
    events: list[Event] = []
    runner.run(plan(index, after(), after(2), count=3), lambda: None, events.append)
    together = [as_srgb(event.picture) for event in events if isinstance(event, Artifact)]
    for number, one in enumerate(together):
        events.clear()
        runner.run(plan(index, after(), after(2), seed=3 + number), lambda: None, events.append)
        alone = next(as_srgb(event.picture) for event in events if isinstance(event, Artifact))
        assert one == pytest.approx(alone, abs=1e-4)


def test_a_composed_prompt_hears_the_reference_in_every_branch(paint):
    """Twice the same sub-prompt at half the pull is that prompt once."""
    composed = paint(after(), prompt="moss :0.5 AND moss :0.5")
    assert composed == pytest.approx(paint(after(), prompt="moss"), abs=1e-4)


def test_models_that_read_depth_take_after_pictures_too(paint):
    ramp = Picture(np.tile(np.linspace(1, 5, SIDE, dtype=np.float32), (SIDE, 1))[..., None], "data")
    asked = {"model": "five", "depth": Depth(image=ramp)}
    assert np.abs(paint(after(model="five-plain"), **asked) - paint(**asked)).max() > 1e-3


def state(runner: Runner, index: ModelIndex) -> Any:
    """Everything of the denoiser that a reference could leave something in."""
    unet = runner.models.checkpoint(index.get("tiny")).denoiser
    return (
        {name: id(processor) for name, processor in unet.attn_processors.items()},
        [name for name, _ in unet.named_modules()],
        {name: (set(vars(module)), set(module._modules)) for name, module in unet.named_modules()},
        unet.encoder_hid_proj, dict(unet.config), unet.config.encoder_hid_dim_type,
        {name: len(m._forward_pre_hooks) + len(m._forward_hooks) for name, m in unet.named_modules()},
        sum(value.double().sum().item() for value in unet.parameters()),
    )  # fmt: skip


class Trouble(Exception):
    """Something that went wrong."""


@pytest.mark.parametrize("end", [None, Cancelled("enough"), Trouble("oh")], ids=["success", "cancel", "error"])
def test_nothing_stays_behind(index, runner, paint, end):
    before, clean = paint(), state(runner, index)
    calls = []

    def check() -> None:
        calls.append(None)
        if end is not None and len(calls) == 6:  # in the midst of the steps
            raise end

    try:
        runner.run(plan(index, after(), after(2, model=PLUS, mask=mask(0.5))), check, lambda event: None)
    except (Cancelled, Trouble) as caught:
        assert caught is end
    else:
        assert end is None
    assert state(runner, index) == clean
    assert np.array_equal(paint(), before)


def test_a_picture_of_one_long_row_is_looked_at(paint):
    assert np.isfinite(paint(after(image=picture(5, height=1, width=8000)))).all()


def test_an_adapter_whose_attentions_stand_in_another_order_is_refused(folder, tmp_path, runner):
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "ip_adapter" / "plain.safetensors")
    widths = {name: value.shape[0] for name, value in tensors.items() if name.startswith("ip_adapter.")}
    first = "ip_adapter.1."
    other = next(name for name, width in widths.items() if width != widths[f"{first}to_k_ip.weight"])
    other = other[: other.index("to_")]
    for part in ("to_k_ip.weight", "to_v_ip.weight"):
        tensors[first + part], tensors[other + part] = tensors[other + part], tensors[first + part]
    models = tmp_path / "models"
    models.mkdir()
    for name in ("tiny", "clip_vision"):
        (models / name).symlink_to(folder / name)
    save_file(tensors, models / "mixed.safetensors")
    index = ModelIndex([models], starter=False)
    with pytest.raises(Unsupported) as caught:
        runner.run(plan(index, after(model="mixed")), lambda: None, lambda event: None)
    assert caught.value.reason == "WRONG_BASE"


def test_an_adapter_for_another_base_is_refused_while_planning(index):
    with pytest.raises(Unsupported) as caught:
        plan(index, after(model="five-plain"))
    assert (caught.value.reason, caught.value.field) == ("WRONG_BASE", "steps[0].diffuse.references[0].model")


def test_without_an_encoder_it_is_said_which_to_install(folder, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    for name in ("tiny", "ip_adapter"):
        (models / name).symlink_to(folder / name)
    with pytest.raises(NotFound) as caught:
        plan(ModelIndex([models], starter=False), after())
    assert caught.value.reason == "NO_IMAGE_ENCODER"
    assert "24" in caught.value.message and "clip_vision" in caught.value.remedy


def test_without_an_adapter_it_is_said_where_one_goes(folder, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    (models / "tiny").symlink_to(folder / "tiny")
    with pytest.raises(NotFound) as caught:
        plan(ModelIndex([models], starter=False), after(model=None))
    assert caught.value.reason == "NO_REFERENCE_MODEL" and "ip_adapter" in caught.value.remedy


def test_an_adapter_that_is_not_for_faces_reads_none(index):
    with pytest.raises(Unsupported) as caught:
        plan(index, after(role="face", model=PLUS))
    assert caught.value.field.endswith("references[0].role")
