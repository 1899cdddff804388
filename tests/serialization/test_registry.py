"""Objects to data and back, and which names data may use."""

import copy
import json
import operator
import os

import keras
import numpy as np
import pytest

import tricorn
from tricorn import dtype_policies
from tricorn.serialization import names, registry

pytestmark = pytest.mark.engine_free


@pytest.fixture(autouse=True)
def _clean():
    before = dict(names._custom_objects), dict(names._custom_names)
    yield
    names._custom_objects.clear()
    names._custom_names.clear()
    names._custom_objects.update(before[0])
    names._custom_names.update(before[1])


class Box:
    """Something that holds values."""

    def __init__(self, value=None, name="box"):
        self.value, self.name = value, name

    def get_config(self):
        return {"value": self.value, "name": self.name}

    @classmethod
    def from_config(cls, config):
        return cls(registry.deserialize_keras_object(config["value"]), config["name"])


def double(x):
    return 2 * x


def through_json(obj, **options):
    data = json.loads(json.dumps(registry.serialize_keras_object(obj)))
    return registry.deserialize_keras_object(data, **options)


PLAIN = [
    None, True, 3, 2.5, "text", [1, [2, None]], (1, (2, 3)), {"a": {"b": [1]}}, b"bytes",
    slice(1, None, 2), Ellipsis, np.float32(0.5), np.arange(6).reshape(2, 3),
    np.array([1.5, np.inf]), np.array([True, False]), np.array(7),
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_are_written_as_keras_writes_them(value):
    ours = registry.serialize_keras_object(value)
    assert repr(ours) == repr(keras.saving.serialize_keras_object(value))


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_come_back(value):
    back = through_json(value)
    if isinstance(value, np.ndarray) and value.ndim:
        assert back.dtype == value.dtype
        np.testing.assert_array_equal(back, value)
    else:
        expected = keras.saving.deserialize_keras_object(
            json.loads(json.dumps(keras.saving.serialize_keras_object(value)))
        )
        assert back == expected


def test_dtype_policy_has_keras_form():
    ours = registry.serialize_keras_object(dtype_policies.get("mixed_bfloat16"))
    assert ours == keras.saving.serialize_keras_object(keras.DTypePolicy("mixed_bfloat16"))
    assert registry.deserialize_keras_object(ours) == dtype_policies.DTypePolicy("mixed_bfloat16")


def test_registered_class_and_function():
    registry.register_keras_serializable("pack")(Box)
    registry.register_keras_serializable("pack", name="twice")(double)
    data = registry.serialize_keras_object(Box(Box(double)))
    assert data["registered_name"] == "pack>Box"
    assert through_json(Box(Box(double))).value.value is double
    assert registry.get_registered_object("pack>twice") is double
    assert registry.get_registered_name(double) == "pack>twice"


def test_custom_objects_argument_scope_and_order():
    class Other(Box):
        pass

    data = registry.serialize_keras_object(Box(double))
    known = {"Box": Box, "double": double}
    assert registry.deserialize_keras_object(data, known).value is double
    with registry.custom_object_scope(known):
        assert isinstance(registry.deserialize_keras_object(data), Box)
        inner = registry.deserialize_keras_object(data, {"Box": Other})
        assert type(inner) is Other, "the argument goes before the scope"
    with pytest.raises(TypeError, match="'Box'"):
        registry.deserialize_keras_object(data)


def test_registering_needs_get_config():
    with pytest.raises(ValueError, match="get_config"):
        registry.register_keras_serializable()(type("Bare", (), {}))


def test_unknown_name_tells_class_place_and_remedy():
    registry.register_keras_serializable("pack")(Box)
    data = registry.serialize_keras_object(Box([1, Box(name="inner")], name="outer"))
    data["config"]["value"][1]["registered_name"] = "pack>Gone"
    data["config"]["value"][1]["class_name"] = "Gone"
    with pytest.raises(TypeError) as error:
        registry.deserialize_keras_object(data)
    message = str(error.value)
    for part in (
        "Box 'outer' › value[1] › Gone 'inner'",
        "register_keras_serializable",
        "pack>Gone",
    ):
        assert part in message


@pytest.mark.parametrize(
    "module, name",
    [
        ("os", "system"), ("builtins", "eval"), ("subprocess", "Popen"), ("keras.layers", "os"),
        ("keras.src.layers", "importlib"), ("tricorn.atomic", "writing"),
        ("keras.utils", "get_file"), ("keras.saving", "load_model"), ("keras.models", "load_model"),
        ("keras.losses", "deserialize"), ("keras.models", "save_model"),
        ("keras", "__builtins__"), ("keras.random", "np"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["class", "function"])
def test_names_outside_the_tables_are_refused(module, name, kind, monkeypatch):
    monkeypatch.setattr(os, "system", lambda *args: pytest.fail("code of the file was run"))
    config = {"module": module, "registered_name": name}
    if kind == "class":
        config |= {"class_name": name, "config": {}}
    else:
        config |= {"class_name": "function", "config": name}
    with pytest.raises((TypeError, ValueError)):
        registry.deserialize_keras_object(config)


def test_nothing_is_imported_because_data_says_so(monkeypatch):
    imported = []
    real = names.importlib.import_module
    monkeypatch.setattr(
        names.importlib, "import_module", lambda name: imported.append(name) or real(name)
    )
    for module in ("antigravity", "tricorn.cli", "keras.antigravity", "keras...os"):
        config = {"module": module, "class_name": "X", "config": {}, "registered_name": None}
        with pytest.raises(TypeError):
            registry.deserialize_keras_object(config)
    assert imported == []


HOSTILE = {
    "class name is a number": {"class_name": 3, "config": {}},
    "config is a list": {"class_name": "Dense", "module": "keras.layers", "config": [1]},
    "module is a dict": {"class_name": "Dense", "module": {}, "config": {}},
    "function name is a dict": {"class_name": "function", "module": "builtins", "config": {}},
    "array without value": {"class_name": "__numpy__", "config": {"dtype": "float32"}},
    "ragged array": {"class_name": "__numpy__", "config": {"dtype": "int32", "value": [[1], 2]}},
    "array of dicts": {"class_name": "__numpy__", "config": {"dtype": "float32", "value": {}}},
    "unknown dtype": {"class_name": "__numpy__", "config": {"dtype": "object", "value": [1]}},
    "tensor of strings": {"class_name": "__tensor__", "config": {"dtype": "str", "value": ["a"]}},
    "symbolic shape": {
        "class_name": "__keras_tensor__",
        "config": {"shape": ["a"], "dtype": "float32", "keras_history": None},
    },
    "bytes of a number": {"class_name": "__bytes__", "config": {"value": 3}},
    "slice without parts": {"class_name": "__slice__", "config": {}},
    "build config is a list": {
        "module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"},
        "build_config": [1],
    },
}  # fmt: skip


@pytest.mark.parametrize("config", HOSTILE.values(), ids=HOSTILE)
def test_malformed_data_gives_an_error_that_names_it(config):
    with pytest.raises((ValueError, TypeError)) as error:
        registry.deserialize_keras_object(config)
    name = config["class_name"] if isinstance(config["class_name"], str) else "class_name"
    assert name in str(error.value) + "".join(getattr(error.value, "__notes__", []))


def test_depth_is_limited():
    deep: dict = {}
    for _ in range(10_000):
        deep = {"a": deep}
    with pytest.raises(ValueError, match="nested deeper"):
        registry.deserialize_keras_object(deep)


def test_lambda_needs_a_function_or_leave():
    registry.register_keras_serializable("pack")(Box)
    made = registry.serialize_keras_object(Box(lambda x: x + 1, name="plus"))
    data = json.loads(json.dumps(made))
    with pytest.raises(ValueError, match=r"custom_objects=\{'plus': function\}"):
        registry.deserialize_keras_object(data)
    assert registry.deserialize_keras_object(data, {"plus": double}).value is double
    assert registry.deserialize_keras_object(data, safe_mode=False).value(2) == 3


def test_a_config_in_memory_has_the_lambda_itself():
    """As Keras 2 copies models: ``from_config(get_config())``."""
    layer = tricorn.layers.Lambda(lambda x: x + 1)
    model = tricorn.Sequential([tricorn.Input((2,)), layer])
    again = tricorn.Sequential.from_config(model.get_config())
    assert again.layers[0].function is layer.function
    with pytest.raises(ValueError, match="bytecode"):
        tricorn.Sequential.from_config(json.loads(json.dumps(model.get_config())))


def test_lambda_closure_and_defaults_come_back():
    shift = 5
    data = json.loads(json.dumps(registry.serialize_keras_object(lambda x, k=2: k * x + shift)))
    assert registry.deserialize_keras_object(data, safe_mode=False)(3) == 11


def test_bytecode_of_another_or_an_unnamed_python_is_refused():
    data = json.loads(json.dumps(registry.serialize_keras_object(lambda x: x)))
    for python in ("cpython-39", None):
        data["config"]["python"] = python
        with pytest.raises(ValueError, match="pass the function"):
            registry.deserialize_keras_object(data, safe_mode=False)
    theirs = keras.saving.serialize_keras_object(lambda x: x)
    with pytest.raises(ValueError, match="does not name"):
        registry.deserialize_keras_object(theirs, safe_mode=False)


def test_keras_runs_our_lambdas():
    data = json.loads(json.dumps(registry.serialize_keras_object(lambda x: x + 1)))
    assert keras.saving.deserialize_keras_object(data, safe_mode=False)(1) == 2


def test_safe_mode_of_the_outermost_call_holds():
    class Sly(Box):
        @classmethod
        def from_config(cls, config):
            return cls(registry.deserialize_keras_object(config["value"], safe_mode=False), "sly")

    data = json.loads(json.dumps(registry.serialize_keras_object(Sly(lambda x: x))))
    with pytest.raises(ValueError, match="bytecode"):
        registry.deserialize_keras_object(data, {"Sly": Sly})


def test_shared_objects_stay_shared():
    registry.register_keras_serializable("pack")(Box)
    one = Box(1)
    data = json.loads(json.dumps(registry.serialize_shared([Box(one), one, Box(1)])))
    with registry.sharing():
        a, b, c = registry.deserialize_keras_object(data)
    assert a.value is b
    assert b is not c
    assert "shared_object_id" not in data[0]
    assert "shared_object_id" not in data[2]


def test_objects_without_config_are_refused():
    with pytest.raises(TypeError, match="get_config"):
        registry.serialize_keras_object({"a": [object()]})


@pytest.mark.parametrize("name", ["float32", "float64", "mixed_float16", "mixed_bfloat16", "int8"])
def test_policies_agree_with_keras(name):
    ours, theirs = dtype_policies.DTypePolicy(name), keras.DTypePolicy(name)
    assert (ours.name, ours.compute_dtype, ours.variable_dtype) == (
        theirs.name, theirs.compute_dtype, theirs.variable_dtype)  # fmt: skip


def test_policy_errors():
    with pytest.raises(ValueError, match="mixed_bfloat16"):
        dtype_policies.get("mixed_float8")
    with pytest.raises(TypeError):
        dtype_policies.DTypePolicy(3)
    with pytest.raises(ValueError, match="int3"):
        dtype_policies.get({"class_name": "QuantizedDTypePolicy", "config": {"mode": "int3"}})
    with pytest.raises(ValueError, match="cannot make a dtype policy"):
        dtype_policies.get({"class_name": "OtherPolicy", "config": {"mode": "int8"}})


def test_global_policy():
    assert dtype_policies.dtype_policy().name == "float32"
    dtype_policies.set_dtype_policy("mixed_bfloat16")
    try:
        assert dtype_policies.get(None).compute_dtype == "bfloat16"
    finally:
        dtype_policies.set_dtype_policy(None)
    assert dtype_policies.dtype_policy().name == "float32"


#: module -> (the name of what is serialized, that of what is read, something of that kind)
MODULES = {
    "activations": ("activation", "config", lambda lib: lib.activations.relu),
    "constraints": ("constraint", "config", lambda lib: lib.constraints.MaxNorm(2.0)),
    "initializers": ("initializer", "config", lambda lib: lib.initializers.Constant(3.0)),
    "layers": ("layer", "config", lambda lib: lib.layers.Dense(2, name="d")),
    "losses": ("loss", "name", lambda lib: lib.losses.Huber(0.5)),
    "metrics": ("metric", "config", lambda lib: lib.metrics.Mean(name="m")),
    "optimizers": ("optimizer", "config", lambda lib: lib.optimizers.SGD(0.5)),
    "optimizers.schedules": (
        "learning_rate_schedule", "config",
        lambda lib: lib.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)),
    "regularizers": ("regularizer", "config", lambda lib: lib.regularizers.L2(0.1)),
    "dtype_policies": ("dtype_policy", "config", lambda lib: lib.dtype_policies.get("float16")),
}  # fmt: skip


@pytest.mark.parametrize("module", MODULES)
def test_arguments_by_name(module):
    """`serialize` and `deserialize` of each module take the names that Keras's take."""
    written, read, make = MODULES[module]
    forms = []
    for lib in (tricorn, keras):
        functions = operator.attrgetter(module)(lib)
        config = functions.serialize(**{written: make(lib)})
        again = functions.deserialize(
            **{read: copy.deepcopy(config), "custom_objects": {"Box": Box}}
        )
        assert functions.serialize(again) == config
        forms.append(config)
    ours, theirs = forms
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert {k: ours[k] for k in ("class_name", "registered_name")} == {
            k: theirs[k] for k in ("class_name", "registered_name")
        }
    else:
        assert ours == theirs
