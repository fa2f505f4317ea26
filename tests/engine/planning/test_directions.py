"""What becomes of directions before anything runs."""

from dataclasses import replace

import pytest
from velatura_engine.errors import Unsupported
from velatura_engine.families import family
from velatura_engine.planning.directions import plan_directions
from velatura_engine.request import Direction


def test_those_that_lead_nowhere_are_left_out():
    asked = [
        Direction(source=("a", "b"), target=("b", "a")),
        Direction(source=("a",), target=("b",), strength=0.0),
        Direction(source=("a",), target=("b",), strength=-0.5),
    ]
    (planned,) = plan_directions(asked, family("sd1"), "directions")
    assert planned.strength == -0.5 and planned.source[0].literal and planned.target[0].text == "b"


def test_a_model_that_does_not_attend_to_words_alone_keeps_no_layout():
    other = replace(family("sd1"), denoiser="transformer")
    ask = Direction(source=("a",), target=("b",))
    assert plan_directions([ask], other, "directions")
    with pytest.raises(Unsupported) as refusal:
        plan_directions([replace(ask, keep_layout=0.5)], other, "directions")
    assert refusal.value.field == "directions[0].keep_layout"
