"""What the engine tells the artist beside the picture."""

from __future__ import annotations

import pytest
from contract.lab import quick


@pytest.mark.parametrize(
    ("asked", "reasons"),
    [
        ({"prompt": "moss"}, []),
        ({"prompt": "moss " * 200}, []),
        ({"prompt": "moss", "negative": "mud", "guidance": 1.0}, ["NEGATIVE_UNHEARD"]),
        ({"prompt": "moss", "negative": "mud", "guidance": 1.5}, []),
    ],
)
def test_what_is_not_heard_of_the_prompts_is_told(lab, asked, reasons):
    assert [warning.reason for warning in lab.result(quick(**asked)).warnings] == reasons
