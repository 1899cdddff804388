"""`@op`: whose op it is, which of its arguments are tensors, and which way a call takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

import tricorn as keras
from tricorn import ops
from tricorn.arithmetic import OPS
from tricorn.engines import abstract, active, known, registry
from tricorn.graph.op import Op, Tensor, op
from tricorn.saving import register_keras_serializable

ONES = np.ones((2, 3), "float32")
#: names of ops that the engines have kernels for, and of others that the library uses by name
NAMES = ("batch_norm", "lstm", "gru", "adam", "add_bias", "printed", "add", "multiply", "stack",
         "get_item", "less", "einsum", "arange")  # fmt: skip


def scaled(name):
    """An op of a user's called `name`: x · factor."""

    def body(x: Tensor, factor=3.0):
        return active().multiply(x, factor)

    body.__name__ = body.__qualname__ = name
    return op(body)


# ------------------------------------------------------------------------------------ whose it is


@pytest.mark.parametrize("name", NAMES)
def test_an_op_of_a_user_is_not_taken_for_the_librarys(name, engine):
    before = dict(OPS)
    mine = scaled(name)
    assert before == OPS
    for given in (ONES, ops.convert_to_tensor(ONES), keras.Variable(ONES)):
        np.testing.assert_array_equal(ops.convert_to_numpy(mine(given)), 3 * ONES)
    x = keras.Input((3,))
    model = keras.Model(x, mine(x, factor=2.0))
    np.testing.assert_array_equal(model.predict(ONES, verbose=0), 2 * ONES)
    np.testing.assert_array_equal(ops.convert_to_numpy(keras.Variable(ONES) + ONES), 2 * ONES)


@pytest.mark.engine_free
@pytest.mark.parametrize("name", known.installed())
def test_what_engines_override_is_there(name):
    """A misspelt override would never be called."""
    assert keras.layers  # defines the last ops
    assert keras.backend.print_tensor
    assert registry.load(name).overrides.keys() <= OPS.keys()


@pytest.mark.parametrize("name", ["add", "batch_norm", "einsum", "my_own"])
def test_an_op_of_a_user_is_saved_as_the_users(name, tmp_path):
    mine = scaled(name)
    x = keras.Input((3,))
    model = keras.Model(x, mine(x, factor=2.0) + 1.0)
    model.save(tmp_path / "m.keras")
    with pytest.raises(TypeError, match=f"the class '{name}' of tests.graph.test_op is not known"):
        keras.saving.load_model(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", custom_objects={name: mine})
    np.testing.assert_array_equal(again.predict(ONES, verbose=0), 2 * ONES + 1)


def test_a_registered_op_needs_no_custom_objects(tmp_path):
    mine = register_keras_serializable("tests_op")(scaled("subtract"))
    x = keras.Input((3,))
    keras.Model(x, mine(x, factor=2.0)).save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(ONES, verbose=0), 2 * ONES)


# ------------------------------------------------------------------------------ which are tensors


class TensorSpec:
    """No tensor, though its name begins like one."""


ImageTensor = Tensor


@op
def marked(x: Tensor, mask: Tensor | None, others: Sequence[Tensor], size: int = 1):
    return x, mask, others, size


@op
def under_another_name(x: ImageTensor, spec: TensorSpec, fn: Callable[[Tensor], Tensor]):
    return x, spec, fn


@op
def unmarked(x: TensorSpec, y: Tensor):
    return x, y


@op
def without_annotations(x):
    return x


@pytest.mark.parametrize(
    "function, names, lists",
    [
        (marked, ("x", "mask", "others"), (False, False, True)),
        (under_another_name, ("x",), (False,)),
        (unmarked, (), ()),
        (without_annotations, (), ()),
    ],
)
@pytest.mark.engine_free
def test_tensor_arguments_are_the_marked_ones(function, names, lists):
    assert (function.op.names, function.op.lists) == (names, lists)


def test_only_marked_arguments_are_converted(engine):
    spec = TensorSpec()
    found = under_another_name(ONES, spec, abs)
    assert engine.is_tensor(found[0])
    assert found[1:] == (spec, abs)
    assert unmarked(1.5, 1.0) == (1.5, 1.0)
    x, mask, others, _ = marked(ONES, None, [ONES, 1.0])
    assert mask is None
    assert all(map(engine.is_tensor, (x, *others)))


@pytest.mark.engine("torch")
def test_the_annotation_of_a_framework_is_no_mark():
    import torch

    def body(x: torch.Tensor):
        return x

    body.__annotations__["x"] = torch.Tensor
    assert op(body)(ONES) is ONES


@pytest.mark.engine_free
def test_an_annotation_that_means_nothing_is_refused():
    def body(x: Missing):  # noqa: F821
        return x

    with pytest.raises(TypeError, match=r"body: the annotation 'Missing' of the argument 'x' .*"
                                        r"tests\.graph\.test_op"):  # fmt: skip
        op(body)


@pytest.mark.engine_free
def test_an_abstract_tensor_stays_one():
    x = abstract.AbstractTensor((None, 3), "float32")
    assert marked(x, None, [x])[0] is x


# ----------------------------------------------------------------------------- which way it takes

#: calls of every form that an op has, on tensors of one dtype
CALLS = {
    "one": lambda x: ops.abs(x),
    "one float": lambda x: ops.exp(x),
    "pair": lambda x: ops.add(x, x),
    "number": lambda x: ops.multiply(x, 2.0),
    "several": lambda x: ops.where(ops.greater(x, x), x, x),
    "list": lambda x: ops.concatenate([x, x], axis=-1),
    "settings": lambda x: ops.sum(x, axis=0, keepdims=True),
    "composed": lambda x: ops.softmax(x, axis=-1),
    "name": lambda x: ops.cast(x, "float16"),
}


@pytest.fixture
def prepared(monkeypatch):
    """The names of the ops that did not go straight to the engine."""
    found = []
    plain = Op._prepare

    def prepare(self, *args):
        found.append(self.name)
        return plain(self, *args)

    monkeypatch.setattr(Op, "_prepare", prepare)
    return found


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("form", CALLS)
def test_tensors_go_straight_to_the_engine(form, dtype, prepared, engine):
    """Also where there are wide tensors elsewhere, which JAX needs a mode of its own for."""
    wide = ops.convert_to_tensor(np.ones(3), "float64")
    ops.add(wide, wide)
    x = ops.convert_to_tensor(ONES, dtype)
    prepared.clear()
    CALLS[form](x)
    assert prepared == []


@pytest.mark.parametrize("form", CALLS)
def test_wide_tensors_stay_wide(form, engine):
    x = ops.convert_to_tensor(ONES.astype("float64") * (1 + 1e-12), "float64")
    found = CALLS[form](x)
    assert engine.dtype(found) == ("float16" if form == "name" else "float64")
    if form == "number":
        np.testing.assert_allclose(ops.convert_to_numpy(found), 2 + 2e-12, rtol=1e-15)


@pytest.mark.parametrize("dtype", ["float64", np.float64, np.dtype("float64")], ids=repr)
def test_a_wide_dtype_among_the_settings(dtype, engine):
    """The body of a composed op computes in it."""
    for found in (
        ops.sum(ops.one_hot(ops.convert_to_tensor([0, 1], "int32"), 3, dtype=dtype)),
        ops.sum(ops.ones_like(ops.convert_to_tensor(ONES), dtype)),
        ops.cast(ops.convert_to_tensor(ONES), dtype),
    ):
        assert engine.dtype(found) == "float64"
