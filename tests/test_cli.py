"""The command: what it says, what it does, and how it refuses."""

import os
import subprocess
import sys

import pytest

from tricorn import cli

pytestmark = pytest.mark.engine_free


def command(*arguments, cwd=None, **environment):
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tricorn", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=240,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        check=False,
    )


def test_help_explains_the_commands(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    for word in ("demo", "info", "handwritten digits", "import tricorn as keras"):
        assert word in text


@pytest.mark.parametrize("arguments", [[], ["dance"], ["demo", "--epochs", "0"], ["demo", "--x"]])
def test_wrong_usage_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert "usage: tricorn" in capsys.readouterr().err


def test_help_imports_no_engine():
    code = (
        "import sys; from tricorn import cli\n"
        "try: cli.main(['demo', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'jax', 'tensorflow', 'torch', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_info_lists_version_engines_and_settings(capsys):
    assert cli.main(["info"]) == 0
    text = capsys.readouterr().out
    for word in ("tricorn 0.", "Engines", "jax", "chosen", "float32", "channels_last", "JAX's CPU"):
        assert word in text


def test_info_imports_no_engine():
    code = (
        "import sys; from tricorn import cli; cli.main(['info'])\n"
        "print(sorted({'jax', 'tensorflow', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_unknown_engine_is_named_with_those_there_are(tmp_path):
    done = command("demo", "--engine", "abacus", cwd=tmp_path)
    assert done.returncode == 2
    assert "unknown engine 'abacus'" in done.stderr
    assert "jax" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("asked", [False, True])
def test_the_demo_runs_without_the_engine_of_an_old_settings_file(asked, monkeypatch, tmp_path):
    """As Keras leaves it behind; who asks for the engine gets the error."""
    from tricorn import config, demo, engines

    ran = []
    monkeypatch.setattr(demo, "run", lambda *args, **kwargs: ran.append(config.backend()))
    monkeypatch.setattr(engines, "installed", lambda: ["jax"])
    monkeypatch.setattr(config, "_settings", {**config.DEFAULTS, "backend": "torch"})
    monkeypatch.setattr(engines, "set_engine", config.set_backend)
    if asked:
        monkeypatch.setenv("KERAS_BACKEND", "torch")
    else:
        monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert cli.main(["demo", "--output", str(tmp_path / "out")]) == 0
    assert ran == ["torch" if asked else "jax"]


def test_output_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "taken").write_text("mine")
    done = command("demo", "--output", "taken", cwd=tmp_path)
    assert done.returncode == 2
    assert "--output must be a folder" in done.stderr
    assert (tmp_path / "taken").read_text() == "mine"
