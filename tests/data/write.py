"""Writes files of originals, in which it runs: ``python write.py KIND FOLDER CASE ...``.

KIND says what the original is: "keras" (Keras 1 or 2), "tf.keras" (in TensorFlow before 2.16),
"tf_keras" (the package), or "nodes" (tf.keras 2.4, with graphs as 2.0 to 2.3 made them).  A case is
a function below; its name may end in ``.keras`` for an archive.  A model is trained for three
steps, saved, and loaded; what the original gives then is recorded.
"""

import importlib
import os
import sys

import numpy as np

KIND, FOLDER, NAMES = sys.argv[1], sys.argv[2], sys.argv[3:]
if KIND in ("keras", "tf_keras"):
    keras = importlib.import_module(KIND)
    if keras.backend.backend() == "theano":
        importlib.import_module("theano.ifelse")  # which Keras 1 forgets
if KIND != "keras":
    tf = importlib.import_module("tensorflow")
    keras = keras if KIND == "tf_keras" else tf.keras
if KIND == "nodes":
    importlib.import_module("tensorflow.python.keras.engine.keras_tensor").disable_keras_tensors()
layers = keras.layers
Input, Model, Sequential = layers.Input, keras.models.Model, keras.models.Sequential
older = getattr(keras.optimizers, "legacy", keras.optimizers)


def numbers(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape).astype("float32")


def joined(tensors):
    if hasattr(layers, "Concatenate"):
        return layers.Concatenate()(tensors)
    return layers.merge(tensors, mode="concat")  # Keras 1


# ---------------------------------------------------------------- models: (model, inputs, targets)


def dense(optimizer):
    model = Sequential([layers.Dense(5, activation="tanh", input_shape=(4,)), layers.Dense(3)])
    model.compile(optimizer, "mse")
    return model, [numbers(8, 4)], [numbers(8, 3, seed=1)]


def nadam():
    return dense(keras.optimizers.Nadam(0.05))


def adafactor():
    return dense(keras.optimizers.Adafactor(0.05))


def embedding_rows():
    """Rows that the steps after loading do not look up have a momentum by then."""
    stack = [layers.Embedding(9, 3, input_length=4), layers.Flatten(), layers.Dense(2)]
    model = Sequential(stack)
    model.compile(older.SGD(0.1, momentum=0.9), "mse")
    rows = np.random.RandomState(0).randint
    model.train_on_batch(rows(3, 9, (5, 4)), numbers(5, 2))
    return model, [rows(0, 6, (5, 4))], [numbers(5, 2, seed=1)]


def shared_normalization():
    a, b = Input((4,)), Input((4,))
    norm, first = layers.BatchNormalization(), layers.Dense(4)
    outputs = layers.Dense(1)(joined([norm(first(a)), norm(first(b)), norm(b)]))
    model = Model([a, b], outputs)
    model.compile("sgd", "mse")
    return model, [numbers(8, 4), 2 * numbers(8, 4, seed=1) + 1], [numbers(8, 1, seed=2)]


def time_distributed():
    frame = Input((6, 6, 2))
    inner = layers.BatchNormalization()(layers.Conv2D(3, 3)(frame))
    inner = Model(frame, layers.GlobalAveragePooling2D()(inner))
    x = Input((4, 6, 6, 2))
    alone = layers.TimeDistributed(layers.BatchNormalization())(x)
    parts = [layers.TimeDistributed(inner)(x), layers.TimeDistributed(layers.Flatten())(alone)]
    model = Model(x, layers.Dense(2)(layers.SimpleRNN(3)(joined(parts))))
    model.compile("sgd", "mse")
    return model, [numbers(3, 4, 6, 6, 2)], [numbers(3, 2, seed=1)]


def masked_bidirectional():
    x = Input((6,))
    masked = layers.Embedding(10, 4, mask_zero=True)(x)
    kinds = {"sum": layers.LSTM, "ave": layers.GRU, "mul": layers.SimpleRNN}
    parts = [
        layers.Bidirectional(kind(3, return_sequences=True), merge_mode=mode)(masked)
        for mode, kind in sorted(kinds.items())
    ]
    model = Model(x, layers.TimeDistributed(layers.Dense(4))(joined(parts)))
    model.compile("sgd", "mse")
    words = np.random.RandomState(0).randint(1, 10, (5, 6))
    words[0, 4:] = words[1, 1:] = words[4, :2] = 0
    return model, [words], [numbers(5, 6, 4, seed=1)]


def local_kernels():
    a, b = Input((8, 3)), Input((6, 5, 2))
    parts = []
    for kind in (2, 3):
        settings = {"implementation": kind, "padding": "same"}
        parts.append(layers.LocallyConnected1D(2, 3, strides=2, **settings)(a))
        parts.append(layers.LocallyConnected2D(2, (3, 2), **settings)(b))
    model = Model([a, b], layers.Dense(2)(joined([layers.Flatten()(part) for part in parts])))
    model.compile("adam", "mse")
    return model, [numbers(3, 8, 3), numbers(3, 6, 5, 2, seed=1)], [numbers(3, 2, seed=2)]


def functions():
    """Calls of TensorFlow's functions between layers."""
    a, b = Input((4,)), Input((4,))
    h, g = layers.Dense(5, activation="tanh")(a), layers.Dense(5)(b)
    z = tf.concat([tf.nn.relu(h + g), h * 0.5, 1.0 - g], axis=-1)
    z = layers.BatchNormalization()(z)
    u, v = tf.split(z, [5, 10], axis=1)
    w = tf.matmul(tf.expand_dims(v[:, 2:], 1), tf.expand_dims(v[:, :8], 2))
    ends = [u, tf.squeeze(w, [2]), tf.reduce_mean(h, 1, keepdims=True), tf.add_n([h, g, h])]
    model = Model([a, b], layers.Dense(2)(tf.concat(ends, 1)))
    model.compile("adam", "mse")
    return model, [numbers(8, 4), numbers(8, 4, seed=1)], [numbers(8, 2, seed=2)]


# --------------------------------------- functions of TensorFlow alone: only the config is recorded


def called_unary():
    x = Input((6, 3))
    math = """abs acos asin asinh atan atanh ceil cos cosh erf exp expm1 floor is_nan log
        log1p log_sigmoid negative reciprocal round rsqrt sigmoid sign sin sinh softplus sqrt square
        tan tanh"""
    nn = "elu leaky_relu log_softmax relu relu6 selu softmax softsign"
    found = [getattr(tf.math, name)(x) for name in math.split()]
    found += [getattr(tf.nn, name)(x) for name in nn.split()]
    found += [
        tf.identity(x), tf.stop_gradient(x), tf.clip_by_value(x, 0.2, 0.4), -x, abs(x),
        tf.math.acosh(x + 1.0), tf.cast(tf.cast(x * 10, tf.int32), tf.float32),
        tf.math.l2_normalize(x, axis=-1), tf.math.cumsum(x, axis=1),
    ]  # fmt: skip
    return Model(x, [tf.cast(y, "float32") for y in found]), [np.abs(numbers(4, 6, 3)) % 0.8 + 0.1]


def called_binary():
    a, b = Input((6, 3)), Input((6, 3))
    found = [
        a + 1, 1 + a, a + b, a - b, 2.0 - a, a - 1, a * b, 3 * a, a / b, 1 / a, a**2, a // b, a % b,
        tf.maximum(a, b), tf.minimum(a, 0.3), tf.math.squared_difference(a, b),
        a @ tf.transpose(b, [0, 2, 1]), tf.matmul(a, b, transpose_b=True),
        tf.where(a > b, a, b), a > b, a >= 0.3, a < b, a <= b, tf.equal(a, b), tf.not_equal(a, b),
        tf.logical_and(a > 0.2, b > 0.2), tf.logical_or(a > 0.2, b > 0.2), tf.logical_not(a > 0.2),
        a + np.ones((6, 3), "float32"), tf.math.divide_no_nan(a, b), tf.concat([a, b], 1),
        tf.concat([a, b], -1), tf.stack([a, b], 1), tf.add_n([a, b, a]),
    ]  # fmt: skip
    x = np.abs(numbers(4, 6, 3)) + 0.1
    return Model([a, b], [tf.cast(y, "float32") for y in found]), [x, x[::-1].copy()]


def called_reduce():
    x = Input((6, 3))
    pads = [[0, 0], [1, 2], [0, 0]]
    found = [
        tf.reduce_mean(x, axis=1), tf.reduce_sum(x, axis=[1, 2]), tf.reduce_max(x, -1),
        tf.reduce_min(x, axis=1, keepdims=True), tf.reduce_prod(x, 1), tf.reduce_mean(x),
        tf.reduce_any(x > 0.5, axis=1), tf.reduce_all(x > 0.1, axis=1), tf.argmax(x, axis=1),
        tf.argmin(x, -1), x[:, 0], x[:, 1:3], x[..., -1], x[:, ::2, 1:], x[:, -1, :],
        x[:, tf.newaxis], x[:, None, :, 0], tf.expand_dims(x, 1), tf.squeeze(x[:, 0:1], axis=1),
        tf.reshape(x, (-1, 18)), tf.transpose(x, [0, 2, 1]), tf.tile(x, [1, 2, 1]),
        tf.pad(x, pads), tf.pad(x, pads, constant_values=1.0), tf.pad(x, pads, "REFLECT"),
        tf.reverse(x, [1]), tf.gather(x, [0, 2], axis=1), tf.slice(x, [0, 1, 0], [-1, 2, 3]),
        *tf.split(x, 3, axis=1), *tf.split(x, [1, 2], axis=2), *tf.unstack(x, axis=2),
        *tf.math.top_k(tf.reshape(x, (-1, 18)), 2),
    ]  # fmt: skip
    return Model(x, [tf.cast(y, "float32") for y in found]), [numbers(4, 6, 3)]


def called_nn():
    x, kernel = Input((8, 8, 3)), numbers(2, 2, 3, 4, seed=2)
    found = [
        tf.nn.max_pool2d(x, 2, 2, "VALID"), tf.nn.avg_pool2d(x, 2, 2, "SAME"),
        tf.nn.bias_add(x, [1.0, 2.0, 3.0]), tf.nn.conv2d(x, kernel, 2, "SAME"),
        tf.nn.conv2d(x, kernel, [1, 1, 1, 1], "VALID", dilations=2),
        tf.nn.conv2d(x, kernel, (2, 1), "VALID"), tf.add_n([x, x]),
    ]  # fmt: skip
    return Model(x, found), [numbers(2, 8, 8, 3)]


# --------------------------------------------------------------------------------------- recording


def one(values):
    return values[0] if len(values) == 1 else values


def listed(values):
    return list(values) if isinstance(values, (list, tuple)) else [values]


def numbered(prefix, values, width=1):
    return {f"{prefix}{i:0{width}d}": np.asarray(value) for i, value in enumerate(values)}


def record(name):
    plain, ending = os.path.splitext(name)
    made = globals()[plain]()
    model, x = made[:2]
    path = os.path.join(FOLDER, plain)
    found = numbered("x", x)
    if len(made) == 2:
        found["config"] = np.array(model.to_json())
        found.update(numbered("predict", listed(model.predict(one(x)))))
        np.savez_compressed(path + ".npz", **found)
        return
    y = made[2]
    for _ in range(3):
        model.train_on_batch(one(x), one(y))
    model.save(path + (ending or ".h5"))
    model = keras.models.load_model(path + (ending or ".h5"))
    found.update(numbered("y", y))
    found.update(numbered("predict", listed(model.predict(one(x)))))
    found["evaluate"] = np.ravel(np.asarray(model.test_on_batch(one(x), one(y)), "float64"))
    steps = [listed(model.train_on_batch(one(x), one(y))) for _ in range(4)]
    found["train_metrics"] = np.array(steps, "float64")
    found.update(numbered("w", model.get_weights(), 3))
    np.savez_compressed(path + ".npz", **found)


if not os.path.isdir(FOLDER):
    os.makedirs(FOLDER)
for case in NAMES:
    np.random.seed(1)
    if KIND != "keras":
        tf.random.set_seed(1)
    record(case)
    print(case)
