"""Where the networks are trained and scored: on a graphics card where there is one, else on the processor."""

from __future__ import annotations

import torch


def device() -> torch.device:
    """The card, or the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def dice(seed: int) -> torch.Generator:
    """A generator there, with this seed."""
    return torch.Generator(device()).manual_seed(seed)


def roomy(on_processor: int, on_card: int) -> int:
    """The first number on a processor, the second on a card: sizes of batches, mostly."""
    return on_card if device().type == "cuda" else on_processor
