"""Surfaces that are known, drawn by several processes: what the material network learns from and is scored on."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
from torch import Tensor

from .families import family_a, material_names
from .textures import Program, draw

Pool = dict[str, Tensor]
"""What `make_maps` draws."""

Programs = Mapping[str, tuple[Program, ...]]
"""Programs by material."""


def make_maps(count: int, size: int, seed: int, programs: Programs | None = None) -> Pool:
    """Draw pictures and what they show, all materials equally often; family A unless other programs are given.

    Returns, with N = ``count`` rounded up to fours: picture and albedo (N, 3, S, S) uint8; height, 0..1, float16,
    roughness, metallic and ao uint8, (N, S, S); relief, pixels from height 0 to 1, float32, and material, int64, (N,).
    """
    generator = torch.Generator().manual_seed(seed)
    programs = family_a() if programs is None else programs
    names = material_names()
    rows: dict[str, list[Tensor]] = {}
    for i in range((count + 3) // 4):
        material = names[(i + seed) % len(names)]
        choices = programs[material]
        program = choices[int(torch.randint(len(choices), (1,), generator=generator))]
        b = draw(program, material, batch=4, size=size, generator=generator)
        s = b.surface
        drawn = {"picture": b.image, "albedo": s.albedo, "roughness": s.roughness, "metallic": s.metallic, "ao": b.ao}
        row = {k: (v.clamp(0, 1) * 255).round().to(torch.uint8) for k, v in drawn.items()}
        row |= {"height": s.height.half(), "relief": torch.full((4,), float(s.relief))}
        row |= {"material": torch.full((4,), names.index(material))}
        for key, value in row.items():
            rows.setdefault(key, []).append(value)
    return {key: torch.cat(values) for key, values in rows.items()}


def _drawn(task: tuple[int, int, int]) -> dict[str, np.ndarray]:
    torch.set_num_threads(1)
    return {key: value.numpy() for key, value in make_maps(*task).items()}  # tensors would be open files until read


def draw_pool(count: int, size: int, seed: int, processes: int, device: torch.device | str = "cpu") -> Pool:
    """At least ``count`` pictures of family A and their maps, drawn by several processes, on a device."""
    share = 96
    tasks = [(share, size, seed * 1_000_003 + i) for i in range((count + share - 1) // share)]
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as others:
        drawn = list(others.map(_drawn, tasks))
    return join_maps([{key: torch.from_numpy(value) for key, value in part.items()} for part in drawn], device)


def join_maps(pools: list[Pool], device: torch.device | str = "cpu") -> Pool:
    """Several processes' maps as one pool on a device."""
    return {key: torch.cat([p[key] for p in pools]).to(device) for key in pools[0]}
