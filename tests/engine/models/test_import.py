"""Old torch files become safetensors without torch and without running what they name."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from fakes import adapters as fake
from safetensors.torch import load
from velatura_engine.commands.importing import take_in
from velatura_engine.errors import Invalid, Unsupported
from velatura_engine.models import jail
from velatura_engine.models.convert import converted
from velatura_engine.models.identify import identify
from velatura_engine.models.pickles import Refused

KINDS = [
    torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool,
]  # fmt: skip


def saved(content, *, old: bool = False) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=not old)
    return file.getvalue()


@pytest.mark.parametrize("old", [False, True], ids=["archive", "old format"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_numbers_of_every_type_arrive_as_torch_wrote_them(kind, old):
    values = (torch.arange(24).reshape(2, 3, 4) - 7).to(kind)
    views = {"whole": values, "turned": values.permute(2, 0, 1), "part": values[:, 1:, ::2], "one": values[1, 2, 3]}
    found = load(converted(saved(views, old=old)))
    assert found.keys() == views.keys()
    for name, view in views.items():
        assert found[name].dtype == kind and torch.equal(found[name], view)


@pytest.mark.parametrize("old", [False, True], ids=["archive", "old format"])
@pytest.mark.parametrize("shape", ["a1111", "parameters", "diffusers", "state dict", "parameter dict"])
def test_embeddings_of_every_writer_are_read(shape, old):
    vectors = fake.embedding(3, 32)
    params = torch.nn.ParameterDict({"*": torch.nn.Parameter(vectors)})
    content = {
        "a1111": {"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, "name": "x", "step": 9},
        "parameters": {"string_to_param": {"*": torch.nn.Parameter(vectors)}},
        "diffusers": {"<cat>": vectors},
        "state dict": {"state_dict": OrderedDict(clip_l=vectors)},
        "parameter dict": {"string_to_param": params},
    }[shape]
    if shape == "parameter dict":
        # As torch kept such dicts when embeddings were made with them.
        holder = OrderedDict([("*", torch.nn.Parameter(vectors))])
        params.__dict__["_parameters"] = holder
    (found,) = load(converted(saved(content, old=old))).values()
    assert torch.equal(found, vectors)


def test_a_hypernetwork_keeps_its_layers_and_its_activation(tmp_path):
    content = fake.hypernetwork([32, 64])
    made = tmp_path / "x.safetensors"
    made.write_bytes(converted(saved(content)))
    entry = identify(made, "x")
    assert (entry.kind, entry.text_widths) == ("hypernetwork", (32, 64))
    found = load(made.read_bytes())
    assert torch.equal(found["32.v.linear.2.weight"], content[32][1]["linear.2.weight"])
    assert b'"activation": "relu"' in made.read_bytes()


def bombs(mark: Path) -> dict[str, object]:
    """Objects that would leave a file, were they allowed to."""
    act = fake.Act
    return {
        "os.system": act(os.system, f"touch {mark}"),
        "open": act(open, str(mark), "w"),
        "eval": act(eval, f"open({str(mark)!r}, 'w')"),
        "a child": act(subprocess.check_output, ["touch", str(mark)]),
        "getattr": act(getattr, str, "format"),
        "a path": act(Path.touch, mark),
        "torch.load": act(torch.load, str(mark)),
        "inside tensors": {"x": torch.zeros(2), "y": [act(os.system, f"touch {mark}")]},
    }


@pytest.mark.parametrize("how", ["archive", "old format", "bare"])
@pytest.mark.parametrize("bomb", list(bombs(Path())))
def test_a_pickle_that_would_act_is_refused_and_does_not(tmp_path, bomb, how):
    mark = tmp_path / "mark"
    content = bombs(mark)[bomb]
    content = content if bomb == "inside tensors" else {"string_to_param": {"*": content}}
    raw = pickle.dumps(content, protocol=2) if how == "bare" else saved(content, old=how == "old format")
    with pytest.raises(Refused, match=r"asks for|torch did not write"):
        converted(raw)
    assert not mark.exists()


def test_the_bomb_is_one(tmp_path):
    """What the reader refuses does act where it is opened without care."""
    mark = tmp_path / "mark"
    pickle.loads(pickle.dumps(bombs(mark)["os.system"], protocol=2))
    assert mark.exists()


def recursion() -> bytes:
    return b"\x80\x02" + b"(" * 100_000 + b"."


def doubling() -> bytes:
    """A text of 2 bytes, put together with itself as long as it is let."""
    return b"\x80\x02]q\x00" + b"(h\x00h\x00h\x00l" * 50_000 + b"."


def huge(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"archive/{name}", content)
    return file.getvalue()


def outside() -> bytes:
    """A tensor that says it is larger than its numbers."""
    raw = saved({"x": torch.zeros(3, 5)})
    return raw.replace(b"K\x03K\x05", b"K\x7fK\x7f", 1)


BROKEN = {
    "nothing": b"",
    "a text": b"hello",
    "brackets": recursion(),
    "lists": doubling(),
    "an archive that unpacks to a gigabyte": huge("data.pkl", b"\0" * (600 * 2**20)),
    "an archive of something else": huge("word/document.xml", b"x"),
    "no dict": saved([torch.zeros(2)]),
    "no tensor": saved({"x": 3}),
    "cut off": saved({"x": torch.zeros(100)})[:-60],
    "a tensor outside its numbers": outside(),
}  # fmt: skip


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_refused_with_a_reason(content):
    with pytest.raises(Refused) as caught:
        converted(content)
    assert str(caught.value)


# In the jail


def test_the_jail_makes_the_same_file(tmp_path):
    content = {"string_to_param": {"*": fake.embedding(2, 32)}}
    file = fake.torch_file(tmp_path / "x.pt", content)
    assert jail.convert(file) == converted(file.read_bytes())


def test_the_jail_says_why_it_refuses(tmp_path):
    mark = tmp_path / "mark"
    file = fake.torch_file(tmp_path / "x.pt", bombs(mark)["os.system"])
    with pytest.raises(Unsupported) as caught:
        jail.convert(file)
    assert caught.value.reason == "PICKLE_NOT_ALLOWED" and "asks for posix.system" in caught.value.message
    assert not mark.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such limits")
@pytest.mark.parametrize(
    "act",
    [
        "open(MARK, 'w').write('x')", "open('/etc/passwd').read()", "__import__('socket').socket()",
        "[bytearray(2**30) for _ in range(8)]", "__import__('ctypes')",
    ],
)  # fmt: skip
def test_code_that_got_into_the_jail_could_do_nothing(tmp_path, act):
    mark = tmp_path / "mark"
    code = (
        f"import socket; from velatura_engine.models.jail import _shut; _shut(); {act.replace('MARK', repr(str(mark)))}"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode != 0 and ("Error" in ran.stderr), ran.stderr
    assert not mark.exists() or not mark.read_text()


def test_a_file_beyond_the_limit_is_not_even_read(tmp_path, monkeypatch):
    monkeypatch.setattr(jail, "MAX_FILE", 100)
    with pytest.raises(Unsupported, match="100 at most"):
        jail.convert(fake.torch_file(tmp_path / "x.pt", {"x": torch.zeros(100)}))


# Taken in


def test_what_is_taken_in_lies_with_its_kind_and_is_found_there(tmp_path):
    from velatura_engine.models.index import ModelIndex

    fake.torch_file(tmp_path / "Bad Hands.pt", {"string_to_param": {"*": fake.embedding(2, 32)}})
    fake.torch_file(tmp_path / "style.bin", fake.hypernetwork([32]))
    root = tmp_path / "models"
    kinds = [take_in(tmp_path / name, root)[1] for name in ("Bad Hands.pt", "style.bin")]
    assert kinds == ["embedding", "hypernetwork"]
    found = {entry.name: entry.kind for entry in ModelIndex([root], starter=False).entries()}
    assert found == {"Bad Hands": "embedding", "style": "hypernetwork"}
    with pytest.raises(Invalid, match="already"):
        take_in(tmp_path / "style.bin", root)


def test_what_is_refused_leaves_no_file(tmp_path):
    root = tmp_path / "models"
    for name, content in (("a.pt", bombs(tmp_path / "mark")["open"]), ("b.pt", {"x": torch.zeros(3, 3, 3)})):
        with pytest.raises(Unsupported) as caught:
            take_in(fake.torch_file(tmp_path / name, content), root)
        assert name in caught.value.message
    assert not list(root.rglob("*.safetensors")) and not (tmp_path / "mark").exists()
    with pytest.raises(Invalid):
        take_in(tmp_path / "nowhere.pt", root)
