"""How the engine is chosen: keras.json, the environment, `set_backend`, `set_engine`, `engine`.

Every choice is made once in a process, so each test has a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from tricorn import config
from tricorn.engines import registry

pytestmark = pytest.mark.engine_free

ROOT = Path(__file__).parents[2]
DEFAULTS = {
    "floatx": "float32",
    "epsilon": 1e-7,
    "backend": "jax",
    "image_data_format": "channels_last",
}


@pytest.fixture
def run(tmp_path):
    """Runs a program with a home of its own; gives what it printed, as JSON or text."""

    def run(program, settings=None, **environment):
        home = tmp_path / "home"
        (home / ".keras").mkdir(parents=True, exist_ok=True)
        if settings is not None:
            text = settings if isinstance(settings, str) else json.dumps(settings)
            (home / ".keras/keras.json").write_text(text)
        kept = {k: v for k, v in os.environ.items() if k not in ("KERAS_HOME", "KERAS_BACKEND")}
        done = subprocess.run(
            [sys.executable, "-W", "always", "-c", f"import tricorn as keras\n{program}"],
            env={**kept, "HOME": str(home), "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        run.warnings = done.stderr
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout.strip()

    run.home = tmp_path / "home"
    return run


ALL = """
import json
from tricorn import config
print(json.dumps({name: getattr(config, name)() for name in
                  ("floatx", "epsilon", "backend", "image_data_format")}))
"""
USED = """
from tricorn.engines import active
print(active().name)
"""
FAILS = """
try:
    keras.ops.zeros(3)
except Exception as error:
    print(type(error).__name__, error)
"""


# -------------------------------------------------------------------------------------- keras.json


def test_all_four_settings_are_read(run):
    settings = {
        "floatx": "float64",
        "epsilon": 1e-5,
        "backend": "torch",
        "image_data_format": "channels_first",
        "someone_else's": 1,
    }
    found = run(ALL, settings)
    assert found == {key: settings[key] for key in DEFAULTS}
    assert not run.warnings


def test_settings_that_are_left_out_take_the_defaults(run):
    assert run(ALL, {"epsilon": 1e-3}) == {**DEFAULTS, "epsilon": 1e-3}


def test_the_file_is_made_when_it_is_missing(run):
    assert run(ALL) == DEFAULTS
    assert json.loads((run.home / ".keras/keras.json").read_text()) == DEFAULTS


def test_importing_reads_nothing(run):
    program = "keras.Sequential"
    run(program)
    assert not (run.home / ".keras/keras.json").exists()


@pytest.mark.parametrize("floatx", ["float16", "float32", "float64", "bfloat16"])
def test_floatx_is_the_dtype_of_weights_and_results(run, floatx):
    program = """
import json, numpy as np
layer = keras.layers.Dense(2)
y = layer(np.ones((1, 3)))
print(json.dumps([layer.kernel.dtype, str(y.dtype), str(keras.ops.zeros(2).dtype)]))
"""
    assert run(program, {"floatx": floatx}) == [floatx] * 3


def test_image_data_format_is_the_layers_default(run):
    program = "import json; y = keras.layers.Conv2D(4, 3)(keras.Input((3, 8, 8)))\n"
    program += "print(json.dumps(y.shape))"
    assert run(program, {"image_data_format": "channels_first"}) == [None, 4, 6, 6]


@pytest.mark.parametrize(
    "text, reason",
    [
        ("{", "Expecting property name"),
        ("", "Expecting value"),
        ("[1]", "it is not a JSON object"),
        ("[" * 100_000, "recursion"),
        ('{"floatx": "float8"}', "floatx must be one of bfloat16, float16, float32, float64"),
        ('{"epsilon": "small"}', "epsilon must be a positive number, got 'small'"),
        ('{"epsilon": NaN}', "epsilon must be a positive number, got nan"),
        ('{"epsilon": Infinity}', "epsilon must be a positive number, got inf"),
        ('{"backend": 3}', "backend must be an engine's name, got 3"),
        ('{"image_data_format": "th"}', "channels_last, channels_first, got 'th'"),
    ],
)
def test_a_broken_file_gives_one_warning_and_the_defaults(run, text, reason):
    assert run(ALL, text) == DEFAULTS
    assert run.warnings.count("Warning") == 1
    path = run.home / ".keras/keras.json"
    assert f"{path} is ignored, the defaults are used: " in run.warnings
    assert reason in run.warnings
    assert path.read_text() == text  # it is the user's


def test_a_file_that_is_no_text(run):
    (run.home / ".keras").mkdir(parents=True)
    (run.home / ".keras/keras.json").write_bytes(b"\xff\xfe\x00")
    assert run(ALL) == DEFAULTS
    assert "is ignored" in run.warnings
    (run.home / ".keras/keras.json").unlink()
    (run.home / ".keras/keras.json").mkdir()
    assert run(ALL) == DEFAULTS
    assert "is ignored" in run.warnings


# ------------------------------------------------------------------------------------------ folders

HOME = "from tricorn import config; print(config.home())"


def test_keras_home(run, tmp_path):
    wanted = tmp_path / "settings/of/mine"
    assert run(HOME, KERAS_HOME=str(wanted)) == str(wanted)
    assert run(ALL, KERAS_HOME=str(wanted)) == DEFAULTS
    assert json.loads((wanted / "keras.json").read_text()) == DEFAULTS
    assert not (run.home / ".keras/keras.json").exists()
    assert run(HOME) == str(run.home / ".keras")


@pytest.mark.parametrize("place", ["/proc/tricorn", "file/.keras"])
def test_a_home_that_cannot_be_written_is_in_the_temporary_directory(run, tmp_path, place):
    (tmp_path / "file").write_text("in the way")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environment = {"KERAS_HOME": str(tmp_path / place), "TMPDIR": str(temporary)}
    assert run(HOME, **environment) == str(temporary / ".keras")
    assert run(ALL, **environment) == DEFAULTS
    assert json.loads((temporary / ".keras/keras.json").read_text()) == DEFAULTS
    assert not run.warnings


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_file_in_a_home_that_can_only_be_read_counts(run, tmp_path):
    home = tmp_path / "fixed"
    home.mkdir()
    (home / "keras.json").write_text('{"epsilon": 0.5}')
    home.chmod(0o500)
    try:
        assert run(ALL, KERAS_HOME=str(home))["epsilon"] == 0.5
    finally:
        home.chmod(0o700)


def test_no_home_at_all(run, tmp_path):
    (tmp_path / "tmp").mkdir()
    found = run(HOME, HOME="/proc/nobody", TMPDIR=str(tmp_path / "tmp"))
    assert found == str(tmp_path / "tmp/.keras")
    assert config.home() != Path(tempfile.gettempdir())


# ----------------------------------------------------------------------------- choosing an engine


def test_the_environment_goes_before_the_file(run):
    pytest.importorskip("torch")
    assert run(USED, {"backend": "torch"}) == "torch"
    assert run(USED, {"backend": "torch"}, KERAS_BACKEND="jax") == "jax"
    assert run(USED, {"backend": "jax"}, KERAS_BACKEND="torch") == "torch"
    assert run(USED, {"backend": "torch"}, KERAS_BACKEND="") == "torch"
    assert run("from tricorn import config; print(config.backend())", KERAS_BACKEND="torch") == (
        "torch"
    )


def test_the_program_goes_before_the_environment(run):
    pytest.importorskip("torch")
    for choose in ("keras.config.set_backend('torch')", "keras.set_engine('torch')"):
        assert run(choose + USED, KERAS_BACKEND="jax") == "torch"


@pytest.mark.parametrize("choose", ["keras.config.set_backend", "keras.set_engine"])
def test_the_engine_may_be_changed_after_the_first_operation(run, choose):
    pytest.importorskip("torch")
    program = f"""
import numpy as np
from tricorn import config
layer = keras.layers.Dense(2)
first = layer(np.ones((1, 3), "float32"))
{choose}("torch")
second = layer(np.ones((1, 3), "float32"))
assert config.backend() == "torch"
assert np.allclose(np.asarray(first), second.detach().numpy(), atol=1e-6)
print(type(first).__module__.split(".")[0], type(second).__module__)
"""
    assert run(program, KERAS_BACKEND="jax") == "jaxlib torch"


def test_set_backend_loads_nothing(run):
    program = """
import sys
keras.config.set_backend("torch")
assert "torch" not in sys.modules
keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).get_weights()
print("torch" in sys.modules)
"""
    assert run(program) == "False"


def test_torch_s_methods_of_modules_are_there_before_the_first_operation(run):
    pytest.importorskip("torch")
    program = """
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
assert not hasattr(model, "children_of_nobody")
import sys
assert "torch" not in sys.modules
optimizer = __import__("torch").optim.SGD(model.parameters(), lr=0.1)
print(len(model.state_dict()), hasattr(model, "named_parameters"))
"""
    assert run(program, KERAS_BACKEND="torch") == "2 True"


def test_set_engine_says_at_once_what_is_wrong_and_changes_nothing(run):
    program = """
from tricorn import config
try:
    keras.set_engine("nonsense")
except Exception as error:
    print(type(error).__name__, error, config.backend())
"""
    found = run(program)
    assert found.startswith("EngineError unknown engine 'nonsense'; known: jax, tensorflow, torch")
    assert found.endswith("jax")


@pytest.mark.parametrize("name", ["theano", "pytensor", "cntk", "onnxruntime"])
def test_engines_of_the_past_and_of_the_future(run, name):
    found = run(FAILS, {"backend": name})
    assert found.startswith(f"EngineError the engine {name!r} (")
    assert {"t": "PyTensor, Theano's maintained successor", "p": "PyTensor",
            "c": "ONNX Runtime, CNTK's successor, forward only", "o": "ONNX Runtime"}[name[0]] in (
        found
    )  # fmt: skip
    assert found.endswith("does not exist yet; engines that do: jax, tensorflow, torch")


@pytest.mark.parametrize("name", ["tensorflow", "torch"])
def test_a_missing_library_names_the_extra(run, name):
    hide = f"import sys; sys.modules[{name!r}] = None\n"
    found = run(hide + FAILS, {"backend": name})
    assert found.startswith(f"EngineError the engine {name!r} cannot be loaded: ")
    assert found.endswith(f'install it with: pip install "tricorn[{name}]"')
    listed = run(hide + "import json\nfrom tricorn import engines\nprint(json.dumps("
                 "[engines.available(), engines.installed()]))")  # fmt: skip
    assert name in listed[0]
    assert name not in listed[1]


def test_an_unknown_name_says_where_names_come_from(run):
    found = run(FAILS, KERAS_BACKEND="keras")
    assert "unknown engine 'keras'" in found
    for source in ("set_engine", "set_backend", "KERAS_BACKEND", "keras.json"):
        assert source in found


@pytest.mark.parametrize("how", ["file", "environment", "program"])
def test_an_engine_of_ones_own(run, how):
    program = "keras.set_engine('examples.numpy_engine')" if how == "program" else ""
    program += (
        "\nimport numpy as np\nprint(type(keras.layers.Dense(2)(np.ones((1, 3)))).__module__)"
    )
    settings = {"backend": "examples.numpy_engine"} if how == "file" else None
    environment = {"KERAS_BACKEND": "examples.numpy_engine"} if how == "environment" else {}
    assert run(program, settings, **environment) == "examples.numpy_engine"


def test_set_backend_refuses_what_is_no_name():
    with pytest.raises(ValueError, match="backend must be an engine's name, got None"):
        config.set_backend(None)


def test_an_engine_is_loaded_once_by_many_threads():
    found = []
    threads = [threading.Thread(target=lambda: found.append(registry.load("jax"))) for _ in "1234"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
