"""How the worker's process gets ready."""

import gc
import importlib.util
import sys

import pytest
from velatura_engine.worker.main import _hidden, _uncollected


@pytest.fixture
def thawed():
    yield
    gc.unfreeze()


def test_imports_are_not_looked_through_for_garbage_and_stay_out_of_later_looks(thawed):
    with _uncollected():
        assert not gc.isenabled()
        kept = [[number] for number in range(1000)]
    assert gc.isenabled() and gc.get_freeze_count() >= len(kept)


def test_garbage_is_collected_again_where_an_import_fails(thawed):
    with pytest.raises(ImportError), _uncollected():
        raise ImportError
    assert gc.isenabled()


def test_a_hidden_package_cannot_be_found_until_afterwards_and_one_in_use_stays():
    sys.modules.pop("colorsys", None)
    with _hidden("colorsys"):
        assert importlib.util.find_spec("colorsys") is None
        with pytest.raises(ImportError):
            importlib.import_module("colorsys")
    assert importlib.import_module("colorsys").rgb_to_hsv
    with _hidden("colorsys"):
        assert importlib.util.find_spec("colorsys") is not None
