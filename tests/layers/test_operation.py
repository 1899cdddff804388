"""Operations of a user's own, as nodes of models, beside genuine Keras."""

from __future__ import annotations

import copy
import pickle

import keras
import numpy as np
import pytest

import tricorn
from tests.oracle import cached, close
from tricorn import ops

X = np.random.RandomState(0).randn(4, 3).astype("float32")


@cached
def kinds(lib) -> dict:
    """The same classes, derived from the Operation of a library."""

    class Shift(lib.Operation):
        def __init__(self, by, times=1, name=None):
            super().__init__(name=name)
            self.by, self.times = by, times

        def call(self, x):
            return (x + self.by) * self.times

    class Parts(lib.Operation):
        """Without a name among its arguments, with two results."""

        def __init__(self, at):
            super().__init__()
            self.at = at

        def call(self, x, scale=None):
            x = x if scale is None else x * scale
            return {"left": x[:, : self.at], "right": [x[:, self.at :]]}

    class Stated(lib.Operation):
        """States its result, which `call` cannot tell without values."""

        def call(self, x):
            return lib.ops.convert_to_tensor(lib.ops.convert_to_numpy(x)[:, :1])

        def compute_output_spec(self, x):
            return lib.KerasTensor((x.shape[0], 1), x.dtype)

    class Configured(Shift):
        def get_config(self):
            return {**super().get_config(), "by": self.by, "times": self.times}

    return {kind.__name__: kind for kind in (Shift, Parts, Stated, Configured)}


for _kind in kinds(tricorn).values():  # as if they stood in a module
    globals()[_kind.__name__] = _kind
    _kind.__qualname__ = _kind.__name__


def model_of(lib):
    inputs = lib.Input((3,), name="x")
    shift = kinds(lib)["Shift"](2.0, times=3, name="shift")
    parts = kinds(lib)["Parts"](1)(shift(inputs), scale=lib.ops.abs(inputs))
    y = kinds(lib)["Configured"](0.5, name="configured")(parts["right"][0])
    y = lib.layers.Dense(2, name="dense", kernel_initializer="ones")(y)
    return lib.Model(inputs, [y, parts["left"], shift(y)])


@cached
def genuine():
    model = model_of(keras)
    return model, [np.asarray(y) for y in model(X)]


def test_on_arrays_call_runs_as_it_stands():
    assert type(kinds(tricorn)["Shift"](2.0)(X)) is np.ndarray
    x = ops.convert_to_tensor(X)
    close(kinds(tricorn)["Shift"](2.0, 3)(x), (X + 2) * 3)
    found = kinds(tricorn)["Parts"](1)(x, scale=2.0)
    close(found["right"][0], X[:, 1:] * 2)


@pytest.mark.parametrize("training", [False, True])
def test_in_a_model(training):
    for found, wanted in zip(model_of(tricorn)(X, training=training), genuine()[1]):
        close(found, wanted)


def test_what_a_model_of_operations_is():
    ours, theirs = model_of(tricorn), genuine()[0]
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    names = [o.name for o in ours.operations if isinstance(o, tricorn.Operation)]
    assert sorted(names)[:2] == ["configured", "dense"]
    assert {"shift", "x"} <= set(names)
    ours.summary(print_fn=lambda *_: None)


def test_training_through_operations():
    inputs = tricorn.Input((3,))
    y = tricorn.layers.Dense(2, kernel_initializer="ones")(kinds(tricorn)["Shift"](1.0)(inputs))
    model = tricorn.Model(inputs, kinds(tricorn)["Shift"](0.0, times=2)(y))
    model.compile(tricorn.optimizers.SGD(0.01), "mse")
    before = model.evaluate(X, X[:, :2], verbose=0)
    assert model.fit(X, X[:, :2], epochs=5, verbose=0).history["loss"][-1] < before
    other = tricorn.models.clone_model(model)
    assert other.operations[1] is not model.operations[1]
    assert [o.name for o in other.operations] == [o.name for o in model.operations]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))],
                         ids=["copy", "pickle"])  # fmt: skip
def test_copies(copied):
    again = copied(model_of(tricorn))
    for found, wanted in zip(again(X), genuine()[1]):
        close(found, wanted)
    shift = next(o for o in again.operations if o.name == "shift")
    assert shift.output.shape == (None, 3)


def test_files_both_ways(tmp_path):
    wanted = genuine()[1]
    model_of(tricorn).save(tmp_path / "ours.keras")
    genuine()[0].save(tmp_path / "theirs.keras")
    for name in ("ours", "theirs"):
        for lib in (tricorn, keras):
            path = tmp_path / f"{name}.keras"
            again = lib.models.load_model(path, custom_objects=kinds(lib))
            for found, y in zip(again(X), wanted):
                close(found, y)
    with pytest.raises(TypeError, match="Shift"):
        tricorn.models.load_model(tmp_path / "theirs.keras")


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [("Shift", {"by": 2.0}), ("Shift", {"by": 1, "times": 4, "name": "s"}), ("Parts", {"at": 2}),
     ("Stated", {"name": "t"}), ("Configured", {"by": 3.0, "name": "c"})],
)  # fmt: skip
def test_configs(kind, arguments):
    ours, theirs = (kinds(lib)[kind](**arguments) for lib in (tricorn, keras))
    config, wanted = ours.get_config(), theirs.get_config()
    assert type(ours).from_config(config).get_config() == config
    if "name" not in arguments:
        assert ours.name.rstrip("_0123456789") == theirs.name.rstrip("_0123456789")
        assert (config.pop("name", None) is None) == (wanted.pop("name", None) is None)
    assert config == wanted


def test_shapes_and_history():
    shift, inputs = kinds(tricorn)["Shift"](1.0), tricorn.Input((5,), dtype="float16")
    spec = shift.compute_output_spec(inputs)
    assert (spec.shape, spec.dtype) == ((None, 5), "float16")
    with pytest.raises(AttributeError, match="not called on a symbolic tensor"):
        _ = shift.output
    first, second = shift(inputs), shift.symbolic_call(inputs)
    assert shift.input is inputs
    assert shift.output is first
    assert shift.get_output_at(1) is second
    y = kinds(tricorn)["Stated"]()(inputs)
    assert y.shape == (None, 1)
    parts = kinds(tricorn)["Parts"](2)(inputs)
    assert parts["right"][0].shape == (None, 3)


def test_inside_of_a_layer():
    class Outer(tricorn.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.shift = kinds(tricorn)["Shift"](1.0)

        def call(self, x):
            return self.shift(x) * 2

    inputs = tricorn.Input((3,))
    close(tricorn.Model(inputs, Outer()(inputs))(X), (X + 1) * 2)
    close(Outer()(X), (X + 1) * 2)


def test_layers_are_operations():
    assert issubclass(tricorn.Layer, tricorn.Operation)
    assert not isinstance(kinds(tricorn)["Shift"](1.0), tricorn.Layer)


class NoCall(tricorn.Operation):
    pass


class NoInit(tricorn.Operation):
    def __init__(self):
        pass


class Fails(tricorn.Operation):
    def call(self, x):
        return ops.matmul(x, ops.ones((7, 7)))


def two_of_one_name():
    x = tricorn.Input((3,))
    shift = kinds(tricorn)["Shift"]
    tricorn.Model(x, shift(1.0, name="a")(shift(1.0, name="a")(x)))


#: (function, kind of error, its words)
WRONG = {
    "no call": (lambda: NoCall()(X), NotImplementedError, "define call"),
    "no super().__init__": (lambda: NoInit()(X), RuntimeError, r"super\(\).__init__"),
    "a name with /": (lambda: NoCall(name="a/b"), ValueError, "without '/'"),
    "shapes": (lambda: Fails()(tricorn.Input((3,))), ValueError, "matmul"),
    "two of one name": (two_of_one_name, ValueError, "two layers named 'a'"),
}


@pytest.mark.parametrize("what", WRONG)
def test_errors(what):
    run, kind, words = WRONG[what]
    with pytest.raises(kind, match=words):
        run()
