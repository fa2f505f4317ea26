"""Draw the training pictures with every core, in chunks that depend on nothing but their kind and number.

A chunk is one file, so that drawing may stop anywhere and go on, and whoever trains may begin before all are there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import CLIPTokenizer

from ..architecture import TOKENS
from ..data.captions import Writer
from ..data.families import family_a, material_names
from ..data.renders import Painter, disparity, texture_tiles
from ..data.textures import Labels, draw
from ..tokens import load_tokenizer

Arrays = dict[str, np.ndarray[Any, Any]]

TILES = {"small": (64, 8), "middle": (128, 4), "large": (256, 2)}
"""Side in pixels, and how many of each program are in a chunk."""

VIEWS = {"scenes": 128, "wide": 256}
"""Side of renders in pixels."""

CHUNK = {"small": 192, "middle": 96, "large": 48, "scenes": 64, "wide": 32}
"""Pictures in a chunk."""

SHOWN_MORE = {
    "marble": 5.0, "water": 4.0, "basket weave": 4.0, "wood grain": 4.0, "grass": 3.0, "stripes": 3.0,
    "square tiles": 3.0, "planks": 2.0, "hexagon tiles": 1.5, "cobblestone": 1.5, "roof tiles": 1.5, "brick": 1.5,
}  # fmt: skip
"""Materials that a small network learns last, and the one that is asked for first."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One file to draw."""

    kind: str
    number: int

    @property
    def seed(self) -> int:
        """No two chunks draw the same."""
        return 21_000_000 + 1_000_000 * list(CHUNK).index(self.kind) + self.number

    def file(self, run: Path) -> Path:
        """Where it lies in the run's folder."""
        return run / "pictures" / f"{self.kind}-{self.number:05}.npz"


def chunks_of(kind: str, pictures: int) -> list[Chunk]:
    """As many chunks as hold so many pictures, at least one."""
    return [Chunk(kind, i) for i in range(max(1, pictures // CHUNK[kind]))]


@cache
def words(folder: Path) -> CLIPTokenizer:
    """The run's tokenizer, read once in each process."""
    return load_tokenizer(folder)


def tokenize(folder: Path, captions: list[list[str]]) -> Tensor:
    """Token numbers (N, captions each, T), int64."""
    flat = [c for cs in captions for c in cs]
    ids = words(folder)(flat, padding="max_length", truncation=True, max_length=TOKENS, return_tensors="pt")
    return ids.input_ids.view(len(captions), -1, TOKENS)


def favour(told: Labels) -> float:
    """How often to show a picture: plain ones before worn and small ones, and some materials before others."""
    plain = told.size == "normal" and told.attribute is None
    return (1.0 if plain else 0.3) * SHOWN_MORE.get(told.material, 1.0)


def whole(images: Tensor) -> np.ndarray[Any, Any]:
    """0..1 as 0..255, uint8."""
    return (images * 255).round().to(torch.uint8).numpy()


def draw_tiles(kind: str, generator: torch.Generator, folder: Path) -> Arrays:
    """Periodic textures, each program in turn, three captions each."""
    side, batch = TILES[kind]
    writer, images, told = Writer(generator), [], []
    for material, programs in family_a().items():
        for program in programs:
            b = draw(program, material, batch=batch, size=side, generator=generator)
            images.append(b.image)
            told += b.labels
    return {
        "images": whole(torch.cat(images)),
        "tokens": tokenize(folder, [[writer.texture(t) for _ in range(3)] for t in told]).numpy().astype("int16"),
        "materials": np.array([material_names().index(t.material) for t in told]),
        "weights": np.array([favour(t) for t in told], "float32"),
    }


def draw_scenes(kind: str, generator: torch.Generator, folder: Path) -> Arrays:
    """Renders with their disparity, two captions each."""
    side = VIEWS[kind]
    writer, painter = Writer(generator), Painter(*texture_tiles(128, generator, side), generator, side)
    renders = [painter.render() for _ in range(CHUNK[kind])]
    captions = [[writer.render(r.shape, r.labels, r.floor) for _ in range(2)] for r in renders]
    return {
        "images": whole(torch.stack([r.image for r in renders])),
        "hints": whole(torch.stack([disparity(r.depth, r.mask) for r in renders])),
        "tokens": tokenize(folder, captions).numpy().astype("int16"),
        "weights": np.array([favour(r.labels) for r in renders], "float32"),
    }


def draw_chunk(run: Path, chunk: Chunk) -> None:
    """Write a chunk's file unless it is there; whole or not at all."""
    file = chunk.file(run)
    if file.exists():
        return
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    generator, folder = torch.Generator().manual_seed(chunk.seed), run / "tokenizer"
    arrays = (draw_scenes if chunk.kind in VIEWS else draw_tiles)(chunk.kind, generator, folder)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as out:
        np.savez(out, **arrays)  # type: ignore[arg-type]
    os.replace(part, file)


@contextmanager
def drawn(
    run: Path, chunks: Sequence[Chunk], processes: int | None = None
) -> Iterator[Callable[[Sequence[Chunk]], None]]:
    """Inside the block other processes draw the chunks in this order; its end waits for the last of them.

    The block is given a function that waits for some of the chunks.
    """
    missing = [chunk for chunk in dict.fromkeys(chunks) if not chunk.file(run).exists()]
    # Spawned, since a card that this process uses does not survive a fork; and none where all are there.
    with ProcessPoolExecutor(processes or os.cpu_count(), get_context("spawn")) as pool:
        work = {chunk: pool.submit(partial(draw_chunk, run, chunk)) for chunk in missing}

        def wait(some: Sequence[Chunk]) -> None:
            for chunk in some:
                if chunk in work:
                    work[chunk].result()

        yield wait
        wait(missing)


def read(run: Path, chunks: list[Chunk]) -> dict[str, Tensor]:
    """The arrays of chunks that are drawn, joined; on the processor."""
    parts: dict[str, list[Tensor]] = {}
    for chunk in chunks:
        with np.load(chunk.file(run)) as arrays:
            for name in arrays.files:
                parts.setdefault(name, []).append(torch.from_numpy(arrays[name]))
    return {name: torch.cat(tensors) for name, tensors in parts.items()}
