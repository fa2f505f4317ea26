"""A word that the starter never heard, taught by a LoRA of less than 40 kB, and seen by a judge that knows neither.

The pictures that it learns from are of family A, the judge's of family B: no program of one is in the other.
"""

from __future__ import annotations

import pytest
import torch
from contract.lab import Lab
from contract.test_starter import paint, read
from fakes.adapters import save
from fakes.teach import teach

WORD, MATERIAL = "velvorn", "plaid"
PICTURES = 12

pytestmark = pytest.mark.timeout(1800)


def test_a_small_lora_teaches_the_starter_a_word_it_never_heard(tmp_path):
    models = tmp_path / "models"
    # Some 45 seconds of one processor that others use too. Measured: 10 of 12, and none without it.
    file = save(models / "loras" / f"{WORD}.safetensors", teach(WORD, MATERIAL, steps=110))
    assert file.stat().st_size <= 40_000
    lab = Lab(tmp_path / "home", models, starter=True)
    try:
        plain = share(paint(lab, [f"{WORD}, seamless texture"] * PICTURES, "xy"))
        taught = share(paint(lab, [f"{WORD}, seamless texture <lora:{WORD}:1>"] * PICTURES, "xy"))
    finally:
        lab.close()
    assert plain <= 0.1
    assert taught >= 0.6


def share(images: torch.Tensor) -> float:
    """The share of pictures in which the judge sees the material."""
    return read(images).materials.count(MATERIAL) / len(images)
