"""Velatura's built-in starter model: small, procedural, licence-clean. Importing this needs no torch."""

from __future__ import annotations

from pathlib import Path


def weights_path() -> Path:
    """The folder that holds everything shipped."""
    return Path(__file__).parent / "weights"


def model_path() -> Path:
    """The texture model, a diffusers Stable Diffusion pipeline folder."""
    return weights_path() / "texture"


def controlnet_path() -> Path:
    """The depth ControlNet of the texture model, a diffusers ControlNetModel folder."""
    return weights_path() / "depth"
