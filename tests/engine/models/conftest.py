"""What tests share that paint with models put together."""

from __future__ import annotations

import pytest
from velatura_engine.run import Runner


@pytest.fixture(scope="module")
def runner() -> Runner:
    """The engine's own, in this process."""
    return Runner(device="cpu", threads=1)
