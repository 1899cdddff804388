"""What installed packages find below ``keras`` when it means this library."""

import numpy as np
import pytest

import tricorn
from tricorn import keras_src, script
from tricorn.graph import symbolic

pytestmark = pytest.mark.engine("jax")

#: where packages import from, name -> what it is here
SAME = [
    ("src.layers.core.dense", "Dense", tricorn.layers.Dense),
    ("src.optimizers.schedules.learning_rate_schedule", "CosineDecay",
     tricorn.optimizers.schedules.CosineDecay),
    ("src.losses.losses", "LossFunctionWrapper", tricorn.losses.LossFunctionWrapper),
    ("src.saving", "register_keras_serializable", tricorn.saving.register_keras_serializable),
    ("src.saving.saving_lib", "load_model", tricorn.saving.load_model),
    ("src.backend", "KerasTensor", symbolic.SymbolicTensor),
    ("src.backend", "convert_to_tensor", tricorn.ops.convert_to_tensor),
    ("src.ops", "matmul", tricorn.ops.matmul),
    ("src.models.functional", "Functional", tricorn.models.Functional),
    ("src.utils.module_utils", "to_categorical", tricorn.utils.to_categorical),
]  # fmt: skip


@pytest.mark.parametrize("path, name, wanted", SAME, ids=lambda x: x if type(x) is str else "")
def test_names_are_the_librarys(path, name, wanted):
    assert getattr(script.modern(path), name) is wanted


def test_every_row_of_the_table_leads_somewhere():
    for path, (_, own) in keras_src._TABLE.items():
        for name in own:
            assert callable(getattr(keras_src.module(path), name)), (path, name)


@pytest.mark.parametrize("path", ["", "callbacks", "src.backend"])
def test_tensorflow_finds_its_keras(path):
    finder = script.Finder("keras", script.modern)
    plain = finder.find_spec(f"keras.{path}".rstrip(".")).loader_state[0]
    for before in ("_tf_keras.keras", "api._v2.keras"):
        assert finder.find_spec(f"keras.{before}.{path}".rstrip(".")).loader_state[0] is plain
    assert finder.find_spec("keras_hub") is None
    other = script.Finder("tensorflow.keras", script.modern)
    assert other.find_spec(f"tensorflow.keras.{path}".rstrip(".")).loader_state[0] is plain
    assert other.find_spec("tensorflow") is None


def test_modules_of_modules():
    root = script.modern("")
    assert root.src.saving.serialization_lib.in_safe_mode() is True
    assert root.src is script.modern("src") and root.src.backend is script.modern("src.backend")
    names = {}
    exec(
        "from tricorn_ops import *",
        {"__builtins__": {"__import__": lambda *a: root.src.ops}},
        names,
    )
    assert names["matmul"] is tricorn.ops.matmul


@pytest.mark.parametrize("path", ["src.nothing.there", "nothing"])
def test_what_is_not_there(path):
    assert script.modern(path) is None


def test_names_that_are_not_there():
    with pytest.raises(AttributeError, match="has no 'Dence' here"):
        assert script.modern("src.layers.core.dense").Dence


def test_results_without_computing():
    found = script.modern("src.backend").compute_output_spec
    layer = tricorn.layers.Dense(3)
    y = found(layer, np.zeros((2, 4), "float32"))
    assert layer.built and y.shape == (2, 3) and y.dtype == "float32"
    pair = found(lambda x, n: {"twice": tricorn.ops.stack([x] * n)}, tricorn.Input((4,)), n=2)
    assert pair["twice"].shape == (2, None, 4)


def test_metrics_of_a_layer_itself():
    class Held(tricorn.layers.Layer):
        def __init__(self):
            super().__init__()
            self.mean, self.inner = tricorn.metrics.Mean(), tricorn.layers.Dense(1)

    layer = Held()
    assert layer._metrics == [layer.mean]
    layer._metrics = "mine"
    assert layer._metrics == "mine"


def test_masks_travel():
    backend = script.modern("src.backend")
    x = tricorn.ops.ones((2, 3))
    assert backend.get_keras_mask(x) is None
    backend.set_keras_mask(x, "mask")
    assert backend.get_keras_mask(x) == "mask"
    y = tricorn.layers.Embedding(3, 2, mask_zero=True)(tricorn.Input((4,)))
    assert backend.get_keras_mask(y) is not None


def test_no_distribution_is_in_force():
    assert script.modern("src.distribution.distribution_lib").distribution() is None
    assert script.modern("distribution").distribution() is None
    assert script.modern("distribution").list_devices() == tricorn.list_devices()
