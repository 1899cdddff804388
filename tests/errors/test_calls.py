"""Wrong calls: the error is of the kind that genuine Keras raises, and says in the words that
people search for what was expected."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

import tricorn as keras
from tricorn import Input, layers, losses, metrics, models, ops, optimizers

X, Y = np.ones((4, 3), "float32"), np.ones((4, 1), "float32")
LABELS = np.array([0, 1, 2, 1])


def regression(**options):
    model = keras.Sequential([Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse", **options)
    return model


def classifier(**options):
    model = keras.Sequential([Input((3,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", **options)
    return model


def uncompiled():
    return keras.Sequential([Input((3,)), layers.Dense(1)])


class Two(layers.Layer):
    def call(self, a, b):
        return a


class WeightInCall(layers.Layer):
    def call(self, x):
        self.w = self.add_weight(shape=(3,))
        return x


class NoSuper(layers.Layer):
    def __init__(self):
        self.a = 1


class Late(layers.Layer):
    def build(self, input_shape):
        self.w = self.add_weight(shape=(1,))

    def call(self, x):
        return x * self.w


def late(make):
    layer = Late()
    layer(X)
    layer.more = make(layer)


def built(layer, shape=(None, 3)):
    layer.build(shape)
    return layer


def pair(**options):
    a, b = Input((3,), name="a"), Input((3,), name="b")
    return keras.Model({"a": a, "b": b}, a + b, **options)


UNKNOWN = {"class_name": "Nonsense", "config": {}}

#: what is done -> (kind of error, what it says)
CALLS = {
    # layers
    "too few axes": (
        lambda: layers.Dense(3)(np.ones(3)), ValueError,
        "is incompatible with the layer: expected min_ndim=2, found ndim=1",
    ),
    "axes": (lambda: layers.Conv2D(2, 2)(X), ValueError, "expected ndim=4, found ndim=2"),
    "features": (
        lambda: built(layers.Dense(3))(np.ones((2, 5))), ValueError,
        "incompatible with the layer: expected axis -1 of input shape to have value 3",
    ),
    "features of a model": (
        lambda: regression()(np.ones((2, 5))), ValueError,
        "is incompatible with the layer: expected .*3",
    ),
    "number": (lambda: layers.Dense(3)(3), ValueError, "Only input tensors may be passed as pos"),
    "text": (lambda: layers.Dense(3)("abc"), ValueError, "Only input tensors may be passed"),
    "object": (lambda: layers.Dense(3)(object()), ValueError, "Only input tensors may be passed"),
    "None": (
        lambda: layers.Dense(3)(None), ValueError,
        "Inputs to a layer should be tensors. Got N",
    ),
    "nothing": (lambda: layers.Dense(3)(), TypeError, "called with"),
    "second text": (lambda: Two()(X, "abc"), ValueError, "Only input tensors may be passed"),
    "second number": (lambda: Two()(X, 3), ValueError, "Only input tensors may be passed"),
    "symbolic and text": (lambda: Two()(Input((3,)), "abc"), ValueError, "Only input tensors may"),
    "unknown keyword": (lambda: layers.Dense(3)(X, nonsense=1), TypeError, "nonsense"),
    "unknown argument": (
        lambda: layers.Dense(3, nonsense=1), ValueError,
        "Unrecognized keyword arguments passed to Dense: {'nonsense': 1}",
    ),
    "no call": (lambda: type("A", (layers.Layer,), {})()(X), NotImplementedError, "`call` method"),
    "no call of a model": (
        lambda: type("A", (keras.Model,), {})()(X), NotImplementedError, r"`call\(\)` method",
    ),
    "no super().__init__": (lambda: NoSuper()(X), RuntimeError, r"call super\(\).__init__"),
    "weight in call": (lambda: WeightInCall()(X), ValueError, "make them in __init__ or in build"),
    "late weight": (
        lambda: late(lambda la: la.add_weight(shape=(2,))), ValueError,
        "is built, so no",
    ),
    "late layer": (lambda: late(lambda la: layers.Dense(3)), ValueError, "is built, so no"),
    "before it is built": (
        lambda: layers.Dense(3).kernel, AttributeError,
        "You must build the layer before accessing `kernel`",
    ),
    "attribute of Keras's": (lambda: layers.Dropout(0.5).enable_lora, AttributeError, "Embedding"),
    "unknown attribute": (
        lambda: layers.Dense(3).nonsense, AttributeError,
        "no attribute 'nonsense'",
    ),
    "count unbuilt": (lambda: layers.Dense(3).count_params(), ValueError, "not built yet"),
    "stateless unbuilt": (
        lambda: layers.Dense(3).stateless_call([], [], X), ValueError,
        "To call stateless_call, .* must be built",
    ),
    "number of weights": (
        lambda: built(layers.Dense(3)).set_weights([X]), ValueError,
        "2 weights, got 1",
    ),
    "shape of a weight": (
        lambda: built(layers.Dense(3)).set_weights([X, Y]), ValueError,
        "has shape",
    ),
    "input of no call": (lambda: layers.Dense(3).input, AttributeError, "was not called"),
    "unknown size": (lambda: layers.Layer().add_weight(shape=(None, 2)), ValueError, "None"),
    "lists of shapes": (
        lambda: layers.Add()([np.ones((2, 3)), np.ones((2, 4))]), ValueError,
        "shape",
    ),
    "no list": (lambda: layers.Add()(X), ValueError, "list"),
    "shape as text": (lambda: layers.Dense(3).compute_output_shape("abc"), ValueError, "'abc'"),
    "not recurrent": (
        lambda: layers.Bidirectional(layers.Dense(3)), ValueError,
        "layer must be a recurrent",
    ),
    # names
    "loss": (lambda: losses.get("nonsense"), ValueError, "Could not interpret loss identifier"),
    "metric": (lambda: metrics.get(3), ValueError, "Could not interpret metric identifier: 3"),
    "optimizer": (
        lambda: optimizers.get(3), ValueError,
        "Could not interpret optimizer identifier: 3",
    ),
    "initializer": (
        lambda: layers.Dense(3, kernel_initializer="nonsense"), ValueError,
        "kernel_initializer: Could not interpret initializer identifier",
    ),
    "activation": (
        lambda: layers.Dense(3, activation=3), ValueError,
        "activation: Could not interpret activation function identifier: 3",
    ),
    "unknown class": (lambda: layers.deserialize(UNKNOWN), TypeError, "Unknown layer: 'Nonsense'"),
    "unknown layer of a model": (
        lambda: keras.Sequential.from_config({"name": "a", "layers": [UNKNOWN]}), ValueError,
        "Unknown layer: 'Nonsense'",
    ),
    "unknown layer in JSON": (
        lambda: models.model_from_json('{"class_name": "Nonsense", "config": {}}'), TypeError,
        "Unknown layer",
    ),
    # symbolic tensors
    "array": (lambda: np.array(Input((3,))), ValueError, "NumPy array got .* symbolic"),
    "np.sin": (lambda: np.sin(Input((3,))), ValueError, "use ops.sin"),
    "np.mean": (lambda: np.mean(Input((3,))), ValueError, "symbolic"),
    "if": (lambda: bool(Input((3,))), TypeError, "cannot be used as a boolean"),
    "iteration": (lambda: list(Input((3,))), NotImplementedError, "symbolic"),
    "len": (lambda: len(Input((3,))), TypeError, "symbolic"),
    "float": (lambda: float(Input(())), ValueError, "symbolic"),
    "int": (lambda: int(Input(())), ValueError, "symbolic"),
    # models
    "no tensors": (lambda: keras.Model(3, 4), ValueError, "All `inputs` and `outputs` values must"),
    "no outputs": (lambda: keras.Model(Input((3,)), []), ValueError, "`outputs` argument .* empty"),
    "no outputs of a function": (
        lambda: keras.Function(Input((3,)), []), ValueError, "`outputs` argument cannot be empty",
    ),
    "unknown argument of a model": (
        lambda: keras.Model(nonsense=1), ValueError,
        "Unrecognized keyword arguments passed to Model",
    ),
    "no layer": (
        lambda: keras.Sequential().add(3), ValueError,
        "Only instances of Layer can be added",
    ),
    "class": (lambda: keras.Sequential().add(layers.Dense), ValueError, "forget to call the class"),
    "no such layer": (lambda: regression().get_layer("nonsense"), ValueError, "nonsense"),
    "no model to clone": (lambda: models.clone_model(3), ValueError, "must be a Model"),
    "no such input": (lambda: pair()({"a": X, "c": X}), ValueError, r"lacks the inputs \['b'\]"),
    "too few inputs": (lambda: pair()([X]), ValueError, "inputs?"),
    "format": (
        lambda: regression().save("model", save_format="tf"), ValueError,
        "`save_format` argument is deprecated .* ends in .keras",
    ),
    "argument of save": (
        lambda: regression().save("a.keras", nonsense=1), ValueError,
        r"not supported: \['nonsense'\]",
    ),
    "export": (lambda: regression().export("a"), AttributeError, "Keras has it; save"),
    # training
    "not compiled": (lambda: uncompiled().fit(X, Y), ValueError, r"call compile\(...\) before fit"),
    "metrics": (
        lambda: regression().compile("sgd", "mse", metrics="mae"), ValueError,
        "Expected `metrics` argument to be a list, tuple, or dict",
    ),
    "epochs": (lambda: regression().fit(X, Y, epochs=2.5), ValueError, "epochs must be an integer"),
    "no steps": (
        lambda: regression().fit(X, Y, steps_per_epoch=0), ValueError,
        "steps_per_epoch must",
    ),
    "first epoch": (
        lambda: regression().fit(X, Y, initial_epoch=-1), ValueError,
        "initial_epoch must",
    ),
    "frequency": (
        lambda: regression().fit(X, Y, validation_data=(X, Y), validation_freq="a"), ValueError,
        "Expected `validation_freq` to be a list or int",
    ),
    "never": (
        lambda: regression().fit(X, Y, validation_data=(X, Y), validation_freq=0), ValueError,
        "validation_freq",
    ),
    "objects": (lambda: regression().fit(np.array([object()] * 4), Y), ValueError, "hold numbers"),
    "strings": (lambda: regression().fit(np.array(["a"] * 4), Y), ValueError, "hold numbers"),
    "unknown metric": (
        lambda: fit(regression(metrics=["nonsense"]), X, Y), ValueError, "nonsense",
    ),
    # losses, metrics, optimizers, ops
    "beta": (lambda: metrics.FBetaScore(beta=2), ValueError, "beta must be a float, got 2"),
    "shapes of AUC": (
        lambda: metrics.AUC()(np.ones((4, 2)), np.ones((4, 3))), ValueError, "labels and scores",
    ),
    "rate": (lambda: optimizers.SGD(True), ValueError, "learning_rate must be a number"),
    "old rate": (lambda: optimizers.Adam(lr=0.1), ValueError, "lr"),
    "histogram": (lambda: ops.histogram(np.ones((2, 2, 2))), ValueError, "must be 1-dimensional"),
    "range": (
        lambda: ops.histogram(np.ones(3), range=(3, 1)), ValueError,
        "second element of `range` must be greater",
    ),
    "one_hot": (lambda: ops.one_hot(np.array([0]), -1), ValueError, "num_classes"),
    "name": (lambda: keras.Variable(1.0, name="a/b"), ValueError, "name must be a string without"),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_wrong_calls(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong, kind, words = CALLS[call]
    with pytest.raises(kind) as caught:
        wrong()
    said = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
    assert re.search(words, said, re.DOTALL), said


def embedding(**options):
    model = keras.Sequential([Input((2,), dtype="int32"), layers.Embedding(3, 2), layers.Flatten()])
    model.compile("sgd", "mse", **options)
    return model


def fit(model, x, y):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*trainable")
        model.fit(x, y, verbose=0)


TOLD = {
    "one class": (lambda: ops.softmax(np.ones((2, 1), "float32")), "always 1"),
    "list for a dict": (lambda: pair()([X, X]), "structure of `inputs` doesn't match"),
    "more inputs": (lambda: pair()({"a": X, "b": X, "c": X}), "structure of `inputs` doesn't"),
    "list of one": (
        lambda: keras.Model((i := Input((3,))), i + 1)([X]), "structure of `inputs` doesn't match",
    ),
    "fractions of counts": (
        lambda: metrics.MeanIoU(num_classes=3)([0, 1], [0, 1], [0.3, 0.7]), "cut to integers",
    ),
    "jit and eager": (
        lambda: uncompiled().compile("sgd", "mse", run_eagerly=True, jit_compile=True),
        "jit_compile",
    ),
    "labels": (lambda: fit(classifier(), X, LABELS + 5), "labels from 5 to 7; expected are 0 to 2"),
    "negative labels": (lambda: fit(classifier(), X, LABELS - 1), "labels from -1 to 1"),
    "labels, line by line": (
        lambda: classifier(run_eagerly=True).test_on_batch(X, LABELS + 5), "a loss is given labels",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TOLD)
def test_what_is_probably_wrong_is_told(case):
    doing, words = TOLD[case]
    with pytest.warns(UserWarning, match=words):
        doing()


@pytest.mark.engine("jax")  # the others refuse such an index
def test_indices_without_a_vector_are_told():
    indices = np.array([[0, 7]] * 4)
    targets = np.ones((4, 4), "float32")
    with pytest.warns(UserWarning, match="indices from 0 to 7; expected are 0 to 2"):
        embedding().fit(indices, targets, verbose=0)
    with pytest.warns(UserWarning, match="indices from 0 to 7"):
        embedding(run_eagerly=True).test_on_batch(indices, targets)


def test_what_is_right_is_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        classifier().fit(X, LABELS, verbose=0)
        embedding().fit(np.array([[0, 2]] * 4), np.ones((4, 4), "float32"), verbose=0)
        ignoring = losses.SparseCategoricalCrossentropy(ignore_class=-1)
        model = classifier()
        model.compile("sgd", ignoring)
        model.fit(X, LABELS - 1, verbose=0)
        pair()({"a": X, "b": X})
        ops.softmax(np.ones((2, 2), "float32"))
        metrics.MeanIoU(num_classes=3)([0, 1], [0, 1], [1, 2])
