"""Tapes around layers, models, losses and optimizers; in compiled functions and training steps."""

import numpy as np
import pytest

import tricorn as keras
from tricorn import ops

RNG = np.random.default_rng(2)
X = RNG.normal(size=(32, 5)).astype("float32")
Y = (X @ RNG.normal(size=(5, 1)) + 0.3).astype("float32")


def network(*middle):
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [keras.Input((5,)), keras.layers.Dense(8, "tanh"), *middle, keras.layers.Dense(1)]
    )


def close(got, want, tolerance=1e-5):
    got, want = np.asarray(ops.convert_to_numpy(got)), np.asarray(ops.convert_to_numpy(want))
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * max(np.abs(want).max(), 1e-30))


def one_step(model, optimizer, loss_fn):
    with keras.GradientTape() as tape:
        loss = loss_fn(Y, model(X, training=True))
        loss = loss + sum(model.losses)
    variables = model.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
    return loss


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "RMSprop"])
def test_a_loop_of_ones_own_trains_as_fit_does(optimizer):
    def make():
        return network(keras.layers.BatchNormalization()), getattr(keras.optimizers, optimizer)(
            0.01
        )

    model, own = make()
    losses = [float(ops.stop_gradient(one_step(model, own, keras.losses.MeanSquaredError())))
              for _ in range(4)]  # fmt: skip
    fitted, other = make()
    fitted.compile(other, "mse")
    history = fitted.fit(X, Y, batch_size=32, epochs=4, shuffle=False, verbose=0).history
    np.testing.assert_allclose(losses, history["loss"], rtol=1e-4)
    for got, want in zip(model.weights, fitted.weights):
        close(got, want, 1e-4)
    assert losses[-1] < losses[0]


def test_regularization_dropout_and_added_losses():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(4, kernel_regularizer="l2"),
            keras.layers.Dropout(0.5, seed=1),
            keras.layers.Dense(1),
        ]
    )
    with keras.GradientTape(persistent=True) as tape:
        model(X, training=True)
        penalty = sum(model.losses)
    kernel = model.layers[0].kernel
    close(tape.gradient(penalty, kernel), 0.02 * kernel.numpy())
    assert tape.gradient(penalty, model.trainable_variables[1]) is None


def test_batch_normalization_moves_its_statistics_inside_of_a_tape():
    norm, twin = keras.layers.BatchNormalization(), keras.layers.BatchNormalization()
    twin(X, training=True)
    with keras.GradientTape() as tape:
        loss = ops.sum(norm(X, training=True) ** 2)
    close(norm.moving_mean, twin.moving_mean)
    close(norm.moving_variance, twin.moving_variance)
    gamma, beta = tape.gradient(loss, norm.trainable_variables)
    close(gamma, ops.convert_to_numpy(2 * twin(X, training=True) ** 2).sum(0), 1e-4)
    assert np.abs(ops.convert_to_numpy(beta)).max() < 1e-3


def test_assigning_does_not_change_what_was_computed_before():
    v = keras.Variable(np.array([1.0, 2.0], "float32"))
    with keras.GradientTape() as tape:
        y = v * v * v
        v.assign([10.0, 20.0])
    v.assign_add([1.0, 1.0])
    close(tape.gradient(y, v), [3.0, 12.0])
    np.testing.assert_array_equal(v.numpy(), [11.0, 21.0])


def test_what_is_read_after_an_assignment_begins_anew():
    v = keras.Variable(3.0)
    with keras.GradientTape() as tape:
        y = v * v
        v.assign(y)
        z = v * 2.0 + y
    assert float(v) == 9.0
    assert float(tape.gradient(z, v)) == 2.0 + 6.0


def test_training_between_forward_and_backward():
    model = network()
    model.compile("sgd", "mse")
    kernel = model.layers[0].kernel
    with keras.GradientTape() as tape:
        loss = ops.mean(ops.subtract(model(X), Y) ** 2)
    with keras.GradientTape() as again:
        same = ops.mean(ops.subtract(model(X), Y) ** 2)
    want = again.gradient(same, kernel)
    model.fit(X, Y, epochs=1, verbose=0)
    close(tape.gradient(loss, kernel), want)


def test_a_compiled_function_inside_of_a_tape():
    v = keras.Variable(3.0)
    count = keras.Variable(0.0, trainable=False)

    def f(x):
        count.assign_add(1.0)
        return v * v * x

    compiled = keras.function(f)
    compiled(np.float32(1.0))
    with keras.GradientTape(persistent=True) as tape:
        x = tape.watch(2.0)
        y = compiled(x)
    assert [float(g) for g in tape.gradient(y, [v, x])] == [12.0, 9.0]
    assert float(count) == 2.0
    assert float(keras.value_and_grad(lambda: compiled(np.float32(2.0)), [v])()[1][0]) == 12.0


def test_a_tape_inside_of_a_compiled_function():
    model = network(keras.layers.BatchNormalization())
    loss_fn = keras.losses.MeanSquaredError()
    twin = network(keras.layers.BatchNormalization())

    def gradients(model, x, y):
        with keras.GradientTape() as tape:
            loss = loss_fn(y, model(x, training=True))
        return tape.gradient(loss, model.trainable_variables)

    compiled = keras.function(lambda x, y: gradients(model, x, y))
    for got, want in zip(compiled(X, Y), gradients(twin, X, Y)):
        close(got, want, 1e-4)
    close(model.layers[1].moving_mean, twin.layers[1].moving_mean)


def test_derivatives_of_derivatives_in_a_compiled_function():
    v = keras.Variable(3.0)

    @keras.function
    def second(x):
        with keras.GradientTape() as outer:
            with keras.GradientTape() as inner:
                y = v * v * v * x
            first = inner.gradient(y, v)
        return outer.gradient(first, v)

    assert float(second(np.float32(2.0))) == 36.0


def test_a_whole_step_compiled():
    model, twin = network(), network()
    own, other = keras.optimizers.Adam(0.01), keras.optimizers.Adam(0.01)
    loss_fn = keras.losses.MeanSquaredError()

    @keras.function
    def step(x, y):
        with keras.GradientTape() as tape:
            loss = loss_fn(y, model(x, training=True))
        variables = model.trainable_variables
        own.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return loss

    for _ in range(3):
        got = step(X, Y)
        want = one_step(twin, other, loss_fn)
        close(got, ops.stop_gradient(want), 1e-4)
    for a, b in zip(model.weights, twin.weights):
        close(a, b, 1e-4)


class Taped(keras.Model):
    """A model whose training step uses a tape."""

    def __init__(self):
        super().__init__()
        self.network = network(keras.layers.BatchNormalization())

    def call(self, x, training=False):
        return self.network(x, training=training)

    def train_step(self, data):
        x, y = data
        with keras.GradientTape() as tape:
            loss = self.compute_loss(x=x, y=y, y_pred=self(x, training=True))
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return {"loss": loss}


@pytest.mark.parametrize("eagerly", [False, True])
def test_in_a_train_step_run_by_fit(eagerly):
    model, plain = Taped(), network(keras.layers.BatchNormalization())
    for each in (model, plain):
        each.compile(keras.optimizers.Adam(0.01), "mse", run_eagerly=eagerly)
        each.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for got, want in zip(model.network.weights, plain.weights):
        close(got, want, 1e-4)


def test_a_layer_with_a_tape_inside():
    class Slope(keras.layers.Layer):
        """The slope of the wrapped layer at the input."""

        def __init__(self, layer, **kwargs):
            super().__init__(**kwargs)
            self.layer = layer

        def call(self, x):
            with keras.GradientTape() as tape:
                x = tape.watch(x)
                y = self.layer(x)
            return tape.gradient(y, x)

    inputs = keras.Input((5,))
    dense = keras.layers.Dense(1, "tanh")
    model = keras.Model(inputs, Slope(dense)(inputs))
    kernel, bias = dense.get_weights()
    want = (1 - np.tanh(X @ kernel + bias) ** 2) * kernel[:, 0]
    close(model(X), want)
    close(model.predict(X, verbose=0), want)
    model.compile("sgd", "mse")
    before = dense.kernel.numpy()
    model.fit(X, np.zeros_like(X), verbose=0)
    assert np.abs(dense.kernel.numpy() - before).max() > 0


def test_recurrent_and_convolutional_layers():
    images = RNG.normal(size=(2, 6, 6, 2)).astype("float32")
    model = keras.Sequential([
        keras.Input((6, 6, 2)), keras.layers.Conv2D(3, 3, activation="relu"),
        keras.layers.MaxPooling2D(), keras.layers.Reshape((4, 3)), keras.layers.LSTM(4),
        keras.layers.Dense(2),
    ])  # fmt: skip
    with keras.GradientTape() as tape:
        loss = ops.mean(model(images, training=True) ** 2)
    found = tape.gradient(loss, model.trainable_variables)
    _, want = keras.value_and_grad(
        lambda: ops.mean(model(images, training=True) ** 2), model.trainable_variables
    )()
    for a, b in zip(found, want, strict=True):
        close(a, b, 1e-4)


def test_mixed_precision():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3, dtype="mixed_bfloat16")])
    with keras.GradientTape() as tape:
        loss = ops.sum(ops.cast(model(X), "float32"))
    found = tape.gradient(loss, model.trainable_variables)
    assert {str(ops.convert_to_numpy(g).dtype) for g in found} == {"float32"}
    close(found[0], np.repeat(X.sum(0)[:, None], 3, 1), 0.02)
