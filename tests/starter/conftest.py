"""Shared parts of the starter's tests; threads are limited so that tests can run beside each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch


@pytest.fixture
def dice() -> Callable[[int], torch.Generator]:
    """A generator with the given seed."""
    return lambda seed: torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def _calm() -> Iterator[None]:
    """No denormals during a test; the setting is put back."""
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)
