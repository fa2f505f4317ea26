"""Single files of transformer families: denoisers that are used with the other parts of a folder of the same model."""

from __future__ import annotations

import pytest
import torch
from fakes.original_flows import make_file
from fakes.tiny_flows import make_flow
from safetensors.torch import load_file
from velatura_engine.errors import Unsupported
from velatura_engine.models.index import ModelIndex
from velatura_engine.runtime.load import load_checkpoint


def load(entry):
    return load_checkpoint(entry, dtype=torch.float32, device=torch.device("cpu"))


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_a_file_in_the_original_names_is_the_denoiser_of_its_folder(tmp_path, prefix):
    family = "qwen_image"
    base = make_flow(tmp_path / "base", family)
    away = make_flow(tmp_path.parent / f"{tmp_path.name}-away", family, seed=5)
    make_file(tmp_path / "tuned.safetensors", away, family, prefix=prefix)
    index = ModelIndex([tmp_path], starter=False)
    assert not index.refused
    entry, folder = index.get("tuned"), index.get("base")
    assert (entry.family, entry.base, entry.format) == (family, base, "single")
    assert (entry.tasks, entry.guidance, entry.size_multiple) == (folder.tasks, folder.guidance, folder.size_multiple)
    loaded = load(entry)
    theirs = load_file(away / "transformer" / "diffusion_pytorch_model.safetensors")
    ours = loaded.transformer.state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)
    lent, own = loaded.vae.state_dict(), load(folder).vae.state_dict()
    assert all(torch.equal(lent[name], own[name]) for name in own)


def test_a_file_without_a_folder_of_the_same_model_is_refused_with_what_to_add(tmp_path):
    away = make_flow(tmp_path.parent / f"{tmp_path.name}-away", "flux")
    make_file(tmp_path / "alone.safetensors", away, "flux")
    make_flow(tmp_path / "larger", "flux", num_layers=2)
    why = ModelIndex([tmp_path], starter=False).refused["alone.safetensors"]
    assert "Flux.1" in why and "text encoders" in why and "model_index.json" in why


def test_a_file_that_cannot_be_read_as_what_it_is_told_to_be_is_refused_while_it_loads(tmp_path):
    """diffusers reads files of Flux.1 at its true width alone, which this one has not."""
    make_flow(tmp_path / "base", "flux")
    make_file(tmp_path / "small.safetensors", tmp_path / "base", "flux")
    with pytest.raises(Unsupported) as refusal:
        load(ModelIndex([tmp_path], starter=False).get("small"))
    assert refusal.value.reason == "BROKEN_MODEL_FILE"
