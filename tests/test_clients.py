"""Packages written for Keras run on the library, as ``tricorn run`` runs them.

Each test is one script of ``tests/clients``; it is skipped where the package is not installed.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.oracle import close

FOLDER = Path(__file__).parent / "clients"
#: script -> the packages that it needs, what ``tricorn run`` is given
SCRIPTS = {
    "autokeras_search": ("autokeras", ["--modern"]),
    "bayesflow_networks": ("bayesflow", ["--modern"]),
    "deepxde_equations": ("deepxde tensorflow_probability", ["--modern"]),
    "keras_hub_models": ("keras_hub", ["--modern"]),
    "keras_tuner_search": ("keras_tuner", ["--modern"]),
    "lime_explanations": ("lime", ["--modern"]),
    "mlflow_runs": ("mlflow", ["--modern"]),
    "optuna_pruning": ("optuna_integration hyperopt", ["--modern"]),
    "scikeras_estimators": ("scikeras", ["--modern"]),
    "shap_explainers": ("shap tensorflow", ["--modern"]),
    "keras_tcn_sequences": ("tcn tensorflow", ["--modern"]),
    "keras_self_attention_layers": ("keras_self_attention tensorflow", ["--modern"]),
    "tf_explain_maps": ("tf_explain tensorflow", ["--modern"]),
    "wandb_offline": ("wandb tensorflow", ["--modern"]),
    "keras_rl_agents": ("rl", []),
    "keras_bert_training": ("keras_bert", []),
}
#: call TensorFlow's functions with the models' tensors
ON_TENSORFLOW = (
    "shap_explainers", "keras_tcn_sequences", "keras_self_attention_layers", "deepxde_equations",
    "tf_explain_maps",
)  # fmt: skip


def run(command, folder, **environment):
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=folder, timeout=900,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts(script, engine, tmp_path):
    packages, options = SCRIPTS[script]
    for package in packages.split():
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    backend = "tensorflow" if script in ON_TENSORFLOW else "jax"
    if script in ON_TENSORFLOW and engine.name != backend:
        pytest.skip("for TensorFlow")
    if script == "bayesflow_networks" and engine.name == "jax":
        pytest.skip("it has steps of its own for Keras on JAX")
    path = str(FOLDER / f"{script}.py")
    ours, theirs = tmp_path / "ours.npz", tmp_path / "theirs.npz"
    command = ["-m", "tricorn", "run", *options, "--engine", engine.name, path, str(ours)]
    run(command, tmp_path, KERAS_BACKEND=engine.name)
    if "sys.argv[1]" not in Path(path).read_text():
        return
    run([path, str(theirs)], tmp_path, KERAS_BACKEND=backend)
    with np.load(ours) as found, np.load(theirs) as wanted:
        assert found.files == wanted.files
        for name in wanted.files:
            if wanted[name].dtype.kind == "U":
                assert found[name].tolist() == wanted[name].tolist(), name
            else:
                close(found[name], wanted[name])


def test_every_script_is_run():
    assert {path.stem for path in FOLDER.glob("*.py")} == set(SCRIPTS)
