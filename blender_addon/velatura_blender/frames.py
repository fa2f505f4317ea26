"""Numbered files of an animation in a folder that the artist names: whole or not there. No bpy here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from .asking_restyle import PRINT
from .client import VelaturaError, png, recipe

PICTURE = "restyle"
PASSES = ("depth", "normal", "mask")
EARLIER = "earlier"
"""The folder in the artist's into which goes what another picture would take the place of."""


def path_of(folder: Path, kind: str, number: int) -> Path:
    """The file of a frame: `restyle_0001.png`, `depth_0001.exr`."""
    suffix = "png" if kind == PICTURE else "exr"
    sign = "-" if number < 0 else ""
    return folder / f"{kind}_{sign}{abs(number):04d}.{suffix}"


def set_aside(folder: Path, number: int, kinds: Sequence[str]) -> int:
    """Move what is there of a frame into `earlier`, under names that are free; says how many files. Raises ValueError
    where it cannot be."""
    there = [file for file in (path_of(folder, kind, number) for kind in kinds) if file.exists()]
    for file in there:
        kept, count = folder / EARLIER / file.name, 1
        while kept.exists():
            kept, count = folder / EARLIER / f"{file.stem}.{count:03d}{file.suffix}", count + 1
        try:
            kept.parent.mkdir(exist_ok=True)
            file.rename(kept)
        except OSError as error:
            raise ValueError(f"{file} cannot be set aside: {error.strerror}. Choose another folder") from None
    return len(there)


def make(folder: Path) -> None:
    """Make the folder. Raises ValueError that says why it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".velatura-{os.getpid()}"
        trial.write_bytes(b"")
        trial.unlink()
    except OSError as error:
        raise ValueError(f"Nothing can be written into {folder}: {error.strerror}. Choose another folder") from None


def print_of(file: Path) -> str:
    """What a frame's file says it was made of; "" where it is not there, is broken, or says nothing."""
    try:
        made = recipe.read(file.read_bytes())
    except (OSError, VelaturaError):
        return ""
    return "" if made is None else made.spec.labels.get(PRINT, "")


def write(file: Path, pixels: np.ndarray, made: str) -> None:
    """A picture (H, W, 3 or 4) uint8 with its recipe's JSON as a PNG file. Raises ValueError where it cannot be."""
    height, width, channels = pixels.shape
    raster = png.Raster(
        width=width, height=height, channels=channels, data=np.ascontiguousarray(pixels).tobytes(),
        texts={recipe.KEY: made},
    )  # fmt: skip
    put(file, png.encode(raster))


def put(file: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises ValueError where there is no room or no right."""
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_bytes(content)
        os.replace(part, file)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise ValueError(
            f"{file} cannot be written: {error.strerror}. Make room, or choose another folder; "
            "the frames that are done stay"
        ) from None
