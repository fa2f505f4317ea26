"""What stays in memory between jobs."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from velatura_engine.models.entry import ModelEntry
from velatura_engine.runtime import models

TINY = ModelEntry(
    id="tiny", title="Tiny", kind="checkpoint", family="sd1", path=Path("tiny"), format="diffusers", stamp="a"
)


@pytest.fixture
def memory(monkeypatch):
    """Models in memory, and the entries that were loaded for it, in order."""
    loaded = []

    def load(entry, **_where):
        loaded.append(entry)
        return SimpleNamespace(vae=None, unet=None, scheduler_config={})

    monkeypatch.setattr(models, "load_checkpoint", load)
    return models.Models(device="cpu"), loaded


def test_a_model_is_loaded_once_for_as_long_as_its_weights_stay(memory):
    kept, loaded = memory
    assert kept.checkpoint(TINY) is kept.checkpoint(replace(TINY))
    again = kept.checkpoint(replace(TINY, stamp="b"))
    assert [entry.stamp for entry in loaded] == ["a", "b"] and kept.checkpoint(replace(TINY, stamp="b")) is again


def test_the_two_models_used_last_are_kept(memory):
    kept, loaded = memory
    for name in ("one", "two", "one", "three", "one", "two"):
        kept.checkpoint(replace(TINY, id=name))
    assert [entry.id for entry in loaded] == ["one", "two", "three", "two"]
