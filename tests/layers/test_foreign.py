"""Layers around functions of JAX's, modules of Flax's and PyTorch's, and SavedModels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tricorn
from tests.oracle import array, close
from tricorn import layers
from tricorn.engines import EngineError

X = np.random.default_rng(5).normal(size=(8, 4)).astype(np.float32)
Y = (X @ np.array([[1.0], [-2.0], [0.5], [3.0]])).astype(np.float32)


def _learns(layer: Any, steps: int = 60) -> Any:
    model = tricorn.Sequential([tricorn.Input((4,)), layer])
    assert model.output_shape == (None, 1)
    model.compile(tricorn.optimizers.Adam(0.1), "mse")
    losses = model.fit(X, Y, epochs=steps, batch_size=8, verbose=0).history["loss"]
    assert losses[-1] < 0.3 * losses[0]
    return model


def _call(params: Any, state: Any, rng: Any, inputs: Any, training: bool) -> Any:
    import jax

    outputs = inputs @ params["w"] + params["b"]
    if training:
        outputs = outputs * jax.random.bernoulli(rng, 0.999, outputs.shape)
        state = {"calls": state["calls"] + 1}
    return outputs, state


def _init(rng: Any, inputs: Any) -> Any:
    import jax

    w = jax.random.normal(rng, (inputs.shape[-1], 1)) * 0.1
    return {"w": w, "b": np.zeros(1, np.float32)}, {"calls": np.zeros((), np.int32)}


tricorn.saving.register_keras_serializable("tests")(_call)
tricorn.saving.register_keras_serializable("tests")(_init)


@pytest.mark.engine("jax")
def test_functions_of_jax(tmp_path: Any) -> None:
    layer = layers.JaxLayer(_call, _init, seed=1)
    model = _learns(layer)
    assert [w.shape for w in layer.weights] == [(1,), (4, 1), ()]
    assert int(array(layer.state["calls"])) == 60
    close(layer(X), X @ array(layer.params["w"]) + array(layer.params["b"]))
    model.save(tmp_path / "model.keras")
    again = tricorn.saving.load_model(tmp_path / "model.keras")
    close(again.predict(X, verbose=0), model.predict(X, verbose=0))


@pytest.mark.engine("jax")
def test_functions_of_jax_with_given_weights() -> None:
    layer = layers.JaxLayer(lambda params, inputs: inputs * params[0], params=[np.full(4, 2.0)])
    close(layer(X), 2 * X)
    assert layers.JaxLayer(lambda inputs: inputs + 1)(X).shape == (8, 4)
    with pytest.raises(ValueError, match="one of init_fn, params"):
        layers.JaxLayer(lambda params, inputs: inputs)
    with pytest.raises(ValueError, match="call_fn must take `inputs`"):
        layers.JaxLayer(lambda x: x)
    with pytest.raises(ValueError, match="gave a state of the structure"):
        layers.JaxLayer(lambda state, inputs: (inputs, []), state=[1.0])(X)


@pytest.mark.engine("jax")
def test_modules_of_flax() -> None:
    nn = pytest.importorskip("flax.linen")

    class Network(nn.Module):
        @nn.compact
        def __call__(self, inputs, training=False):
            x = nn.relu(nn.Dense(8)(inputs))
            x = nn.BatchNorm(use_running_average=not training)(x)
            return nn.Dense(1)(nn.Dropout(0.01, deterministic=not training)(x))

    layer = layers.FlaxLayer(Network())
    _learns(layer)
    assert len(layer.trainable_weights) == 6
    assert len(layer.non_trainable_weights) == 2
    variables = {"params": {"Dense_0": {"kernel": np.ones((4, 1)), "bias": np.ones(1)}}}
    given = layers.FlaxLayer(nn.Dense(1), variables={"params": variables["params"]["Dense_0"]})
    close(given(X), X.sum(1, keepdims=True) + 1)


@pytest.mark.engine("torch")
def test_modules_of_torch(tmp_path: Any) -> None:
    import torch

    module = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 1)
    )
    layer = layers.TorchModuleWrapper(module)
    assert [tuple(w.shape) for w in layer.trainable_weights] == [
        tuple(p.shape) for p in module.parameters()
    ]
    model = _learns(layer)
    found = model.predict(X, verbose=0)
    module.eval()
    for (name, buffer), kept in zip(module.named_buffers(), layer.non_trainable_weights):
        buffer.copy_(torch.from_numpy(np.asarray(kept.numpy())))
        assert name in kept.path
    close(module(torch.from_numpy(X)), found)  # the parameters are the layer's own
    path = str(tmp_path / "model.keras")
    model.save(path)
    close(tricorn.saving.load_model(path, safe_mode=False).predict(X, verbose=0), found)
    with pytest.raises(ValueError, match="safe_mode=False"):
        tricorn.saving.load_model(path)
    with pytest.raises(TypeError, match=r"torch\.nn\.Module expected"):
        layers.TorchModuleWrapper(3)
    with pytest.raises(ValueError, match="lazy"):
        layers.TorchModuleWrapper(torch.nn.LazyLinear(3))


@pytest.mark.engine("tensorflow")
def test_saved_models(tmp_path: Any) -> None:
    import tensorflow as tf

    class Program(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = tf.Variable(tf.ones((4, 1)), name="w")
            self.calls = tf.Variable(0.0, trainable=False, name="calls")

        @tf.function(input_signature=[tf.TensorSpec((None, 4))])
        def serve(self, x):
            return x @ self.w

        @tf.function(input_signature=[tf.TensorSpec((None, 4))])
        def train(self, x):
            self.calls.assign_add(1.0)
            return x @ self.w

    path = str(tmp_path / "saved")
    tf.saved_model.save(Program(), path)
    layer = layers.TFSMLayer(path, call_training_endpoint="train")
    close(layer(X), X.sum(1, keepdims=True))
    _learns(layer)
    w, calls = layer.get_weights()
    assert calls == 60
    close(layer(X), X @ w)
    with pytest.raises(ValueError, match="no endpoint 'other'"):
        layers.TFSMLayer(path, "other")
    with pytest.raises(ValueError, match="safe_mode=False"):
        layers.TFSMLayer.from_config(layer.get_config())


def test_another_engine_is_refused(engine: Any) -> None:
    torch = pytest.importorskip("torch")
    for name, make in {
        "jax": lambda: layers.JaxLayer(_call, _init),
        "torch": lambda: layers.TorchModuleWrapper(torch.nn.Linear(2, 2)),
        "tensorflow": lambda: layers.TFSMLayer("nowhere"),
    }.items():
        if name != engine.name:
            with pytest.raises(EngineError, match=f"needs the engine {name!r}"):
                make()
