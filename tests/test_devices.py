"""Devices: names, placement that really happens (two devices in a process of its own), errors."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tricorn as keras
from tricorn import ops
from tricorn.engines import known, registry
from tricorn.graph import placement
from tricorn.training import adapters

ROOT = Path(__file__).parent.parent


@pytest.mark.engine_free
@pytest.mark.parametrize(
    ("name", "want"),
    [("cpu", "cpu:0"), ("cpu:0", "cpu:0"), ("/cpu:0", "cpu:0"), ("/device:CPU:0", "cpu:0"),
     ("/GPU:0", "gpu:0"), ("gpu:1", "gpu:1"), ("CUDA:1", "gpu:1"), ("cuda", "gpu:0"),
     ("/job:localhost/replica:0/task:0/device:GPU:3", "gpu:3"), ("tpu:07", "tpu:7")],
)  # fmt: skip
def test_names(name, want):
    assert placement.canonical(name) == want


@pytest.mark.engine_free
@pytest.mark.parametrize("name", ["", "cpu:", "cpu:x", "//cpu:0", "gpu:0:1", "cpu:-1", 3])
def test_what_is_no_name(name):
    with pytest.raises(ValueError, match="a device is named like"):
        placement.canonical(name)


@pytest.mark.parametrize("name", ["cpu", "cpu:0", "/device:CPU:0", None])
def test_the_cpu_is_there(name, engine):
    assert "cpu:0" in keras.list_devices()
    with keras.device(name):
        v = keras.Variable(np.ones(3, "float32"))
        x = ops.sum(v * 2.0)
    assert float(ops.stop_gradient(x)) == 6.0
    if name is not None:
        assert engine.device_of(v.value) == "cpu:0"
        assert engine.device_of(x) == "cpu:0"


def test_a_device_that_is_not_there(engine):
    there = ", ".join(keras.list_devices())
    for attempt in (
        lambda: keras.device("gpu:99").__enter__(),
        lambda: keras.gpu(np.ones(3), 99),
        lambda: keras.to_device(1.0, "/device:GPU:99"),
    ):
        with pytest.raises(registry.EngineError) as caught:
            attempt()
        assert f"no device 'gpu:99'; there are {there}" in str(caught.value)
        assert engine.name in str(caught.value)


def test_num_gpus():
    assert keras.num_gpus() == sum("gpu" in name for name in keras.list_devices())


def test_moving_keeps_values_trees_and_gradients(engine):
    v = keras.Variable(2.0)
    moved = keras.cpu({"v": v, "a": np.arange(3.0, dtype="float32"), "n": 1.5})
    assert [engine.device_of(x) for x in moved.values()] == ["cpu:0"] * 3
    np.testing.assert_array_equal(ops.convert_to_numpy(moved["a"]), [0, 1, 2])
    with keras.GradientTape() as tape:
        y = keras.cpu(v * v) * 3.0
    assert float(tape.gradient(y, v)) == 12.0


def test_a_device_in_a_compiled_function():
    @keras.function
    def f(x):
        with keras.device("/cpu:0"):
            return keras.cpu(x) * 2.0

    assert float(f(np.float32(3.0))) == 6.0


class Device:
    """What JAX and TensorFlow say of a device."""

    def __init__(self, kind, number):
        self.platform, self.name = kind, f"/device:{kind}:{number}".upper()


def gpus_of(engine, count, monkeypatch):
    """The engine's framework says that there are so many GPUs; gives what is to be forgotten."""
    if engine.name == "jax":
        import jax

        from tricorn.engines.jax.primitives import _devices

        gpus, cpus = [Device("cuda", i) for i in range(count)], [Device("cpu", 0)]
        monkeypatch.setattr(
            jax, "local_devices", lambda backend=None: cpus if backend else gpus or cpus
        )
        return _devices
    if engine.name == "tensorflow":
        import tensorflow as tf

        found = [Device("cpu", 0), *(Device("gpu", i) for i in range(count))]
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda: found)
        return engine.devices
    import torch

    from tricorn.engines.torch.primitives import _best_device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    return _best_device


@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_default_device_comes_first(count, engine, monkeypatch):
    """And data stay on it, if it is not the CPU."""
    cached = gpus_of(engine, count, monkeypatch)
    cached.cache_clear()
    try:
        assert keras.list_devices() == [*(f"gpu:{i}" for i in range(count)), "cpu:0"]
        assert adapters._has_accelerator(engine) == (count > 0)
        assert keras.num_gpus() == count
        if engine.name == "torch":
            assert cached().type == ("cuda" if count else "cpu")
    finally:
        monkeypatch.undo()
        cached.cache_clear()


# What holds on two devices. JAX and TensorFlow make two of one CPU, before they are first used.
PROGRAM = """
import sys
import numpy as np
import tricorn as keras
from tricorn import ops

if sys.argv[1] == "tensorflow":
    import tensorflow as tf
    cpu, = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
keras.set_engine(sys.argv[1])
from tricorn.engines import active
where = lambda x: active().device_of(x)
x = np.ones((4, 3), "float32")

assert keras.list_devices() == ["cpu:0", "cpu:1"], keras.list_devices()
assert where(ops.convert_to_tensor(x)) == "cpu:0"
with keras.device("/device:CPU:1"):
    tensor = ops.convert_to_tensor(x)
    assert where(tensor) == "cpu:1"
    assert where(ops.exp(tensor) + 1.0) == "cpu:1"
    with keras.device("cpu:0"):
        assert where(ops.convert_to_tensor(x)) == "cpu:0"
    made = keras.Variable(x)
    dense = keras.layers.Dense(2)
    dense.build((None, 3))
    compiled = keras.function(lambda x: ops.sum(dense(x)))
    assert where(compiled(x)) == "cpu:1"
    assert where(dense(tensor)) == "cpu:1"
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("adam", "mse")
    model.fit(x, np.zeros((4, 2)), epochs=2, verbose=0)
    assert {where(v.value) for v in model.weights} == {"cpu:1"}
assert where(made.value) == "cpu:1"  # made there, first used here
assert where(keras.to_device(tensor, "cpu:0")) == "cpu:0"
moved = keras.to_device(x, "/cpu:1")
assert where(moved) == "cpu:1"
if sys.argv[1] == "jax":  # TensorFlow computes on the first CPU what no block places
    assert where(ops.sin(moved)) == "cpu:1"
    inside = keras.function(lambda x: ops.sin(x) * 2.0)
    assert where(inside(moved)) == "cpu:1"
with keras.GradientTape() as tape:
    loss = ops.sum(keras.to_device(made * 2.0, "cpu:0") ** 2)
np.testing.assert_allclose(ops.convert_to_numpy(tape.gradient(loss, made)), 8 * x)
print("placed")
"""


@pytest.mark.engine_free
@pytest.mark.parametrize("engine_name", ["jax", "tensorflow"])
def test_placement_on_two_devices(engine_name, tmp_path):
    if engine_name not in known.installed():
        pytest.skip(f"{engine_name} is not installed")
    flags = "--xla_force_host_platform_device_count=2"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, engine_name],
        env={**os.environ, "PYTHONPATH": str(ROOT), "XLA_FLAGS": flags},
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.endswith("placed\n")
