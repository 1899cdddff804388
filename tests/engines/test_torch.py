"""What only the PyTorch engine promises: parameters keep their identity, native training works,
and writes never come between a forward and a backward pass unnoticed."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tricorn as keras  # noqa: E402
from tests.engines.cases import floats  # noqa: E402
from tricorn import layers, ops  # noqa: E402

pytestmark = pytest.mark.engine("torch")


def handles_of(model, engine):
    return [v.handle(engine) for v in model.trainable_variables]


def small():
    x = keras.Input((3,))
    return keras.Model(x, layers.Dense(2)(layers.BatchNormalization()(x)))


def test_training_keeps_the_parameters(engine):
    model = small()
    before = handles_of(model, engine)
    assert all(isinstance(p, torch.nn.Parameter) for p in before)
    values = [p.detach().clone() for p in before]
    model.compile("sgd", "mse")
    model.fit(floats(8, 3), floats(8, 2), verbose=0)
    assert all(a is b for a, b in zip(before, handles_of(model, engine), strict=True))
    assert all((p != v).any() for p, v in zip(before, values))


def test_a_native_optimizer_trains_a_model(engine):
    model, data = small(), torch.from_numpy(floats(8, 3))
    optimizer = torch.optim.Adam(handles_of(model, engine), 0.05)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = (model(data, training=True) - 1.0).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 3
    np.testing.assert_array_equal(
        model.layers[-1].kernel.numpy(), handles_of(model, engine)[-2].detach().numpy()
    )


def test_a_write_between_forward_and_backward_is_an_error():
    w = keras.Variable(np.ones(3, np.float32))
    loss = ops.sum(ops.square(w))
    w.assign(np.zeros(3, np.float32))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_value_read_before_keeps_what_it_was():
    count = keras.Variable(0.0, trainable=False)
    before = count.value
    count.assign_add(1.0)
    assert float(before) == 0
    assert float(count.value) == 1


def test_steps_do_not_record(engine):
    model = small()
    found = keras.function(lambda x: model(x))(floats(2, 3))
    assert not found.requires_grad
    assert model(floats(2, 3)).requires_grad


def test_results_do_not_share_memory_with_arguments(engine):
    run = engine.compile(lambda state, x: (x, []), False)
    array = np.zeros(4, np.float32)
    found, _ = run([], array)
    array[:] = 1
    assert not found.any()


def test_gradients_within_user_autograd():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    slope = keras.grad(lambda x: ops.sum(ops.power(x, 3)))(x)
    slope.sum().backward()
    np.testing.assert_allclose(x.grad, [6, 12])


def test_custom_gradients_are_differentiated_again(engine):
    square = engine.custom_gradient(
        lambda x: (engine.multiply(x, x), lambda c: (engine.multiply(engine.multiply(c, x), 2.0),))
    )

    def slope(x):
        _, pullback, _ = engine.vjp(lambda x: (square(x), None), (x,))
        return pullback(torch.ones(()))[0], None

    _, pullback, _ = engine.vjp(slope, (torch.tensor(3.0),))
    assert pullback(torch.ones(()))[0] == 2


def test_per_example_gradients(engine):
    """vmap of vjp: there the gradient is torch.func's."""
    w = torch.tensor([1.0, 2.0])

    def slope(x):
        _, pullback, _ = engine.vjp(lambda w: (torch.dot(w, x) ** 2, None), (w,))
        return pullback(torch.ones(()))[0]

    x = torch.from_numpy(floats(3, 2))
    expected = 2 * (x @ w)[:, None] * x
    torch.testing.assert_close(engine.vmap(slope, 0, 0)(x), expected)


def test_equal_seeds_and_different_layers_draw_differently(engine):
    ones = np.ones((1, 100), np.float32)
    model = keras.Sequential([keras.Input((100,)), layers.Dropout(0.5, seed=1)])
    step = keras.function(lambda x: model(x, training=True))
    first, second = (engine.numpy(step(ones)) for _ in range(2))
    assert (first != second).any()
    assert set(np.unique(first)) == {0, 2}
    keys = [torch.tensor(k, dtype=torch.int32) for k in ((1, 0), (2, 0), (0, 1), (1, 1))]
    draws = [tuple(engine.bits(key, (4,)).tolist()) for key in keys]
    assert len(set(draws)) == 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "biases, reverse, steps", [(2, False, 4), (2, True, 3), (1, True, 1), (0, False, 2)]
)
def test_torchs_own_gru_where_nothing_is_differentiated(biases, reverse, steps, dtype, engine):
    shapes = [(steps, 2, 3), (2, 5), (3, 15), (5, 15), *[(15,)] * biases]
    given = [torch.from_numpy(floats(*shape).astype(dtype)) for shape in shapes]
    given += [None] * (6 - len(given))
    arguments = (*given, None, reverse)
    with torch.no_grad():
        found = engine.overrides["gru"](*arguments)
        assert all(x.dtype == given[0].dtype for x in found)
    given[2].requires_grad_()
    assert engine.overrides["gru"](*arguments) is NotImplemented
    for composed, own in zip(ops.recurrent.gru(*arguments), found, strict=True):
        np.testing.assert_allclose(own, composed.detach(), atol=1e-6)
