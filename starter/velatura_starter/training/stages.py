"""The stages in order, each reading what the one before left in the run folder."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from ..architecture import build_unet
from ..data.captions import Writer, every_word
from ..data.families import material_names
from ..data.materials import draw_pool
from ..data.palette import colour_names
from ..data.textures import ATTRIBUTES, SIZES, Labels
from ..device import device, roomy
from ..tokens import train_tokenizer
from .clock import Average, load
from .controlnet import Scenery, train_controlnet, train_worded_controlnet
from .course import Course
from .details import finished, train_details
from .drawing import VIEWS, Chunk, chunks_of, drawn, read
from .export import averaged, blank_text, export_depth, export_texture, frozen, latent_moments, load_vae, whiten
from .guided import train_guided
from .judges import train_depth_judge, train_judge
from .latents import Scenes, Tiles, encode_chunks
from .material import train_material
from .reader import train_reader
from .together import join, once
from .unet import Feeder, Pools, train_unet
from .vae import train_vae

Log = Callable[[str], None]

GUIDANCE = 3.0
"""The scale that is taught: the judge named 69 % of 72 pictures rightly with it, 67 % with 5."""

CLEAR = 0.1
"""How much the reader's doubt counts: at first its gradient is two thirds of the other's."""


def rate(peak: float) -> float:
    """The highest learning rate: on a card less, though its batches are larger. A UNet that went on from weights with
    all of it was well until then, and answered no numbers after 600 steps.
    """
    return peak * (0.4 if device().type == "cuda" else 1.0)


def tokenizer_stage(run: Path, seed: int = 7) -> None:
    """Train the tokenizer on the grammar's phrases and 4,000 captions."""
    if (run / "tokenizer" / "vocab.json").exists():
        return
    generator, dice = torch.Generator().manual_seed(seed), random.Random(seed)
    writer = Writer(generator)
    captions = []
    for _ in range(4000):
        colours = dice.choice(colour_names()), dice.choice([None, None, *colour_names()])
        attribute = dice.choice([None, None, *ATTRIBUTES])
        captions.append(writer.texture(Labels(dice.choice(material_names()), *colours, dice.choice(SIZES), attribute)))
    train_tokenizer([*every_word() * 20, *captions], run / "tokenizer")


def chunks() -> dict[str, list[Chunk]]:
    """All the pictures to draw, by kind: on a card there is time for many more."""
    amounts = {
        "middle": roomy(4096, 72_000), "large": roomy(384, 12_000), "scenes": roomy(1400, 6_000),
        "small": roomy(8192, 16_000), "wide": roomy(256, 3_000),
    }  # fmt: skip
    return {kind: chunks_of(kind, pictures) for kind, pictures in amounts.items()}


def vae_stage(run: Path, minutes: float, start: Path | None = None, log: Log = print) -> None:
    """Train the autoencoder, or go on with that of ``start``, on the first pictures, while the others are drawn; then
    whiten its average.
    """
    tokenizer_stage(run)
    wanted = chunks()
    first = {"middle": wanted["middle"][:150], "large": wanted["large"][:40], "scenes": wanted["scenes"][:16]}
    order = [chunk for some in (first, wanted) for kind in some for chunk in some[kind]]
    # A step on a processor wants all of it, and so does drawing: one after the other there.
    cores = os.cpu_count() or 1
    with drawn(run, order, processes=roomy(cores, max(1, cores - 1))) as wait:
        wait(order if roomy(1, 0) else [chunk for kind in first.values() for chunk in kind])
        pools = [read(run, chosen)["images"] for chosen in first.values()]
        log(f"vae: {[len(pool) for pool in pools]} pictures")
        before = read_vae(start) if start else None
        train_vae(run, pools, Course(minutes=minutes, peak=1e-3, decay=0.998, log=log), start=before)
        whiten_stage(run, pools[0])


def whiten_stage(run: Path, pictures: Tensor) -> None:
    """Write ``vae_white.pt`` from the checkpoint's average; pictures (N, 3, H, W) uint8 tell how latents vary."""
    state = load(run / "vae.pt")
    assert state is not None, "train the autoencoder first"
    torch.save({k.removeprefix("vae."): v.cpu() for k, v in state["average"].items()}, run / "vae_white.pt")
    vae = load_vae(run / "vae_white.pt")
    whiten(vae, *latent_moments(vae, pictures[:256].float() / 255))
    torch.save({k: v.cpu() for k, v in vae.state_dict().items()}, run / "vae_white.pt")


def latents_of(run: Path, kinds: Sequence[str], log: Log = print) -> dict[str, Tiles | Scenes]:
    """Latents of these kinds, drawn and encoded where they are not yet."""
    vae, wanted = load_vae(run / "vae_white.pt"), {kind: some for kind, some in chunks().items() if kind in kinds}
    with drawn(run, [chunk for some in wanted.values() for chunk in some]):
        pass
    found = {kind: encode_chunks(vae, run, some) for kind, some in wanted.items()}
    log(f"latents: {', '.join(f'{kind} {len(found[kind].latents)}' for kind in found)}")
    return found


@cache
def shared_pools(run: Path, log: Log = print) -> Pools:
    """Latents for the UNet, made by the first process and read by all; kept for the stages that follow."""
    kinds = ("middle", "large", "scenes", "small")
    once(lambda: latents_of(run, kinds, log) and None)
    return Pools(**latents_of(run, kinds, log))  # type: ignore[arg-type]


@cache
def shared_scenery(run: Path, log: Log = print) -> Scenery:
    """The same for the ControlNet."""
    once(lambda: latents_of(run, tuple(VIEWS), log) and None)
    return Scenery(**latents_of(run, tuple(VIEWS), log))  # type: ignore[arg-type]


def read_vae(start: Path) -> AutoencoderKL:
    """The autoencoder of exported weights."""
    return AutoencoderKL.from_pretrained(start / "texture" / "vae", torch_dtype=torch.float32)


def begin(run: Path, start: Path) -> None:
    """Take autoencoder and tokenizer from exported weights, so that the later stages go on from them."""
    if not (run / "vae_white.pt").exists():
        torch.save(read_vae(start).state_dict(), run / "vae_white.pt")
        shutil.copytree(start / "texture" / "tokenizer", run / "tokenizer", dirs_exist_ok=True)


def unet_stage(run: Path, minutes: float, out: Path, start: Path | None = None, log: Log = print) -> None:
    """Train UNet and text encoder; every checkpoint is also exported to ``out``/texture."""
    once(lambda: tokenizer_stage(run))
    pools = shared_pools(run, log)

    def export(average: Average) -> None:
        text = averaged(blank_text(run), average, "text")
        export_texture(run, averaged(build_unet(), average, "unet"), text, out / "texture")

    course = Course(minutes=minutes, peak=rate(8e-4), decay=0.9985, export=export, log=log)
    train_unet(run, pools, course, start=start)


def guided_stage(run: Path, minutes: float, out: Path, log: Log = print) -> None:
    """Teach the UNet to answer as if guided, after a reader has learned for a sixth of it; exported in its place."""
    pools = shared_pools(run, log)
    reading = Course(minutes=minutes / 6, peak=2e-3, decay=0.99, warmup=30, log=log)
    train_reader(run, (pools.small, pools.middle), reading)

    def export(average: Average) -> None:
        text = frozen(run / "unet.pt", "text", blank_text(run))
        export_texture(run, averaged(build_unet(), average, "unet"), text, out / "texture")

    decay = 1 - 1 / roomy(100, 500)
    course = Course(minutes=minutes * 5 / 6, peak=rate(1e-3), decay=decay, warmup=20, export=export, log=log)
    train_guided(run, pools, course, scale=GUIDANCE, clear=CLEAR)


def details_stage(run: Path, minutes: float, out: Path, start: Path | None = None, log: Log = print) -> None:
    """Teach the guided UNet, or that of ``start``, fine detail and exact colour; exported in its place."""
    pools = shared_pools(run, log)
    before, text = finished(run, start, "guided")

    def export(average: Average) -> None:
        export_texture(run, averaged(build_unet(), average, "unet"), text, out / "texture")

    decay = 1 - 1 / roomy(100, 500)
    course = Course(minutes=minutes, peak=rate(2e-4), decay=decay, warmup=20, export=export, log=log)
    train_details(run, pools, course, before, text)


def controlnet_stage(run: Path, minutes: float, out: Path, start: Path | None = None, log: Log = print) -> None:
    """Train the depth ControlNet for the run's detailed UNet, or that of ``start``, then for the last third of the time
    the copy that leaves words to the UNet; exported to ``out``/depth.
    """
    scenery, (unet, text) = shared_scenery(run, log), finished(run, start, "detailed")
    course = Course(
        minutes=minutes * 2 / 3, peak=rate(8e-4), decay=0.998, warmup=50, log=log,
        export=lambda a: export_depth(a, out / "depth"),
    )  # fmt: skip
    train_controlnet(run, scenery, Feeder(None, run / "tokenizer", 2), course, unet, text)
    course = replace(course, minutes=minutes / 3, peak=rate(4e-4), decay=1 - 1 / roomy(100, 500), warmup=20)
    train_worded_controlnet(run, scenery, Feeder(None, run / "tokenizer", 9), course, unet, text)


def judge_stage(run: Path, minutes: float, out: Path, start: Path | None = None, log: Log = print) -> None:
    """Train both judges and write them to ``out``."""
    train_judge(run, load_vae(run / "vae_white.pt"), out, minutes=minutes * 0.6, start=start, log=log)
    train_depth_judge(run, out, minutes=minutes * 0.4, start=start, log=log)


def material_stage(minutes: float, out: Path, start: Path | None = None, log: Log = print) -> None:
    """Draw surfaces, then train the material network on them, on a graphics processor where there is one.

    It goes on from the network in the weights folder ``start``, with other surfaces and a rate not quite as high.
    """
    started = time.monotonic()
    pool = draw_pool(roomy(3072, 49_152), 128, 2 if start else 1, os.cpu_count() or 1, device())
    left = max(minutes * 60 - (time.monotonic() - started), 1.0)
    how = {"device": device(), "batch": roomy(12, 64), "log": log}
    if start:
        how |= {"start": start / "material.safetensors", "peak": 2e-3}
    train_material(pool, seconds=left, out=out, **how)


def write_vocabulary(out: Path, *, steps: int, guidance: float, size: int) -> None:
    """What the model knows, and its measured default settings, for the engine's catalog."""
    told = {
        "materials": list(material_names()),
        "colours": list(colour_names()),
        "attributes": list(ATTRIBUTES),
        "sizes": [s for s in SIZES if s != "normal"],
        "guidance_scale": guidance,
        "steps": steps,
        "sampler": "ddim",
        "cache_interval": 2,
        "view_depth": 0.3,
        "size": size,
    }
    (out / "vocabulary.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def train(
    run: Path, out: Path, *, names: Sequence[str], minutes: float, start: Path | None = None, log: Log = print
) -> None:
    """Train the named stages one after the other, in their usual shares of the minutes.

    "all" names all but the material network's. ``start``: weights to go on from; under "all" the autoencoder then stays
    as it is.
    """
    run.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    if start:
        once(lambda: begin(run, start))
    stages = {
        "vae": (0.14, lambda m: once(lambda: vae_stage(run, m, start, log))),
        "unet": (0.43, lambda m: unet_stage(run, m, out, start, log)),
        "guided": (0.13, lambda m: guided_stage(run, m, out, log)),
        # What the run has taught itself is gone on from, not what it began from.
        "details": (0.06, lambda m: details_stage(run, m, out, None if (run / "guided.pt").exists() else start, log)),
        "controlnet": (
            0.17,
            lambda m: controlnet_stage(run, m, out, None if (run / "detailed.pt").exists() else start, log),
        ),
        "judge": (0.07, lambda m: once(lambda: judge_stage(run, m, out, start, log))),
        "material": (0.2, lambda m: once(lambda: material_stage(m, out, start, log))),
    }
    if "all" in names:
        names = [name for name in stages if name != "material" and not (name == "vae" and start)]
    whole = sum(stages[name][0] for name in names)
    for name in (name for name in stages if name in names):
        share, work = stages[name]
        work(minutes * share / whole)
    if set(names) != {"material"}:
        guided = (run / "guided.pt").exists() or "details" in names  # before it is learned, guidance has to be given
        once(lambda: write_vocabulary(out, steps=20, guidance=1.0 if guided else GUIDANCE, size=256))


def prepare() -> None:
    """Process-wide settings that training wants: no denormals, as many threads as cores, company if there is any."""
    torch.set_flush_denormal(True)
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    torch.set_num_threads(os.cpu_count() or 1)
    join()
