"""Row B5: models on any tensor.  And what models do by themselves, through the session."""

import numpy as np
import pytest

import tricorn as keras
from tests.oracle import close
from tricorn import backend as K
from tricorn import layers

pytestmark = pytest.mark.engine("tensorflow")


def stack(first):
    return keras.Sequential([first, layers.Dense(10, activation="softmax")])


@pytest.fixture
def data():
    return np.random.default_rng(5).random((6, 64)).astype("float32")


@pytest.mark.parametrize("how", ["set_input", "InputLayer"])
def test_a_stack_on_any_tensor(tf, data, tmp_path, how):
    trained = stack(layers.Dense(32, activation="relu", input_dim=64))
    trained.save_weights(tmp_path / "m.weights.h5")
    expected = trained.predict(data, verbose=0)

    images = tf.placeholder(tf.float32, (None, 64))
    doubled = images * 2.0
    first = layers.Dense(32, activation="relu", input_dim=64)
    if how == "set_input":
        first.set_input(doubled)
        model = stack(first)
    else:
        model = keras.Sequential(
            [layers.InputLayer(input_tensor=doubled, input_shape=(64,)), first]
        )
        model.add(layers.Dense(10, activation="softmax"))
    model.load_weights(tmp_path / "m.weights.h5")
    assert isinstance(model.output, tf.Tensor)
    close(K.get_session().run(model.output, {images: data / 2}), expected)
    close(model.predict(data, verbose=0), expected)


def test_set_input_comes_first(tf):
    layer = layers.Dense(2)
    layer(tf.placeholder(tf.float32, (None, 3)))
    with pytest.raises(ValueError, match=r"dense.*model\(tensor\)"):
        layer.set_input(tf.placeholder(tf.float32, (None, 3)))


def test_a_model_on_a_tensor_reuses_its_weights(tf, data):
    x = keras.Input((64,))
    model = keras.Model(x, layers.Dense(10)(layers.Dense(8, activation="relu")(x)))
    images = tf.placeholder(tf.float32, (None, 64))
    y = model(images * 2.0)
    assert isinstance(y, tf.Tensor)
    assert len(tf.trainable_variables()) == 4
    close(K.get_session().run(y, {images: data}), model.predict(2 * data, verbose=0))
    kernel = model.get_weights()[0]
    K.get_session().run(tf.assign(model.layers[1].kernel, kernel * 3))
    close(K.get_session().run(y, {images: data}), model.predict(2 * data, verbose=0))


def test_a_model_of_placeholders(tf, data):
    images = tf.placeholder(tf.float32, (None, 64))
    y = layers.Dense(3)(images)
    model = keras.Model(images, y)
    assert model.input is images
    assert model.output is y
    close(model.predict(data, verbose=0), K.get_session().run(y, {images: data}))
    slope = tf.gradients(model.output, model.input)[0]
    found = K.get_session().run(slope, {model.input: data})
    close(found, np.broadcast_to(model.get_weights()[0].sum(1), (6, 64)))


def test_a_tensor_keeps_its_history_under_a_second_model(tf, data):
    x = keras.Input((64,))
    hidden = layers.Dense(8)(x)
    head = keras.Sequential([keras.Input(tensor=hidden), layers.Dense(2)])
    whole = keras.Model(x, layers.Dense(2)(hidden))
    assert whole.predict(data, verbose=0).shape == (6, 2)
    assert K.get_session().run(head.output, {x: data}).shape == (6, 2)


def test_train_save_and_load(tf, digits, tmp_path):
    (x, y), test = digits
    model = keras.Sequential(
        [keras.Input((64,)), layers.Dense(32, activation="relu"), layers.Dropout(0.1),
         layers.BatchNormalization(), layers.Dense(10, activation="softmax")]
    )  # fmt: skip
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=10, validation_data=test, verbose=0).history
    assert history["val_accuracy"][-1] > 0.9
    found = model.predict(test[0], verbose=0)
    close(K.get_session().run(model.output, {model.input: test[0]}), found)
    for name in ("m.keras", "m.weights.h5", "m.h5"):
        path = tmp_path / name
        if name == "m.keras":
            model.save(path)
            again = keras.models.load_model(path)
        else:
            model.save_weights(path)
            again = keras.models.clone_model(model)
            again.load_weights(path)
        close(again.predict(test[0], verbose=0), found)
    loaded = keras.models.load_model(tmp_path / "m.keras")
    for name, value in loaded.evaluate(*test, verbose=0, return_dict=True).items():
        close(value, model.evaluate(*test, verbose=0, return_dict=True)[name])
    one, other = (m.fit(x, y, epochs=1, shuffle=False, verbose=0).history for m in (model, loaded))
    close(one["loss"], other["loss"], 1e-4)


def test_the_summary_counts_native_variables(tf):
    model = stack(layers.Dense(32, input_dim=64))
    lines = []
    model.summary(print_fn=lines.append)
    assert "2,410" in "\n".join(lines)
