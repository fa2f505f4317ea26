"""Real Blender in this process, the add-on from its folder, and small scenes."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for folder in ("blender_addon", "client", "tools", "tests/blender"):
    sys.path.insert(0, str(ROOT / folder))

import bpy  # noqa: E402
import pytest  # noqa: E402
from scenes import place_camera  # noqa: E402


def pytest_unconfigure(config):
    """Blender 4.5 as a module hangs at the interpreter's exit; everything has been reported by now."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(config.stash.get(STATUS, 0))


STATUS = pytest.StashKey[int]()


def pytest_sessionfinish(session, exitstatus):
    session.config.stash[STATUS] = int(exitstatus)


@pytest.fixture(scope="session")
def addon():
    import velatura_blender

    velatura_blender.register()
    yield velatura_blender
    velatura_blender.unregister()


@pytest.fixture
def scene():
    """An empty scene with a camera 6 m away, looking at the origin."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = 1
    scene.render.resolution_x = scene.render.resolution_y = 256
    scene.render.resolution_percentage = 100
    place_camera((3, -4.5, 2.5))
    return scene


@pytest.fixture
def fake(monkeypatch):
    """An engine that paints by arithmetic, which the add-on finds."""
    from velatura.testing import FakeEngine

    with FakeEngine(token="secret") as engine:
        monkeypatch.setenv("VELATURA_ENGINE", engine.address)
        monkeypatch.setenv("VELATURA_TOKEN", "secret")
        yield engine


@pytest.fixture
def window(scene, fake, monkeypatch):
    """As if there were one, with a job that takes a moment; the tests pump."""
    from velatura.testing import Script
    from velatura_blender import host
    from velatura_blender.session import session

    session.disconnect()
    monkeypatch.setattr(host, "has_window", lambda: True)
    fake.once(Script(steps=5, delay=0.02))
    yield scene
    session.forget()
    session.disconnect()
