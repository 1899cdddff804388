"""Convolutions of the JAX engine on a CPU, forward and both gradients, in milliseconds.

    python benchmarks/convolutions.py

Each row is a shape, each column a way to compute it: XLA's own, the engine's formulations of it
(``TRICORN_KERNELS=0``), and oneDNN (the package in ``kernels/``, if it is installed). The least of
some runs each, in alternating order. ``--loop`` times them inside of ``lax.fori_loop``.
"""

from __future__ import annotations

import argparse
import functools
import time

import jax

from tricorn.engines.jax import kernels, memory, onednn, policy

# batch, size, channels, filters, window, stride, groups
SHAPES = {
    "26×26, 32→64, 3×3": (128, (26, 26), 32, 64, 3, 1, 1),
    "28×28, 1→32, 3×3": (128, (28, 28), 1, 32, 3, 1, 1),
    "32×32, 3→16, 3×3": (64, (32, 32), 3, 16, 3, 1, 1),
    "32×32, 16→16, 3×3": (64, (32, 32), 16, 16, 3, 1, 1),
    "16×16, 64→64, 3×3": (128, (16, 16), 64, 64, 3, 1, 1),
    "8×8, 128→128, 3×3": (128, (8, 8), 128, 128, 3, 1, 1),
    "16×16, 64→128, 3×3 by 2": (128, (16, 16), 64, 128, 3, 2, 1),
    "16×16, 64→128, 1×1": (128, (16, 16), 64, 128, 1, 1, 1),
    "32×32, 16→32, 1×1 by 2": (64, (32, 32), 16, 32, 1, 2, 1),
    "32×32, 64, 3×3, depthwise": (128, (32, 32), 64, 64, 3, 1, 64),
    "16×16, 64→64, 3×3, 4 groups": (128, (16, 16), 64, 64, 3, 1, 4),
    "256, 64→64, 3": (64, (256,), 64, 64, 3, 1, 1),
    "16³, 32→32, 3³": (4, (16, 16, 16), 32, 32, 3, 1, 1),
    "one 64×64, 32→32, 3×3": (1, (64, 64), 32, 32, 3, 1, 1),
    "one 8×8, 16→16, 3×3": (1, (8, 8), 16, 16, 3, 1, 1),
}


def cases(shape, compute):
    batch, size, channels, filters, window, stride, groups = shape
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (batch, *size, channels))
    kernel = jax.random.normal(keys[1], (*[window] * len(size), channels // groups, filters))
    pads = tuple((max((-(-n // stride) - 1) * stride + window - n, 0), 0) for n in size)
    pads = tuple((total // 2, total - total // 2) for total, _ in pads)
    steps = (stride,) * len(size)
    conv = lambda x, k: compute(x, k, steps, pads, (1,) * len(size), groups, True)
    dy = jax.random.normal(keys[2], jax.eval_shape(conv, x, kernel).shape)
    yield conv, (x, kernel)
    yield (lambda x, k, dy: jax.vjp(lambda x: conv(x, k), x)[1](dy)[0]), (x, kernel, dy)
    yield (lambda x, k, dy: jax.vjp(lambda k: conv(x, k), kernel)[1](dy)[0]), (x, kernel, dy)


def plain(*arguments):
    with kernels.plain_formulations():
        return kernels.conv(*arguments)


def in_loop(fn):
    """Four times, each depending on the one before, in one loop."""

    def run(x, *rest):
        step = lambda _, x: x.at[(0,) * x.ndim].add(1e-9 * fn(x, *rest).ravel()[0])
        return jax.lax.fori_loop(0, 4, step, x)

    return run


def milliseconds(fn, arguments, seconds):
    start, best = time.perf_counter(), float("inf")
    while time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        jax.block_until_ready(fn(*arguments))
        best = min(best, time.perf_counter() - begin)
    return best * 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--loop", action="store_true", help="inside of a loop, four steps")
    parser.add_argument("--seconds", type=float, default=0.1, help="for each number")
    parser.add_argument("--shapes", default="", help="only those whose name contains this")
    arguments = parser.parse_args()
    ways = {"XLA": plain, "formulations": kernels.conv, "oneDNN": onednn.conv}
    if onednn.library() is None:
        del ways["oneDNN"]
    print("| forward / input gradient / kernel gradient, ms |", " | ".join(ways), "|")
    print("|---|" + "---|" * len(ways))
    for name, shape in SHAPES.items():
        if arguments.shapes not in name:
            continue
        row = {way: [] for way in ways}
        for way, compute in ways.items():
            for fn, tensors in cases(shape, compute):
                fn = policy.jit(in_loop(fn) if arguments.loop else fn)
                jax.block_until_ready(fn(*tensors))
                row[way].append(functools.partial(milliseconds, fn, tensors, arguments.seconds))
        best = {way: [float("inf")] * 3 for way in ways}
        for _ in range(2):
            for way in ways:
                best[way] = [min(a, b()) for a, b in zip(best[way], row[way], strict=True)]
        cells = (" / ".join(f"{n:.2f}" for n in best[way]) for way in ways)
        print(f"| {name} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    with memory.training():  # as in `fit`: otherwise new pages for large results take the time
        main()
