"""What families of transformers share, and how they tell what they are by their tensors' names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Shapes = Mapping[str, tuple[int, ...]]

FILE = "model.diffusion_model."
"""What single files of whole models put before the denoiser's names; files of denoisers alone may leave it out."""


def has(shapes: Shapes, *names: str) -> bool:
    """Whether all of these tensors are there, with the prefix of single files or without."""
    return all(name in shapes or f"{FILE}{name}" in shapes for name in names)


def pairs(_: Mapping[str, Any]) -> int:
    """Latents go into tokens two by two."""
    return 2


def only(_: Mapping[str, Any]) -> int:
    """Each latent is a token."""
    return 1


def follows(shapes: Shapes, *names: str) -> bool:
    """Whether these are the tensors of a ControlNet in diffusers' names."""
    return all(name in shapes for name in names)


def width(shapes: Shapes, name: str) -> int:
    """What a linear layer takes in, 0 where there is none."""
    shape = shapes.get(name) or shapes.get(f"{FILE}{name}") or (0, 0)
    return shape[1]
