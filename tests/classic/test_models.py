"""What scripts of Keras 2 ask of models and layers, answered as Keras 2.3.1 does."""

import json
import warnings

import h5py
import numpy as np
import pytest

import tricorn
from tricorn import backend as K
from tricorn.classic import callbacks, image, initializers, layers, metrics, models, optimizers


@pytest.fixture(autouse=True)
def fresh():
    K.clear_session()


def test_targets_of_one_number_are_columns():
    """In functions of one's own, too, which count on it: `K.max(y_true, axis=-1)`."""
    seen = []

    def loss(y_true, y_pred):
        seen.append(tuple(y_true.shape)[1:])
        return K.mean(K.square(y_true - y_pred), axis=-1)

    def hits(y_true, y_pred):
        found = K.cast(K.argmax(y_pred, axis=-1), "float32")
        return K.cast(K.equal(K.max(K.cast(y_true, "float32"), axis=-1), found), "float32")

    x, y = np.eye(3)[[0, 1, 2, 1]], np.array([0, 1, 1, 1])
    model = models.Sequential([layers.Dense(3, input_shape=(3,), activation="softmax")])
    model.set_weights([np.eye(3), np.zeros(3)])
    names = ["accuracy", hits, "sparse_top_k_categorical_accuracy"]
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=names)
    wanted = [0.8014447, 0.75, 0.75, 1.0]
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0), wanted, rtol=1e-6)
    own = models.Sequential([layers.Dense(1, input_shape=(3,))])
    own.compile("sgd", loss)
    own.fit(x, y, verbose=0)
    own.fit_generator(iter([(x, y)] * 2), steps_per_epoch=2, verbose=0)
    assert set(seen) == {(1,)}
    scalars = layers.Input((3,))
    model = models.Model(scalars, layers.Lambda(lambda x: K.mean(x, axis=-1))(scalars))
    model.compile("sgd", "mse")
    assert model.evaluate(np.ones((2, 3)), np.array([1.0, 2.0]), verbose=0) == 0.5


def test_what_no_input_has_is_left_out():
    """Keras's example of CTC hands on the texts beside their pictures."""
    a, b = layers.Input((2,), name="a"), layers.Input((2,), name="b")
    model = models.Model([a, b], layers.Dense(1)(layers.add([a, b])))
    model.compile("sgd", "mse")
    x = {"a": np.ones((4, 2)), "b": np.ones((4, 2)), "source_str": ["some", "more", "text", "s"]}
    y = np.zeros((4, 1))

    def batches():
        while True:
            yield x, y

    history = model.fit_generator(
        batches(), steps_per_epoch=2, epochs=2, verbose=0,
        validation_data=batches(), validation_steps=1,
    ).history  # fmt: skip
    assert history["val_loss"][-1] < history["val_loss"][0]
    losses = model.evaluate(x, y, verbose=0), model.test_on_batch(x, y), model.train_on_batch(x, y)
    np.testing.assert_allclose(losses, [losses[0]] * 3, rtol=1e-5)
    assert model.predict(x).shape == model.predict_generator(batches(), 1).shape == (4, 1)


def test_an_input_that_is_computed():
    """`Input(tensor=...)` of what comes of a placeholder, as scripts of style transfer have it."""
    picture, style = K.placeholder(shape=(1, 4)), K.variable(np.ones((1, 4)))
    inputs = layers.Input(tensor=K.concatenate([style, picture], axis=0), shape=(4,))
    model = models.Model(inputs, layers.Dense(2)(inputs))
    loss = K.sum(K.square(model.layers[-1].output))
    kernel, bias = model.get_weights()
    x = np.arange(4.0).reshape(1, 4)
    found, gradient = K.function([picture], [loss, *K.gradients(loss, picture)])([x])
    wanted = np.square(np.concatenate([np.ones((1, 4)), x]) @ kernel + bias).sum()
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    np.testing.assert_allclose(gradient, 2 * (x @ kernel + bias) @ kernel.T, rtol=1e-4, atol=1e-4)
    both = np.concatenate([np.ones((1, 4)), x])
    of_input = K.function([model.input], K.gradients(loss, [model.input]))([both])[0]
    np.testing.assert_allclose(of_input[1:], gradient, rtol=1e-4, atol=1e-4)
    assert model.predict(np.ones((3, 4))).shape == (3, 2)


def test_callbacks_find_the_validation_data():
    seen = []

    class Score(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(self.validation_data)

    x, y = np.arange(12.0).reshape(4, 3), np.arange(4.0)
    model = models.Sequential([layers.Dense(1, input_shape=(3,))])
    model.compile("sgd", "mse")
    model.fit(x, y, validation_data=(x, y), verbose=0, callbacks=[Score()])
    model.fit(x, y, validation_split=0.5, verbose=0, callbacks=[Score()])
    model.fit_generator(
        iter([(x, y)]), steps_per_epoch=1, validation_data=(x, y, y), verbose=0, callbacks=[Score()]
    )
    model.fit(x, y, verbose=0, callbacks=[Score()])
    for found, rows in zip(seen, (x, x[2:], x)):
        np.testing.assert_array_equal(found[0], rows)
        assert found[1].shape == (len(rows), 1) and found[2].shape == (len(rows),)
    np.testing.assert_array_equal(seen[2][2], y)
    assert seen[3] is None


def test_batches_end_with_their_own_loss():
    seen = []
    listen = callbacks.LambdaCallback(on_batch_end=lambda batch, logs: seen.append(logs["loss"]))
    x, y = np.arange(21.0).reshape(7, 3) / 10, np.arange(7.0)
    model = models.Sequential([layers.Dense(1, input_shape=(3,))])
    model.compile("sgd", "mse")
    model.optimizer.lr = 0.0
    losses = [model.evaluate(x[i : i + 3], y[i : i + 3], verbose=0) for i in (0, 3, 6)]
    history = model.fit(
        x, y, batch_size=3, epochs=2, shuffle=False, verbose=0, callbacks=[listen]
    ).history
    np.testing.assert_allclose(seen, losses * 2, rtol=1e-5)
    np.testing.assert_allclose(history["loss"], [np.average(losses, weights=[3, 3, 1])] * 2, 1e-5)
    batches = iter([(x[i : i + 3], y[i : i + 3]) for i in (0, 3, 6)])
    model.fit_generator(batches, steps_per_epoch=3, verbose=0, callbacks=[listen])
    np.testing.assert_allclose(seen[6:], losses, rtol=1e-5)


def test_inputs_and_outputs_of_calls():
    x = layers.Input((3,))
    model = models.Model(x, [layers.Dense(2)(x)])
    first = model.layers[0]
    assert first.input is x and first.get_input_at(0) is x
    inner = K.function([first.input, K.learning_phase()], [model.layers[1].output])
    assert inner([np.ones((2, 3)), 0])[0].shape == (2, 2)
    assert first.batch_input_shape == (None, 3) == first.input_shape
    assert layers.Dense(3, input_dim=4).batch_input_shape == (None, 4)
    with pytest.raises(AttributeError, match="no input_shape"):
        _ = layers.Dense(3, name="d").batch_input_shape
    assert model(layers.Input((3,))).shape == (None, 2)


def test_a_list_of_one_tensor_is_the_tensor():
    """`K.gradients` gives such a list, which a Lambda then hands on."""
    x = layers.Input((3,))
    layer = layers.Lambda(lambda x: K.gradients(K.sum(x * x), x), output_shape=lambda s: s)
    y = layers.multiply([x, layer(x)])
    assert layer.output.shape == (None, 3) == layer.output_shape
    given = np.array([[1.0, 2.0, 3.0]], "float32")
    model = models.Model(x, y)
    np.testing.assert_allclose(model.predict(given), 2 * given**2)
    again = layers.Input((3,))
    outer = models.Model(again, layers.Dense(1, kernel_initializer="one")(model(again)))
    outer.compile("sgd", "mse")
    assert outer.train_on_batch(given, [[27.0]]) == 1


def filled(model):
    """The model with certain weights, layer by layer."""
    random = np.random.RandomState(0)
    for layer in model.layers:
        layer.set_weights([random.uniform(-0.5, 0.5, w.shape) for w in layer.get_weights()])
    return model


def test_several_outputs_report_as_keras_2_3_1_did():
    """The numbers are its own: names in the order of outputs, weighted metrics numbered, losses of
    outputs as means over batches, weights of classes by output."""
    a, b = layers.Input((5,), name="left"), layers.Input((4, 3), name="right")
    both = [layers.Dense(6, activation="relu")(a), layers.LSTM(4)(b)]
    both = layers.concatenate(both)
    kind = layers.Dense(3, activation="softmax", name="kind")(both)
    flag = layers.Dense(1, activation="sigmoid", name="flag")(both)
    model = filled(models.Model([a, b], [kind, flag]))
    losses = {"kind": "categorical_crossentropy", "flag": "binary_crossentropy"}
    model.compile(
        optimizers.SGD(0.1, momentum=0.5), losses, loss_weights={"kind": 1.0, "flag": 0.2},
        metrics={"kind": ["accuracy", "mae"], "flag": "accuracy"},
        weighted_metrics={"flag": ["accuracy"]},
    )  # fmt: skip
    names = ["loss", "kind_loss", "flag_loss", "kind_accuracy", "kind_mae", "flag_accuracy"]
    assert model.metrics_names == [*names, "flag_accuracy_1"]
    random = np.random.RandomState
    x = {"left": random(0).randn(12, 5), "right": random(1).randn(12, 4, 3)}
    y = {"kind": np.eye(3)[random(2).randint(0, 3, 12)], "flag": random(3).randint(0, 2, (12, 1))}
    weights = {"flag": random(4).rand(12), "kind": np.ones(12)}
    history = model.fit(
        x, y, epochs=2, batch_size=5, shuffle=False, verbose=0, sample_weight=weights
    ).history
    wanted = {"kind_loss": [1.1791, 1.0787], "flag_loss": [0.3732, 0.3739]}
    wanted.update(loss=[1.3386, 1.2304], flag_accuracy_1=[0.6186, 0.6186])
    for name, values in wanted.items():
        np.testing.assert_allclose(history[name], values, atol=6e-5)
    steps = [model.train_on_batch(x, y), model.test_on_batch(x, y, sample_weight=weights)]
    by_class = {"kind": {0: 1.0, 1: 2.0, 2: 3.0}}
    steps.append(model.train_on_batch(x, y, class_weight=by_class))
    wanted = [[1.2414, 1.0937, 0.7384], [1.1613, 1.0828, 0.3929], [2.508, 2.3602, 0.7386]]
    np.testing.assert_allclose([step[:3] for step in steps], wanted, atol=6e-5)
    flat = models.Model([a, b], [kind, flag])
    flat.compile("sgd", "mse", metrics=["accuracy", "mae"], weighted_metrics=["accuracy"])
    assert flat.metrics_names[3:6] == ["kind_accuracy", "kind_mae", "kind_accuracy_1"]
    assert len(flat.test_on_batch(x, y)) == 9
    assert flat.metrics_names[3:6] == ["kind_accuracy", "kind_mae", "kind_accuracy_1"]


def test_targets_of_compile():
    x, y = np.ones((4, 3)), np.arange(8.0).reshape(4, 2)
    inputs = layers.Input((3,))
    one = models.Model(inputs, layers.Dense(2)(inputs))
    wanted = ((one.predict(x) - y) ** 2).mean()
    one.compile("sgd", "mse", target_tensors=K.placeholder((None, 2)))
    assert one.test_on_batch(x, y) == pytest.approx(wanted, rel=1e-5)
    held = K.variable(y)
    one.compile("sgd", "mse", target_tensors=[held])
    assert one.test_on_batch(x, None) == pytest.approx(wanted, rel=1e-5)
    K.set_value(held, one.predict(x))
    assert one.evaluate(x, None, verbose=0) == pytest.approx(0, abs=1e-6)
    outputs = [layers.Dense(2, name=name)(inputs) for name in "uv"]
    two = models.Model(inputs, outputs)
    two.compile("sgd", "mse", target_tensors={"u": layers.Input((2,)), "v": K.constant(y)})
    wanted = [((found - y) ** 2).mean() for found in two.predict(x)]
    np.testing.assert_allclose(two.test_on_batch(x, {"u": y})[1:], wanted, rtol=1e-5)
    for given, message in (
        ([held], "1 target_tensors were given for the 2 outputs"),
        ({"w": held}, r"target_tensors has \['w'\]"),
        ({"u": outputs[1]}, "the target of 'u' is computed in the graph"),
    ):
        with pytest.raises(ValueError, match=message):
            two.compile("sgd", "mse", target_tensors=given)


@pytest.mark.parametrize("patience", [1, 3])
def test_the_best_weights_come_back_where_training_was_stopped(patience):
    model = models.Sequential([layers.Dense(1, input_shape=(2,))])
    model.compile(optimizers.SGD(10.0), "mse")  # it gets worse
    stop = callbacks.EarlyStopping("loss", patience=patience, restore_best_weights=True)
    seen = []
    keep = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(model.get_weights()[0])
    )
    x = np.ones((4, 2))
    model.fit(x, x[:, :1], epochs=3, verbose=0, callbacks=[keep, stop])
    best = seen[0] if patience == 1 else seen[-1]
    np.testing.assert_array_equal(model.get_weights()[0], best)


class Own(layers.Layer):
    """Weights of its own, and a layer inside that it calls."""

    def build(self, input_shape):
        self.a = self.add_weight("a", (2,), initializer="ones")
        self.inner = layers.Dense(2, name="inside")
        super().build(input_shape)

    def call(self, inputs):
        return self.inner(inputs) * self.a


_GATES = ("kernel", "recurrent_kernel", "bias")
#: layers -> the names of their weights in Keras 2.3.1
NAMES = {
    "dense_1/kernel dense_1/bias": lambda: layers.Dense(2),
    "p_re_lu_1/alpha": layers.PReLU,
    "time_distributed_1/kernel time_distributed_1/bias": lambda: layers.TimeDistributed(
        layers.Dense(2, name="inner")
    ),
    " ".join(f"bidirectional_1/{side}_g/{w}" for side in ("forward", "backward") for w in _GATES): (
        lambda: layers.Bidirectional(layers.GRU(2, name="g"))
    ),
    " ".join(f"rnn_1/{w}{n}" for n in ("", "_1") for w in _GATES): lambda: layers.RNN(
        [layers.LSTMCell(2, name="c"), layers.GRUCell(3)]
    ),
    "own_1/a own_1/inside/kernel own_1/inside/bias": Own,
}


@pytest.mark.parametrize("names", NAMES)
def test_names_of_weights(names):
    x = layers.Input((4, 3))
    made = NAMES[names]()
    model = models.Model(x, made(x))
    assert [w.name for w in model.weights] == [f"{name}:0" for name in names.split()]
    outer = models.Model(x, models.Sequential([model], name="around")(x))
    assert [w.name for w in outer.weights] == [w.name for w in made.weights]


def test_names_of_weights_and_layers_as_files_have_them(tmp_path):
    stack = [layers.DepthwiseConv2D(2, input_shape=(4, 4, 1)), layers.Reshape((1, 3, 3, 1))]
    model = models.Sequential([*stack, layers.ConvLSTM2D(1, 2)])
    names = [f"depthwise_conv2d_1/{name}" for name in ("depthwise_kernel", "bias")]
    names = [f"{name}:0" for name in (*names, *(f"conv_lst_m2d_1/{gate}" for gate in _GATES))]
    model.save(tmp_path / "m.h5")
    again = models.load_model(tmp_path / "m.h5")
    K.clear_session()
    for one in (model, again, models.clone_model(again), models.model_from_json(model.to_json())):
        assert [w.name for w in one.weights] == names
    with h5py.File(tmp_path / "m.h5") as file:
        groups = [
            file["model_weights"][name] for name in file["model_weights"].attrs["layer_names"]
        ]
        assert [name.decode() for g in groups for name in g.attrs["weight_names"]] == names


def test_clones_of_graphs():
    x = layers.Input((3,))
    model = models.Model(x, layers.Dense(2)(x))
    clone = models.clone_model(model)
    clone.set_weights(model.get_weights())
    ones = np.ones((2, 3))
    np.testing.assert_array_equal(clone.predict(ones), model.predict(ones))
    assert isinstance(clone, models.Model) and clone.layers[1] is not model.layers[1]


def test_the_summary_counts_weights_alone():
    model = models.Sequential([layers.Dense(2, input_shape=(3,)), layers.BatchNormalization()])
    model.compile("adam", "mse")
    model.train_on_batch(np.ones((2, 3)), np.ones((2, 2)))
    lines = []
    model.summary(print_fn=lines.append)
    counts = [line.split(": ") for line in lines if "params" in line]
    assert counts == [
        ["Total params", "16"], ["Trainable params", "12"], ["Non-trainable params", "4"]
    ]  # fmt: skip


def test_losses_of_a_model_include_penalties_on_outputs():
    x = layers.Input((3,))
    penalized = layers.Dense(2, kernel_regularizer="l2", activity_regularizer="l1")
    model = models.Model(x, penalized(x))
    model.set_weights([np.ones((3, 2)), np.zeros(2)])
    values = K.function([x], model.losses)([np.ones((4, 3))])
    np.testing.assert_allclose(sorted(map(float, values)), [0.06, 0.24], rtol=1e-6)
    assert len(model.get_losses_for(x)) == 1


def test_what_callbacks_are_told_of_a_split():
    seen = []
    model = models.Sequential([layers.Dense(1, input_shape=(3,))])
    model.compile("sgd", "mse")
    told = callbacks.LambdaCallback(on_batch_end=lambda batch, logs: seen.append(logs["size"]))
    history = model.fit(
        np.ones((10, 3)), np.ones(10), batch_size=4, validation_split=0.4, verbose=0,
        callbacks=[told],
    )  # fmt: skip
    assert seen == [4, 2] and history.params["samples"] == 6
    json.dumps(history.params)


def test_an_update_to_a_value_of_before_is_told():
    x, count = K.placeholder((2,)), K.variable(0.0)
    with pytest.warns(UserWarning, match=r"the update of 'variable.*K\.symbolic"):
        K.function([x], [x], updates=[(count, count + 1)])
    run = K.function([x], [x], updates=[(count, K.symbolic(lambda: count + 1)())])
    for _ in range(2):
        run([np.ones(2)])
    assert K.get_value(count) == 2


@pytest.mark.engine_free
def test_gray_images(tmp_path):
    pillow = pytest.importorskip("PIL.Image")
    pillow.fromarray(np.zeros((4, 3, 3), "uint8")).save(tmp_path / "x.png")
    with pytest.warns(DeprecationWarning, match="color_mode"):
        found = image.load_img(tmp_path / "x.png", grayscale=True, target_size=(2, 5))
    assert found.mode == "L" and found.size == (5, 2)


def test_metrics_of_one_name_and_the_order_of_a_history():
    """Of those of one list the last is left, those of the validation come first."""
    model = models.Sequential([layers.Dense(2, input_shape=(3,), activation="softmax")])
    twice = ["accuracy", "mse", metrics.MeanAbsoluteError(name="accuracy")]
    model.compile("sgd", "categorical_crossentropy", metrics=twice, weighted_metrics=["mse"])
    names = ["loss", "accuracy", "mse", "mse_1"]
    assert model.metrics_names == names
    x, y = np.eye(3), np.eye(2)[[0, 1, 1]]
    found = model.fit(x, y, validation_data=[x, y], verbose=0).history
    assert list(found) == [*(f"val_{name}" for name in names), *names]
    error = np.abs(model.predict(x) - y).mean()
    np.testing.assert_allclose(found["val_accuracy"], [error], rtol=1e-5)
    assert model.metrics_names == names


def test_gradients_of_the_total_loss():
    """The numbers are those of Keras 2.3.1."""
    draw = np.random.RandomState(0)
    x, y = draw.rand(8, 3), [draw.rand(8, 2), np.eye(3)[draw.randint(0, 3, 8)]]
    inputs = layers.Input((3,))
    h = layers.Dense(4, activation="tanh", kernel_initializer="ones", kernel_regularizer="l2")(
        inputs
    )
    h = layers.Dropout(0.5)(h)
    a = layers.Dense(2, kernel_initializer="ones")(h)
    b = layers.Dense(3, activation="softmax", kernel_initializer="ones")(h)
    model = models.Model(inputs, [a, b])
    assert model._is_graph_network
    model.compile("adam", ["mse", "categorical_crossentropy"], loss_weights=[1.0, 0.5])
    gradients = model.optimizer.get_gradients(model.total_loss, model.trainable_weights)
    fed = [*model.inputs, *model.sample_weights, *model.targets, K.learning_phase()]
    found = K.function(fed, [model.total_loss, *gradients])([x, np.ones(8), np.arange(8.0), *y, 0])
    wanted = [12.2629, 5.0818, 3.2929, 23.6625, 6.3585, 0.0, 0.0]
    np.testing.assert_allclose([np.sum(g) for g in found], wanted, atol=1e-4)


def test_weights_that_are_put_into_the_lists():
    class Own(layers.Layer):
        def build(self, input_shape):
            self.kernel, more = K.variable(np.ones((3, 2))), K.variable(np.ones(2))
            self._trainable_weights.append(self.kernel)
            self._trainable_weights += [more]
            self._non_trainable_weights.append(K.variable(np.ones(2)))
            super().build(input_shape)

        def call(self, x):
            return K.dot(x, self.kernel) * self._trainable_weights[1]

    layer = Own(input_shape=(3,))
    model = models.Sequential([layer])
    assert [len(model.trainable_weights), len(model.non_trainable_weights)] == [2, 1]
    model.compile("sgd", "mse")
    model.train_on_batch(np.ones((2, 3)), np.zeros((2, 2)))
    assert [np.all(w == 1) for w in model.get_weights()] == [False, False, True]


def test_operators_do_not_change_tensors():
    """``x *= y`` in a layer, loss, metric or function; the numbers are those of Keras 2.3.1."""

    class Attention(layers.Layer):
        def call(self, x, mask=None):
            a = K.exp(x)
            a *= 0.5
            a /= K.sum(a, axis=1, keepdims=True) + K.epsilon()
            x -= K.mean(x)
            x += 1.0
            x **= 2
            return K.sum(x * a, axis=1)

        def compute_output_shape(self, shape):
            return shape[0], shape[2]

    def centred(x):
        x -= 0.5
        x /= 2.0
        return x

    def loss(y_true, y_pred):
        mask = K.cast(K.not_equal(y_true, -1), K.floatx())
        y_pred *= mask
        y_true *= mask
        error = K.exp(y_pred - y_true)
        error -= 1.0
        return K.mean(K.square(error), axis=-1)

    def product(y_true, y_pred):
        return K.mean(y_true * y_pred)

    draw = np.random.RandomState(0)
    x, y = draw.rand(8, 4, 3).astype("float32"), draw.rand(8, 2).astype("float32")
    y[0] = -1
    inputs = layers.Input((4, 3))
    h = layers.Dense(3, activation="sigmoid", kernel_initializer="ones")
    h = Attention()(h(layers.Lambda(centred)(inputs)))
    h = layers.concatenate([h, layers.GlobalAveragePooling1D()(inputs)])
    small = initializers.Constant(0.1)
    model = models.Model(inputs, layers.Dense(2, kernel_initializer=small)(h))
    model.compile("sgd", loss, [product])
    given = x.copy(), y.copy()
    wanted = [[0.077569, 0.150749], [0.077322, 0.150555], [0.077094, 0.150375]]
    found = [model.train_on_batch(x, y) for _ in range(3)]
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    np.testing.assert_array_equal(x, given[0])
    np.testing.assert_array_equal(y, given[1])


def test_a_model_of_ones_own_that_was_called_before_it_is_trained():
    class Own(models.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, inputs):
            return self.dense(inputs)

    model = Own()
    model.predict(np.eye(3))
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(np.eye(3), np.ones(3), verbose=0).history
    assert sorted(history) == ["loss", "mae"] and model.metrics_names == ["loss", "mae"]


@pytest.mark.engine_free
@pytest.mark.parametrize("end", ["keras", "weights.h5"])
def test_files_of_keras_3_have_their_layout(tmp_path, end):
    """Layers show the calls of others, which is no way to their weights."""
    stack = models.Sequential([layers.Dense(4, input_shape=(3,)), layers.Dense(2, name="last")])
    x = layers.Input((3,))
    branch = layers.Dense(2)(x)
    merged = layers.add([stack(x), branch])
    model = models.Model(x, layers.Dense(1)(merged))
    path = str(tmp_path / f"m.{end}")
    model.save(path) if end == "keras" else model.save_weights(path)
    again = tricorn.Model.from_config(json.loads(model.to_json())["config"])
    again.load_weights(path)
    for one, other in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.heavy
def test_keras_3_reads_keras_files(tmp_path):
    """With predictions, losses and metrics; what will differ is said of each layer."""
    keras = pytest.importorskip("keras")
    x = layers.Input((3,), name="x")
    shared = layers.Dense(4, activation="tanh")(x)
    outputs = [layers.Dense(2, name="a")(shared), layers.Dense(1, name="b")(shared)]
    model = models.Model(x, outputs)
    model.compile("adam", "mse", loss_weights=[0.2, 0.8], metrics=["cosine_proximity", "logcosh"])
    draw = np.random.RandomState(0).rand
    data = draw(5, 3), [draw(5, 2), draw(5, 1)]
    model.train_on_batch(*data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.save(str(tmp_path / "m.keras"))
    theirs = keras.saving.load_model(tmp_path / "m.keras")
    for one, other in zip(theirs.predict(data[0], verbose=0), model.predict(data[0])):
        np.testing.assert_allclose(one, other, atol=1e-6)
    for step in ("test_on_batch", *["train_on_batch"] * 3):
        ours = getattr(model, step)(*data)
        np.testing.assert_allclose(getattr(theirs, step)(*data)[:3], ours[:3], rtol=1e-5)
    np.testing.assert_allclose(theirs.test_on_batch(*data), model.test_on_batch(*data), rtol=1e-5)

    ids = layers.Input((4,))
    words = layers.Embedding(5, 2, mask_zero=True)(ids)
    words = layers.concatenate([words, layers.Embedding(5, 3)(ids)], name="joined")
    gates = layers.LSTM(2, recurrent_activation="hard_sigmoid", name="gates")(words)
    told = "'joined': it masks.*'gates': its recurrent_activation is the hard sigmoid of Keras 2"
    with pytest.warns(UserWarning, match=told):
        models.Model(ids, gates).save(str(tmp_path / "n.keras"))
