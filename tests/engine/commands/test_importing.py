"""The commands that take adapters in and name them."""

import json
import os

import pytest
import torch
from diffusers import T2IAdapter
from fakes import adapters as fake
from fakes.tiny_annotators import make_lines
from fakes.tiny_controls import make_original_adapter
from safetensors.torch import load_file
from velatura.errors import Invalid
from velatura_engine.cli import main, parser
from velatura_engine.commands.generate import build


def test_import_says_where_it_put_what(tmp_path, capsys):
    fake.torch_file(tmp_path / "Bad Hands.pt", {"string_to_param": {"*": fake.embedding(2, 32)}})
    root = tmp_path / "models"
    assert main(["import", str(tmp_path / "Bad Hands.pt"), "--models", str(root), "--json"]) == 0
    (made,) = json.loads(capsys.readouterr().out)["imported"]
    assert made == {"file": str(root / "embeddings" / "Bad Hands.safetensors"), "kind": "embedding"}


def test_an_adapter_of_tencent_arc_is_taken_in_too(tmp_path, capsys):
    adapter = T2IAdapter(3, [16, 32, 32, 32], 2, 8, "full_adapter")
    made = load_file(make_original_adapter(tmp_path / "away" / "x.safetensors", adapter))
    fake.torch_file(tmp_path / "t2iadapter_sketch.pth", made)
    root = tmp_path / "models"
    assert main(["import", str(tmp_path / "t2iadapter_sketch.pth"), "--models", str(root)]) == 0
    assert (root / "t2i_adapter" / "t2iadapter_sketch.safetensors").is_file() and "(t2i)" in capsys.readouterr().out


def test_an_annotator_is_taken_in_as_what_it_is(tmp_path, capsys):
    tensors = load_file(make_lines(tmp_path / "away" / "x.safetensors", "mlsd"))
    fake.torch_file(tmp_path / "mlsd_large_512_fp32.pth", tensors)
    root = tmp_path / "models"
    assert main(["import", str(tmp_path / "mlsd_large_512_fp32.pth"), "--models", str(root)]) == 0
    assert (root / "annotators" / "mlsd_large_512_fp32.safetensors").is_file()
    assert "(annotator)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (fake.Act(os.system, "exit"), 4, "asks for"),
        ({"x": torch.zeros(3, 3, 3)}, 4, "does not know"),
        (None, 2, "cannot be read"),
    ],
)
def test_import_refuses_in_words(tmp_path, capsys, content, code, words):
    if content is not None:
        fake.torch_file(tmp_path / "bad.pt", content)
    assert main(["import", str(tmp_path / "bad.pt"), "--models", str(tmp_path / "models")]) == code
    assert words in capsys.readouterr().err


def options(*words: str):
    return parser().parse_args(["generate", "moss", *words])


def test_adapters_are_named_with_their_weights():
    job = build(options("--adapter", "rust", "--adapter", "ink:0.5:-1", "--force-adapters"))
    first, second = job.steps[0].diffuse.adapters
    assert first.model == "rust" and not first.HasField("weight") and first.force
    assert (second.model, second.weight, second.text_weight) == ("ink", 0.5, -1)


def test_directions_are_phrases_for_both_sides_and_how_far():
    words = ["--direction", "red wall | red door>blue wall:-0.5", "--direction", "old>new", "--keep-layout", "0.4"]
    first, second = build(options(*words)).steps[0].diffuse.directions
    assert (list(first.source), list(first.target), first.strength) == (["red wall", "red door"], ["blue wall"], -0.5)
    assert not second.HasField("strength") and round(second.keep_layout, 3) == 0.4
    with pytest.raises(Invalid, match="FROM>TO"):
        build(options("--direction", "red to blue"))


@pytest.mark.parametrize("words", ["rust:much", ":1", "rust:1:2:3"])
def test_what_is_no_adapter_is_refused_with_an_example(words):
    with pytest.raises(Invalid, match=r"rust:0\.7"):
        build(options("--adapter", words))
