"""What a model is to wear is checked field by field."""

import math

import pytest
from velatura.v1 import diffuse_pb2
from velatura_engine.errors import Invalid
from velatura_engine.request import Adapter
from velatura_engine.wire.adapters import adapter


def read(**fields) -> Adapter:
    return adapter(diffuse_pb2.Adapter(**fields), "adapters[0]")


def test_what_is_left_out_has_its_default():
    assert read(model="rust") == Adapter(model="rust", weight=1.0, text_weight=None, block_weights={}, force=False)
    assert read(model="rust", weight=0).weight == 0


def test_blocks_have_the_communitys_names_in_any_case():
    assert read(model="rust", block_weights={"in01": 0.5, "mid": 1, "OUT11": -2}).block_weights == {
        "IN01": 0.5, "M00": 1, "OUT11": -2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "model"),
        ({"model": "a/b"}, "model"),
        ({"model": "x.safetensors"}, "model"),
        ({"weight": 4.5}, "weight"),
        ({"weight": math.nan}, "weight"),
        ({"text_weight": -math.inf}, "text_weight"),
        ({"block_weights": {"IN1": 1}}, "block_weights"),
        ({"block_weights": {"IN12": 1}}, "block_weights"),
        ({"block_weights": {"IN\u0660\u0661": 1}}, "block_weights"),
        ({"block_weights": {"": 1}}, "block_weights"),
        ({"block_weights": {"m00": 1, "MID": 1}}, "block_weights"),
        ({"block_weights": {"M00": math.nan}}, "block_weights[M00]"),
        ({"block_weights": {f"IN{number:02}": 1 for number in range(65)}}, "block_weights"),
    ],
)
def test_a_wrong_field_is_named(fields, named):
    fields = fields if "model" in fields or not fields else {"model": "rust"} | fields
    with pytest.raises(Invalid) as caught:
        read(**fields)
    assert caught.value.field == f"adapters[0].{named}" and caught.value.remedy
