"""LoRAs that make Flux.1 read a hint: with it they are a checkpoint like Flux.1 Depth, and leave Flux.1 as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fakes.control_loras import WEIGHTS, make_control_lora
from fakes.tiny_flows import make_flow
from safetensors.torch import load_file, save_file
from velatura_engine.errors import Unsupported
from velatura_engine.events import Artifact
from velatura_engine.models.index import ModelIndex
from velatura_engine.pixels.picture import Picture
from velatura_engine.planning.job import make
from velatura_engine.request import Control, Diffuse, Request, Sampling, Step
from velatura_engine.run import Runner
from velatura_engine.runtime.load import load_checkpoint

SIDE = 64
DEEP = {"num_layers": 2, "num_single_layers": 2}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("models")
    make_flow(home / "schnell", "flux", guidance_embeds=False, **DEEP)
    make_flow(home / "dev", "flux", **DEEP)
    wide = {"kind": "FluxControlPipeline", "in_channels": 128, "out_channels": 64, **DEEP}
    make_flow(home / "flux-depth-dev", "flux", seed=5, **wide)
    for part in ("text_encoder", "text_encoder_2"):  # those of Flux.1 dev, which a LoRA is used with
        (home / "flux-depth-dev" / part / "model.safetensors").write_bytes(
            (home / "dev" / part / "model.safetensors").read_bytes()
        )
    pixels = Path("vae") / "diffusion_pytorch_model.safetensors"
    (home / "flux-depth-dev" / pixels).write_bytes((home / "dev" / pixels).read_bytes())
    make_control_lora(home / "loras" / "flux1-depth-dev-lora.safetensors", home / "dev", home / "flux-depth-dev")
    return home


@pytest.fixture(scope="module")
def index(home) -> ModelIndex:
    return ModelIndex([home], starter=False)


def load(entry):
    return load_checkpoint(entry, dtype=torch.float32, device=torch.device("cpu"))


def test_it_is_listed_as_a_checkpoint_over_the_model_that_it_changes(index):
    assert not index.refused
    made, whole = index.get("flux1-depth-dev-lora"), index.get("flux-depth-dev")
    assert made.over is not None and made.over.id == "dev"
    for fact in ("family", "tasks", "guidance", "control_kind", "in_channels", "steps", "negative", "size_multiple"):
        assert getattr(made, fact) == getattr(whole, fact), fact


def test_the_denoiser_becomes_that_of_the_whole_model(index, home):
    made = load(index.get("flux1-depth-dev-lora")).transformer
    theirs, ours = load_file(home / "flux-depth-dev" / WEIGHTS), made.state_dict()
    assert ours.keys() == theirs.keys() and made.config.in_channels == 128
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=0, atol=1e-6)
    before = load(index.get("dev")).transformer
    assert before.config.in_channels == 64 and before.x_embedder.weight.shape[1] == 64


def test_it_paints_as_the_whole_model_does(index):
    runner, said = Runner(device="cpu", threads=1), {}
    hint = Picture(np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), np.uint8))
    for model in ("flux1-depth-dev-lora", "flux-depth-dev"):
        ask = Diffuse(
            prompt="moss", model=model, width=SIDE, height=SIDE, seed=3, sampling=Sampling(steps=3),
            controls=(Control(kind="depth", image=hint),),
        )  # fmt: skip
        events: list[object] = []
        runner.run(make(Request(steps=(Step(id="0", operation=ask),)), index), lambda: None, events.append)
        said[model] = next(event.picture.pixels for event in events if isinstance(event, Artifact))
    assert said["flux1-depth-dev-lora"] == pytest.approx(said["flux-depth-dev"], abs=1e-5)


def test_without_such_a_model_it_is_refused_with_what_to_add(home, tmp_path):
    make_flow(tmp_path / "schnell", "flux", guidance_embeds=False, **DEEP)
    make_flow(tmp_path / "shallow", "flux")
    file = tmp_path / "depth-lora.safetensors"
    file.write_bytes((home / "loras" / "flux1-depth-dev-lora.safetensors").read_bytes())
    assert "Flux.1 dev" in ModelIndex([tmp_path], starter=False).refused[file.name]


def test_a_file_with_a_layer_that_fits_nothing_is_refused_while_it_loads(home, tmp_path):
    make_flow(tmp_path / "dev", "flux", **DEEP)
    file = tmp_path / "depth-lora.safetensors"
    tensors = load_file(home / "loras" / "flux1-depth-dev-lora.safetensors")
    tensors["nobody.knows.lora_A.weight"] = tensors["txt_in.lora_A.weight"].clone()
    save_file(tensors, file)
    with pytest.raises(Unsupported, match="fit nothing") as refusal:
        load(ModelIndex([tmp_path], starter=False).get("depth-lora"))
    assert refusal.value.reason == "BROKEN_MODEL_FILE"


def test_when_the_model_below_is_replaced_it_is_another_too(home, tmp_path):
    for name in ("dev", "loras"):
        (tmp_path / name).symlink_to(home / name)
    make_flow(tmp_path / "own", "flux", **DEEP)
    index = ModelIndex([tmp_path], starter=False)
    before = index.get("flux1-depth-dev-lora").stamp
    assert index.get("flux1-depth-dev-lora").over.id == "dev"
    (tmp_path / "dev").unlink()
    index.rescan()
    after = index.get("flux1-depth-dev-lora")
    assert after.over.id == "own" and after.stamp != before
