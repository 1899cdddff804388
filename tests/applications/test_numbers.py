"""The networks compute what Keras's compute, from its files of weights and with ours."""

import functools
import json
from pathlib import Path

import h5py
import jax
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

import tricorn
from tests.applications import networks
from tests.oracle import close
from tricorn import applications, ops
from tricorn.graph.transforms import value_and_grad

RECORDED = json.loads((Path(__file__).parent / "keras-3.15.1.json").read_text())


def genuine(name, seed=0, **more):
    """Keras's network with weights that are drawn."""
    arguments = {**networks.arguments_of(name), **more}
    model = getattr(keras.applications, name)(weights=None, **arguments)
    model.set_weights(networks.drawn(model, seed))
    return model


def same(ours, theirs):
    """Equal weights."""
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def check_predictions(name, folder):
    """From Keras's files to ours, by name and by order, and back."""
    for k in (keras, tricorn):
        k.utils.clear_session()  # names of layers are counted
    theirs, x = genuine(name), networks.images(name)
    make = functools.partial(getattr(applications, name), **networks.arguments_of(name))
    theirs.save_weights(folder / "their.weights.h5")
    with h5py.File(folder / "their.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, theirs)
    ours = make(weights=folder / "their.weights.h5")
    same(ours, theirs)
    want = theirs.predict(x, verbose=0)
    assert np.ptp(want, axis=0).max() > 3e-4 * np.abs(want).max()  # images are told apart
    close(ours.predict(x, verbose=0), want, 1e-4)
    same(make(weights=folder / "their.h5"), theirs)
    ours.set_weights(networks.drawn(ours, 1))
    ours.load_weights(folder / "their.h5", by_name=True)
    same(ours, theirs)
    ours.set_weights(networks.drawn(ours, 2))
    ours.save_weights(folder / "our.weights.h5")
    theirs.load_weights(folder / "our.weights.h5")
    same(ours, theirs)
    close(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), 1e-4)


def live(*names):
    """Tests that run Keras's network: of these, and with ``-m heavy`` of all others."""
    others = [name for name in networks.FIRST if name not in names]
    heavy = [pytest.param(name, marks=pytest.mark.heavy) for name in others]
    return pytest.mark.parametrize("name", [*names, *heavy])


@pytest.mark.engine("jax")
@live("MobileNet", "MobileNetV2", "MobileNetV3Small")
def test_predictions_and_files(name, tmp_path):
    check_predictions(name, tmp_path)


@pytest.mark.heavy
@pytest.mark.engine("jax")
@pytest.mark.parametrize("name", sorted(set(networks.VARIANTS) - set(networks.FIRST)))
def test_predictions_and_files_of_all_others(name, tmp_path):
    check_predictions(name, tmp_path)


@pytest.mark.engine("jax")
@pytest.mark.parametrize("name", networks.FIRST)
def test_predictions(name):
    check_recorded(name)


@pytest.mark.engine("tensorflow", "torch")
@pytest.mark.parametrize("name", ["MobileNet", "MobileNetV3Small", "ResNet50V2"])
def test_predictions_on_other_engines(name):
    check_recorded(name)


def check_recorded(name):
    """Weights and images that are drawn give what Keras gave for them."""
    ours = getattr(applications, name)(weights=None, **networks.arguments_of(name))
    ours.set_weights(networks.drawn(ours))
    close(ours.predict(networks.images(name), verbose=0), RECORDED[f"{name}, predictions"], 1e-4)


@pytest.mark.engine("jax")
@live("MobileNet", "MobileNetV3Small")
def test_gradients(name):
    """Those of all weights, to 1e-3 of the largest of each: rounding moves inputs of activations
    over their kinks."""
    theirs, x = genuine(name), networks.images(name, 1)
    ours = getattr(applications, name)(weights=None, **networks.arguments_of(name))
    ours.set_weights(theirs.get_weights())
    factors = np.linspace(-1, 1, 5).astype("float32")
    rest = [v.value for v in theirs.non_trainable_variables]

    def loss(trainable):
        return (theirs.stateless_call(trainable, rest, x, training=False)[0] * factors).sum()

    want = jax.jit(jax.grad(loss))([v.value for v in theirs.trainable_variables])
    value = lambda: ops.sum(ours(x, training=False) * factors)
    found = tricorn.function(value_and_grad(value, ours.trainable_variables))()[1]
    for a, b in zip(found, want, strict=True):
        close(a, b, 1e-3)


@pytest.mark.engine("jax")
@live("MobileNet", "MobileNetV3Small")
def test_fine_tuning(name):
    """A new head on a frozen network."""
    x, y = networks.images(name, 8), np.arange(8) % 3
    made = []
    for k in (keras, tricorn):
        own = {**networks.arguments_of(name), "include_top": False, "pooling": "avg"}
        base = getattr(k.applications, name)(weights=None, **own)
        base.set_weights(networks.drawn(base))
        base.trainable = False
        before = base.get_weights()
        head = k.layers.Dense(3, activation="softmax")
        model = k.Sequential([k.Input(x.shape[1:]), base, head])
        head.set_weights([np.eye(head.kernel.shape[0], 3, dtype="float32"), np.zeros(3, "float32")])
        model.compile(k.optimizers.SGD(1e-3), "sparse_categorical_crossentropy")
        history = model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
        for a, b in zip(before, base.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        made.append((history.history["loss"], head.get_weights()))
    (want, weights), (losses, own) = made
    assert want[0] != want[1]
    close(losses, want, 1e-4)
    for a, b in zip(own, weights, strict=True):
        close(a, b, 1e-4)


@pytest.mark.parametrize("mode", ["tf", "torch", "caffe"])
def test_pixels(mode):
    k = keras.applications.imagenet_utils
    random = np.random.default_rng(0)
    for layout, shape in (("channels_last", (2, 4, 5, 3)), ("channels_first", (3, 4, 5))):
        for x in (random.uniform(0, 255, shape).astype("float32"), random.integers(0, 255, shape)):
            want = k.preprocess_input(x.copy(), layout, mode)
            before = x.copy()
            found = applications.imagenet_utils.preprocess_input(x, layout, mode)
            assert found.dtype == "float32"
            close(found, want, 1e-6)
            np.testing.assert_array_equal(x, before)
            tensor = ops.convert_to_tensor(x)
            close(applications.imagenet_utils.preprocess_input(tensor, layout, mode), want, 1e-6)
            if layout == "channels_last":
                image = tricorn.Input(shape[1:], dtype=str(x.dtype))
                pixels = applications.imagenet_utils.preprocess_input(image, layout, mode)
                close(tricorn.Model(image, pixels)(tensor), want, 1e-6)


@pytest.mark.engine_free
def test_modules_take_pixels_as_keras_s():
    x = np.random.default_rng(0).uniform(0, 255, (1, 2, 3, 3)).astype("float32")
    for module in filter(str.islower, applications.__all__):
        theirs = getattr(keras.applications, module).preprocess_input(x.copy())
        close(getattr(applications, module).preprocess_input(x), theirs, 1e-6)
    for call, match in (
        (lambda: applications.imagenet_utils.preprocess_input(x, mode="tensorflow"), "mode"),
        (lambda: applications.vgg16.preprocess_input(x, "first"), "channels_last"),
    ):
        with pytest.raises(ValueError, match=match):
            call()


@pytest.mark.engine_free
def test_names_of_classes(tmp_path, monkeypatch):
    names = {str(i): [f"n{i:08}", f"thing_{i}"] for i in range(1000)}
    path = tmp_path / "classes.json"
    path.write_text(json.dumps(names))
    ours, theirs = applications.imagenet_utils, keras.src.applications.imagenet_utils
    monkeypatch.setattr(ours, "get_file", lambda *_, **__: str(path))
    monkeypatch.setattr(theirs, "CLASS_INDEX", names)
    preds = np.random.default_rng(0).uniform(size=(2, 1000)).astype("float32")
    assert applications.vgg16.decode_predictions(preds, 4) == theirs.decode_predictions(preds, 4)
    assert applications.vgg16.decode_predictions(preds)[0][0][2] == preds[0].max()
    with pytest.raises(ValueError, match=r"of shape \(batch, 1000\); got one of shape \(2, 10\)"):
        ours.decode_predictions(preds[:, :10])


def test_in_files_of_whole_models(tmp_path):
    """Layers of these networks' own are written as Keras writes them."""
    from tricorn.applications import convnext, inception_resnet_v2

    for k in (keras, tricorn):
        if k is keras:
            scale = keras.src.applications.convnext.LayerScale
            add = keras.src.applications.inception_resnet_v2.CustomScaleLayer
        else:
            scale, add = convnext.LayerScale, inception_resnet_v2.CustomScaleLayer
        x = k.Input((4, 4, 3))
        model = k.Model(x, add(0.3)([x, scale(0.1, 3)(x)]))
        model.save(tmp_path / f"{k.__name__}.keras")
    x = np.ones((1, 4, 4, 3), "float32")
    ours = tricorn.models.load_model(tmp_path / "keras.keras")
    theirs = keras.models.load_model(tmp_path / "tricorn.keras")
    close(ours(x), np.full((1, 4, 4, 3), 1.03, "float32"), 1e-6)
    close(theirs(x), ours(x), 1e-6)
