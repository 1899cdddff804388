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

pytestmark = pytest.mark.heavy

RECORDED = json.loads((Path(__file__).parent / "keras-3.15.1.json").read_text())


def live(names):
    """A test that runs Keras's networks: of two families, and with ``-m live`` of all."""
    light = ("MobileNet", "MobileNetV3Small")
    params = [name if name in light else pytest.param(name, marks=pytest.mark.live)
              for name in names]  # fmt: skip
    return pytest.mark.parametrize("pair", params, indirect=True, scope="module")


@pytest.fixture(scope="module")
def pair(request, engine):
    """The name of a network, ours and Keras's, with equal weights that are drawn."""
    name = request.param
    arguments = {"weights": None, **networks.arguments_of(name)}
    with pytest.MonkeyPatch.context() as patch:
        networks.leave_empty(patch)
        zeros = lambda self, shape, dtype=None: np.zeros(shape, dtype)
        patch.setattr(keras.initializers.VarianceScaling, "__call__", zeros)
        for k in (keras, tricorn):  # names of layers are counted
            k.utils.clear_session(free_memory=False)
        ours, theirs = (getattr(k.applications, name)(**arguments) for k in (tricorn, keras))
    for model in (ours, theirs):
        model.set_weights(networks.drawn(theirs))
    return name, ours, theirs


def same(ours, theirs):
    """Equal weights."""
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def forget(model):
    model.set_weights([np.zeros(w.shape, "float32") for w in model.weights])


@pytest.mark.engine("jax")
@live(networks.VARIANTS)
def test_predictions_and_files(pair, tmp_path, monkeypatch):
    """Equal predictions; Keras's files by name and by order to ours, and ours to Keras."""
    name, ours, theirs = pair
    x = networks.images(name)
    want = theirs.predict(x, verbose=0)
    assert np.ptp(want, axis=0).max() > 3e-4 * np.abs(want).max()  # images are told apart
    close(ours.predict(x, verbose=0), want, 1e-4)
    theirs.save_weights(tmp_path / "their.weights.h5")
    with h5py.File(tmp_path / "their.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, theirs)
    networks.leave_empty(monkeypatch)
    make = functools.partial(getattr(applications, name), **networks.arguments_of(name))
    for file in ("their.weights.h5", "their.h5"):
        same(make(weights=tmp_path / file), theirs)
    forget(ours)
    ours.load_weights(tmp_path / "their.h5", by_name=True)
    same(ours, theirs)
    ours.save_weights(tmp_path / "our.weights.h5")
    forget(theirs)
    theirs.load_weights(tmp_path / "our.weights.h5")
    same(ours, theirs)


@pytest.mark.engine("jax")
@live(networks.FIRST)
def test_gradients(pair):
    """Those of every fifth weight, to 1e-3 of the largest of each: rounding moves inputs of
    activations over their kinks."""
    name, ours, theirs = pair
    x, factors = networks.images(name, 1), np.linspace(-1, 1, 5).astype("float32")
    all_of_them = [v.value for v in theirs.trainable_variables]
    rest = [v.value for v in theirs.non_trainable_variables]

    def loss(some, trainable, rest):
        trainable = list(trainable)
        trainable[::5] = some
        return (theirs.stateless_call(trainable, rest, x, training=False)[0] * factors).sum()

    want = jax.jit(jax.grad(loss))(all_of_them[::5], all_of_them, rest)
    value = lambda: ops.sum(ours(x, training=False) * factors)
    found = tricorn.function(value_and_grad(value, ours.trainable_variables[::5]))()[1]
    for a, b in zip(found, want, strict=True):
        close(a, b, 1e-3)


@pytest.mark.engine("jax")
@live(networks.FIRST)
def test_fine_tuning(pair):
    """A new head on a frozen network."""
    name, *models = pair
    x, y = networks.images(name, 8), np.arange(8) % 3
    made = []
    for k, whole in zip((tricorn, keras), models):
        for layer in whole.layers:
            if isinstance(layer, k.layers.Dropout):
                layer.rate = 0.0  # draws differ
        maps = [x.output for x in whole.layers if len(x.output.shape) == 4]
        base = k.Model(whole.input, next(x for x in maps[::-1] if x.shape[-1] > 5))
        base.trainable = False
        before = base.get_weights()
        head = k.layers.Dense(3, activation="softmax")
        between = [k.layers.GlobalAveragePooling2D(), k.layers.UnitNormalization()]
        model = k.Sequential([k.Input(x.shape[1:]), base, *between, head])
        head.set_weights([np.eye(head.kernel.shape[0], 3, dtype="float32"), np.zeros(3, "float32")])
        model.compile(k.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
        history = model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
        for a, b in zip(before, base.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        base.trainable = True  # the layers are those of `whole`
        made.append((history.history["loss"], head.get_weights()))
    (losses, own), (want, weights) = made
    assert want[0] != want[1]
    close(losses, want, 1e-4)
    for a, b in zip(own, weights, strict=True):
        close(a, b, 1e-4)


@pytest.mark.engine("tensorflow", "torch")
@pytest.mark.parametrize("name", networks.RECORDED)
def test_predictions_on_other_engines(name):
    """Weights and images that are drawn give what Keras gave for them."""
    ours = getattr(applications, name)(weights=None, **networks.arguments_of(name))
    ours.set_weights(networks.drawn(ours))
    close(ours.predict(networks.images(name), verbose=0), RECORDED[f"{name}, predictions"], 1e-4)


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
