"""Adapters that join layers as a transformer's authors do change what they would change there."""

from __future__ import annotations

from pathlib import Path

import diffusers
import pytest
import torch
from fakes.original_flows import original
from fakes.tiny_flows import make_flow
from safetensors.torch import save_file
from velatura_engine.conditioning.adapters.wear import wearing
from velatura_engine.errors import Unsupported
from velatura_engine.models.adapters import identify_adapter
from velatura_engine.models.entry import ModelEntry
from velatura_engine.models.header import shapes
from velatura_engine.plan import AdapterPlan

RANK, ALPHA = 2, 3.0
CLASSES = {"flux": "FluxTransformer2DModel", "flux2": "Flux2Transformer2DModel", "sd3": "SD3Transformer2DModel",
           "z_image": "ZImageTransformer2DModel"}  # fmt: skip
LAYERS = {
    "flux": ("double_blocks.0.img_attn.qkv", "double_blocks.1.txt_attn.qkv", "double_blocks.0.img_attn.proj",
             "double_blocks.1.img_mlp.0", "double_blocks.0.txt_mod.lin", "single_blocks.0.linear1",
             "single_blocks.0.linear2", "single_blocks.0.modulation.lin", "img_in", "final_layer.linear",
             "final_layer.adaLN_modulation.1", "vector_in.in_layer"),
    "flux2": ("double_blocks.0.img_attn.qkv", "double_blocks.0.txt_attn.qkv", "double_blocks.0.txt_mlp.2",
              "single_blocks.0.linear1", "single_blocks.0.linear2", "final_layer.adaLN_modulation.1"),
    "sd3": ("joint_blocks.0.x_block.attn.qkv", "joint_blocks.0.context_block.attn.qkv",
            "joint_blocks.1.x_block.mlp.fc1", "joint_blocks.0.context_block.attn.proj"),
    "z_image": ("layers.0.attention.qkv", "noise_refiner.0.attention.out", "layers.0.feed_forward.w1"),
}  # fmt: skip
"""Layers of each family in its authors' names."""


@pytest.fixture(scope="module")
def denoisers(tmp_path_factory) -> dict[str, torch.nn.Module]:
    home, more = tmp_path_factory.mktemp("models"), {"flux": {"num_layers": 2}}
    found = {}
    for family, of in CLASSES.items():
        folder = make_flow(home / family, family, **more.get(family, {}))
        found[family] = getattr(diffusers, of).from_pretrained(folder / "transformer").requires_grad_(False)
    return found


def own(denoiser, family: str) -> dict[str, torch.Tensor]:
    """The denoiser's numbers in its authors' names."""
    return {name: values.clone() for name, values in original(denoiser.state_dict(), family).items()}


def worn(denoiser, family: str, path: Path, weight: float = 1.0) -> dict[str, torch.Tensor]:
    """The same while a file is worn."""
    entry = identify_adapter(path, "x", shapes(path))
    assert isinstance(entry, ModelEntry) and (entry.kind, entry.family) == ("lora", "")
    plan = AdapterPlan(
        model=entry, weight=weight, text_weight=weight, block_weights={}, force=False, field="adapters[0]"
    )
    told = []
    with wearing([plan], {"transformer": denoiser}, "Tiny", check=lambda: None, warn=told.append):
        found = own(denoiser, family)
    assert not told
    return found


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def matrices(before: dict[str, torch.Tensor], layers) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Up and down for each layer."""
    return {
        layer: (
            rand(len(before[f"{layer}.weight"]), RANK, seed=n),
            rand(RANK, before[f"{layer}.weight"].shape[1], seed=-n),
        )
        for n, layer in enumerate(layers, 1)
    }


def check(after, before, changes: dict[str, torch.Tensor], changed: int) -> None:
    """All is as it was but for what was to be added."""
    assert changed == len(changes)
    for name, values in after.items():
        wanted = before[name] + changes[name] if name in changes else before[name]
        assert torch.allclose(values, wanted, rtol=1e-5, atol=1e-5), name
        assert torch.equal(values, before[name]) == (name not in changes), name


@pytest.mark.parametrize("style", ["kohya", "dotted"])
@pytest.mark.parametrize("family", CLASSES)
def test_a_lora_of_joined_layers_adds_its_rows_to_each(denoisers, family, style, tmp_path):
    denoiser, layers = denoisers[family], LAYERS[family]
    before = own(denoiser, family)
    pairs, tensors = matrices(before, layers), {}
    for layer, (up, down) in pairs.items():
        if style == "kohya":
            name = f"lora_unet_{layer.replace('.', '_')}"
            tensors |= {
                f"{name}.lora_up.weight": up,
                f"{name}.lora_down.weight": down,
                f"{name}.alpha": torch.tensor(ALPHA),
            }
        else:
            tensors |= {f"diffusion_model.{layer}.lora_B.weight": up, f"diffusion_model.{layer}.lora_A.weight": down}
    save_file(tensors, tmp_path / "l.safetensors")
    after = worn(denoiser, family, tmp_path / "l.safetensors", weight=0.5)
    scale = 0.5 * (ALPHA / RANK if style == "kohya" else 1.0)
    check(after, before, {f"{layer}.weight": scale * up @ down for layer, (up, down) in pairs.items()}, len(layers))
    assert all(torch.equal(values, before[name]) for name, values in own(denoiser, family).items())


def test_a_file_of_xlabs_changes_what_diffusers_reads_in_it(denoisers, tmp_path):
    from diffusers.loaders.lora_conversion_utils import _convert_xlabs_flux_lora_to_diffusers

    denoiser = denoisers["flux"]
    width, tensors = denoiser.inner_dim, {}
    for n, (layer, rows, columns) in enumerate((
        ("double_blocks.0.processor.qkv_lora1", 3 * width, width),
        ("double_blocks.1.processor.qkv_lora2", 3 * width, width),
        ("double_blocks.0.processor.proj_lora1", width, width), ("double_blocks.0.processor.proj_lora2", width, width),
        ("single_blocks.0.processor.qkv_lora", 3 * width, width),
        ("single_blocks.0.processor.proj_lora", width, 5 * width),
    )):  # fmt: skip
        tensors |= {
            f"{layer}.up.weight": rand(rows, RANK, seed=n),
            f"{layer}.down.weight": rand(RANK, columns, seed=-n),
        }
    save_file(tensors, tmp_path / "x.safetensors")
    read = _convert_xlabs_flux_lora_to_diffusers(dict(tensors))
    names = {name.removeprefix("transformer.").removesuffix(".lora_A.weight") for name in read if "lora_A" in name}
    merged = {name: values.clone() for name, values in denoiser.state_dict().items()}
    for name in names:
        up, down = (read[f"transformer.{name}.lora_{side}.weight"] for side in "BA")
        merged[f"{name}.weight"] += up @ down
    after, wanted = worn(denoiser, "flux", tmp_path / "x.safetensors"), original(merged, "flux")
    assert len(names) == 12 and all(torch.allclose(after[name], wanted[name], atol=1e-5) for name in wanted)


@pytest.mark.parametrize(
    "layer", ["double_blocks.0.img_attn.qkv", "single_blocks.0.linear1", "final_layer.adaLN_modulation.1"]
)
def test_other_kinds_are_worked_out_on_the_joined_layer_as_a_whole(denoisers, layer, tmp_path):
    """A Kronecker product does not part at rows, and a DoRA's lengths of columns are those of the whole."""
    denoiser = denoisers["flux"]
    before = own(denoiser, "flux")
    weight, name = before[f"{layer}.weight"], f"lora_unet_{layer.replace('.', '_')}"
    rows, columns = weight.shape
    one, two = rand(4, 2), rand(rows // 4, columns // 2, seed=1)
    save_file({f"{name}.lokr_w1": one, f"{name}.lokr_w2": two}, tmp_path / "k.safetensors")
    after = worn(denoiser, "flux", tmp_path / "k.safetensors")
    check(after, before, {f"{layer}.weight": torch.kron(one, two)}, 1)
    up, down, lengths = rand(rows, RANK), rand(RANK, columns, seed=1), rand(1, columns, seed=2).abs() + 1
    save_file(
        {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down, f"{name}.dora_scale": lengths},
        tmp_path / "d.safetensors",
    )  # fmt: skip
    whole = weight + up @ down
    turned = whole / whole.norm(dim=0, keepdim=True) * lengths
    check(worn(denoiser, "flux", tmp_path / "d.safetensors"), before, {f"{layer}.weight": turned - weight}, 1)


def test_a_full_difference_of_a_bias_is_parted_too(denoisers, tmp_path):
    before = own(denoisers["flux"], "flux")
    name = "double_blocks.0.img_attn.qkv"
    change = rand(len(before[f"{name}.bias"]))
    save_file({f"lora_unet_{name.replace('.', '_')}.diff_b": change}, tmp_path / "b.safetensors")
    entry = ModelEntry(
        id="x", title="X", kind="lora", family="", path=tmp_path / "b.safetensors", format="single", name="x"
    )
    plan = AdapterPlan(model=entry, weight=1.0, text_weight=1.0, block_weights={}, force=False, field="")
    with wearing([plan], {"transformer": denoisers["flux"]}, "Tiny", check=lambda: None, warn=lambda _: None):
        check(own(denoisers["flux"], "flux"), before, {f"{name}.bias": change}, 1)


def test_rows_that_are_not_as_many_as_those_joined_fit_nothing(denoisers, tmp_path):
    width, name = denoisers["flux"].inner_dim, "lora_unet_double_blocks_0_img_attn_qkv"
    save_file({f"{name}.lora_up.weight": rand(2 * width, RANK), f"{name}.lora_down.weight": rand(RANK, width)},
              tmp_path / "l.safetensors")  # fmt: skip
    with pytest.raises(Unsupported) as refusal:
        worn(denoisers["flux"], "flux", tmp_path / "l.safetensors")
    assert refusal.value.reason == "WRONG_BASE"
