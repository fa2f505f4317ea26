"""Settings: what is wrong is named before anything starts."""

import pytest
from velatura_engine.errors import Invalid
from velatura_engine.settings import read


@pytest.fixture
def home(tmp_path):
    return {"VELATURA_HOME": str(tmp_path)}


def test_the_file_in_the_home_folder_is_read_without_being_named(tmp_path, home):
    (tmp_path / "engine.toml").write_text('models = ["/models"]\nidle_exit = 5\n')
    settings = read([], home)
    assert settings.models == ("/models",) and settings.idle_exit == 5


@pytest.mark.parametrize(("line", "field"), [
    ('port = "7860"', "config.port"), ("port = true", "config.port"), ("models = [1]", "config.models"),
    ('models = "/a"', "config.models"), ("starter = 1", "config.starter"), ('dtype = "int4"', "dtype"),
    ("limits = 3", "config.limits"), ("[limits]\nmax_steps = 1.5", "config.limits.max_steps"),
    ("[limits]\nmax_stops = 1", "config.limits"),
    ("port = ", "config"),
])  # fmt: skip
def test_a_wrong_line_in_the_file_is_named(tmp_path, home, line, field):
    (tmp_path / "engine.toml").write_text(line + "\n")
    with pytest.raises(Invalid) as caught:
        read([], home)
    assert caught.value.field == field


@pytest.mark.parametrize(("text", "value"), [("0", False), ("no", False), ("TRUE", True)])
def test_the_environment_can_leave_the_built_in_model_out(home, text, value):
    assert read([], home | {"VELATURA_STARTER": text}).starter is value


@pytest.mark.parametrize(("name", "text"), [("PORT", "http"), ("STARTER", "maybe"), ("IDLE_EXIT", "soon")])
def test_a_wrong_variable_is_named(home, name, text):
    with pytest.raises(Invalid) as caught:
        read([], home | {f"VELATURA_{name}": text})
    assert caught.value.field == f"VELATURA_{name}"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_addresses_of_this_machine_need_no_tls(home, host):
    assert read(["--host", host], home).local
