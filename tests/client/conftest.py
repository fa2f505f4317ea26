"""A fake engine and a client connected to it."""

import pytest
from velatura import Engine
from velatura.testing import FakeEngine


@pytest.fixture
def fake():
    with FakeEngine(token="secret") as engine:
        yield engine


@pytest.fixture
def engine(fake):
    with Engine.connect(fake.endpoint) as connected:
        yield connected
