"""The workloads as training loops written by hand in JAX: what a `fit` is measured against.

    python benchmarks/handwritten_jax.py [mlp cnn resnet lstm] [--samples N] [--seconds S]

Each is the fastest formulation found: data on the device, donated state, the whole epoch as one
loop on the device where nothing convolves, and the kernels of Tricorn's JAX engine. Prints JSON,
samples per second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from handwritten import main
from jax import Array, lax
from workloads import VOCABULARY, WORKLOADS

from tricorn.engines.jax import kernels, policy

Weights = dict[str, Array]
# forward(weights, batch norm statistics, inputs, key) -> logits, new statistics
Forward = Callable[[Weights, Weights, Array, Array], tuple[Array, Weights]]


def mlp(samples: int | None = None) -> Iterator[float]:
    """Samples per second of the MLP."""
    weights = {**dense("a", 784, 128), **dense("b", 128, 128), **dense("c", 128, 10)}

    def forward(w: Weights, statistics: Weights, x: Array, key: Array):
        x = dropout(jax.nn.relu(apply_dense(w, "a", x)), 0.2, key)
        x = dropout(jax.nn.relu(apply_dense(w, "b", x)), 0.2, key + 1)
        return apply_dense(w, "c", x), statistics

    return train("mlp", forward, weights, {}, samples, loop=True)


def cnn(samples: int | None = None) -> Iterator[float]:
    """Samples per second of the CNN."""
    weights = {**kernel("a", 3, 3, 1, 32), **bias("a", 32), **kernel("b", 3, 3, 32, 64)}
    weights |= {**bias("b", 64), **dense("c", 12 * 12 * 64, 128), **dense("d", 128, 10)}

    def forward(w: Weights, statistics: Weights, x: Array, key: Array):
        x = jax.nn.relu(kernels.add_bias(conv(x, w["a"], 1, "valid"), w["a bias"]))
        x = jax.nn.relu(kernels.add_bias(conv(x, w["b"], 1, "valid"), w["b bias"]))
        x = kernels.max_pool(x, (2, 2), (2, 2), ((0, 0), (0, 0)), True)
        x = dropout(x, 0.25, key).reshape(x.shape[0], -1)
        x = dropout(jax.nn.relu(apply_dense(w, "c", x)), 0.5, key + 1)
        return apply_dense(w, "d", x), statistics

    return train("cnn", forward, weights, {}, samples, loop=False)


def resnet(samples: int | None = None) -> Iterator[float]:
    """Samples per second of the small ResNet."""
    weights, statistics = kernel("stem", 3, 3, 3, 16), {}
    norms, channels = {"stem": 16}, 16
    for filters in (16, 32, 64):
        weights |= kernel(f"{filters} first", 3, 3, channels, filters)
        weights |= kernel(f"{filters} second", 3, 3, filters, filters)
        norms |= {f"{filters} first": filters, f"{filters} second": filters}
        if filters != channels:
            weights |= kernel(f"{filters} shortcut", 1, 1, channels, filters)
            norms[f"{filters} shortcut"] = filters
        channels = filters
    for name, filters in norms.items():
        weights |= {f"{name} gamma": jnp.ones(filters), f"{name} beta": jnp.zeros(filters)}
        statistics |= {f"{name} mean": jnp.zeros(filters), f"{name} variance": jnp.ones(filters)}
    weights |= dense("top", 64, 10)

    def forward(w: Weights, statistics: Weights, x: Array, key: Array):
        new: Weights = {}

        def unit(name: str, x: Array, stride: int) -> Array:
            y = conv(x, w[name], stride, "same")
            y, mean, var = kernels.batch_norm(y, w[f"{name} gamma"], w[f"{name} beta"], 1e-3)
            for key, value in ((f"{name} mean", mean), (f"{name} variance", var)):
                new[key] = 0.99 * statistics[key] + 0.01 * value
            return y

        x = jax.nn.relu(unit("stem", x, 1))
        for filters in (16, 32, 64):
            stride = 1 if filters == 16 else 2
            y = jax.nn.relu(unit(f"{filters} first", x, stride))
            y = unit(f"{filters} second", y, 1)
            x = jax.nn.relu(y + (x if stride == 1 else unit(f"{filters} shortcut", x, stride)))
        return apply_dense(w, "top", x.mean((1, 2))), new

    return train("resnet", forward, weights, statistics, samples, loop=False)


def lstm(samples: int | None = None) -> Iterator[float]:
    """Samples per second of the LSTM."""
    weights = {**kernel("embedding", VOCABULARY, 128), **dense("lstm", 128, 256)}
    weights |= {**kernel("recurrent", 64, 256), **dense("top", 64, 1)}

    def forward(w: Weights, statistics: Weights, x: Array, key: Array):
        x = apply_dense(w, "lstm", w["embedding"][x.T])
        zero = jnp.zeros((x.shape[1], 64))
        _, h, _ = kernels.lstm(x, zero, zero, None, w["recurrent"], None, None, False)
        return apply_dense(w, "top", h), statistics

    return train("lstm", forward, weights, {}, samples, loop=True)


# --- parts ------------------------------------------------------------------------------------


def kernel(name: str, *shape: int) -> Weights:
    scale = (6 / (np.prod(shape[:-1]) + shape[-1])) ** 0.5
    draws = np.random.default_rng(len(name)).uniform(-scale, scale, shape)
    return {name: jnp.asarray(draws, jnp.float32)}


def bias(name: str, units: int) -> Weights:
    return {f"{name} bias": jnp.zeros(units)}


def dense(name: str, inputs: int, units: int) -> Weights:
    return {**kernel(name, inputs, units), **bias(name, units)}


def apply_dense(w: Weights, name: str, x: Array) -> Array:
    return kernels.add_bias(x @ w[name], w[f"{name} bias"])


def dropout(x: Array, rate: float, key: Array) -> Array:
    return jnp.where(kernels.bernoulli(key, x.shape, 1 - rate), x * (1 / (1 - rate)), 0)


def conv(x: Array, kernel: Array, stride: int, padding: str) -> Array:
    pads = []
    for length, size in zip(x.shape[1:3], kernel.shape, strict=False):
        total = max((-(-length // stride) - 1) * stride + size - length, 0)
        pads.append((total // 2, total - total // 2) if padding == "same" else (0, 0))
    return kernels.conv(x, kernel, (stride, stride), pads, (1, 1), 1, True)


def cross_entropy(logits: Array, labels: Array) -> tuple[Array, Array]:
    """Mean loss, and the number of right answers."""
    if logits.shape[-1] == 1:
        z, y = logits[:, 0], labels.astype(logits.dtype)
        return (jax.nn.softplus(z) - y * z).mean(), ((z > 0) == (labels > 0)).sum()
    loss = -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], -1).mean()
    return loss, (logits.argmax(-1) == labels).sum()


def adam(w: Weights, m: Weights, v: Weights, gradients: Weights, t: Array):
    rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    m = jax.tree.map(lambda m, g: m + (g - m) * 0.1, m, gradients)
    v = jax.tree.map(lambda v, g: v + (g * g - v) * 0.001, v, gradients)
    w = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), w, m, v)
    return w, m, v


def train(
    name: str,
    forward: Forward,
    weights: Weights,
    statistics: Weights,
    samples: int | None,
    loop: bool,
) -> Iterator[float]:
    """Trains without end and gives the samples per second of each epoch."""
    workload = WORKLOADS[name]
    batch = workload.batch
    x, y = map(jnp.asarray, workload.data(samples))
    steps = len(x) // batch

    def step(state: dict[str, Any], x: Array, y: Array) -> dict[str, Any]:
        key = jnp.stack([jnp.int32(7), 2 * state["step"]])

        def loss(weights: Weights):
            logits, statistics = forward(weights, state["statistics"], x, key)
            value, right = cross_entropy(logits, y)
            return value, (right, statistics)

        (value, (right, statistics)), gradients = jax.value_and_grad(loss, has_aux=True)(
            state["weights"]
        )
        count = state["step"] + 1
        w, m, v = adam(
            state["weights"], state["m"], state["v"], gradients, count.astype(jnp.float32)
        )
        return {
            "weights": w,
            "m": m,
            "v": v,
            "statistics": statistics,
            "step": count,
            "loss": state["loss"] + value,
            "right": state["right"] + right,
        }

    @partial(policy.jit, donate_argnums=0)
    def many(state: dict[str, Any], x: Array, y: Array, order: Array) -> dict[str, Any]:
        def one(i: Array, state: dict[str, Any]) -> dict[str, Any]:
            rows = lax.dynamic_slice(order, (i * batch,), (batch,))
            return step(state, x[rows], y[rows])

        return lax.fori_loop(0, order.shape[0] // batch, one, state)

    @partial(policy.jit, donate_argnums=0)
    def one(state: dict[str, Any], x: Array, y: Array, rows: Array) -> dict[str, Any]:
        return step(state, x[rows], y[rows])

    state = {
        "weights": weights,
        "m": jax.tree.map(jnp.zeros_like, weights),
        "v": jax.tree.map(jnp.zeros_like, weights),
        "statistics": statistics,
        "step": jnp.int32(0),
    }
    rng = np.random.default_rng(0)
    while True:
        begin = time.perf_counter()
        state |= {"loss": jnp.float32(0), "right": jnp.int32(0)}
        order = rng.permutation(len(x)).astype(np.int32)[: steps * batch]
        if loop:
            state = many(state, x, y, order)
        else:
            for rows in order.reshape(steps, batch):
                state = one(state, x, y, rows)
        if not np.isfinite(float(state["loss"])):
            raise RuntimeError(f"the hand-written {name} diverged")
        yield steps * batch / (time.perf_counter() - begin)


def epochs(name: str, samples: int | None = None) -> Iterator[float]:
    """Samples per second of a workload by name, epoch by epoch."""
    return {"mlp": mlp, "cnn": cnn, "resnet": resnet, "lstm": lstm}[name](samples)


if __name__ == "__main__":
    main(epochs, __doc__)
