"""Ops in saved graphs are Keras's op classes."""

import importlib
import inspect

import keras
import numpy as np
import pytest

import tricorn
from tricorn.arithmetic import OPS
from tricorn.engines import known, registry
from tricorn.serialization import operations

assert tricorn.ops  # fills OPS
#: ops that have no class in Keras 3.15: they make tensors, or are functions made of others there
WITHOUT_CLASS = {
    "digamma", "empty", "eye", "identity", "lgamma", "ones", "tri", "zeros",
}  # fmt: skip


def public_ops():
    public = {*vars(tricorn.ops), *vars(tricorn.ops.image)}
    return [n for n in sorted(OPS) if not n.startswith("_") and n in public]


@pytest.mark.parametrize("name", sorted(set(public_ops()) - WITHOUT_CLASS))
def test_every_op_has_its_class(name):
    if not hasattr(keras.ops, name) and not hasattr(keras.ops.image, name):
        pytest.skip("an op of ours alone")
    call = operations.OpCall(OPS[name], name, {})
    module, class_name, _ = call.serialized_as()
    cls = getattr(importlib.import_module(module), class_name)
    made = list(inspect.signature(cls.__init__).parameters)[1:]
    called = list(inspect.signature(cls.call).parameters)[1:]
    tensors = operations._call_names(OPS[name])
    assert list(tensors) == called[: len(tensors)]
    parameters = inspect.signature(OPS[name]).parameters.values()
    settings = {p.name for p in parameters if p.kind is not p.VAR_KEYWORD} - set(tensors)
    assert settings <= set(made), "Keras's class does not take these"
    assert operations.find(class_name) is OPS[name]


CONSTANT = np.array([[2.0]], "float32")


def graph(k):
    """A graph of ops with all kinds of settings: axes, keys, lists of tensors, masks."""
    o = k.ops
    x = k.layers.Input((4, 6), name="x")
    y = o.einsum("bij,bkj->bik", x, x)
    y = o.concatenate([x, y], axis=-1)
    y = o.transpose(o.where(y > 0, y, 0.5 * y), (0, 2, 1))
    y = o.pad(y, [[0, 0], [1, 1], [0, 0]], constant_values=2.0)
    first, second = o.split(y, 2, axis=1)
    y = o.stack([o.clip(first, -1.0, 1.0), o.abs(second)], axis=2)
    y = o.reshape(y, (-1, 6, 2, 4))[:, 1:5, ..., None, 0]
    y = o.mean(y, axis=(1, 2), keepdims=True) - o.max(x, axis=1, keepdims=True)[..., None]
    y = o.softmax(o.squeeze(y, 1) if len(y.shape) == 4 else y, axis=-2)
    return k.Model(x, [o.sum(y, axis=-1), o.sqrt(o.exp(-y)) ** 2, 1 - y / 3, o.matmul(y, CONSTANT)])


@pytest.mark.parametrize(
    "source, target", [(tricorn, tricorn), (tricorn, keras), (keras, tricorn)],
    ids=["ours to ours", "ours to keras", "keras to ours"],
)  # fmt: skip
def test_graphs_of_ops(source, target, tmp_path):
    model = graph(source)
    model.save(tmp_path / "m.keras")
    again = target.saving.load_model(tmp_path / "m.keras")
    x = np.random.default_rng(0).normal(size=(3, 4, 6)).astype("float32")
    for a, b in zip(again.predict_on_batch(x), model.predict_on_batch(x)):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def images(k):
    """A graph of ops on images and signals."""
    o = k.ops
    x = k.layers.Input(batch_shape=(3, 8, 6, 3), name="x")
    y = o.image.resize(x, (6, 8), interpolation="bicubic", antialias=True)
    turned = np.array([0.9, 0.2, 0.1, -0.2, 0.9, 0.3, 0, 0], "float32")
    y = o.image.affine_transform(y, np.stack([turned] * 3), fill_mode="reflect")
    y = o.image.crop_images(o.image.hsv_to_rgb(y), 1, 2, target_height=4, target_width=4)
    patches = o.image.extract_patches(y, (2, 2), padding="same")
    moved = o.image.scale_and_translate(
        y, (3, 5, 5, 3), CONSTANT[0].repeat(2), np.zeros(2, "float32"), (1, 2), "linear"
    )
    real, imaginary = o.stft(o.reshape(y, (3, 48)), 6, 2, 8)
    signal = o.istft((real, imaginary), 6, 2, 8)
    parts = o.rearrange(y, "b (h v) w c -> b h (v w) c", h=2, v=2)
    return k.Model(x, [patches, moved, real, imaginary, signal, parts])


@pytest.mark.parametrize(
    "source, target", [(tricorn, keras), (keras, tricorn)], ids=["ours to keras", "keras to ours"]
)
def test_graphs_of_images(source, target, tmp_path):
    model = images(source)
    model.save(tmp_path / "m.keras")
    again = target.saving.load_model(tmp_path / "m.keras")
    x = np.random.default_rng(0).uniform(size=(3, 8, 6, 3)).astype("float32")
    for a, b in zip(again.predict_on_batch(x), model.predict_on_batch(x)):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_unknown_ops_and_settings_are_refused():
    config = {"module": "keras.src.ops.numpy", "class_name": "Abs", "config": {"name": "a"}}
    assert tricorn.saving.deserialize_keras_object(config).op is OPS["abs"]
    with pytest.raises(ValueError, match="surprise"):
        tricorn.saving.deserialize_keras_object({**config, "config": {"surprise": 1}})
    for name in ("Os", "operations", "Record", "_Einsum"):
        with pytest.raises(TypeError, match=name):
            tricorn.saving.deserialize_keras_object({**config, "class_name": name})


@pytest.mark.parametrize("name", known.installed())
def test_tensors_of_every_framework_are_written(name, engine):
    """Whatever the engine of the process is."""
    other = registry.load(name)
    for value in ([[1.0, 2.0]], 3.0, []):
        array = np.array(value, "float32")
        for given in (other.tensor(array, "float32"), other.variable(array, "float32", True, "v")):
            written = tricorn.saving.serialize_keras_object(given)
            assert written["class_name"] == "__tensor__"
            again = tricorn.saving.deserialize_keras_object(written)
            assert engine.is_tensor(again)
            np.testing.assert_array_equal(engine.numpy(again), array)
