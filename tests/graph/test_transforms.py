"""Gradients, control flow and mapping over bodies that read and assign Variables."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tricorn
from tests.oracle import array
from tricorn import ops
from tricorn.graph import transforms
from tricorn.graph.compiled import Compiled

RNG = np.random.default_rng(0)
X = RNG.normal(size=(16, 4)).astype("float32")


@pytest.fixture
def norm():
    layer = tricorn.layers.BatchNormalization(momentum=0.5)
    layer.build((None, 4))
    return layer


@pytest.fixture
def drop():
    return tricorn.layers.Dropout(0.5, seed=1)


def body(norm, drop, x):
    return ops.sum(ops.square(norm(drop(x, training=True), training=True)))


def state_of(norm, drop):
    return [
        norm.moving_mean.numpy(),
        norm.moving_variance.numpy(),
        drop.seed_generator.state.numpy(),
    ]


def plainly(norm, drop, times=1):
    """What `times` eager calls leave behind; the state is put back."""
    before = state_of(norm, drop)
    for _ in range(times):
        body(norm, drop, X)
    after = state_of(norm, drop)
    norm.moving_mean.assign(before[0])
    norm.moving_variance.assign(before[1])
    drop.seed_generator.state.assign(before[2])
    return after


def check(norm, drop, expected):
    for got, want in zip(state_of(norm, drop), expected):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-7)


def through_gradient(norm, drop):
    transforms.value_and_grad(lambda: body(norm, drop, X), norm.trainable_variables)()


def through_cond(norm, drop):
    transforms.cond(True, lambda: body(norm, drop, X), lambda: ops.sum(norm.gamma))


def through_checkpoint(norm, drop):
    transforms.checkpoint(lambda x: body(norm, drop, x))(X)


def through_compile(norm, drop):
    Compiled(lambda x: body(norm, drop, x))(X)


def through_custom_gradient(norm, drop):
    transforms.custom_gradient(lambda x: (body(norm, drop, x), lambda g: g * ops.ones_like(x)))(X)


def through_everything(norm, drop):
    def step(x):
        def loss():
            return transforms.checkpoint(
                lambda y: transforms.cond(
                    ops.sum(y) < 1e9, lambda: body(norm, drop, y), lambda: ops.sum(y)
                )
            )(x)

        return transforms.value_and_grad(loss, norm.trainable_variables)()[0]

    Compiled(step)(X)


@pytest.mark.parametrize(
    "transform",
    [through_gradient, through_cond, through_checkpoint, through_compile, through_custom_gradient,
     through_everything],
)  # fmt: skip
def test_assignments_come_out_of_a_transform(transform, norm, drop):
    expected = plainly(norm, drop)
    transform(norm, drop)
    check(norm, drop, expected)


def test_assignments_are_carried_through_scan(norm, drop):
    expected = plainly(norm, drop, times=3)
    _, ys = transforms.scan(lambda c, _: (c, body(norm, drop, X)), 0.0, length=3)
    check(norm, drop, expected)
    assert ys.shape == (3,)
    assert len(set(array(ys).tolist())) == 3


def test_assignments_are_carried_through_while_loop(norm, drop):
    expected = plainly(norm, drop, times=4)

    def step(i, total):
        return i + 1, total + body(norm, drop, X)

    count, _ = transforms.while_loop(lambda i, _: i < 4, step, (0, 0.0))
    assert int(count) == 4
    check(norm, drop, expected)


def test_an_assignment_under_a_map_is_refused_by_name(norm, drop):
    with pytest.raises(ValueError, match="moving_mean.*vectorized_map|seed_generator_state"):
        transforms.vectorized_map(lambda row: norm(row[None], training=True), X)


def test_the_branch_not_taken_assigns_nothing(norm, drop):
    before = state_of(norm, drop)
    transforms.cond(False, lambda: body(norm, drop, X), lambda: ops.sum(X))
    check(norm, drop, before)


def test_gradients_equal_jax():
    w = tricorn.Variable(RNG.normal(size=(4, 3)).astype("float32"))

    def loss():
        return ops.mean(ops.tanh(ops.matmul(X, w)) ** 2)

    value, (grad,) = transforms.value_and_grad(loss, [w])()
    want, want_grad = jax.value_and_grad(lambda w: jnp.mean(jnp.tanh(X @ w) ** 2))(w.numpy())
    np.testing.assert_allclose(array(value), want, rtol=1e-6)
    np.testing.assert_allclose(array(grad), want_grad, rtol=1e-5, atol=1e-7)
    tree = transforms.grad(lambda p: ops.sum(p["a"] ** 2) + p["b"][0])({"a": X, "b": [X[0, 0]]})
    np.testing.assert_allclose(array(tree["a"]), 2 * X, rtol=1e-6)
    assert float(tree["b"][0]) == 1.0


def test_second_derivative_by_nesting():
    first = transforms.grad(lambda x: ops.sum(x**3))
    second = transforms.grad(lambda x: ops.sum(first(x)))
    np.testing.assert_allclose(array(second(X)), 6 * X, rtol=1e-5)


def test_gradient_of_a_vector_is_refused():
    with pytest.raises(ValueError, match="scalar.*shape \\(16, 4\\)"):
        transforms.grad(lambda x: x * 2)(X)


def test_aux_is_passed_on():
    w = tricorn.Variable(np.ones(4, "float32"))
    (loss, aux), _ = transforms.value_and_grad(
        lambda: (ops.sum(w * 2), {"w": w.value}), [w], has_aux=True
    )()
    assert float(array(loss)) == 8
    assert aux["w"].shape == (4,)


def test_scan_in_reverse_and_with_trees():
    carry, ys = transforms.scan(
        lambda c, x: ({"s": c["s"] + x[0]}, (c["s"], x[1])), {"s": 0.0}, (X[:, 0], X), reverse=True
    )
    np.testing.assert_allclose(carry["s"], X[:, 0].sum(), rtol=1e-5)
    np.testing.assert_allclose(ys[0][-1], 0.0)
    np.testing.assert_allclose(ys[1], X)


def test_fori_loop_switch_and_map():
    assert int(transforms.fori_loop(0, 5, lambda i, v: v + i, 0)) == 10
    for index, want in ((-1, 1.0), (0, 1.0), (1, 2.0), (2, 3.0), (9, 3.0)):
        branches = [lambda x, k=k: x * k for k in (1.0, 2.0, 3.0)]
        assert float(transforms.switch(index, branches, 1.0)) == want
    np.testing.assert_allclose(transforms.map(ops.sum, X), X.sum(1), rtol=1e-5)
    np.testing.assert_allclose(transforms.vectorized_map(ops.sum, X), X.sum(1), rtol=1e-5)


def test_maximum_iterations():
    assert int(transforms.while_loop(lambda i: i < 100, lambda i: i + 1, 0, 7)) == 7


class TestCompiled:
    def test_reads_and_assigns(self):
        count = tricorn.Variable(np.zeros((), "float32"), trainable=False)
        step = Compiled(lambda x: count.assign_add(ops.sum(x)))
        for _ in range(3):
            result = step(np.ones(4, "float32"))
        assert float(count) == 12 == float(result)

    def test_one_program_for_each_kind_of_arguments(self, engine):
        calls = []
        step = Compiled(
            lambda x, flag: (calls.append(flag), ops.sum(x) * (2.0 if flag else 1.0))[1]
        )
        assert float(step(np.ones(3, "float32"), True)) == 6
        assert float(step(np.ones(3, "float32"), False)) == 3
        made = len(calls)
        step(np.zeros(3, "float32"), True)
        assert len(calls) == made + (not engine.capabilities["compiles"])
        assert len(step._programs) == 2

    def test_several_steps_are_equal_however_they_are_cut(self):
        def counted():
            v = tricorn.Variable(np.ones(3, "float32"))

            def step(i, x):
                return ops.sum(v.assign(v * 0.9 + x[0] * ops.cast(i, "float32")))

            return v, Compiled(step,
                               loop=True)  # fmt: skip

        x = np.ones(2, "float32")
        (a, whole), (b, cut) = counted(), counted()
        last = whole(0, 10, x)
        for start, stop in ((0, 1), (1, 7), (7, 10)):
            other = cut(start, stop, x)
        np.testing.assert_array_equal(a.numpy(), b.numpy())
        assert float(last) == float(other)

    def test_a_variable_made_while_compiling_is_named(self):
        made = []

        def step(x):
            if len(made) == 1:  # the abstract run made one, the compilation makes another
                made.append(tricorn.Variable(np.zeros(2), name="stray"))
            made.append(0)
            return x

        with pytest.raises(RuntimeError, match="stray"):
            Compiled(step)(X)

    def test_a_copy_does_not_share_what_is_donated(self):
        a = tricorn.Variable(X)
        b = tricorn.Variable(np.zeros_like(X))
        step = Compiled(lambda: (b.assign(a.value), a.assign(a + 1.0))[1])
        for _ in range(3):
            step()
        np.testing.assert_allclose(a.numpy(), X + 3, rtol=1e-5)
        np.testing.assert_allclose(b.numpy(), X + 2, rtol=1e-5)

    def test_an_error_leaves_the_variables_readable(self):
        v = tricorn.Variable(X)

        def step(x):
            v.assign(v + x)
            raise OverflowError("by hand")

        with pytest.raises(OverflowError):
            Compiled(step)(X)
        np.testing.assert_array_equal(v.numpy(), X)


def test_switch_looks_at_each_branch_once():
    runs = [0] * 9

    def branch(i):
        def run(x):
            runs[i] += 1
            return x + i

        return run

    branches = [branch(i) for i in range(9)]
    assert float(transforms.switch(np.int32(7), branches, ops.convert_to_tensor(1.0))) == 8.0
    assert max(runs) == runs[7] == 2 and sum(runs) == 10  # for shapes, and the one that counts
