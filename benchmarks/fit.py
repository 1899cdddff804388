"""The workloads through `fit` of Tricorn, or of Keras 3 on its JAX backend.

    python benchmarks/fit.py [mlp cnn resnet lstm layer step] [--library tricorn|keras]
                             [--samples N] [--seconds S]

Prints JSON, samples per second.  The models are the same code for both libraries.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import time
from typing import Any

from workloads import STEPS, VOCABULARY, WORKLOADS


def build(name: str, keras: Any) -> Any:
    """The uncompiled model of a workload, made with the library `keras`."""
    layers = keras.layers

    if name == "step":
        return own_step(keras)
    if name in ("mlp", "layer"):
        stack = [
            layers.Dense(128, "relu") if name == "mlp" else own_layer(keras)(128),
            layers.Dropout(0.2),
            layers.Dense(128, "relu"),
            layers.Dropout(0.2),
            layers.Dense(10, "softmax"),
        ]
        return keras.Sequential([keras.Input((784,)), *stack])
    if name == "cnn":
        stack = [
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(128, "relu"),
            layers.Dropout(0.5),
            layers.Dense(10, "softmax"),
        ]
        return keras.Sequential([keras.Input((28, 28, 1)), *stack])
    if name == "lstm":
        stack = [layers.Embedding(VOCABULARY, 128), layers.LSTM(64), layers.Dense(1, "sigmoid")]
        return keras.Sequential([keras.Input((STEPS,), dtype="int32"), *stack])

    def unit(x: Any, filters: int, size: int, stride: int) -> Any:
        x = layers.Conv2D(filters, size, stride, "same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    inputs = keras.Input((32, 32, 3))
    x = layers.ReLU()(unit(inputs, 16, 3, 1))
    for filters in (16, 32, 64):
        stride = 1 if filters == 16 else 2
        y = layers.ReLU()(unit(x, filters, 3, stride))
        y = unit(y, filters, 3, 1)
        shortcut = x if stride == 1 else unit(x, filters, 1, stride)
        x = layers.ReLU()(layers.add([y, shortcut]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, "softmax")(x))


def own_layer(keras: Any) -> type:
    """A dense layer with relu as a user writes it."""

    class Own(keras.layers.Layer):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.units = units

        def build(self, input_shape: tuple) -> None:
            self.w = self.add_weight((input_shape[-1], self.units))
            self.b = self.add_weight((self.units,), "zeros")

        def call(self, x: Any) -> Any:
            return keras.ops.relu(keras.ops.matmul(x, self.w) + self.b)

    return Own


def own_step(keras: Any) -> Any:
    """The mlp with the `train_step` that each library's guide shows."""
    inputs = keras.Input((784,))
    outputs = build("mlp", keras)(inputs)
    if keras.__name__ == "keras":
        if keras.backend.backend() != "torch":
            raise ValueError("a step of one's own is measured beside Keras on PyTorch")
        return _torch_step(keras)(inputs, outputs)

    class Stepping(keras.Model):
        def train_step(self, data: Any) -> dict:
            x, y = data
            weights = self.trainable_variables

            def forward() -> tuple:
                y_pred = self(x, training=True)
                return self.compute_loss(y=y, y_pred=y_pred), y_pred

            (loss, y_pred), grads = keras.value_and_grad(forward, weights, has_aux=True)()
            self.optimizer.apply(grads, weights)
            return {**self.compute_metrics(x, y, y_pred), "loss": loss}

    return Stepping(inputs, outputs)


def _torch_step(keras: Any) -> type:
    """As https://keras.io/guides/custom_train_step_in_torch shows."""
    import torch

    class Stepping(keras.Model):
        def train_step(self, data: Any) -> dict:
            x, y = data
            self.zero_grad()
            y_pred = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=y_pred)
            loss.backward()
            weights = list(self.trainable_weights)
            gradients = [weight.value.grad for weight in weights]
            with torch.no_grad():
                self.optimizer.apply(gradients, weights)
            return {**self.compute_metrics(x, y, y_pred), "loss": loss}

    return Stepping


def measure(
    name: str, library: str = "tricorn", samples: int | None = None, seconds: float = 3.0
) -> float:
    """Samples per second of the fastest epoch of `fit`, in this process."""
    keras = importlib.import_module(library)
    workload = WORKLOADS[name]
    x, y = workload.data(samples)
    model = build(name, keras)
    loss = "binary_crossentropy" if workload.classes == 1 else "sparse_categorical_crossentropy"
    model.compile("adam", loss, metrics=["accuracy"])
    times: list[float] = []

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.begin = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            times.append(time.perf_counter() - self.begin)
            if len(times) > 1 and sum(times[1:]) >= seconds:
                self.model.stop_training = True

    model.fit(x, y, workload.batch, epochs=10_000, verbose=0, callbacks=[Clock()])
    return len(x) / min(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*", help="by default all: " + " ".join(WORKLOADS))
    parser.add_argument("--library", default="tricorn", choices=("tricorn", "keras"))
    parser.add_argument("--samples", type=int, help="samples an epoch")
    parser.add_argument("--seconds", type=float, default=3.0, help="time for each workload")
    arguments = parser.parse_args()
    os.environ.setdefault("KERAS_BACKEND", "jax")
    for name in arguments.workloads or WORKLOADS:
        rate = measure(name, arguments.library, arguments.samples, arguments.seconds)
        print(json.dumps({"workload": name, "samples_per_second": round(rate)}), flush=True)


if __name__ == "__main__":
    main()
