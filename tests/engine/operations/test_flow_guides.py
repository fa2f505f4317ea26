"""ControlNets lead transformer families as diffusers' own pipelines lead them, and beyond that in every task."""

from __future__ import annotations

import functools
import inspect

import diffusers
import numpy as np
import pytest
import torch
from fakes.tiny_flows import make_flow
from fakes.tiny_nets import NETS, make_net, make_wide
from velatura_engine.errors import NotFound, Unsupported
from velatura_engine.families import family as family_of
from velatura_engine.models.index import ModelIndex
from velatura_engine.pixels.picture import Picture
from velatura_engine.request import Control, Depth, Inpaint, Sampling, Tiling
from velatura_engine.runtime.tokens import Tokens

SIDE = 64
HINT = Picture(np.random.default_rng(5).random((SIDE, SIDE, 3), np.float32))
OTHER = Picture(np.random.default_rng(6).random((SIDE, SIDE, 3), np.float32))
NOISE = Picture(np.random.default_rng(0).random((SIDE, SIDE, 3), np.float32))
LEFT = np.zeros((SIDE, SIDE, 1), np.float32)
LEFT[:, : SIDE // 2] = 1
FAMILIES = list(NETS)


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> ModelIndex:
    home = tmp_path_factory.mktemp("models")
    deep = {"flux": {"num_layers": 2, "num_single_layers": 2}, "z_image": {"n_layers": 2}}
    for family in FAMILIES:
        more = deep.get(family, {"num_layers": 3 if family == "sd3" else 2})
        base = make_flow(home / family, family, **more)
        make_net(home / "controlnet" / f"{family}-canny", base, family)
    nets, flux, sd3 = home / "controlnet", home / "flux", home / "sd3"
    make_net(nets / "flux-union", flux, "flux", num_mode=6, num_layers=2, num_single_layers=0, seed=2)
    make_net(nets / "flux-xlabs-hed", flux, "flux", conditioning_embedding_channels=16, patch_size=2,
             num_single_layers=0, seed=3)  # fmt: skip
    make_net(nets / "sd3-stability-blur", sd3, "sd3", joint_attention_dim=None, use_pos_embed=False,
             pos_embed_max_size=None, pos_embed_type=None, qk_norm=None, force_zeros_for_pooled_projection=False,
             caption_projection_dim=16)  # fmt: skip
    make_net(nets / "sd3-inpaint", sd3, "sd3", extra_conditioning_channels=1, seed=4)
    make_net(nets / "qwen-inpaint", home / "qwen_image", "qwen_image", extra_condition_channels=4, seed=4)
    make_wide(make_net(nets / "flux-inpainting-beta", flux, "flux", num_single_layers=0, seed=6))
    make_net(nets / "z-union-2.1", home / "z_image", "z_image", control_in_dim=33, n_refiner_layers=1,
             add_control_noise_refiner="control_noise_refiner", control_layers_places=[0, 1])  # fmt: skip
    make_flow(home / "flux-wide", "flux", num_attention_heads=2)
    for name in ("flux-depth", "flux-canny-dev"):
        make_flow(home / name, "flux", kind="FluxControlPipeline", in_channels=128, out_channels=64)
    make_flow(home / "flux-fill", "flux", kind="FluxFillPipeline", in_channels=384, out_channels=64)
    return ModelIndex([home], starter=False)


@pytest.fixture
def paint(paint):
    """The first picture of a painting of three steps, (H, W, 3) in 0..1."""

    def painted(model: str, *controls: Control, **more) -> np.ndarray:
        return paint(model, controls=controls, **({"sampling": Sampling(steps=3)} | more))

    return painted


def canny(**more) -> Control:
    return Control(**({"kind": "canny", "image": HINT} | more))


def likeliest(pipeline):
    """Let it take what a hint's latents most likely are, where it draws them."""
    drawn = pipeline.vae.encode

    def encode(pixels, *args, **kwargs):
        answer = drawn(pixels, *args, **kwargs)
        answer.latent_dist.sample = lambda *_, **__: answer.latent_dist.mode()
        return answer

    pipeline.vae.encode = encode
    return pipeline


PIPELINES = {
    "sd3": "StableDiffusion3ControlNetPipeline", "flux": "FluxControlNetPipeline",
    "qwen_image": "QwenImageControlNetPipeline", "z_image": "ZImageControlNetPipeline",
}  # fmt: skip


def theirs(index, family, net, *, hint=HINT, kind="", multi=False, **call):
    """What diffusers' own pipeline paints with a ControlNet, (H, W, 3)."""
    module = getattr(diffusers, NETS[family][0]).from_pretrained(index.get(net, kind="controlnet").path)
    if multi:
        module = diffusers.FluxMultiControlNetModel([module])
    name = kind or PIPELINES[family]
    pipeline = likeliest(getattr(diffusers, name).from_pretrained(index.get(family).path, controlnet=module))
    pipeline.set_progress_bar_config(disable=True)
    image = hint if isinstance(hint, list) else as_tensor(hint)
    usual = {"guidance_scale": 3.5} if family == "flux" else {}
    call = {"controlnet_conditioning_scale": 1.0, **usual, **call}
    return pipeline(
        "moss", control_image=image, num_inference_steps=3, width=SIDE, height=SIDE, output_type="np",
        generator=[torch.Generator("cpu").manual_seed(3)], **call,
    ).images[0]  # fmt: skip


def as_tensor(picture: Picture) -> torch.Tensor:
    """(1, 3, H, W) in -1..1, which pipelines take as it is."""
    return torch.from_numpy(picture.pixels).permute(2, 0, 1)[None] * 2 - 1


def test_nothing_that_was_made_is_refused(index):
    nets = {entry.id: (entry.family, entry.control_kind or entry.reads[:2])
            for entry in index.entries() if entry.kind == "controlnet"}  # fmt: skip
    assert not index.refused
    assert nets == {
        "flux-inpainting-beta": ("flux", "inpaint"),
        "sd3-canny": ("sd3", "canny"), "sd3-stability-blur": ("sd3", "blur"), "sd3-inpaint": ("sd3", "inpaint"),
        "flux-canny": ("flux", "canny"), "flux-union": ("flux", ("canny", "tile")),
        "flux-xlabs-hed": ("flux", "softedge"),
        "qwen_image-canny": ("qwen_image", "canny"), "qwen-inpaint": ("qwen_image", "inpaint"),
        "z_image-canny": ("z_image", "canny"), "z-union-2.1": ("z_image", ("canny", "softedge")),
    }  # fmt: skip


GUIDED = {
    "sd3": ({"negative_prompt": "people", "guidance_scale": 4.5}, 4.5),
    "flux": ({"guidance_scale": 3.5}, 3.5),
    "qwen_image": ({"negative_prompt": "people", "true_cfg_scale": 4.0, "guidance_scale": None}, 4.0),
    "z_image": ({"negative_prompt": "people", "guidance_scale": 3.0}, 4.0),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_hint_leads_as_in_diffusers_own_pipeline(paint, index, family):
    call, scale = GUIDED[family]
    more = {"controlnet_conditioning_scale": 0.7}
    ours = paint(
        family, canny(strength=0.7), negative="" if family == "flux" else "people",
        sampling=Sampling(steps=3, guidance=scale),
    )  # fmt: skip
    assert ours == pytest.approx(theirs(index, family, f"{family}-canny", **call, **more), abs=2e-4)
    assert np.abs(ours - paint(family)).max() > 0.01


@pytest.mark.parametrize("family", ["sd3", "flux", "qwen_image"])
def test_a_hint_leads_only_in_its_part_of_the_run(paint, index, family):
    call, scale = GUIDED[family]
    part = {"control_guidance_start": 0.3, "control_guidance_end": 0.7}
    ours = paint(
        family, canny(start=0.3, end=0.7), negative="" if family == "flux" else "people",
        sampling=Sampling(steps=3, guidance=scale),
    )  # fmt: skip
    assert ours == pytest.approx(theirs(index, family, f"{family}-canny", **call, **part), abs=2e-4)


def test_a_union_is_told_what_it_reads(paint, index):
    tile, depth = (paint("flux", canny(kind=kind, model="flux-union")) for kind in ("tile", "depth"))
    assert not np.array_equal(tile, depth)
    assert depth == pytest.approx(theirs(index, "flux", "flux-union", control_mode=2), abs=2e-4)


def test_several_hints_add_up_as_in_diffusers_pipeline_for_several(paint, index):
    controls = (
        canny(kind="canny", model="flux-union", strength=0.5),
        canny(kind="tile", model="flux-union", image=OTHER),
    )
    both = theirs(
        index, "flux", "flux-union", multi=True, hint=[as_tensor(HINT), as_tensor(OTHER)], control_mode=[0, 1],
        controlnet_conditioning_scale=[0.5, 1.0], control_guidance_start=[0.0, 0.0], control_guidance_end=[1.0, 1.0],
    )  # fmt: skip
    assert paint("flux", *controls) == pytest.approx(both, abs=2e-4)


def test_a_net_that_reads_hints_by_layers_of_its_own_leads_all_layers_in_turn(paint, index):
    ours = paint("flux", canny(kind="hed"))
    assert ours == pytest.approx(theirs(index, "flux", "flux-xlabs-hed"), abs=2e-4)


def test_stabilitys_own_net_hears_the_prompt_in_one_vector_and_shares_places(paint, index):
    ours = paint("sd3", canny(kind="blur"), sampling=Sampling(steps=3, guidance=1.0))
    assert ours == pytest.approx(theirs(index, "sd3", "sd3-stability-blur", guidance_scale=1.0), abs=2e-4)


def test_a_net_that_leads_while_the_picture_is_refined(paint, index):
    ours = paint("z_image", canny(kind="mlsd"), sampling=Sampling(steps=3, guidance=1.0))
    assert ours == pytest.approx(theirs(index, "z_image", "z-union-2.1", guidance_scale=0.0), abs=2e-4)


INPAINTING = {
    "sd3": ("sd3-inpaint", "StableDiffusion3ControlNetInpaintingPipeline", {"guidance_scale": 1.0}),
    "qwen_image": ("qwen-inpaint", "QwenImageControlNetInpaintPipeline", {"guidance_scale": None}),
}


def test_unions_of_z_image_see_what_is_repainted_beside_any_hint(paint, asked, index):
    seen, mask = asked("z_image"), torch.from_numpy(LEFT).permute(2, 0, 1)[None]
    sampling = Sampling(steps=3, guidance=1.0)
    paint("z_image", canny(kind="mlsd"), init=NOISE, mask=Picture(LEFT, "data"), sampling=sampling)
    ours = torch.stack(list(seen[0]["control_context"]))
    seen.clear()
    kind = "ZImageControlNetInpaintPipeline"
    theirs(index, "z_image", "z-union-2.1", kind=kind, image=as_tensor(NOISE), mask_image=mask, guidance_scale=0.0)
    assert ours.shape[1] == 33
    assert torch.allclose(ours, torch.stack(list(seen[0]["control_context"])), atol=1e-4)


def test_alimamas_net_for_inpainting_sees_the_picture_and_what_of_it_stays(paint, asked, index):
    """Its config has channels that diffusers' class does not know; its authors put them behind the latents."""
    seen = asked("flux")
    own, more = Control(kind="inpaint", preprocessor="inpaint"), {"init": NOISE, "mask": Picture(LEFT, "data")}
    painted = paint("flux", own, **more)
    hint = seen[0]["controlnet_cond"].unflatten(2, (17, 2, 2))  # (1, n, C, 2, 2)
    stays = torch.from_numpy(1 - LEFT[:: SIDE // 8, :: SIDE // 8, 0])  # each latent's
    rows = stays.unflatten(0, (4, 2)).unflatten(2, (4, 2)).permute(0, 2, 1, 3).flatten(0, 1)
    assert torch.equal(hint[0, :, 16], rows)
    vae = diffusers.AutoencoderKL.from_pretrained(index.get("flux").path / "vae")
    with torch.no_grad():
        mode = vae.encode(torch.where(torch.from_numpy(LEFT).permute(2, 0, 1)[None] > 0, -1, as_tensor(NOISE)))
    latents = (mode.latent_dist.mode() - vae.config.shift_factor) * vae.config.scaling_factor
    packed = diffusers.FluxPipeline._pack_latents(latents, 1, 16, 8, 8).unflatten(2, (16, 2, 2))
    assert torch.allclose(hint[:, :, :16], packed, atol=1e-4)
    assert np.array_equal(painted[:, SIDE // 2 :], NOISE.pixels[:, SIDE // 2 :])
    assert not np.array_equal(painted, paint("flux", **more))


@pytest.mark.parametrize("family", INPAINTING)
def test_nets_for_inpainting_are_shown_what_diffusers_shows_them(paint, asked, index, family):
    net, kind, call = INPAINTING[family]
    seen = asked(family)
    own = Control(kind="inpaint", preprocessor="inpaint")
    sampling = Sampling(steps=3, guidance=1.0)
    painted = paint(family, own, init=NOISE, mask=Picture(LEFT, "data"), sampling=sampling)
    ours = {name: seen[0][name] for name in ("controlnet_cond", "pooled_projections") if name in seen[0]}
    seen.clear()
    mask = torch.from_numpy(LEFT).permute(2, 0, 1)[None]
    theirs(index, family, net, kind=kind, control_mask=mask, hint=NOISE, **call)
    assert all(torch.allclose(ours[name], seen[0][name], atol=1e-4) for name in ours)
    assert np.array_equal(painted[:, SIDE // 2 :], NOISE.pixels[:, SIDE // 2 :])


@pytest.mark.parametrize("family", ["flux", "z_image"])  # by tokens alone, and with words behind them
def test_hints_of_no_strength_or_outside_their_mask_lead_nowhere(paint, family):
    plain, weak = paint(family), paint(family, canny(strength=0.0))
    nowhere, everywhere, led = (
        paint(family, canny(mask=mask)) for mask in (Picture(LEFT * 0, "data"), Picture(LEFT * 0 + 1, "data"), None)
    )
    assert weak == pytest.approx(plain, abs=1e-5) and nowhere == pytest.approx(plain, abs=1e-5)
    assert everywhere == pytest.approx(led, abs=1e-5) and np.abs(led - plain).max() > 0.01
    half = paint(family, canny(mask=Picture(LEFT, "data")))
    assert np.abs(half - plain).max() > 0.01 and np.abs(half - led).max() > 0.01


@pytest.fixture
def asked(monkeypatch):
    """What nets are asked with from here on, by the names of their arguments."""

    def asked(family: str) -> list[dict]:
        of, seen = getattr(diffusers, NETS[family][0]), []
        forward = of.forward

        @functools.wraps(forward)
        def looking(self, *args, **kwargs):
            seen.append(inspect.signature(forward).bind(self, *args, **kwargs).arguments)
            return forward(self, *args, **kwargs)

        monkeypatch.setattr(of, "forward", looking)
        return seen

    return asked


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tile_is_rolled_with_its_hint(paint, asked, family, monkeypatch):
    seen, tiling = asked(family), Tiling(x=True, y=True)
    tokens, first = Tokens(family_of(family).flow.packing, SIDE // 8, SIDE // 8), []
    for far in (0, 1):
        monkeypatch.setattr(torch, "randint", lambda *_, far=far, **__: torch.tensor(far))
        paint(family, canny(), tiling=tiling)
        first.append({name: tokens.grid(as_list(values)) for name, values in seen[0].items()
                      if name in ("x", "hidden_states", "controlnet_cond", "control_context")})  # fmt: skip
        seen.clear()
    still, rolled = first
    assert len(still) == 2
    assert all(torch.allclose(rolled[name], still[name].roll((2, 2), (-2, -1)), atol=1e-6) for name in still)
    assert not torch.allclose(rolled["controlnet_cond" if family != "z_image" else "control_context"],
                              still["controlnet_cond" if family != "z_image" else "control_context"])  # fmt: skip


def as_list(values):
    """Z-Image's hints have an axis for frames, as each of its latents has."""
    return list(values) if isinstance(values, torch.Tensor) and values.ndim == 5 else values


@pytest.mark.parametrize("family", ["sd3", "z_image"])
def test_every_task_is_led_and_the_model_is_left_as_it_was(paint, family):
    before = paint(family)
    start = {"init": NOISE, "strength": 0.7}
    for task in (start, start | {"mask": Picture(LEFT, "data")}):
        assert not np.array_equal(paint(family, **task), paint(family, canny(), **task))
    assert np.array_equal(before, paint(family))


def test_a_net_for_another_width_or_family_is_refused_before_any_step(paint):
    for model, name in (("flux-wide", "flux-canny"), ("flux", "sd3-canny"), ("qwen_image", "z_image-canny")):
        with pytest.raises(Unsupported) as refusal:
            paint(model, canny(model=name))
        assert refusal.value.reason == "WRONG_BASE" and refusal.value.field == "steps[0].diffuse.controls[0].model"
    with pytest.raises(NotFound) as missing:
        paint("flux-wide", canny())
    assert missing.value.reason == "NO_CONTROL_MODEL"


RAMP = Depth(image=Picture(np.tile(np.linspace(1, 5, SIDE, dtype=np.float32), (SIDE, 1))[..., None], "data"))


def test_a_model_that_reads_its_hint_by_itself_paints_what_diffusers_paints(paint, index):
    assert (index.get("flux-depth").family, index.get("flux-depth").control_kind) == ("flux_control", "depth")
    pipeline = likeliest(diffusers.FluxControlPipeline.from_pretrained(index.get("flux-canny-dev").path))
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        "moss", control_image=as_tensor(HINT), num_inference_steps=3, width=SIDE, height=SIDE, output_type="np",
        generator=[torch.Generator("cpu").manual_seed(3)], guidance_scale=10.0,
    ).images[0]  # fmt: skip
    assert paint("flux-canny-dev", canny()) == pytest.approx(theirs, abs=2e-4)


def test_depth_leads_a_model_that_reads_it_by_itself_in_every_task(paint):
    for task in ({}, {"init": NOISE, "strength": 0.7}, {"init": NOISE, "mask": Picture(LEFT, "data")}):
        near = paint("flux-depth", depth=RAMP, tiling=Tiling(x=True), **task)
        assert not np.array_equal(near, paint("flux-depth", canny(kind="depth"), tiling=Tiling(x=True), **task))


@pytest.mark.parametrize(("controls", "field"), [
    ((), "controls"),
    ((canny(), canny()), "controls"),
    ((canny(kind="depth"),), "controls[0]"),
    ((canny(model="flux-canny"),), "controls[0].model"),
    ((canny(strength=0.5),), "controls[0]"),
    ((canny(end=0.5),), "controls[0]"),
    ((canny(mask=Picture(LEFT, "data")),), "controls[0]"),
])  # fmt: skip
def test_a_model_that_reads_its_hint_by_itself_takes_one_of_its_kind_and_whole(paint, controls, field):
    with pytest.raises(Unsupported) as refusal:
        paint("flux-canny-dev", *controls)
    assert refusal.value.field == f"steps[0].diffuse.{field}" and refusal.value.remedy


def test_a_model_made_for_repainting_sees_what_diffusers_shows_it(paint, index, monkeypatch):
    """Its pipeline paints everything anew; where all is masked, so do we."""
    seen, forward = [], diffusers.FluxTransformer2DModel.forward

    @functools.wraps(forward)
    def looking(self, **kwargs):
        seen.append(kwargs["hidden_states"])
        return forward(self, **kwargs)

    monkeypatch.setattr(diffusers.FluxTransformer2DModel, "forward", looking)
    pipeline = likeliest(diffusers.FluxFillPipeline.from_pretrained(index.get("flux-fill").path))
    pipeline.set_progress_bar_config(disable=True)
    for mask in (LEFT, np.ones_like(LEFT)):
        seen.clear()
        theirs = pipeline(
            "moss", image=as_tensor(NOISE), mask_image=torch.from_numpy(mask).permute(2, 0, 1)[None],
            num_inference_steps=3, width=SIDE, height=SIDE, output_type="np", guidance_scale=30.0,
            generator=[torch.Generator("cpu").manual_seed(3)],
        ).images[0]  # fmt: skip
        shown = seen[0]
        seen.clear()
        ours = paint("flux-fill", init=NOISE, mask=Picture(mask, "data"), inpaint=Inpaint(fill="original"))
        assert torch.allclose(seen[0], shown, atol=1e-4)
    assert ours == pytest.approx(theirs, abs=2e-4)


def test_a_model_made_for_repainting_does_nothing_else(paint):
    with pytest.raises(Unsupported) as refusal:
        paint("flux-fill")
    assert refusal.value.field == "steps[0].diffuse.model" and "inpaint" in refusal.value.remedy
