"""A header is read without trust: nothing is loaded, nothing is run, and everything is checked against the file."""

import json
import struct

import numpy as np
import pytest
from safetensors.numpy import save_file
from velatura_engine.errors import Unsupported
from velatura_engine.models.header import shapes


def write(path, header, room=0):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * room)
    return path


def tensor(shape=(2, 2), offsets=(0, 16), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_shapes_are_those_that_were_saved(tmp_path):
    save_file({"a": np.zeros((2, 3), "f4"), "b": np.zeros(0, "f2")}, tmp_path / "m.safetensors", metadata={"by": "x"})
    assert shapes(tmp_path / "m.safetensors") == {"a": (2, 3), "b": (0,)}


@pytest.mark.parametrize(
    "header",
    [
        b"not json", b"[]", b"{\"a\": 3}", b"\xff\xfe{}", b"[" * 100_000,
        {"a": tensor(offsets=(0, 15))}, {"a": tensor(offsets=(16, 32))}, {"a": tensor(offsets=(16, 0))},
        {"a": tensor(shape=(-2, -2))}, {"a": tensor(shape=(2.0, 2))}, {"a": tensor(shape=(2**40, 2**40))},
        {"a": tensor(dtype="F128")}, {"a": tensor(dtype=["F32"])}, {"a": {"dtype": "F32", "shape": [2, 2]}},
    ],
)  # fmt: skip
def test_a_header_that_does_not_fit_its_file_is_refused(tmp_path, header):
    with pytest.raises(Unsupported) as refusal:
        shapes(write(tmp_path / "m.safetensors", header, room=16))
    assert refusal.value.reason == "BROKEN_MODEL_FILE"


@pytest.mark.parametrize(
    "content", [b"", b"abc", struct.pack("<Q", 2**62) + b"{}", struct.pack("<Q", 101 * 2**20) + b"{}"]
)
def test_a_length_that_cannot_be_is_refused_before_anything_is_read(tmp_path, content):
    (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(Unsupported, match="no sensible length"):
        shapes(tmp_path / "m.safetensors")


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\x80\x02", b"\x80\x04"])
@pytest.mark.parametrize("name", ["m.ckpt", "m.safetensors"])
def test_a_pickle_is_refused_by_its_content_whatever_its_name(tmp_path, start, name):
    (tmp_path / name).write_bytes(start + b"\0" * 64)
    with pytest.raises(Unsupported) as refusal:
        shapes(tmp_path / name)
    assert refusal.value.reason == "PICKLE_NOT_ALLOWED" and "convert it to safetensors" in refusal.value.remedy


def test_a_length_that_begins_like_a_pickle_is_still_a_length(tmp_path):
    text = json.dumps({"a": tensor()}).ljust(0x0280).encode()
    (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 16)
    assert shapes(tmp_path / "m.safetensors") == {"a": (2, 2)}
