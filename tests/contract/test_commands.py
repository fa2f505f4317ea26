"""The command line against a real engine: what it writes, what it prints, and how it says no."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract.lab import SIDE, array, noise, ramp
from PIL import Image
from velatura import discovery, recipe
from velatura.version import VERSION
from velatura_engine import cli
from velatura_engine.commands import connect, doctor, watch

MOSS = ("moss", "--steps", "2", "--seed", "7")
SMALL = (*MOSS, "--width", str(SIDE), "--height", str(SIDE))
TILE = ("texture", *MOSS, "--size", str(SIDE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its output, which must be one JSON document."""
        return json.loads(self.out)


Run = Callable[..., Said]


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in an empty folder, on a computer without an engine, where none can be started."""
    for name in ("ENGINE", "TOKEN", "TLS_CA", "CONFIG", "MODELS", "PORT"):
        monkeypatch.delenv(f"VELATURA_{name}", raising=False)
    monkeypatch.setenv("VELATURA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(discovery, "start", lambda *_, **__: pytest.fail("an engine was to be started"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*words: object) -> Said:
        capsys.readouterr()
        try:
            code = cli.main([str(word) for word in words])
        except SystemExit as end:  # argparse's way out
            code = int(end.code or 0)
        return Said(code=code, **capsys.readouterr()._asdict())

    return run


@pytest.fixture
def velatura(lab, alone: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same where the lab's engine runs."""
    monkeypatch.setenv("VELATURA_HOME", str(lab.home))
    return alone


def here() -> list[str]:
    """Names of the files in the folder where commands run."""
    return sorted(path.name for path in Path.cwd().iterdir())


def read(name: str) -> np.ndarray:
    """The pixels of a file in that folder."""
    return array(Path(name).read_bytes())


def save(name: str, pixels: np.ndarray) -> str:
    """A picture in that folder; returns its name."""
    Image.fromarray(pixels).save(name)
    return name


def flat(value: int) -> np.ndarray:
    """One grey."""
    return np.full((SIDE, SIDE, 3), value, np.uint8)


# Textures


def test_a_texture_is_a_tile_a_preview_and_a_recipe(velatura):
    said = velatura(*TILE)
    assert said.code == 0
    assert here() == ["moss-7-3x3.png", "moss-7.json", "moss-7.png"]
    assert all(name in said.out for name in here())


def test_a_preview_is_the_tile_three_by_three(velatura):
    velatura(*TILE)
    assert np.array_equal(read("moss-7-3x3.png"), np.tile(read("moss-7.png"), (3, 3, 1)))


def test_a_tile_that_meets_left_and_right_only_is_previewed_in_a_row(velatura):
    velatura(*TILE, "--tile", "x")
    assert np.array_equal(read("moss-7-3x3.png"), np.tile(read("moss-7.png"), (1, 3, 1)))


def test_the_recipe_beside_a_picture_is_the_one_inside_it(velatura):
    velatura(*TILE, "--tile", "x")
    with Image.open("moss-7.png") as opened:
        inside = json.loads(opened.text["velatura"])["spec"]["steps"][0]["diffuse"]
    beside = json.loads(Path("moss-7.json").read_text())["spec"]["steps"][0]["diffuse"]
    assert beside["prompt"]["text"] == inside["prompt"]["text"] == "moss"
    assert beside["seed"] == inside["seed"] == "7"
    assert beside["tiling"] == inside["tiling"] == {"x": True}


def test_a_texture_without_a_size_has_the_models_own(velatura, lab):
    (model,) = (model for model in lab.engine.catalog().models if model.is_default)
    assert velatura("texture", *MOSS).code == 0
    assert read("moss-7.png").shape == (model.native_size, model.native_size, 3)


def test_a_texture_may_be_wider_than_high(velatura):
    velatura("texture", *MOSS, "--size", "64x32")
    assert read("moss-7.png").shape == (32, 64, 3)


def test_nothing_is_overwritten(velatura):
    velatura(*TILE)
    before = {name: Path(name).read_bytes() for name in here()}
    velatura("texture", "moss", "--seed", "7", "--steps", "3", "--size", SIDE)
    assert {name: Path(name).read_bytes() for name in before} == before
    assert set(here()) - set(before) == {"moss-7-2-3x3.png", "moss-7-2.json", "moss-7-2.png"}


def test_results_go_where_they_are_sent(velatura):
    velatura(*TILE, "--out", "walls/first.png")
    assert sorted(path.name for path in Path("walls").iterdir()) == ["first-3x3.png", "first.json", "first.png"]


# Any picture


def test_a_seed_gives_the_same_picture_again(velatura):
    velatura("generate", *SMALL)
    velatura("generate", *SMALL)
    assert here() == ["moss-7-2.json", "moss-7-2.png", "moss-7.json", "moss-7.png"]
    assert np.array_equal(read("moss-7.png"), read("moss-7-2.png"))


def test_a_picture_to_start_from_is_moved_from_by_its_strength(velatura):
    start = save("start.png", flat(90))
    assert velatura("generate", *MOSS, "--init", start, "--strength", "0").code == 0
    assert velatura("generate", *MOSS, "--init", start, "--strength", "1").code == 0
    kept, moved = (np.abs(read(name).astype(int) - 90).mean() for name in ("moss-7.png", "moss-7-2.png"))
    assert kept < moved


def test_only_the_white_of_a_mask_is_painted(velatura):
    white = np.zeros((SIDE, SIDE), np.uint8)
    white[:, 32:] = 255
    start, mask = save("start.png", flat(90)), save("mask.png", white)
    assert velatura("generate", *MOSS, "--init", start, "--mask", mask).code == 0
    painted = read("moss-7.png")
    assert (painted[:, :24] == 90).all() and (painted[:, 40:] != 90).any()


def test_a_canvas_grows_by_what_is_said_and_keeps_what_was_there(velatura):
    start = save("start.png", flat(90))
    assert velatura("generate", *MOSS, "--init", start, "--outpaint", "left=16,bottom=32").code == 0
    painted = read("moss-7.png")
    assert painted.shape == (SIDE + 32, SIDE + 16, 3) and (painted[:SIDE, 16:] == 90).all()


def test_a_layer_comes_alone_and_says_where_it_belongs(velatura):
    white = np.zeros((SIDE, SIDE), np.uint8)
    white[40:48, 24:36] = 255
    mask, start = save("mask.png", white), save("start.png", flat(90))
    ask = (*MOSS, "--init", start, "--mask", mask, "--context", 8, "--color-match", "--layer")
    said = velatura("generate", *ask, "--json")
    assert said.code == 0 and said.document["pictures"][0]["offset"] == [24, 40]
    assert read("moss-7.png").shape == (8, 12, 4)
    assert "moss-7-2.png at 24,40" in velatura("generate", *ask).out


@pytest.mark.parametrize("words", ["left", "left=x", "up=4", "left=4,left=5", "left=-3", "left=99999", ""])
def test_margins_that_are_none_are_named(alone, words):
    said = alone("generate", "moss", f"--outpaint={words}")
    assert said.code == 2 and "Outpaint: " in said.err


def test_a_picture_follows_depth_in_metres(velatura):
    np.save("near.npy", ramp())
    np.save("far.npy", ramp()[:, ::-1])
    for scene in ("near.npy", "far.npy"):
        assert velatura("depth", "moss", scene, *MOSS[1:]).code == 0
    assert read("moss-7.png").shape == (SIDE, SIDE, 3)
    assert not np.array_equal(read("moss-7.png"), read("moss-7-2.png"))


# Again


@pytest.mark.parametrize("file", ["moss-8.png", "moss-8.json"])
def test_a_replay_of_one_of_many_is_that_one(velatura, file: str):
    velatura("texture", "moss", "--seed", "7", "--count", "3", "--steps", "2", "--size", SIDE)
    first = Path("moss-8.png").read_bytes()
    said = velatura("generate", "--replay", file, "--out", "again", "--json")
    assert [facts["seed"] for facts in said.document["pictures"]] == [8]
    assert sorted(path.name for path in Path("again").iterdir()) == ["moss-8-3x3.png", "moss-8.json", "moss-8.png"]
    assert Path("again/moss-8.png").read_bytes() == first


def test_a_replay_with_the_same_models_has_nothing_to_note(velatura):
    velatura("generate", *SMALL)
    assert "Note" not in velatura("generate", "--replay", "moss-7.png").err


def test_a_replay_notes_a_model_that_is_another_file_now(velatura):
    velatura("generate", *SMALL)
    made = json.loads(Path("moss-7.json").read_text())
    made["models"][0]["sha256"] = "0" * 64
    Path("old.json").write_text(json.dumps(made))
    said = velatura("generate", "--replay", "old.json", "--quiet")
    (note,) = said.err.splitlines()
    assert said.code == 0 and note.startswith("Note: tiny is another file now")


def test_a_picture_without_a_recipe_cannot_be_replayed(velatura):
    said = velatura("generate", "--replay", save("photo.png", flat(90)))
    assert said.code == 2 and "photo.png holds no recipe" in said.err and ".json beside it" in said.err


# Lists


def test_models_are_listed_with_the_default_marked(velatura):
    said = velatura("list", "models")
    lines = said.out.splitlines()
    assert said.code == 0 and lines[0] == "models"
    assert [line.split()[1] for line in lines if line.startswith("*")] == ["tiny"]
    assert any("tiny-depth" in line for line in lines)


def test_samplers_are_listed_with_their_knobs(velatura):
    said = velatura("list", "samplers")
    assert said.code == 0 and "\n  ddim " in said.out and "order = 2 (1 to 3)" in said.out
    assert "tiny" not in said.out


@pytest.mark.parametrize(("shelf", "known"), [("models", "tiny-five"), ("samplers", "euler_a")])
def test_a_list_for_scripts_is_one_document(velatura, shelf: str, known: str):
    document = velatura("list", shelf, "--json").document
    assert list(document) == [shelf]
    assert known in [part["id"] for part in document[shelf]]


def test_all_shelves_are_listed_where_none_is_named(velatura):
    assert {"models", "samplers", "families", "operations"} <= set(velatura("list", "--json").document)


# For scripts


def test_a_painting_for_scripts_is_one_document_with_its_files(velatura):
    said = velatura(*TILE, "--json")
    document = said.document
    (facts,) = document["pictures"]
    assert facts == {"picture": "moss-7.png", "recipe": "moss-7.json", "seed": 7, "preview": "moss-7-3x3.png"}
    assert document["resolved"]["steps"][0]["diffuse"]["model"] == "tiny"
    assert document["job_id"]


def test_an_error_for_scripts_is_one_document_too(velatura):
    said = velatura("generate", *SMALL, "--model", "tinny", "--json")
    assert said.document["exit_code"] == said.code == 3
    assert said.document["error"]["kind"] == "NotFound" and "tiny" in said.document["error"]["suggestions"]
    assert said.document["error"]["text"] in said.err


def test_a_reference_is_taken_after_as_strongly_as_is_said(velatura):
    save("leaf.png", np.random.default_rng(4).integers(0, 256, (SIDE, SIDE, 3), np.uint8))
    for number, words in enumerate(((), ("leaf.png:0",), ("leaf.png",), ("leaf.png:0.5",), ("leaf.png:1:style",))):
        asked = [part for word in words for part in ("--reference", word)]
        assert velatura("generate", *SMALL, *asked, "--out", f"{number}.png").code == 0
    plain, none, whole, half, style = (read(f"{number}.png").astype(int) for number in range(5))
    assert np.array_equal(plain, none)
    assert all(np.abs(a - b).max() > 0 for a, b in ((plain, whole), (whole, half), (whole, style), (plain, style)))


def test_a_picture_that_took_after_others_is_made_again_from_its_file(velatura):
    save("leaf.png", np.random.default_rng(4).integers(0, 256, (SIDE, SIDE, 3), np.uint8))
    words = ("--reference", "leaf.png:0.7")
    assert velatura("generate", *SMALL, *words, "--out", "first.png").code == 0
    assert velatura("generate", "--replay", "first.png", *words, "--out", "again.png").code == 0
    assert np.array_equal(read("first.png"), read("again.png"))


# No


BAD: dict[str, tuple[tuple[object, ...], list[str]]] = {
    "nothing to paint": (("generate",), ["prompt", "which picture to make again"]),
    "a size that is none": (("texture", "moss", "--size", "big"), ["'big'", "such as 256 or 512x256"]),
    "an empty size": (("texture", "moss", "--size", ""), ["size", "such as 256 or 512x256"]),
    "a picture that is not there": (("generate", "moss", "--init", "gone.png"), ["init", "gone.png cannot be read"]),
    "a mask without a picture": (("generate", *SMALL, "--mask", "grey.png"), ["mask", "init"]),
    "too strong": (("generate", *MOSS, "--init", "grey.png", "--strength", "1.4"), ["strength", "1.4"]),
    "near without far": (("generate", "moss", "--depth", "grey.png", "--near", "1"), ["depth", "near and far"]),
    "a hint without a kind": (("generate", "moss", "--control", "grey.png"), ["control", "canny=lines.png"]),
    "a role that is none": (("generate", *SMALL, "--reference", "grey.png:1:smell"), ["role", "style"]),
    "a reference that is not there": (("generate", "moss", "--reference", "gone.png:0.5"), ["gone.png cannot be read"]),
    "too few steps": (("generate", "moss", "--steps", "0"), ["steps", "1"]),
    "a tile that cannot meet": (("texture", "moss", "--size", "63"), ["width", "63"]),
    "a way to tile that is none": (("texture", "moss", "--tile", "z"), ["--tile", "'xy', 'x', 'y', 'none'"]),
    "a token that is not there": (
        ("list", "--engine", "127.0.0.1:1", "--token-file", "gone"),
        ["token_file", "gone cannot be read"],
    ),
    "an address that is none": (("list", "--engine", "127.0.0.1:door"), ["address", "host:port"]),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_refused_in_words(velatura, what: str):
    words, told = BAD[what]
    save("grey.png", flat(90))
    said = velatura(*words)
    assert said.code == 2 and said.out == "" and here() == ["grey.png"]
    assert all(word in said.err.lower() for word in told), said.err


@pytest.mark.parametrize(("option", "given", "known"), [
    ("--model", "tinny", "tiny"),
    ("--sampler", "eular", "euler"),
])  # fmt: skip
def test_an_unknown_name_is_told_with_its_neighbours(velatura, option: str, given: str, known: str):
    said = velatura("generate", *SMALL, option, given)
    assert said.code == 3 and here() == []
    assert given in said.err and known in said.err


def test_what_cannot_be_together_is_told_with_what_can(velatura):
    said = velatura("generate", *SMALL, "--sampler", "euler", "--schedule", "kerras")
    assert said.code == 4 and "kerras" in said.err and "karras" in said.err and here() == []


def test_an_unknown_shelf_is_told_with_those_there_are(velatura):
    said = velatura("list", "brushes")
    assert said.code == 3 and "brushes" in said.err and "models" in said.err


def test_nothing_is_painted_where_no_engine_answers(alone):
    said = alone("generate", *SMALL, "--engine", "127.0.0.1:1")
    assert said.code == 5 and "127.0.0.1:1" in said.err and here() == []


def test_nothing_is_painted_without_the_token(velatura, lab):
    said = velatura("generate", *SMALL, "--engine", lab.endpoint.address)
    assert said.code == 5 and "token" in said.err and here() == []


def test_a_token_may_come_from_a_file(velatura, lab):
    Path("token").write_text(lab.endpoint.token + "\n")
    assert velatura("list", "models", "--engine", lab.endpoint.address, "--token-file", "token").code == 0


def test_ctrl_c_stops_the_job(velatura, lab, monkeypatch):
    def press(bar: watch.Bar, event: Any) -> None:
        if event.HasField("progress"):
            raise KeyboardInterrupt

    monkeypatch.setattr(watch.Bar, "show", press)
    said = velatura("generate", "moss", "--width", SIDE, "--height", SIDE, "--steps", "1000")
    assert said.code == cli.INTERRUPTED and said.err.endswith("Interrupted.\n") and here() == []
    lab.until(running=0, queued=0)


# Looking after the engine


def test_an_engine_is_started_where_none_runs(alone, lab, monkeypatch):
    commands = []
    monkeypatch.setattr(discovery, "start", lambda command: commands.append(command) or lab.endpoint)
    said = alone("list", "models")
    assert said.code == 0 and "Starting the engine" in said.err
    serve = ["-m", "velatura_engine", "serve", "--port", "0", "--idle-exit", str(connect.IDLE_SECONDS)]
    assert commands == [[sys.executable, *serve]]


def test_there_is_nothing_to_stop_where_no_engine_runs(alone):
    assert alone("stop").out == "No engine was running.\n"
    assert alone("stop", "--json").document == {"stopped": False, "pid": None}


def test_stopping_ends_the_process_that_wrote_itself_down(alone, lab, tmp_path):
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"]) as process:
        facts = json.loads((lab.home / discovery.ENDPOINT_FILE).read_text())
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / discovery.ENDPOINT_FILE).write_text(json.dumps(facts | {"pid": process.pid}))
        assert alone("stop", "--json").document == {"stopped": True, "pid": process.pid}
        assert process.wait(10) != 0


def test_the_version_is_the_engines(alone):
    said = alone("--version")
    assert said.code == 0 and said.out == f"velatura {VERSION}\n"


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets doctor's look at torch take no time, for tests of what else it finds."""
    monkeypatch.setattr(doctor, "_PROBE", 'print(\'{"torch": "9", "device": "easel", "threads": 1}\')')


def findings(said: Said) -> dict[str, dict[str, Any]]:
    """What doctor found, by name."""
    return {finding["name"]: finding for finding in said.document}


def test_doctor_looks_at_everything(velatura, lab, models, monkeypatch):
    monkeypatch.setenv("VELATURA_MODELS", str(models))
    said = velatura("doctor", "--json")
    found = findings(said)
    assert list(found) == ["python", "torch", "models", "disk", "port", "engine", "token"]
    assert said.code == (0 if all(finding["right"] for finding in said.document) else cli.BROKEN)
    assert found["torch"]["right"] and f"torch {version('torch')} on " in found["torch"]["words"]
    assert found["engine"]["right"] and lab.endpoint.address in found["engine"]["words"]
    assert any("old.ckpt is not used" in finding["words"] for finding in said.document)


@pytest.mark.usefixtures("quickly")
def test_doctor_says_what_to_do_about_a_token_that_others_can_read(alone, lab, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / discovery.ENDPOINT_FILE).write_text((lab.home / discovery.ENDPOINT_FILE).read_text())
    (home / "token").touch(mode=0o644)
    said = alone("doctor")
    assert said.code == cli.BROKEN
    assert f"WRONG token    {home / 'token'} has mode 644" in said.out and f"chmod 600 {home / 'token'}" in said.out


@pytest.mark.usefixtures("quickly")
def test_doctor_is_content_where_no_engine_runs(alone):
    engine = findings(alone("doctor", "--json"))["engine"]
    assert engine["right"] and "not running" in engine["words"]


@pytest.mark.usefixtures("quickly")
def test_doctor_tells_a_variable_that_cannot_be_read(alone, monkeypatch):
    monkeypatch.setenv("VELATURA_PORT", "abc")
    said = alone("doctor", "--json")
    wrong = findings(said)["settings"]
    assert said.code == cli.BROKEN and {"disk", "port", "engine"} <= set(findings(said))
    assert wrong["words"] == "VELATURA_PORT: 'abc' is not a number"
    assert wrong["remedy"] == "Mend or unset VELATURA_PORT."


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize(("line", "told"), [
    ("port = ", "cannot be read"),
    ("port = 'abc'", "must be a whole number"),
    ("harbour = 7860", "'harbour'"),
    ("port = 70000", "between 0 and 65535"),
])  # fmt: skip
def test_doctor_tells_a_settings_file_that_cannot_be_used(alone, tmp_path, line: str, told: str):
    (tmp_path / "home").mkdir()
    file = tmp_path / "home" / "engine.toml"
    file.write_text(line)
    said = alone("doctor")
    assert said.code == cli.BROKEN
    wrong, remedy = said.out.splitlines()[2:4]
    assert wrong.startswith("WRONG settings") and told in wrong
    assert "-> Mend" in remedy and str(file) in remedy


# Large pictures, variations, edges


def test_a_picture_is_made_larger_beside_the_old_one(velatura):
    save("wall.png", noise())
    assert velatura("upscale", "wall.png", "--factor", 3, "--upscaler", "nearest").code == 0
    assert here() == ["wall-large.json", "wall-large.png", "wall.png"]
    assert np.array_equal(read("wall-large.png"), noise().repeat(3, 0).repeat(3, 1))


def test_detail_is_painted_into_a_larger_picture_where_there_are_words(velatura):
    save("wall.png", noise())
    said = velatura("upscale", "wall.png", "--prompt", "moss", "--steps", 4, "--seed", 7, "--window", 64)
    assert said.code == 0
    assert read("wall-large-7.png").shape == (2 * SIDE, 2 * SIDE, 3)


def test_a_picture_is_made_seamless_around_a_middle_that_stays(velatura):
    save("wall.png", noise())
    assert velatura("seamless", "wall.png", *MOSS, "--band", 16).code == 0
    assert {"wall-seamless-7.png", "wall-seamless-7-3x3.png"} <= {*here()}
    assert np.array_equal(read("wall-seamless-7.png")[16:-16, 16:-16], noise()[16:-16, 16:-16])


def test_a_tile_set_is_written_tile_by_tile_and_once_mixed(velatura):
    said = velatura("tileset", *MOSS, "--count", 3, "--size", SIDE, "--tile", "x", "--band", 6)
    assert said.code == 0
    tiles = [read(f"moss-{seed}.png") for seed in (7, 8, 9)]
    assert all(np.array_equal(tile[:, edge], tiles[0][:, edge]) for tile in tiles for edge in (0, 5, -1))
    mixed = read("moss-7-mixed.png")
    assert mixed.shape == (SIDE, 4 * SIDE, 3)
    laid = [next(n for n, tile in enumerate(tiles) if np.array_equal(tile, part)) for part in np.split(mixed, 4, 1)]
    assert all(first != second for first, second in pairwise(laid))


def test_a_pictures_material_is_written_map_by_map_with_a_card_that_says_what_they_are(velatura):
    save("wall.png", noise())
    more = ("--model", "classical", "--tile", "xy", "--directx", "--orm", "--maps", "normal,height")
    said = velatura("material", "wall.png", *more, "--json")
    maps = ("height", "metallic", "normal", "occlusion", "orm", "roughness")
    assert here() == [*(f"wall-{name}.png" for name in maps[:1]), "wall-material.json",
                      *(f"wall-{name}.png" for name in maps[1:]), "wall.png"]  # fmt: skip
    card = json.loads(Path("wall-material.json").read_text())
    assert said.document["maps"] == card["maps"] and card["maps"]["normal"]["convention"] == "DirectX"
    assert (
        card["maps"]["height"]["relief"] > 0 and recipe.loads(json.dumps(card["recipe"])).spec.steps[0].material.tile_y
    )
    packed = read("wall-orm.png")
    for channel, name in enumerate(("occlusion", "roughness", "metallic")):
        assert np.array_equal(packed[..., channel], read(f"wall-{name}.png")[..., 0])
    assert read("wall-height.png").dtype == np.uint16


def test_a_map_that_no_material_has_is_refused_before_anything_is_written(velatura):
    save("wall.png", noise())
    said = velatura("material", "wall.png", "--maps", "bumps")
    assert said.code == 3 and "bumps" in said.err and "height" in said.err
    assert here() == ["wall.png"]


@pytest.mark.parametrize("more", [("--hires", 2), ("--loopback", 2), ("--variation", 0.3, "--subseed", 4)])
def test_a_chain_is_one_picture_that_replays(velatura, more: tuple):
    assert velatura("generate", *SMALL, *more).code == 0
    (name,) = [name for name in here() if name.endswith(".png")]
    assert read(name).shape[0] == (2 * SIDE if "--hires" in more else SIDE)
    assert velatura("generate", "--replay", name, "--out", "again").code == 0
    (again,) = Path("again").glob("*.png")
    assert again.read_bytes() == Path(name).read_bytes()


@pytest.mark.parametrize(
    "more", [("--hires", 2, "--loopback", 2), ("--overlap", 16), ("--hires", 2, "--mend", 8), ("--mend", 8)]
)
def test_options_that_do_not_go_together_are_told(velatura, more: tuple):
    said = velatura("generate", *SMALL, *more)
    assert said.code == 2 and said.err.startswith("velatura: ")
