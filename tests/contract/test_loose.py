"""Flux.2 klein, Z-Image and Qwen-Image from single files alone, through the whole engine."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from contract.lab import SIDE, TASKS, Lab, noise, quick, slow
from fakes.loose_qwens import FILES, make_loose, make_whole
from PIL import Image
from velatura import errors, recipe

MODELS = {"flux2": "flux-2-klein-9b", "z_image": "z_image_turbo_bf16", "qwen_image": "qwen_image_fp8"}


@pytest.fixture(scope="module")
def loose(tmp_path_factory) -> Iterator[tuple[Lab, Path]]:
    """An engine whose models folder holds single files only, and the folder."""
    folder, away = tmp_path_factory.mktemp("loose"), tmp_path_factory.mktemp("away")
    for family, name in MODELS.items():
        make_whole(away / family, family)
        make_loose(folder, away / family, family, name)
    running = Lab(tmp_path_factory.mktemp("home"), folder)
    yield running, folder
    running.close()


def test_each_is_listed_with_what_it_can_do_and_its_parts_by_themselves(loose):
    models = {model.id: model for model in loose[0].engine.catalog().models}
    for family, name in MODELS.items():
        assert models[name].family == family and sorted(models[name].tasks) == sorted(TASKS)
    kinds = {name: tuple(models[one].kind for one in FILES[name]) for name in FILES}
    assert kinds == dict.fromkeys(FILES, ("text_encoder", "vae"))


def test_glimpses_of_klein_come_while_it_paints(loose):
    ask = {"model": MODELS["flux2"], "width": SIDE, "height": SIDE, "preview": True, "preview_interval_ms": 100}
    job = loose[0].engine.generate(slow(**ask))
    glimpses = (event.preview for event in job.events() if event.HasField("preview"))
    first, second = next(glimpses), next(glimpses)
    job.cancel()
    assert first.step < second.step
    with Image.open(BytesIO(second.image.data)) as glimpse:
        assert glimpse.size == (256, 256)
    loose[0].until(running=0)


@pytest.mark.parametrize("name", MODELS.values())
def test_each_paints_what_the_words_say_and_its_recipe_paints_it_again(loose, name):
    lab = loose[0]
    moss, brick = (lab.exact(prompt=words, model=name, **TASKS["inpaint"])[0] for words in ("moss", "brick"))
    assert np.isfinite(moss).all() and not np.array_equal(moss, brick)
    assert (np.round(moss[:, SIDE // 2 :] * 255) == noise()[:, SIDE // 2 :]).all()
    first = lab.paint(model=name, tile="xy")
    found = recipe.read(first)
    assert found is not None and lab.result(recipe.replay(found)).images[0].data == first


@pytest.mark.parametrize("family", MODELS)
def test_its_autoencoder_can_be_worn_by_name_and_paints_the_same(loose, family):
    lab, vae = loose[0], FILES[family][1]
    own, worn = (lab.exact(model=MODELS[family], **more)[0] for more in ({}, {"vae": vae}))
    assert np.array_equal(own, worn)


def test_a_model_whose_text_encoder_is_taken_away_goes_and_comes_back_with_it(loose):
    lab, folder = loose
    file = folder / "text_encoders" / f"{FILES['z_image'][0]}.safetensors"
    away = file.rename(folder.with_name("text_encoder"))
    lab.engine.rescan_models()
    with pytest.raises(errors.NotFound) as gone:
        lab.result(quick(model=MODELS["z_image"]))
    assert gone.value.field == "steps[0].diffuse.model"
    away.rename(file)
    lab.engine.rescan_models()
    assert lab.paint(model=MODELS["z_image"])
