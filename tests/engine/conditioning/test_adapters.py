"""What adapters change is exactly what their formulas say, and nothing of it is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from fakes import adapters as fake
from fakes.tiny_models import make_tiny
from torch import nn
from velatura_engine.conditioning.adapters.deltas import Mismatch, bias_delta, weight_delta
from velatura_engine.conditioning.adapters.names import Places, components
from velatura_engine.conditioning.adapters.wear import wearing
from velatura_engine.errors import Cancelled, Unsupported
from velatura_engine.models.entry import ModelEntry
from velatura_engine.plan import AdapterPlan

LINEAR = fake.UNET[0]
CONV = fake.UNET[-1]


def plan(path: Path, weight: float = 1.0, **more) -> AdapterPlan:
    kind = more.pop("kind", "lora")
    entry = ModelEntry(id="x", title="X", kind=kind, family="sd1", path=path, format="single", name="x")
    facts = {"text_weight": weight, "block_weights": {}, "force": False, "field": "adapters[0]"} | more
    return AdapterPlan(model=entry, weight=weight, **facts)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    pipe = StableDiffusionPipeline.from_pretrained(make_tiny(tmp_path_factory.mktemp("m") / "tiny", "sd1"))
    for module in (pipe.unet, pipe.text_encoder):
        module.eval().requires_grad_(False)
    pipe.unet.to(memory_format=torch.channels_last)
    return pipe


@pytest.fixture
def wear(pipeline):
    """Wears plans on the tiny pipeline; the warnings are gathered in `told`."""

    def wear(*plans, check=lambda: None):
        return wearing(plans, components(pipeline), "Tiny", check=check, warn=wear.told.append)

    wear.told = []
    return wear


def weights(pipeline) -> dict[str, torch.Tensor]:
    """Every number of denoiser and text encoder."""
    parts = {"unet": pipeline.unet, "text": pipeline.text_encoder}
    return {f"{part}.{name}": v.clone() for part, module in parts.items() for name, v in module.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def weight(pipeline, path: str) -> torch.Tensor:
    return pipeline.unet.get_submodule(path).weight.data.clone()


# What each kind of adapter adds to a weight


DICE = torch.Generator().manual_seed(0)


def rand(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=DICE)


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-4, atol=1e-5)


def test_a_lora_adds_alpha_over_rank_times_up_times_down():
    up, down = rand(6, 4), rand(4, 5)
    parts = {"up": up, "down": down, "alpha": torch.tensor(2.0)}
    assert close(weight_delta(parts, rand(6, 5)), up @ down * 0.5)
    del parts["alpha"]
    assert close(weight_delta(parts, rand(6, 5)), up @ down)


def test_a_lora_of_a_convolution_convolves_as_its_two_convolutions_do():
    down, up, picture = rand(4, 5, 3, 3), rand(6, 4, 1, 1), rand(1, 5, 8, 8)
    delta = weight_delta({"up": up, "down": down}, rand(6, 5, 3, 3))
    both = nn.functional.conv2d(nn.functional.conv2d(picture, down, padding=1), up)
    assert close(nn.functional.conv2d(picture, delta, padding=1), both)


def test_a_lora_with_a_core_convolves_as_its_three_convolutions_do():
    down, mid, up, picture = rand(4, 5, 1, 1), rand(4, 4, 3, 3), rand(6, 4, 1, 1), rand(1, 5, 8, 8)
    delta = weight_delta({"up": up, "mid": mid, "down": down}, rand(6, 5, 3, 3))
    inner = nn.functional.conv2d(nn.functional.conv2d(picture, down), mid, padding=1)
    assert close(nn.functional.conv2d(picture, delta, padding=1), nn.functional.conv2d(inner, up))


def test_a_loha_is_the_product_of_two_products_number_by_number():
    a, b, c, d = rand(6, 3), rand(3, 5), rand(6, 3), rand(3, 5)
    parts = {"w1_a": a, "w1_b": b, "w2_a": c, "w2_b": d, "alpha": torch.tensor(1.5)}
    assert close(weight_delta(parts, rand(6, 5)), (a @ b) * (c @ d) / 2)


def test_a_loha_with_cores_is_the_product_of_two_small_convolutions():
    core, left, right = rand(3, 3, 2, 2), rand(3, 6), rand(3, 5)
    parts = {"t1": core, "w1_a": left, "w1_b": right, "t2": core, "w2_a": left, "w2_b": right}
    expected = torch.zeros(6, 5, 2, 2)
    for p in range(3):
        for q in range(3):
            expected += left[p][:, None, None, None] * right[q][None, :, None, None] * core[p, q]
    assert close(weight_delta(parts, rand(6, 5, 2, 2)), expected**2)


def test_a_lokr_is_a_kronecker_product():
    first, second = rand(2, 3), rand(4, 5)
    expected = torch.cat([torch.cat([number * second for number in row], 1) for row in first])
    assert close(weight_delta({"k1": first, "k2": second, "alpha": torch.tensor(9.0)}, rand(8, 15)), expected)
    a, b = rand(4, 2), rand(2, 5)
    expected = torch.cat([torch.cat([number * (a @ b) for number in row], 1) for row in first]) / 2
    assert close(weight_delta({"k1": first, "k2_a": a, "k2_b": b, "alpha": torch.tensor(1.0)}, rand(8, 15)), expected)


def test_a_lokr_of_a_convolution_repeats_its_small_kernel():
    first, second = rand(2, 3), rand(4, 5, 3, 3)
    delta = weight_delta({"k1": first, "k2": second}, rand(8, 15, 3, 3))
    for row, column in ((0, 0), (1, 2)):
        block = delta[4 * row : 4 * row + 4, 5 * column : 5 * column + 5]
        assert close(block, first[row, column] * second)


def test_a_dora_keeps_directions_and_gives_rows_their_lengths():
    whole, up, down = rand(6, 5), rand(6, 2), rand(2, 5)
    for magnitude in (rand(6, 1).abs(), rand(6).abs()):
        delta = weight_delta({"up": up, "down": down, "magnitude": magnitude}, whole)
        turned = whole + up @ down
        assert close((whole + delta).norm(dim=1), magnitude.flatten())
        assert close(nn.functional.cosine_similarity(whole + delta, turned), torch.ones(6))


def test_a_dora_of_columns_gives_columns_their_lengths():
    whole, magnitude = rand(6, 5, 3, 3), rand(1, 5, 1, 1).abs()
    delta = weight_delta({"up": rand(6, 2, 1, 1), "down": rand(2, 5, 3, 3), "magnitude": magnitude}, whole)
    assert close((whole + delta).transpose(0, 1).flatten(1).norm(dim=1), magnitude.flatten())


def test_a_full_difference_is_added_as_it_stands_to_weight_and_bias():
    parts = {"diff": rand(6, 5), "bias": rand(6)}
    assert torch.equal(weight_delta(parts, rand(6, 5)), parts["diff"])
    assert torch.equal(bias_delta(parts, rand(6)), parts["bias"])
    assert weight_delta({"bias": rand(6)}, rand(6, 5)) is None


@pytest.mark.parametrize(("on_input", "count"), [(True, 5), (False, 6)])
def test_ia3_scales_columns_or_rows(on_input: bool, count: int):
    scale, whole = rand(count), rand(6, 5)
    delta = weight_delta({"scale": scale, "on_input": torch.tensor(on_input)}, whole)
    assert close(whole + delta, whole * (1 + (scale if on_input else scale[:, None])))


@pytest.mark.parametrize(
    "parts",
    [
        {"up": rand(6, 4), "down": rand(3, 5)},
        {"up": rand(7, 4), "down": rand(4, 5)},
        {"up": rand(6, 4)},
        {"diff": rand(5, 6)},
        {"k1": rand(200, 200), "k2": rand(200, 200)},
        {"up": rand(6, 4), "down": rand(4, 5), "magnitude": rand(9)},
        {"w1_a": rand(6, 2), "w1_b": rand(2, 5), "w2_a": rand(6, 2), "w2_b": rand(2, 4)},
    ],
    ids=lambda parts: "+".join(parts),
)
def test_matrices_that_do_not_make_the_weight_are_no_match(parts):
    with pytest.raises(Mismatch):
        weight_delta(parts, rand(6, 5))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_number_is_never_added(number: float):
    up = rand(6, 4)
    up[2, 1] = number
    with pytest.raises(ValueError, match="not numbers"):
        weight_delta({"up": up, "down": rand(4, 5)}, rand(6, 5))


# Worn by a model


def test_half_the_weight_adds_half_and_only_to_the_layers_named(pipeline, wear, tmp_path):
    pairs = fake.matrices(pipeline.unet, fake.UNET)
    file = fake.save(tmp_path / "x.safetensors", fake.kohya(pairs, alpha=2.0))
    before = weights(pipeline)
    with wear(plan(file, 0.5)):
        now = weights(pipeline)
    for path, (down, up) in pairs.items():
        added = (up.flatten(1) @ down.flatten(1)).reshape(now[f"unet.{path}.weight"].shape) * 0.5 * (2.0 / fake.RANK)
        assert close(now[f"unet.{path}.weight"] - before[f"unet.{path}.weight"], added)
    changed = {name for name in before if not torch.equal(before[name], now[name])}
    assert changed == {f"unet.{path}.weight" for path in pairs}
    assert not wear.told


def test_kohyas_and_pefts_layouts_of_the_same_matrices_are_the_same(pipeline, wear, tmp_path):
    pairs, texts = fake.matrices(pipeline.unet, fake.UNET), fake.matrices(pipeline.text_encoder, fake.TEXT)
    old = {f"text_model.{path}": pair for path, pair in texts.items()}
    files = [
        fake.save(tmp_path / "k.safetensors", fake.kohya(pairs) | fake.kohya(old, "lora_te")),
        fake.save(tmp_path / "k1.safetensors", fake.kohya(pairs) | fake.kohya(old, "lora_te1")),
        fake.save(tmp_path / "p.safetensors", fake.peft(pairs) | fake.peft(old, "text_encoder")),
        fake.save(tmp_path / "q.safetensors", fake.peft(pairs) | fake.peft(texts, "text_encoder")),
    ]
    found = []
    for file in files:
        with wear(plan(file)):
            found.append(weights(pipeline))
    assert all(same(found[0], other) for other in found[1:])
    assert not same(found[0], weights(pipeline)) and not wear.told


def test_names_of_the_original_layout_mean_the_same_layers(pipeline):
    """Against the names that the fakes give single files, which diffusers itself reads."""
    from fakes.original_names import unet_key

    rows = {row for row, block in enumerate(pipeline.unet.up_blocks) if hasattr(block, "attentions")}
    places = Places(components(pipeline))
    for name, module in pipeline.unet.named_modules():
        if isinstance(getattr(module, "weight", None), nn.Parameter):
            original = unet_key(f"{name}.weight", rows).removesuffix(".weight")
            for written in (f"lora_unet_{original.replace('.', '_')}", f"diffusion_model.{original}", f"unet.{name}"):
                place = next(iter(places.find(written)), None)
                assert place is not None and place.module is module, (written, name)


@pytest.mark.parametrize(
    ("path", "block"),
    [
        ("conv_in", "IN00"), ("down_blocks.0.attentions.1.proj_in", "IN02"),
        ("down_blocks.0.downsamplers.0.conv", "IN03"),
        ("down_blocks.2.resnets.0.conv1", "IN07"), ("mid_block.resnets.1.conv1", "M00"),
        ("up_blocks.0.upsamplers.0.conv", "OUT02"), ("up_blocks.3.attentions.2.proj_out", "OUT11"),
        ("time_embedding.linear_1", "BASE"),
    ],
)  # fmt: skip
def test_blocks_are_counted_as_the_community_counts_them(pipeline, path: str, block: str):
    assert Places(components(pipeline)).find(f"unet.{path}")[0].block == block


def test_block_weights_scale_their_blocks_and_base_the_text_encoder(pipeline, wear, tmp_path):
    pairs, texts = fake.matrices(pipeline.unet, fake.UNET), fake.matrices(pipeline.text_encoder, fake.TEXT)
    file = fake.save(tmp_path / "x.safetensors", fake.peft(pairs) | fake.peft(texts, "text_encoder"))
    before = weights(pipeline)
    with wear(plan(file)):
        whole = weights(pipeline)
    with wear(plan(file, block_weights={"IN01": 0.0, "M00": 0.5, "BASE": -1.0})):
        some = weights(pipeline)
    parts = {"unet.down": 0.0, "unet.mid": 0.5, "unet.up": 1.0, "text": -1.0}
    for name in before:
        factor = next((f for start, f in parts.items() if name.startswith(start)), 1.0)
        assert close(some[name] - before[name], (whole[name] - before[name]) * factor), name


def test_two_loras_add_up_in_either_order(pipeline, wear, tmp_path):
    one, other = (
        fake.save(tmp_path / f"{seed}.safetensors", fake.kohya(fake.matrices(pipeline.unet, [LINEAR, CONV], seed=seed)))
        for seed in (1, 2)
    )
    before = weights(pipeline)
    seen = []
    for plans in ([plan(one, 0.7)], [plan(other, -0.4)], [plan(one, 0.7), plan(other, -0.4)]):
        with wear(*plans):
            seen.append(weights(pipeline))
    for name in before:
        alone = (seen[0][name] - before[name]) + (seen[1][name] - before[name])
        assert close(seen[2][name] - before[name], alone)


def test_pefts_alpha_in_the_metadata_counts(pipeline, wear, tmp_path):
    pairs = fake.matrices(pipeline.unet, [LINEAR])
    facts = {"lora_adapter_metadata": '{"unet.lora_alpha": 2, "unet.r": 4}'}
    file = fake.save(tmp_path / "x.safetensors", fake.peft(pairs), facts)
    before = weight(pipeline, LINEAR)
    down, up = pairs[LINEAR]
    with wear(plan(file)):
        assert close(weight(pipeline, LINEAR) - before, up @ down * 0.5)


def test_convolutions_stay_laid_out_in_memory_as_they_were(pipeline, wear, tmp_path):
    file = fake.save(tmp_path / "x.safetensors", fake.peft(fake.matrices(pipeline.unet, [CONV])))
    layer = pipeline.unet.get_submodule(CONV)
    strides = layer.weight.stride()
    with wear(plan(file)):
        assert layer.weight.stride() == strides
        assert layer.weight.is_contiguous(memory_format=torch.channels_last)


# Taken off


class Wrong(Exception):
    pass


def test_after_success_error_and_cancel_the_very_same_weights_are_there(pipeline, wear, tmp_path):
    file = fake.save(tmp_path / "x.safetensors", fake.peft(fake.matrices(pipeline.unet, fake.UNET)))
    hyper = fake.save(tmp_path / "h.safetensors", nets(32))
    parameters = {name: value.data_ptr() for name, value in pipeline.unet.named_parameters()}
    before = weights(pipeline)
    plans = plan(file), plan(hyper, kind="hypernetwork")
    calls = iter(range(3))

    def cancel() -> None:
        if next(calls) == 2:
            raise Cancelled("stop")

    with wear(*plans):
        assert not same(before, weights(pipeline))
    with pytest.raises(Wrong), wear(*plans):
        raise Wrong
    with pytest.raises(Cancelled), wear(*plans, check=cancel):
        raise AssertionError("it was to be stopped while it was put on")
    assert same(before, weights(pipeline))
    assert parameters == {name: value.data_ptr() for name, value in pipeline.unet.named_parameters()}
    assert not any(module._forward_pre_hooks for module in pipeline.unet.modules())


def test_a_file_that_breaks_half_way_leaves_nothing(pipeline, wear, tmp_path):
    tensors = fake.peft(fake.matrices(pipeline.unet, fake.UNET))
    tensors[f"unet.{CONV}.lora_B.weight"][0] = float("nan")
    before = weights(pipeline)
    with pytest.raises(Unsupported) as caught, wear(plan(fake.save(tmp_path / "x.safetensors", tensors))):
        raise AssertionError("it was to be refused")
    assert caught.value.reason == "BROKEN_MODEL_FILE" and "numbers" in caught.value.message
    assert same(before, weights(pipeline))


def test_layers_that_fit_nothing_are_counted_and_named(pipeline, wear, tmp_path):
    tensors = fake.peft(fake.matrices(pipeline.unet, [LINEAR]))
    tensors |= fake.peft({"no.such.layer": (rand(4, 5), rand(6, 4)), "conv_in": (rand(4, 5), rand(6, 4))})
    with wear(plan(fake.save(tmp_path / "x.safetensors", tensors))):
        (warning,) = wear.told
    assert warning.reason == "LAYERS_LEFT_OUT" and "2 of the 3 layers" in warning.message


def test_a_file_none_of_whose_layers_fit_is_refused(pipeline, wear, tmp_path):
    file = fake.save(tmp_path / "x.safetensors", fake.peft({"conv_in": (rand(4, 5), rand(6, 4))}))
    with pytest.raises(Unsupported) as caught, wear(plan(file)):
        raise AssertionError("it was to be refused")
    assert caught.value.reason == "WRONG_BASE" and caught.value.field == "adapters[0]"


# Hypernetworks


def nets(*widths: int, relu: bool = True) -> dict[str, torch.Tensor]:
    saved = fake.hypernetwork(widths, relu=relu)
    return {
        f"{width}.{place}.{name}": values
        for width in widths
        for place, net in zip("kv", saved[width], strict=True)
        for name, values in net.items()
    }


def attention(pipeline, path: str, text: torch.Tensor) -> torch.Tensor:
    return pipeline.unet.get_submodule(path)(text)


def test_a_hypernetwork_adds_what_its_net_makes_of_the_text(pipeline, wear, tmp_path):
    tensors = nets(32)
    file = fake.save(tmp_path / "h.safetensors", tensors, {"activation": "relu"})
    text = rand(1, 7, 32)
    plain = attention(pipeline, LINEAR, text)
    inner = nn.functional.relu(text @ tensors["32.k.linear.0.weight"].T + tensors["32.k.linear.0.bias"])
    told = text + 0.5 * (inner @ tensors["32.k.linear.2.weight"].T + tensors["32.k.linear.2.bias"])
    with wear(plan(file, 0.5, kind="hypernetwork")):
        assert close(attention(pipeline, LINEAR, text), pipeline.unet.get_submodule(LINEAR).forward(told))
        queries = LINEAR.replace("attn2.to_k", "attn2.to_q")
        assert not pipeline.unet.get_submodule(queries)._forward_pre_hooks, "only keys and values read through it"
    assert torch.equal(attention(pipeline, LINEAR, text), plain)


def test_a_hypernetwork_of_strength_0_is_none(pipeline, wear, tmp_path):
    file = fake.save(tmp_path / "h.safetensors", nets(32))
    text = rand(1, 7, 32)
    plain = attention(pipeline, LINEAR, text)
    with wear(plan(file, 0.0, kind="hypernetwork")):
        assert torch.equal(attention(pipeline, LINEAR, text), plain)


def test_several_hypernetworks_act_one_after_the_other(pipeline, wear, tmp_path):
    file = fake.save(tmp_path / "h.safetensors", nets(32, relu=False))
    text = rand(1, 7, 32)
    with wear(plan(file, 1.0, kind="hypernetwork")):
        once = attention(pipeline, LINEAR, text)
        heard = text + _net(nets(32, relu=False), text)
        twice = attention(pipeline, LINEAR, heard)
    with wear(plan(file, 1.0, kind="hypernetwork"), plan(file, 1.0, kind="hypernetwork")):
        assert close(attention(pipeline, LINEAR, text), twice) and not close(once, twice)


def _net(tensors: dict[str, torch.Tensor], text: torch.Tensor) -> torch.Tensor:
    inner = text @ tensors["32.k.linear.0.weight"].T + tensors["32.k.linear.0.bias"]
    return inner @ tensors["32.k.linear.1.weight"].T + tensors["32.k.linear.1.bias"]


@pytest.mark.parametrize("trouble", ["shape", "nan", "activation", "width"])
def test_a_broken_hypernetwork_is_refused(pipeline, wear, tmp_path, trouble: str):
    tensors = nets(48 if trouble == "width" else 32)
    if trouble == "shape":
        tensors["32.k.linear.2.weight"] = rand(32, 63)
    if trouble == "nan":
        tensors["32.v.linear.0.bias"][3] = float("nan")
    metadata = {"activation": "exec" if trouble == "activation" else "relu"}
    file = fake.save(tmp_path / "h.safetensors", tensors, metadata)
    with pytest.raises(Unsupported) as caught, wear(plan(file, kind="hypernetwork")):
        raise AssertionError("it was to be refused")
    assert caught.value.reason == ("WRONG_BASE" if trouble == "width" else "BROKEN_MODEL_FILE")
    assert not any(module._forward_pre_hooks for module in pipeline.unet.modules())
