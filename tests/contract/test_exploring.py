"""Grids through a real engine: from the client and from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from contract.lab import quick
from contract.test_commands import SIDE, alone, velatura  # noqa: F401 (fixtures)
from velatura import errors, explore

SMALL = ("--steps", "2", "--width", str(SIDE), "--height", str(SIDE))


def test_a_cell_is_the_picture_that_its_job_alone_makes(lab, tmp_path):
    grid = explore.Grid(quick("moss"), explore.axis("sampler", "euler,ddim"), explore.axis("seed", "1..2"))
    grid.check(lab.engine)
    outcome = explore.start(lab.engine, grid, tmp_path / "out").result(250)
    for made in outcome.made:
        file = lab.paint("moss", sampler=("euler", "ddim")[made.x], seed=1 + made.y)
        assert (outcome.folder / made.file).read_bytes() == file
    assert len({(outcome.folder / made.file).read_bytes() for made in outcome.made}) == 4


def test_a_sampler_that_is_not_there_brings_near_names_before_anything_is_painted(lab):
    grid = explore.Grid(quick("moss"), explore.axis("sampler", "euler, dpmpp_2n"))
    with pytest.raises(errors.NotFound, match="dpmpp_2m"):
        grid.check(lab.engine)


def test_a_pair_that_cannot_be_is_a_cell_that_says_why(lab, tmp_path):
    """Every sampler and schedule is there, but not every sampler knows every schedule."""
    grid = explore.Grid(quick("moss"), explore.axis("sampler", "euler,ddim"), explore.axis("schedule", "karras,normal"))
    grid.check(lab.engine)
    outcome = explore.start(lab.engine, grid, tmp_path / "out").result(250)
    states = [made.state for made in outcome.made]
    assert "painted" in states and "failed" in states
    assert all("schedule" in made.why for made in outcome.made if made.state == "failed")


def test_the_command_makes_a_folder_and_goes_on_with_it(velatura):  # noqa: F811
    words = (
        "explore",
        "red moss",
        *SMALL,
        "--x",
        "guidance=1..2",
        "--y",
        "prompt S/R=red,blue",
        "--out",
        "grid",
        "--json",
    )
    first = velatura(*words)
    assert first.code == 0 and first.document["painted"] == 4
    assert [(cell["guidance"], cell["prompt S/R"]) for cell in first.document["cells"]] == [
        ("1", "red"), ("2", "red"), ("1", "blue"), ("2", "blue"),
    ]  # fmt: skip
    assert all(Path(cell["picture"]).is_file() for cell in first.document["cells"])
    assert Path("grid/sheet.png").is_file() and Path("grid/index.html").is_file()
    assert json.loads(Path("grid/explore.json").read_text("utf-8"))["axes"]["y"]["values"] == ["red", "blue"]
    again = velatura(*words)
    assert (again.document["kept"], again.document["painted"]) == (4, 0)


def test_a_cells_picture_is_replayed(velatura):  # noqa: F811
    cells = velatura("explore", "moss", *SMALL, "--x", "seed=3,4", "--out", "grid", "--json").document["cells"]
    assert velatura("generate", "--replay", cells[1]["picture"], "--out", "again").code == 0
    assert Path("again/moss-4.png").read_bytes() == Path(cells[1]["picture"]).read_bytes()


def test_the_matrix_command_paints_every_combination(velatura):  # noqa: F811
    said = velatura("explore", "--matrix", "brick | mossy | wet", *SMALL)
    assert said.code == 0 and "4 painted" in said.out
    assert len(list(Path("explore-brick").glob("parts*.png"))) == 4


@pytest.mark.parametrize("words, code, why", [
    (("moss",), 2, "--x NAME=VALUES"),
    (("moss", "--x", "steps"), 2, "NAME=VALUES"),
    (("moss", "--x", "steps=1..2", "--matrix", "a | b"), 2, "matrix"),
    (("moss", "--x", "steps=a"), 2, "whole number"),
    (("moss", "--x", "stepz=1,2"), 3, "steps"),
    (("moss", "--x", "sampler=eulr,euler"), 3, "euler"),
    (("moss", "--x", "steps=0,1"), 2, "between 1 and 1000"),
    (("moss", "--x", "seed=1..99", "--y", "steps=1..99"), 2, "512 at most"),
    (("moss", "--x", "sr=brick,wood"), 2, "does not stand in the prompt"),
])  # fmt: skip
def test_what_cannot_be_explored_is_said_before_anything_is_painted(velatura, words, code, why):  # noqa: F811
    said = velatura("explore", *words)
    assert said.code == code and why in said.err and not list(Path.cwd().iterdir())
