"""A few seconds of everything at once: threads that build, call, train, save and register, on
models of their own and on one that they share."""

import itertools

import numpy as np
import pytest

import tricorn as keras
from tests.graph.test_turns import fit_for, in_threads
from tests.oracle import array
from tricorn import layers, naming, ops

pytestmark = pytest.mark.heavy

X = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
Y = np.arange(12) % 2


def made():
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(4, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.2),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_everything_at_once(tmp_path):
    shared, numbers = made(), itertools.count()
    shared.fit(X, Y, verbose=0)

    def build():
        model = made()
        model.fit(X, Y, batch_size=4, verbose=0)
        assert np.isfinite(model.predict(X, verbose=0)).all()

    def save():
        path = tmp_path / f"{next(numbers)}.keras"
        shared.save(path)
        back = keras.saving.load_model(path)
        assert [w.shape for w in back.get_weights()] == [w.shape for w in shared.get_weights()]

    def register():
        @keras.saving.register_keras_serializable("threads", f"part_{next(numbers)}")
        class Part(layers.Layer):
            def call(self, x):
                return x

        config = keras.saving.serialize_keras_object(Part())
        assert type(keras.saving.deserialize_keras_object(config)) is Part

    def call():
        assert np.isfinite(array(shared(X))).all()
        with keras.GradientTape() as tape:
            loss = ops.sum(shared(X))
        assert len(tape.gradient(loss, shared.trainable_variables)) == 6
        keras.random.normal((2,))

    def predict():
        shared.predict(X, verbose=0)

    with in_threads(build, save, register, call, predict):
        fit_for(shared, 3.0, X, Y)


def test_names_are_given_once():
    naming.clear()
    found = []

    def name():
        found.append(layers.Dense(1).name)

    with in_threads(name, name, name):
        while len(found) < 300:
            name()
    assert len(set(found)) == len(found)
