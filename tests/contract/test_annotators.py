"""Hints that need a learned model, through the whole engine, with random models in the true layouts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from contract.lab import SIDE, Lab, array, noise
from fakes.tiny_annotators import make_finder, make_lines, make_poser, make_segmenter
from fakes.tiny_models import make_control, make_estimator, make_tiny
from velatura import errors, pixels, recipe, spec

PICTURE = pixels.from_array(np.kron(noise(width=8, height=8), np.ones((8, 8, 1), np.uint8)))
NEEDS = {
    "hed": ("softedge",), "pidinet": ("edges",), "lineart_anime": ("anime",),
    "lineart_realistic": ("artist",), "mlsd": ("straight",), "segmentation": ("areas",),
    "openpose": ("poses", "people"), "normal_estimate": ("depths",), "depth_estimate": ("depths",),
}  # fmt: skip
"""Preprocessors, and the models that they use."""
KNOBS: dict[str, dict[str, float]] = {
    "hed": {"resolution": 128}, "pidinet": {"resolution": 128}, "lineart_anime": {"resolution": 256},
    "lineart_realistic": {"resolution": 128},
    "openpose": {"confidence": 0.0, "people": 0.0}, "mlsd": {"confidence": 0.01, "length": 0.0, "resolution": 128},
}  # fmt: skip
"""Random models are not sure of anything."""


@pytest.fixture(scope="module")
def seeing(tmp_path_factory) -> Iterator[Lab]:
    """An engine with annotators of all kinds."""
    home = tmp_path_factory.mktemp("seeing")
    make_tiny(home / "tiny")
    make_control(home / "tiny-seg", home / "tiny")
    make_lines(home / "annotators" / "softedge.safetensors", "softedge")
    make_lines(home / "annotators" / "artist.safetensors", "lineart")
    make_lines(home / "annotators" / "edges.safetensors", "pidinet")
    make_lines(home / "annotators" / "anime.safetensors", "lineart_anime")
    make_lines(home / "annotators" / "straight.safetensors", "mlsd")
    make_segmenter(home / "annotators" / "areas")
    make_poser(home / "annotators" / "poses")
    make_finder(home / "annotators" / "people")
    make_estimator(home / "annotators" / "depths")
    running = Lab(tmp_path_factory.mktemp("home"), home)
    yield running
    running.close()


@pytest.mark.parametrize("name", NEEDS)
def test_a_hint_is_made_by_the_models_that_its_recipe_names(seeing, name):
    made = seeing.result(spec.preprocess(name, PICTURE, knobs=KNOBS.get(name, {})))
    hint = array(made.images[0].data)
    assert hint.shape == (SIDE, SIDE, 3) and hint.min() < hint.max()
    assert {used.id for used in made.artifacts[0].recipe.models} == set(NEEDS[name])


def test_a_painting_follows_areas_and_its_recipe_paints_it_again(seeing):
    lead = spec.control("seg", PICTURE, preprocessor="segmentation")
    first = seeing.paint(controls=[lead])
    assert first != seeing.paint()
    found = recipe.read(first)
    assert found is not None and {used.id for used in found.models} == {"tiny", "tiny-seg", "areas"}
    assert seeing.result(recipe.replay(found)).images[0].data == first


def test_the_catalog_knows_that_these_hints_can_be_made(seeing):
    catalog = seeing.engine.catalog()
    parts = {part.id: part for shelf in catalog.shelves if shelf.name == "preprocessors" for part in shelf.parts}
    assert all(parts[name].available for name in NEEDS)
    assert {model.kind for model in catalog.models if model.id in ("areas", "straight", "people")} == {"annotator"}


@pytest.mark.parametrize("name", ["hed", "lineart_realistic", "mlsd", "segmentation", "openpose", "pidinet"])
def test_a_hint_whose_model_is_missing_is_refused_with_what_to_supply(lab, name):
    with pytest.raises(errors.Unsupported) as refusal:
        lab.result(spec.preprocess(name, PICTURE))
    assert (refusal.value.reason, refusal.value.field) == ("NO_ANNOTATOR", "steps[0].preprocess.preprocessor")
    words = {"hed": "ControlNetHED.pth", "lineart_realistic": "sk_model.pth", "mlsd": "mlsd_large_512_fp32.pth",
             "segmentation": "OneFormer", "openpose": "ViTPose", "pidinet": "table5_pidinet.pth"}  # fmt: skip
    assert words[name] in refusal.value.remedy
    parts = {part.id: part for shelf in lab.engine.catalog().shelves if shelf.name == "preprocessors"
             for part in shelf.parts}  # fmt: skip
    assert not parts[name].available and parts[name].reason
