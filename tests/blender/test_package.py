"""The extension as it ships: built, validated, and installed into a Blender that has nothing."""

import os
import re
import subprocess
import sys
import zipfile

import build_blender
import pytest
import vendor

CLEAN = """
import os, sys, json, time
import bpy
exec(os.environ.get("VELATURA_OTHERS", ""))
theirs = {known: module for known, module in sys.modules.items() if known.split(".")[0] in ("google", "h2", "velatura")}
repo = "user_default"
handlers = [len(getattr(bpy.app.handlers, when)) for when in ("load_pre", "load_post", "save_pre", "save_post")]
bpy.ops.extensions.package_install_files(filepath=sys.argv[1], repo=repo, enable_on_install=True)
name = f"bl_ext.{repo}.velatura"
assert name in bpy.context.preferences.addons, list(bpy.context.preferences.addons.keys())
if "VELATURA_OTHERS" not in os.environ:
    assert not any(known == "velatura" or known.split(".")[0] in ("grpclib", "google", "h2") for known in sys.modules)
assert hasattr(bpy.types.Scene, "velatura") and bpy.ops.velatura.texture.poll()
package = sys.modules[name]
bpy.ops.mesh.primitive_cube_add()
try:
    bpy.ops.velatura.texture(prompt="moss", wait=True, size=64)
    words = "placed"
except RuntimeError as error:
    words = str(error)
if len(sys.argv) > 2:
    bpy.context.preferences.addons[name].preferences.program = sys.argv[2]
    bpy.ops.velatura.start_engine()
    session = sys.modules[name + ".session"].session
    while session.pump():
        time.sleep(0.05)
    words = [words, session.message, [title for _, title, _ in session.models]]
    bpy.ops.velatura.texture(prompt="moss", wait=True, size=64)
seen = bpy.context.object.material_slots[0].material.name if bpy.context.object.material_slots else ""
bpy.ops.preferences.addon_disable(module=name)
left = [known for known in dir(bpy.types) if known.lower().startswith("velatura")]
assert not left and not hasattr(bpy.types.Scene, "velatura"), left
assert handlers == [len(getattr(bpy.app.handlers, when)) for when in ("load_pre", "load_post", "save_pre", "save_post")]
bpy.ops.preferences.addon_enable(module=name)
assert hasattr(bpy.types.Scene, "velatura")
where = os.path.dirname(package.__file__)
repos = [known.module for known in bpy.context.preferences.extensions.repos]
bpy.ops.extensions.package_uninstall(repo_index=repos.index(repo), pkg_id="velatura")
assert not hasattr(bpy.types.Scene, "velatura")
assert handlers == [len(getattr(bpy.app.handlers, when)) for when in ("load_pre", "load_post", "save_pre", "save_post")]
assert not os.path.exists(where) and name not in bpy.context.preferences.addons
assert not [known for known in sys.modules if known.startswith(name)], [k for k in sys.modules if k.startswith(name)]
assert all(sys.modules.get(known) is module for known, module in theirs.items())
print("WORDS", json.dumps([words, seen]))
sys.stdout.flush()
os._exit(0)
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return build_blender.build(tmp_path_factory.mktemp("dist"))


def test_it_is_small_and_pure_python(package):
    assert package.stat().st_size < 1_000_000
    with zipfile.ZipFile(package) as content:
        names = content.namelist()
    assert "blender_manifest.toml" in names and "_vendor/velatura/client.py" in names
    assert not [name for name in names if name.endswith((".so", ".pyd", ".dylib", ".pyc", ".whl"))]


def test_it_carries_its_own_licence_and_those_of_what_it_brings(package):
    with zipfile.ZipFile(package) as content:
        own = content.read("LICENSE").decode()
        brought = {name: content.read(name).decode() for name in content.namelist() if "/licences/" in name}
    assert "GNU GENERAL PUBLIC LICENSE" in own and "Version 3" in own
    assert "Apache License" in brought["_vendor/licences/velatura-LICENSE.txt"]
    for name in vendor.DISTRIBUTIONS:
        assert any(name in found for found in brought), name


def test_its_imports_are_relative(package):
    with zipfile.ZipFile(package) as content:
        for name in content.namelist():
            if name.endswith(".py"):
                source = content.read(name).decode()
                assert build_blender.PRIVATE not in source and "velatura_blender" not in source


def clean_run(package, home, *more, **environment):
    """Install, use, disable in a Blender of its own; what the texture operator said and the material it left.

    `more` is an engine's program to be started then, and used.
    """
    import json

    settings = {**os.environ, "BLENDER_USER_RESOURCES": str(home), "VELATURA_HOME": str(home), **environment}
    settings = {key: value for key, value in settings.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", CLEAN, str(package), *more], capture_output=True, text=True, env=settings, timeout=120
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("WORDS"))
    return json.loads(line.removeprefix("WORDS "))


def test_it_installs_works_and_goes_without_a_trace(package, tmp_path, fake):
    environment = {"VELATURA_ENGINE": fake.address, "VELATURA_TOKEN": "secret"}
    assert clean_run(package, tmp_path, **environment) == ["placed", "moss"]
    assert fake.specs[0].steps[0].diffuse.prompt.text == "moss"


OTHERS = """
import types
from google.protobuf import descriptor_pb2
import velatura.v1.jobs_pb2
sys.modules["h2"] = types.ModuleType("h2")
"""


def test_it_works_beside_another_add_on_that_has_loaded_its_own_protobuf_and_our_very_messages(package, tmp_path, fake):
    environment = {"VELATURA_ENGINE": fake.address, "VELATURA_TOKEN": "secret", "VELATURA_OTHERS": OTHERS}
    assert clean_run(package, tmp_path, **environment) == ["placed", "moss"]


def test_the_add_on_reads_no_path_hacks_and_runs_no_text():
    for file in (build_blender.SOURCE).rglob("*.py"):
        source = file.read_text("utf-8")
        assert not re.search(r"sys\.path|\beval\(|\bexec\(|\bpip\b", source), file


ENGINE = """#!/bin/sh
exec "{python}" -c '
import json, os, pathlib, time
from velatura.testing import FakeEngine
address = FakeEngine().start().address
pathlib.Path(os.environ["VELATURA_HOME"], "engine.json").write_text(json.dumps(dict(address=address)))
time.sleep(20)
'
"""


@pytest.mark.skipif(os.name == "nt", reason="the program is a shell script")
def test_without_an_engine_it_says_so_and_starts_the_one_that_the_preferences_name(package, tmp_path):
    program = tmp_path / "velatura"
    program.write_text(ENGINE.format(python=sys.executable))
    program.chmod(0o755)
    words, seen = clean_run(package, tmp_path, str(program), VELATURA_ENGINE="")
    refusal, started, models = words
    assert "Press Start Engine" in refusal and started == "The engine runs"
    assert models == ["Fake painter"] and seen == "moss"
