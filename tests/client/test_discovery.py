"""Finding the engine of this computer, and starting it."""

import json
import os
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from velatura import Engine, discovery, errors
from velatura.testing import FakeEngine


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for name in ("VELATURA_ENGINE", "VELATURA_TOKEN", "VELATURA_TLS_CA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VELATURA_HOME", str(tmp_path / "home ü"))
    (tmp_path / "home ü").mkdir()
    return tmp_path / "home ü"


def announce(home, fake, **more):
    (home / "token").write_text("secret\n")
    facts = {"address": fake.address, "token_file": str(home / "token"), "pid": os.getpid(), "version": "0.1.0"}
    (home / "engine.json").write_text(json.dumps(facts | {"tls_ca": None} | more))


def test_the_engine_that_runs_here_is_found(home, fake):
    announce(home, fake)
    with Engine.connect() as engine:
        assert engine.endpoint == fake.endpoint


def test_an_engine_that_left_its_file_behind_is_not_found(home):
    with FakeEngine() as gone:
        announce(home, gone)
    assert discovery.read_endpoint() is not None
    assert discovery.find() is None


def test_without_an_engine_connecting_says_so():
    with pytest.raises(errors.Unreachable, match="No engine is running"):
        Engine.connect()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"address": 5}', '{"address": ""}', '{"token_file": "x"}'])
def test_a_broken_file_is_as_good_as_none(home, text):
    (home / "engine.json").write_text(text)
    assert discovery.find() is None


def test_the_environment_wins_over_the_file(home, fake, monkeypatch):
    with FakeEngine() as other:
        announce(home, other)
        monkeypatch.setenv("VELATURA_ENGINE", fake.address)
        monkeypatch.setenv("VELATURA_TOKEN", "secret")
        assert discovery.find() == fake.endpoint


def test_state_lives_where_the_system_keeps_it(monkeypatch, tmp_path):
    monkeypatch.delenv("VELATURA_HOME")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert discovery.state_folder() == tmp_path / "velatura"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert discovery.state_folder() == tmp_path / "Velatura"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert discovery.state_folder().parts[-3:] == ("Library", "Application Support", "Velatura")


def program(tmp_path, body):
    path = tmp_path / "engine.py"
    # A started engine does not inherit PYTHONPATH.
    path.write_text(f"import sys; sys.path[:] = {sys.path!r}\n" + textwrap.dedent(body))
    return [sys.executable, str(path)]


SERVE = """
    import json, os, time
    from pathlib import Path
    from velatura.testing import FakeEngine
    home = Path(os.environ["VELATURA_HOME"])
    fake = FakeEngine().start()
    with open(home / "starts", "a") as starts:
        starts.write(str(os.getpid()) + " ")
    (home / "engine.json").write_text(json.dumps({"address": fake.address}))
    time.sleep(4)
"""


def test_an_engine_is_started_and_awaited(home, tmp_path):
    endpoint = discovery.start(program(tmp_path, SERVE), wait=20)
    with Engine.connect(endpoint) as engine:
        assert engine.capabilities().device == "fake"
    assert discovery.start(["/nowhere"]) == endpoint
    assert not (home / "starting.lock").exists()


def test_two_hosts_that_start_at_once_share_one_engine(home, tmp_path):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(discovery.start(program(tmp_path, SERVE), wait=20)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1]
    assert len((home / "starts").read_text().split()) == 1


def test_a_host_that_waits_for_another_hosts_start_hears_of_its_failure(home, tmp_path):
    first = program(tmp_path, "import time; time.sleep(1); raise SystemExit('No space')")

    def start():
        with pytest.raises(errors.Unreachable):
            discovery.start(first, wait=30)

    thread = threading.Thread(target=start)
    begin = time.monotonic()
    thread.start()
    while not (home / "starting.lock").exists():
        time.sleep(0.01)
    with pytest.raises(errors.Unreachable, match="stopped while it was starting"):
        discovery.start(first, wait=30)
    thread.join()
    assert time.monotonic() - begin < 10


def test_an_engine_that_fails_to_start_says_why(tmp_path):
    command = program(tmp_path, "print('loading'); raise SystemExit('No space left for the model')")
    begin = time.monotonic()
    with pytest.raises(errors.Unreachable) as caught:
        discovery.start(command, wait=30)
    assert time.monotonic() - begin < 10
    assert "No space left for the model" in str(caught.value)
    assert "loading" in caught.value.debug
    assert "loading" not in str(caught.value)


def test_an_engine_that_does_not_come_is_told(home, tmp_path):
    with pytest.raises(errors.Unreachable, match="does not answer yet"):
        discovery.start(program(tmp_path, "import time; time.sleep(2)"), wait=0.5)
    assert not (home / "starting.lock").exists()


def test_a_program_that_is_not_there_is_told():
    with pytest.raises(errors.Unreachable, match="cannot be started"):
        discovery.start(["/nowhere/velatura"], wait=5)


def test_an_engine_that_is_not_installed_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(errors.Unreachable, match=r"not found.*tools/dev\.py demo.*VELATURA_PROGRAM"):
        discovery.start()


def executable(path):
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_the_program_is_the_named_one_else_the_environments_else_that_on_the_path(monkeypatch, tmp_path):
    name = Path(discovery._PROGRAM).name
    named, spoken_of, common = (executable(tmp_path / folder / name) for folder in ("named", "spoken of", "common"))
    monkeypatch.setenv("PATH", str(tmp_path / "common"))
    assert discovery.find_program() == common
    monkeypatch.setenv("VELATURA_PROGRAM", spoken_of)
    assert discovery.find_program() == spoken_of
    assert discovery.find_program(named) == named


def test_a_named_program_that_is_gone_is_told_and_no_other_is_taken(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(Path(executable(tmp_path / "common" / "velatura")).parent))
    with pytest.raises(errors.Unreachable, match="not at /nowhere/velatura"):
        discovery.start(program="/nowhere/velatura")


def test_the_named_program_serves_until_it_is_idle(home, tmp_path):
    program_file = Path(executable(tmp_path / "serve" / "velatura"))
    interpreter, script = program(tmp_path, SERVE)
    program_file.write_text(f'#!/bin/sh\necho "$@" > "$VELATURA_HOME/said"\nexec "{interpreter}" "{script}"\n')
    discovery.start(program=str(program_file), wait=20)
    assert (home / "said").read_text().split() == ["serve", "--port", "0", "--idle-exit", "900"]
