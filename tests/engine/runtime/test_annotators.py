"""Models that look at pictures to make hints: what they answer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes.tiny_models import make_estimator
from velatura_engine.models.index import ModelIndex
from velatura_engine.preprocessors import Given, preprocessor
from velatura_engine.runtime.models import Models


def installed(folder: Path) -> ModelIndex:
    index = ModelIndex([folder], starter=False)
    assert not index.refused
    return index


@pytest.mark.parametrize("kind", ["dpt", "depth_anything"])
@pytest.mark.parametrize("size", [(40, 40), (30, 90), (17, 23)])
def test_an_estimator_gives_depth_from_0_to_1_as_large_as_the_picture(tmp_path, kind, size):
    make_estimator(tmp_path / "models" / "small", kind)
    (entry,) = installed(tmp_path / "models").annotators("depth")
    estimate = Models(device="cpu").annotator(entry)
    picture = np.random.default_rng(0).random((*size, 3), np.float32)
    near = estimate(picture)
    assert near.shape == size and near.dtype == np.float32
    assert near.min() == 0 and near.max() == 1 and np.array_equal(near, estimate(picture))
    hint = preprocessor("depth_estimate").build(Given(picture=picture, estimate=estimate), background=0.0)
    assert np.array_equal(hint[..., 1], near)


def test_an_estimator_sees_colours_as_its_settings_say(tmp_path):
    folder = make_estimator(tmp_path / "models" / "small")
    picture = np.random.default_rng(0).random((28, 28, 3), np.float32)
    (entry,) = installed(tmp_path / "models").annotators("depth")
    plain = Models(device="cpu").annotator(entry)(picture)
    settings = {"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 1, 1], "size": {"height": 28}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    told = Models(device="cpu").annotator(entry)(picture)
    assert not np.allclose(plain, told)


def test_metric_estimators_call_the_nearest_near(tmp_path):
    folder = make_estimator(tmp_path / "models" / "small")
    (entry,) = installed(tmp_path / "models").annotators("depth")
    estimate = Models(device="cpu").annotator(entry)
    estimate.model.forward = lambda pixels: type(
        "Answer", (), {"predicted_depth": 1 + pixels[:, 0] * 0 + _ramp(pixels)}
    )
    picture = np.zeros((28, 28, 3), np.float32)
    assert estimate(picture)[0, 0] == 0
    estimate.model.config.depth_estimation_type = "metric"
    assert estimate(picture)[0, 0] == 1 and folder.is_dir()


def _ramp(pixels: torch.Tensor) -> torch.Tensor:
    """Distance that grows to the right."""
    return torch.arange(pixels.shape[-1], dtype=pixels.dtype).expand(1, pixels.shape[-2], -1)
