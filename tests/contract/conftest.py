"""A real engine in a process of its own, with tiny random models, for everything that is promised over gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from contract.lab import Lab
from fakes.material_models import make_marigold, make_network
from fakes.tiny_models import make_control, make_estimator, make_single_file, make_t2i, make_tiny
from fakes.tiny_references import make_adapter, make_encoder


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny checkpoint of every family and layout, and one file that must never be opened.

    "tiny" is what is used where none is named: the first by name. "tiny-depth" and "tiny-canny" are ControlNets for it,
    "tiny-sketch" is a T2I-Adapter, and "tiny-estimator" estimates depth. "likeness", "likeness-plus" and
    "likeness-face" are IP-Adapters for it, "deep-likeness" is one for the other layouts, and "eyes" is the picture
    encoder of all. "surfaces" is a material network, "iid" and "faces" are Marigold's pipelines.
    """
    folder = tmp_path_factory.mktemp("models")
    make_tiny(folder / "tiny")
    make_control(folder / "tiny-depth", folder / "tiny")
    make_control(folder / "tiny-canny", folder / "tiny", seed=1)
    make_t2i(folder / "tiny-sketch", folder / "tiny")
    make_estimator(folder / "tiny-estimator")
    make_tiny(folder / "tiny-five", "sd2_depth")
    make_tiny(folder / "tiny-nine", "sd1_inpaint")
    make_single_file(folder / "tiny-one-file.safetensors", make_tiny(folder / "tiny-sd1", "sd1"))
    for name, variant in (("", "plain"), ("-plus", "plus"), ("-face", "full face")):
        make_adapter(folder / "ip_adapter" / f"likeness{name}.safetensors", folder / "tiny", variant)
    make_adapter(folder / "ip_adapter" / "deep-likeness.safetensors", folder / "tiny-sd1")
    make_encoder(folder / "clip_vision" / "eyes")
    make_network(folder / "materials" / "surfaces.safetensors")
    make_marigold(folder / "materials" / "iid", "intrinsics")
    make_marigold(folder / "materials" / "faces", "normals")
    (folder / "old.ckpt").write_bytes(b"\x80\x02cposix\nsystem\nq\x00X\x05\x00\x00\x00false\x85R.")
    return folder


@pytest.fixture(scope="session")
def lab(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One engine for all tests that leave it well."""
    running = Lab(tmp_path_factory.mktemp("home"), models)
    running.paint()  # the first job loads the model
    yield running
    running.close()


@pytest.fixture
def fresh_lab(models: Path, tmp_path: Path) -> Iterator[Lab]:
    """An engine of its own, for tests that do it harm."""
    running = Lab(tmp_path / "home", models)
    yield running
    running.close()


@pytest.fixture(scope="session")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """An engine that has the built-in model and no other."""
    running = Lab(tmp_path_factory.mktemp("starter"), tmp_path_factory.mktemp("none"), starter=True)
    yield running
    running.close()
