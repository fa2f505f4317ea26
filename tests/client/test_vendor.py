"""A private copy works beside whatever else the host's process has loaded under the same names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
NAMES = ("google", "h2", "hpack", "hyperframe", "grpclib", "multidict", "velatura")

TALK = """
import sys
from acme._vendor.velatura import Endpoint, Engine, errors, recipe, spec
with Engine.connect(Endpoint(address=sys.argv[1], token="secret")) as engine:
    image = engine.generate(spec.texture("moss", size=64, seed=3)).result(20).images[0]
    assert recipe.read(image.data).spec.steps[0].diffuse.seed == 3
    assert engine.get_blob(engine.put_blob(bytes(3 << 20))) == bytes(3 << 20)
    try:
        engine.generate(spec.diffuse("")).result(20)
    except errors.Invalid as error:
        print(error.field)
"""
NOTHING_ELSE = f"""
foreign = [name for name in sys.modules if name.partition(".")[0] in {NAMES}]
assert not foreign, foreign
"""
BESIDE = """
from google.protobuf import __version__, struct_pb2, timestamp_pb2
from google.protobuf.internal import api_implementation
from acme._vendor.google.protobuf.timestamp_pb2 import Timestamp
assert Timestamp is not timestamp_pb2.Timestamp
assert timestamp_pb2.Timestamp.FromString(Timestamp(seconds=5).SerializeToString()).seconds == 5
print(__version__, api_implementation.Type())
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, REPOSITORY / "tools" / "vendor.py", folder / "acme" / "_vendor", "acme._vendor"]
    subprocess.run(command, check=True)
    (folder / "acme" / "__init__.py").touch()
    return folder


def run(code, site, fake, **environment):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, fake.address],
        env=os.environ | {"PYTHONPATH": str(site)} | environment,
        cwd=site,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_copy_talks_to_an_engine_and_loads_nothing_else(site, fake):
    assert run(TALK + NOTHING_ELSE, site, fake) == ["steps[0].diffuse.prompt.text"]


def test_the_environment_cannot_choose_another_protobuf_for_the_copy(site, fake):
    run(TALK + NOTHING_ELSE, site, fake, PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION="upb")


def test_broken_packages_of_the_same_names_do_no_harm(site, fake, tmp_path):
    for name in NAMES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('somebody loaded me')")
    run(TALK, site, fake, PYTHONPATH=os.pathsep.join([str(tmp_path), str(site)]))


@pytest.mark.parametrize("order", ["before", "after"])
def test_the_copy_lives_beside_a_foreign_protobuf(site, fake, order):
    # VELATURA_FOREIGN_PROTOBUF: a folder with another version, see tools/client_matrix.py.
    paths = [str(site), os.environ.get("VELATURA_FOREIGN_PROTOBUF", "")]
    code = BESIDE + TALK if order == "before" else TALK + BESIDE
    said = run(code, site, fake, PYTHONPATH=os.pathsep.join(filter(None, paths)))
    assert "steps[0].diffuse.prompt.text" in said


def test_the_copy_is_plain_python_with_its_licences(site):
    files = [path for path in (site / "acme").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {path.suffix for path in files} == {".py", ".txt"}
    licences = {path.name.partition("-")[0] for path in (site / "acme/_vendor/licences").iterdir()}
    assert licences >= {"protobuf", "grpclib", "h2", "hpack", "hyperframe"}


def test_imports_are_rewritten_and_strings_are_not():
    sys.path.insert(0, str(REPOSITORY / "tools"))
    try:
        from vendor import rewrite
    finally:
        sys.path.pop(0)
    before = (
        "import os, h2.config\n"
        "import h2\n"
        "import google.protobuf as pb\n"
        "from google.protobuf import (\n    any_pb2,  # why\n    empty_pb2 as e,\n)\n"
        "from . import google\n"
        "if True: from velatura.v1 import jobs_pb2; x = 'import h2'\n"
    )
    after = (
        "import os; import a.b.h2.config; from a.b import h2\n"
        "from a.b import h2\n"
        "import a.b.google.protobuf as pb\n"
        "from a.b.google.protobuf import any_pb2, empty_pb2 as e\n"
        "from . import google\n"
        "if True: from a.b.velatura.v1 import jobs_pb2; x = 'import h2'\n"
    )
    assert rewrite(before, "a.b", "x.py") == after
    with pytest.raises(SystemExit, match="six"):
        rewrite("import six", "a.b", "x.py")
