"""Models are found by content and named by ids."""

import json
import re
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from velatura_engine.errors import Invalid, NotFound
from velatura_engine.models.index import ModelIndex

TEXT = "cond_stage_model.transformer.text_model."


def single(path, channels=4, width=768, without=()):
    """Just enough of a single file to be told; the VAE has three downsamplers, the UNet too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unet, vae = "model.diffusion_model.", "first_stage_model."
    names = {f"{unet}input_blocks.0.0.weight": (8, channels, 3, 3), f"{unet}out.2.weight": (4, 8, 3, 3)}
    names |= {f"{unet}input_blocks.{block}.0.out_layers.3.weight": (8, 8, 3, 3) for block in (1, 4, 7, 10)}
    names |= {f"{unet}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (8, width)}
    names |= {f"{vae}encoder.down.{level}.block.0.conv2.weight": (8, 8, 3, 3) for level in range(4)}
    names |= {f"{vae}decoder.conv_in.weight": (8, 4, 3, 3), f"{TEXT}embeddings.token_embedding.weight": (9, width)}
    names |= {f"{TEXT}embeddings.position_embedding.weight": (77, width)}
    names |= {f"{TEXT}encoder.layers.{layer}.layer_norm1.weight": (width,) for layer in range(12)}
    names |= {f"{TEXT}encoder.layers.0.mlp.fc1.weight": (8, width)}
    names = {name: shape for name, shape in names.items() if not name.startswith(without)}
    save_file({name: np.zeros(shape, "f2") for name, shape in names.items()}, path)
    return path


def folder(path, *, channels=4, vae=(8, 8, 8), pure_noise=True):
    """Just enough of a diffusers folder to be told."""
    parts = {
        "unet/config.json": {"in_channels": channels, "block_out_channels": [8, 8, 8], "sample_size": 32},
        "vae/config.json": {"block_out_channels": vae, "latent_channels": 4},
        "text_encoder/config.json": {"hidden_size": 64, "num_hidden_layers": 3},
        "scheduler/scheduler_config.json": {"prediction_type": "v_prediction", "rescale_betas_zero_snr": pure_noise},
        "model_index.json": {},
    }
    for name, content in parts.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(json.dumps(content))
    tensors = {"conv_in.weight": np.zeros((8, channels, 3, 3), "f2"), "x.attn2.to_k.weight": np.zeros((8, 64), "f2")}
    save_file(tensors, path / "unet" / "diffusion_pytorch_model.safetensors")
    for name in ("vae/diffusion_pytorch_model", "text_encoder/model"):
        save_file({"x": np.zeros(1, "f2")}, path / f"{name}.safetensors")
    return path


def control(path, steps=3, width=64):
    path.mkdir(parents=True)
    words = {"_class_name": "ControlNetModel", "in_channels": 4, "conditioning_embedding_out_channels": [8] * steps}
    (path / "config.json").write_text(json.dumps(words))
    save_file({"x.attn2.to_k.weight": np.zeros((8, width), "f2")}, path / "diffusion_pytorch_model.safetensors")
    return path


@pytest.fixture
def models(tmp_path):
    single(tmp_path / "checkpoints" / "My Fine_Model (v1.5).safetensors")
    folder(tmp_path / "checkpoints" / "tiles")
    control(tmp_path / "controlnet" / "tiles-depth")
    return tmp_path


def test_files_and_folders_are_found_and_described_by_content(models):
    index = ModelIndex([models], starter=False)
    fine, tiles = index.get("my-fine_model-v1.5"), index.get("tiles")
    assert (fine.family, fine.format, fine.latent_factor, fine.size_multiple) == ("sd1", "single", 8, 64)
    assert (tiles.latent_factor, tiles.size_multiple, tiles.native_size) == (4, 16, 128)
    assert tiles.prediction == "v_prediction" and (fine.text_layers, tiles.text_layers) == (12, 3)
    assert tiles.cross_attention_dim == 64 and tiles.guidance == 5.0 and "inpaint" in tiles.tasks


def test_a_flat_folder_works_by_content(tmp_path):
    single(tmp_path / "paint.safetensors", channels=9), single(tmp_path / "deep.safetensors", channels=5)
    index = ModelIndex([tmp_path], starter=False)
    assert index.get("paint").family == "sd1_inpaint" and index.get("deep").family == "sd2_depth"


def test_models_of_the_same_name_get_ids_of_their_own(tmp_path):
    for where in ("a", "b", "c"):
        single(tmp_path / where / "same.safetensors")
    index = ModelIndex([tmp_path / "a", tmp_path / "b", tmp_path / "c"], starter=False)
    assert [entry.id for entry in index.entries()] == ["same", "same-2", "same-3"]


@pytest.mark.parametrize(
    "name",
    ["Ünïcode!.safetensors", "-._.safetensors", "a..b.safetensors", "x.pt.safetensors", f"{'l' * 90}.safetensors"],
)
def test_every_id_can_be_asked_for(tmp_path, name):
    single(tmp_path / name)
    index = ModelIndex([tmp_path], starter=False)
    (entry,) = index.entries()
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", entry.id) and index.get(entry.id) is entry


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../tiles", "checkpoints/tiles", "C:\\models\\x", "https://example.org/x", "file:x", "x.ckpt",
     "x..y", "", "Tiles", "a" * 65, "tiles\n"],
)  # fmt: skip
def test_a_path_or_address_is_no_id(models, name):
    with pytest.raises(Invalid) as refusal:
        ModelIndex([models], starter=False).get(name, field="steps[0].diffuse.model")
    assert refusal.value.field == "steps[0].diffuse.model" and "models folder" in refusal.value.remedy


def test_an_unknown_id_offers_near_ones_of_its_kind(models):
    with pytest.raises(NotFound) as refusal:
        ModelIndex([models], starter=False).get("tilez")
    assert refusal.value.suggestions == ("tiles",)
    with pytest.raises(NotFound):
        ModelIndex([models], starter=False).get("tiles-depth", kind="checkpoint")


def test_broken_files_are_told_and_disturb_nothing(models):
    (models / "checkpoints" / "old.ckpt").write_bytes(b"PK\x03\x04" + b"\0" * 50)
    (models / "checkpoints" / "cut.safetensors").write_bytes(b"\x10")
    (models / "checkpoints" / "empty").mkdir()
    (models / "checkpoints" / "odd").mkdir()
    (models / "checkpoints" / "odd" / "model_index.json").write_text("{}")
    (models / "checkpoints" / "deep").mkdir()
    (models / "checkpoints" / "deep" / "model_index.json").write_text("[" * 100_000)
    flat = {"conv_in.weight": np.zeros((8, 4, 3, 3), "f2"), "x.attn2.to_k.weight": np.zeros(8, "f2")}
    save_file(flat, models / "checkpoints" / "flat.safetensors")
    index = ModelIndex([models], starter=False)
    assert set(index.refused) == {"old.ckpt", "cut.safetensors", "empty", "odd", "deep", "flat.safetensors"}
    assert "convert it to safetensors" in index.refused["old.ckpt"]
    assert len(index.entries()) == 3


DENOISER = {"conv_in.weight": (8, 4, 3, 3), "x.attn2.to_k.weight": (8, 768)}


@pytest.mark.parametrize(("more", "words"), [
    ({"control_model.input_blocks.0.0.weight": (8, 4, 3, 3), "control_model.x.attn2.to_k.weight": (8, 8)},
     "architecture"),
    (DENOISER | {"controlnet_cond_embedding.conv_in.weight": (1,)}, "architecture"),
    (DENOISER, "denoiser alone"),
    (DENOISER | {"class_embedding.linear_1.weight": (8, 8)}, "architecture"),
    ({"first_stage_model.post_quant_conv.weight": (4, 4, 1, 1)}, "architecture"),
    ({"encoder.conv_in.weight": (8, 3, 3, 3), "decoder.conv_in.weight": (8, 4, 3, 3)}, "lacks tensors"),
])  # fmt: skip
def test_a_part_of_a_model_is_refused_for_what_it_is(tmp_path, more, words):
    save_file({name: np.zeros(shape, "f2") for name, shape in more.items()}, tmp_path / "part.safetensors")
    index = ModelIndex([tmp_path], starter=False)
    assert not index.entries() and words in index.refused["part.safetensors"]


@pytest.mark.parametrize(("without", "what"), [("first_stage_model.", "autoencoder"), ("cond_stage_", "text encoder")])
def test_a_single_file_that_lacks_a_part_is_refused_by_that_part(tmp_path, without, what):
    single(tmp_path / "half.safetensors", without=without)
    assert f"lacks its {what}" in ModelIndex([tmp_path], starter=False).refused["half.safetensors"]


def second(path, *, spread=0.0, more=None, channels=4):
    """Just enough of a single file of the second generation, with a layer whose offsets have that spread."""
    file = single(path, width=1024, without="cond_stage_", channels=channels)
    text = "cond_stage_model.model."
    names = {"token_embedding.weight": (9, 1024), "positional_embedding": (77, 1024), "text_projection": (1024, 1024)}
    names |= {f"transformer.resblocks.{layer}.ln_1.weight": (1024,) for layer in range(24)}
    names |= {"transformer.resblocks.0.mlp.c_fc.weight": (8, 1024)}
    tensors = {f"{text}{name}": np.zeros(shape, "f2") for name, shape in names.items()}
    offsets = np.array([-spread, spread] * 160, "f2")
    tensors["model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"] = offsets
    save_file(load_file(file) | tensors | (more or {}), file)
    return file


def test_a_single_file_of_the_second_generation_never_listens_to_its_last_layer_of_text(tmp_path):
    second(tmp_path / "second.safetensors")
    (entry,) = ModelIndex([tmp_path], starter=False).entries()
    assert (entry.family, entry.cross_attention_dim, entry.text_layers) == ("sd1", 1024, 23)


@pytest.mark.parametrize(("spread", "more", "sidecar", "told"), [
    (0.02, {}, "", "epsilon"),
    (0.2, {}, "", "v_prediction"),
    (0.2, {}, "  parameterization: eps\n", "epsilon"),
    (0.02, {}, "model:\n  params:\n    parameterization: \"v\"\n", "v_prediction"),
    (0.02, {}, "no word of it", "epsilon"),
    (0.02, {"v_pred": np.zeros(0, "f2")}, "parameterization: eps", "v_prediction"),
])  # fmt: skip
def test_what_a_single_file_was_trained_to_predict_is_told_by_file_sidecar_and_weights(
    tmp_path, spread, more, sidecar, told
):
    file = second(tmp_path / "second.safetensors", spread=spread, more=more)
    file.with_suffix(".yaml").write_text(sidecar)
    assert ModelIndex([tmp_path], starter=False).get("second").prediction == told


def test_a_first_generation_file_predicts_noise_whatever_its_weights_are_like(tmp_path):
    single(tmp_path / "first.safetensors")
    assert ModelIndex([tmp_path], starter=False).get("first").prediction == "epsilon"


def test_weights_in_several_files_are_read_through_their_index(tmp_path):
    path = folder(tmp_path / "big")
    whole = path / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(whole)
    whole.unlink()
    names = {name: f"diffusion_pytorch_model-{number:05}-of-00002.safetensors" for number, name in enumerate(tensors)}
    for name, value in tensors.items():
        save_file({name: value}, path / "unet" / names[name])
    index = path / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": names}))
    assert ModelIndex([tmp_path], starter=False).get("big").family == "sd1"
    for hostile in ({"x": "../../vae/diffusion_pytorch_model.safetensors"}, {"x": 3}, ["x"], {"x": "gone.safetensors"}):
        index.write_text(json.dumps({"weight_map": hostile}))
        assert "big" in ModelIndex([tmp_path], starter=False).refused


@pytest.mark.parametrize("part", ["vae/diffusion_pytorch_model", "text_encoder/model", "unet/diffusion_pytorch_model"])
def test_a_folder_that_lacks_weights_is_refused_by_that_part(tmp_path, part):
    (folder(tmp_path / "half") / f"{part}.safetensors").unlink()
    assert f"half/{part.split('/')[0]} has no" in ModelIndex([tmp_path], starter=False).refused["half"]


def test_controls_are_matched_by_kind_width_and_geometry(models):
    control(models / "controlnet" / "wide-depth", width=768)
    index = ModelIndex([models], starter=False)
    assert [entry.id for entry in index.controls("depth", "sd1", 64, 4)] == ["tiles-depth"]
    assert not index.controls("canny", "sd1", 64, 4) and not index.controls("depth", "sd1", 64, 8)


def test_a_rescan_finds_what_was_added_and_changes_the_etag(models):
    index = ModelIndex([models], starter=False)
    before = index.etag
    index.rescan()
    assert index.etag == before
    single(models / "checkpoints" / "new.safetensors")
    index.rescan()
    assert index.get("new") and index.etag != before


@pytest.fixture
def restless(monkeypatch):
    """Every question looks at the folders."""
    monkeypatch.setattr("velatura_engine.models.index.REST", 0.0)


def test_a_model_that_was_put_there_is_found_without_being_told(models, restless):
    index = ModelIndex([models], starter=False)
    assert not index.refresh()
    single(models / "checkpoints" / "new.safetensors")
    assert index.refresh() and index.get("new") and not index.refresh()
    (models / "checkpoints" / "new.safetensors").unlink()
    assert index.refresh()
    with pytest.raises(NotFound):
        index.get("new")


def test_a_model_that_is_still_being_copied_is_taken_once_it_is_whole(models, restless):
    whole = single(models.parent / "elsewhere" / "new.safetensors").read_bytes()
    index, file = ModelIndex([models], starter=False), models / "checkpoints" / "new.safetensors"
    for length in (0, 100, len(whole) // 2):
        file.write_bytes(whole[:length])
        assert index.refresh() and "new.safetensors" in index.refused
    file.write_bytes(whole)
    assert index.refresh() and index.get("new") and not index.refused


def test_a_folder_that_is_still_being_copied_is_taken_once_it_is_whole(models, restless):
    index, target = ModelIndex([models], starter=False), models / "checkpoints" / "late"
    source = folder(models.parent / "elsewhere" / "late")
    shutil.copytree(source, target, ignore=lambda where, names: {"diffusion_pytorch_model.safetensors"} & {*names})
    assert index.refresh() and "late" in index.refused
    for part in ("unet", "vae"):
        name = f"{part}/diffusion_pytorch_model.safetensors"
        shutil.copy(source / name, target / name)
    assert index.refresh() and index.get("late")


def test_what_looks_as_it_did_is_not_opened_again(models, restless, monkeypatch):
    index, opened = ModelIndex([models], starter=False), []
    monkeypatch.setattr("velatura_engine.models.index._told", lambda path: opened.append(path.name) or "no")
    single(models / "checkpoints" / "new.safetensors")
    index.refresh()
    assert opened == ["new.safetensors"]


def test_folders_are_not_looked_at_twice_in_a_moment(models):
    index = ModelIndex([models], starter=False)
    index.refresh()
    single(models / "checkpoints" / "new.safetensors")
    assert not index.refresh()


def test_a_sidecar_that_comes_later_is_heard(models, restless):
    file = second(models / "checkpoints" / "second.safetensors")
    index = ModelIndex([models], starter=False)
    before = index.get("second")
    file.with_suffix(".yaml").write_text("parameterization: v")
    assert before.prediction == "epsilon" and index.refresh()
    assert index.get("second").prediction == "v_prediction" and index.get("second").stamp != before.stamp


def test_a_folder_that_is_not_there_holds_nothing(tmp_path):
    index = ModelIndex([tmp_path / "none"], starter=False)
    assert index.entries() == ()
    with pytest.raises(NotFound) as refusal:
        index.default(field="steps[0].diffuse.model")
    assert refusal.value.field == "steps[0].diffuse.model" and "models folder" in refusal.value.remedy


def test_a_hash_changes_with_the_weights_and_only_then(models):
    index = ModelIndex([models], starter=False)
    before = index.sha256("tiles")
    assert re.fullmatch("[0-9a-f]{64}", before) and index.sha256("tiles") == before
    (models / "checkpoints" / "tiles" / "README.md").write_text("words")
    assert index.sha256("tiles") == before
    file = models / "checkpoints" / "tiles" / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes() + b"\0")
    assert index.sha256("tiles") != before


def test_weights_that_were_replaced_are_told_apart_without_looking_again(models):
    index = ModelIndex([models], starter=False)
    before, etag = index.get("tiles"), index.etag
    assert index.get("tiles") == before
    file = models / "checkpoints" / "tiles" / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes() + b"\0")
    assert index.get("tiles").stamp != before.stamp
    index.rescan()
    assert index.etag != etag


def test_a_model_whose_files_are_gone_says_so(models):
    index = ModelIndex([models], starter=False)
    (models / "checkpoints" / "My Fine_Model (v1.5).safetensors").unlink()
    shutil.rmtree(models / "controlnet" / "tiles-depth")
    with pytest.raises(NotFound) as refusal:
        index.get("my-fine_model-v1.5", field="steps[0].diffuse.model")
    assert refusal.value.field == "steps[0].diffuse.model" and "look again" in refusal.value.remedy
    assert not index.controls("depth", "sd1", 64, 4)


def test_the_starter_is_the_default_and_has_its_own_defaults(models, tmp_path, monkeypatch):
    home = tmp_path / "weights"
    folder(home / "texture"), control(home / "depth")
    card = {"guidance_scale": 4.0, "steps": 16, "sampler": "ddim", "size": 96}
    card |= {"materials": ["brick"], "colours": ["red"]}
    (home / "vocabulary.json").write_text(json.dumps(card))
    built_in = SimpleNamespace(model_path=lambda: home / "texture", controlnet_path=lambda: home / "depth")
    monkeypatch.setitem(sys.modules, "velatura_starter", built_in)
    index = ModelIndex([models])
    starter = index.default()
    assert (starter.id, starter.guidance, starter.steps) == ("starter", 4.0, 16)
    assert (starter.sampler, starter.native_size) == ("ddim", 96)
    assert starter.vocabulary == ("brick", "red")
    assert index.controls("depth", "sd1", 64, 4)[0].id == "starter-depth"


def test_no_starter_is_no_trouble(models, monkeypatch):
    monkeypatch.setitem(sys.modules, "velatura_starter", None)
    assert ModelIndex([models]).default().id == "my-fine_model-v1.5"
