"""Training pictures are drawn in chunks that depend on their kind and number alone."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from velatura_starter.architecture import build_vae
from velatura_starter.data.families import family_a
from velatura_starter.data.textures import Labels
from velatura_starter.padding import periodic
from velatura_starter.tokens import load_tokenizer, train_tokenizer
from velatura_starter.training import drawing, latents
from velatura_starter.training.drawing import CHUNK, TILES, Chunk, chunks_of, draw_chunk, drawn, favour, read
from velatura_starter.training.latents import Scenes, Tiles, encode_chunks


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder with a tokenizer and one drawn chunk of small tiles."""
    folder = tmp_path_factory.mktemp("run")
    train_tokenizer(["red brick wall", "blue moss"] * 20, folder / "tokenizer")
    draw_chunk(folder, Chunk("small", 0))
    return folder


def test_a_chunk_shows_every_program_equally_often(run):
    told = read(run, [Chunk("small", 0)])
    count = sum(len(programs) for programs in family_a().values()) * TILES["small"][1]
    assert told["images"].shape == (count, 3, 64, 64) and count == CHUNK["small"]
    assert torch.equal(told["materials"].bincount(), torch.full((len(family_a()),), TILES["small"][1]))


def test_a_chunk_drawn_again_is_the_same_and_another_is_not(run, tmp_path):
    (tmp_path / "tokenizer").symlink_to(run / "tokenizer")
    for number in (0, 1):
        draw_chunk(tmp_path, Chunk("small", number))
    first, again, other = read(run, [Chunk("small", 0)]), *(read(tmp_path, [Chunk("small", i)]) for i in (0, 1))
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not torch.equal(first["images"], other["images"])


def test_captions_are_kept_as_the_tokenizers_numbers(run):
    tokens = read(run, [Chunk("small", 0)])["tokens"]
    words = load_tokenizer(run / "tokenizer")
    assert tokens.shape[1] == 3
    assert words.decode(tokens[0, 0].tolist(), skip_special_tokens=True)


def test_other_processes_draw_while_the_block_goes_on(run, monkeypatch):
    wanted = [Chunk("small", 0), Chunk("small", 7)]
    with drawn(run, wanted, processes=1) as wait:
        wait(wanted)
        assert all(chunk.file(run).exists() for chunk in wanted)
    monkeypatch.setattr(drawing, "draw_chunk", None)
    with drawn(run, wanted, processes=1):
        pass  # nothing is missing, so nobody draws


def test_a_half_drawn_chunk_is_no_chunk(run, monkeypatch):
    def full(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="disk full"):
        draw_chunk(run, Chunk("small", 9))
    assert not Chunk("small", 9).file(run).exists()


def test_as_many_chunks_as_hold_the_pictures_and_one_at_least():
    assert [len(chunks_of("middle", n)) for n in (1, 96, 960)] == [1, 1, 10]
    assert len({chunk.seed for kind in CHUNK for chunk in chunks_of(kind, 5000)}) == sum(
        len(chunks_of(kind, 5000)) for kind in CHUNK
    )


def test_plain_pictures_and_hard_materials_are_shown_more_often():
    def weight(material, size="normal", attribute=None):
        return favour(Labels(material, "red", None, size, attribute))

    assert weight("marble") > weight("brick") > weight("plaid")
    assert weight("plaid") > weight("plaid", size="small") == weight("plaid", attribute="worn")


def test_latents_are_encoded_once_and_kept(run, monkeypatch):
    monkeypatch.setattr(latents, "mixed", nullcontext)  # full precision, on processors that would take half too
    vae, folder = build_vae().eval().requires_grad_(False), run
    tiles = encode_chunks(vae, folder, [Chunk("small", 0)])
    assert isinstance(tiles, Tiles)
    picture = read(folder, [Chunk("small", 0)])["images"][5:6].float() / 127.5 - 1
    with periodic(vae):
        expected = vae.encode(picture).latent_dist.mean
    assert torch.allclose(tiles.latents[5:6].float(), expected, atol=2e-3)
    again = encode_chunks(None, folder, [Chunk("small", 0)])
    assert torch.equal(again.latents, tiles.latents)


def test_scenes_keep_their_depth_beside_them(run, monkeypatch):
    monkeypatch.setitem(CHUNK, "scenes", 2)
    draw_chunk(run, Chunk("scenes", 0))
    scenes = encode_chunks(build_vae().eval().requires_grad_(False), run, [Chunk("scenes", 0)])
    assert isinstance(scenes, Scenes)
    assert scenes.latents.shape == (2, 4, 32, 32) and scenes.hints.shape == (2, 128, 128)
    assert scenes.hints.max() > 10
