"""``tricorn run``: a script runs as python would run it, but for what it imports as keras."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.engine_free


def run(path, *arguments, before=()):
    return subprocess.run(
        [sys.executable, "-m", "tricorn", "run", *before, str(path), *arguments],
        capture_output=True,
        text=True,
        cwd=path.parent,
        timeout=240,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )


def written(folder, text):
    path = folder / "script.py"
    path.write_text(text)
    return path


def test_a_script_is_main(tmp_path):
    (tmp_path / "beside.py").write_text("from keras.layers.core import Dense\nname = 'beside'\n")
    path = written(
        tmp_path,
        "import json, pickle, sys\nimport beside, keras\nfrom keras.layers import Dense\n"
        "class Own: pass\n"
        "assert pickle.loads(pickle.dumps(Own())).__class__ is Own\n"
        "import __main__\n"
        "print(json.dumps([sys.argv, __name__, __file__, __main__.Own is Own,"
        " beside.Dense is Dense, keras.__version__, sys.path[0], __spec__]))\n"
        "sys.exit(3)\n",
    )
    done = run(path, "--epochs", "2")
    assert done.returncode == 3, done.stderr
    argv, name, file, main, same, version, first, spec = json.loads(done.stdout)
    assert argv == [str(path), "--epochs", "2"] and name == "__main__" and file == str(path)
    assert main and same and version == "2.3.1" and first == str(tmp_path) and spec is None


def test_modern(tmp_path):
    path = written(
        tmp_path,
        "import keras, tricorn\nfrom keras import layers, ops\nimport keras.utils\n"
        "assert layers.Dense is tricorn.layers.Dense and keras.ops is ops\n"
        "assert keras.utils.to_categorical is tricorn.utils.to_categorical\n"
        "assert tricorn.__version__ != keras.__version__ == keras.version() == '3.15.1'\n"
        "print(keras.Model is tricorn.Model)\n",
    )
    done = run(path, before=["--modern"])
    assert done.returncode == 0 and done.stdout == "True\n", done.stderr


def test_a_traceback_begins_in_the_script(tmp_path):
    path = written(
        tmp_path,
        "from keras.layers import Dense\n\ndef build():\n    return Dense(-1)\n\nbuild()\n",
    )
    done = run(path)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == f'  File "{path}", line 6, in <module>'
    assert "runpy" not in done.stderr and "cli.py" not in done.stderr
    assert "units" in lines[-1]


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("def f(:\n", 1, "SyntaxError"),
        ("import keras.nowhere\n", 1, "No module named 'keras.nowhere'"),
        ("from keras.layers import Nothing\n", 1, "cannot import name 'Nothing'"),
        ("raise SystemExit('sorry')\n", 1, "sorry"),
        ("raise KeyboardInterrupt\n", 130, "interrupted"),
        (None, 2, "cannot be read"),
    ],
)
def test_errors(tmp_path, text, code, told):
    path = tmp_path / "absent.py" if text is None else written(tmp_path, text)
    done = run(path)
    assert done.returncode == code and told in done.stderr, done.stderr


def test_the_core_imports_without_the_classic_face():
    """As if the folder were not there: every module of the library but those of the face."""
    program = (
        "import sys\n"
        "class Gone:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.startswith('tricorn.classic'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Gone())\n"
        "import importlib, pkgutil, tricorn\n"
        "skip = ('tricorn.classic', 'tricorn.engines.t', 'tricorn.engines.jax')\n"
        "found = [m.name for m in pkgutil.walk_packages(tricorn.__path__, 'tricorn.',"
        " onerror=lambda name: None) if not m.name.startswith(skip)]\n"
        "for name in found: importlib.import_module(name)\n"
        "print(len(found))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0 and int(done.stdout.splitlines()[-1]) > 150, done.stderr


def test_the_face_imports_no_engine():
    program = (
        "import sys\nfrom tricorn.classic import keras\n"
        "m = keras.models.Sequential([keras.layers.Dense(2, input_shape=(3,))])\n"
        "m.summary()\nprint(sorted({'jax', 'tensorflow', 'torch', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=240, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
