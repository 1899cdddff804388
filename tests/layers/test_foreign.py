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


@pytest.mark.engine("torch")
@pytest.mark.parametrize("eagerly", [False, True])
def test_modules_of_torch_as_attributes(tmp_path: Any, eagerly: bool) -> None:
    """The numbers are those of genuine Keras on PyTorch."""
    import torch

    class Own(tricorn.Model):
        def __init__(self) -> None:
            super().__init__()
            first = torch.nn.Linear(3, 4)
            self.inner = torch.nn.Sequential(first, torch.nn.Dropout(0.0), torch.nn.ReLU())
            self.out = layers.Dense(1, kernel_initializer="ones")
            with torch.no_grad():
                for i, parameter in enumerate(self.inner.parameters()):
                    parameter.fill_(0.1 * (i + 1))

        def call(self, x: Any) -> Any:
            return self.out(self.inner(x))

    x = np.random.RandomState(0).rand(8, 3).astype("float32")
    model = Own()
    model.compile(tricorn.optimizers.SGD(0.1), "mse", run_eagerly=eagerly)
    history = model.fit(x, np.ones((8, 1)), epochs=3, shuffle=False, verbose=0).history
    np.testing.assert_allclose(history["loss"], [0.32, 0.30638, 0.21572], atol=1e-5)
    assert isinstance(model.inner, layers.TorchModuleWrapper)
    assert [type(layer).__name__ for layer in model.layers] == ["TorchModuleWrapper", "Dense"]
    assert (len(model.trainable_variables), model.count_params()) == (4, 21)
    assert len(list(model.parameters())) == 4
    assert model.inner.module[0].in_features == 3
    model.save_weights(tmp_path / "w.weights.h5")
    copy = Own()
    copy(x)
    copy.load_weights(tmp_path / "w.weights.h5")
    close(copy(x), model(x))
    model.trainable = False
    assert not any(p.requires_grad for p in model.parameters())


@pytest.mark.engine("torch")
def test_modules_of_torch_in_containers() -> None:
    import torch

    class Own(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.several = [torch.nn.Linear(3, 3)]
            self.more = torch.nn.ModuleList([torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3)])
            self.named = torch.nn.ModuleDict({"last": torch.nn.Linear(3, 1)})
            self.rate = torch.float32  # of torch, but no module

        def call(self, x: Any) -> Any:
            for module in (*self.several, *self.more):
                x = module(x)
            return self.named["last"](x)

    layer, x = Own(), np.ones((4, 3), "float32")
    tricorn.ops.sum(layer(x, training=True)).backward()
    assert len(layer.trainable_variables) == 8
    assert all(
        v.value.grad is not None or v.native().grad is not None for v in layer.trainable_variables
    )
    assert layer.more[1].training
    layer(x, training=False)
    assert not layer.more[1].training
    with pytest.raises(ValueError, match="is built"):
        layer.other = torch.nn.Linear(3, 3)


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
