"""Which stages are trained, for how long, and what they begin from."""

from __future__ import annotations

import json

import pytest
from velatura_starter.__main__ import parser
from velatura_starter.training import stages

NAMES = ("vae", "unet", "guided", "details", "controlnet", "judge", "material")


@pytest.fixture
def trained(monkeypatch) -> dict[str, tuple[float, object]]:
    """Minutes and beginning of each stage, in the order in which they were trained, in place of training them."""
    seen: dict[str, tuple[float, object]] = {}

    def stage(name: str):
        def train(*rest: object) -> None:
            minutes = next(value for value in rest if isinstance(value, float))
            seen[name] = (minutes, "weights" if "weights" in rest else None)

        return train

    for name in NAMES:
        monkeypatch.setattr(stages, f"{name}_stage", stage(name))
    monkeypatch.setattr(stages, "begin", lambda run, start: None)
    return seen


def train(folder, *names: str, start: object = None) -> None:
    """Ten minutes of these stages."""
    stages.train(folder / "run", folder / "out", names=names, minutes=10.0, start=start, log=lambda _: None)


def test_named_stages_share_the_minutes_and_keep_their_order(tmp_path, trained):
    train(tmp_path, "details", "unet", "guided")
    assert list(trained) == ["unet", "guided", "details"]
    assert sum(minutes for minutes, _ in trained.values()) == pytest.approx(10)
    assert trained["unet"][0] == pytest.approx(10 * 0.43 / 0.62)


def test_one_stage_alone_has_all_of_them(tmp_path, trained):
    train(tmp_path, "controlnet")
    assert trained == {"controlnet": (pytest.approx(10), None)}


def test_all_are_all_but_the_material_network(tmp_path, trained):
    train(tmp_path, "all")
    assert tuple(trained) == NAMES[:-1]


def test_from_weights_the_autoencoder_stays_unless_it_is_named(tmp_path, trained):
    train(tmp_path, "all", start="weights")
    assert "vae" not in trained
    train(tmp_path, "vae", start="weights")
    assert trained["vae"] == (pytest.approx(10), "weights")


@pytest.mark.parametrize(("stage", "before"), [("details", "guided"), ("controlnet", "detailed")])
def test_a_stage_goes_on_from_what_the_run_has_learned_where_there_is_such(tmp_path, trained, stage, before):
    train(tmp_path, stage, start="weights")
    assert trained[stage][1] == "weights"
    (tmp_path / "run" / f"{before}.pt").touch()
    train(tmp_path, stage, start="weights")
    assert trained[stage][1] is None


@pytest.mark.parametrize(("names", "guidance"), [(("unet",), 3.0), (("unet", "details"), 1.0)])
def test_guidance_has_to_be_given_until_it_is_learned(tmp_path, trained, names, guidance):
    train(tmp_path, *names)
    assert json.loads((tmp_path / "out" / "vocabulary.json").read_text())["guidance_scale"] == guidance


def test_the_material_network_says_nothing_of_what_the_model_knows(tmp_path, trained):
    train(tmp_path, "material")
    assert not (tmp_path / "out" / "vocabulary.json").exists()


def test_several_stages_are_named_on_the_command_line():
    asked = parser().parse_args(["train", "--stage", "vae", "unet", "--minutes", "5"])
    assert (asked.stage, asked.minutes) == (["vae", "unet"], 5.0)
    assert parser().parse_args(["train"]).stage == ["all"]
