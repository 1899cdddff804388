"""The ``.h5`` layout of Keras 2: what fits and what does not, hostile files, kernels."""

import contextlib

import h5py
import numpy as np
import pytest

import tricorn
from tests.oracle import close
from tricorn.utils import (
    convert_all_kernels_in_model,
    convert_dense_weights_data_format,
    convert_kernel,
)

pytestmark = pytest.mark.engine_free
layers = tricorn.layers


def stack(*members):
    return tricorn.Sequential(list(members))


# ----------------------------------------------------------------------- by name, and what differs


def equal(a, b):
    """The same weights."""
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def test_frozen_here_and_not_there(tmp_path):
    """What is frozen when loading need not be what was frozen when saving."""

    def nested(frozen):
        members = {name: layers.Dense(4, name=name) for name in "abc"}
        members |= {name: layers.BatchNormalization(name=name) for name in "mn"}
        for name in frozen:
            members[name].trainable = False
        inner = stack(layers.Input((4,)), *(members[name] for name in "ambnc"))
        return stack(layers.Input((4,)), inner)

    for saving, loading in ("b", "an"), ("abcmn", ""), ("", "ac"):
        model, other = nested(saving), nested(loading)
        model.save_weights(tmp_path / "w.h5")
        other.load_weights(tmp_path / "w.h5")
        equal(other.layers[0].get_weights(), model.layers[0].get_weights())


def test_half_precision(tmp_path):
    for dtype in ("float16", "bfloat16", "float64"):
        model, other = (stack(layers.Input((3,)), layers.Dense(2, dtype=dtype)) for _ in range(2))
        model.save_weights(tmp_path / "w.h5")
        other.load_weights(tmp_path / "w.h5")
        for a, b in zip(model.get_weights(), other.get_weights()):
            assert a.dtype == b.dtype and (a == b).all()


def head(units, *names):
    sizes = [layers.Dense(4, name=name) for name in names]
    return stack(layers.Input((3,)), *sizes, layers.Dense(units, name="head"))


def test_by_name(tmp_path):
    saved = head(5, "a", "b")
    saved.save_weights(tmp_path / "w.h5")
    other = head(5, "new", "b")
    before = other.get_layer("new").get_weights()
    other.load_weights(tmp_path / "w.h5", by_name=True)
    for name in ("b", "head"):
        equal(other.get_layer(name).get_weights(), saved.get_layer(name).get_weights())
    equal(other.get_layer("new").get_weights(), before)
    with pytest.warns(UserWarning, match=r"w\.h5.*nothing.*no layer.*x, y.*the file's a, b, head"):
        stack(
            layers.Input((3,)), layers.Dense(4, name="x"), layers.Dense(4, name="y")
        ).load_weights(tmp_path / "w.h5", by_name=True)


@pytest.mark.parametrize("by_name", [False, True])
def test_layers_that_do_not_fit(by_name, tmp_path):
    saved, other = head(5, "a"), head(7, "a")
    saved.save_weights(tmp_path / "w.h5")
    before = other.get_weights()
    words = r"w\.h5.*\n.*'head'.*2 weights.*\(4, 5\).*'head' has 2.*\(4, 7\)"
    with pytest.raises(ValueError, match=words):
        other.load_weights(tmp_path / "w.h5", by_name=by_name)
    equal(other.get_weights(), before)
    with pytest.warns(UserWarning, match=words):
        other.load_weights(tmp_path / "w.h5", by_name=by_name, skip_mismatch=True)
    expected = [*saved.get_layer("a").get_weights(), *before[2:]]
    equal(other.get_weights(), expected)


def test_reshape(tmp_path):
    saved = stack(layers.Input((4, 3)), layers.Conv1D(5, 1))
    saved.save_weights(tmp_path / "w.h5")
    other = stack(layers.Input((3,)), layers.Dense(5))
    with pytest.raises(ValueError, match=r"\(1, 3, 5\)"):
        other.load_weights(tmp_path / "w.h5")
    other.load_weights(tmp_path / "w.h5", reshape=True)
    np.testing.assert_array_equal(other.get_weights()[0], saved.get_weights()[0][0])


def test_calls_that_make_no_sense(tmp_path):
    model = head(5, "a")
    model.save_weights(tmp_path / "w.h5")
    with pytest.raises(ValueError, match=r"w\.h5 has weights for 2 layers.*3 layers.*a, b, head"):
        head(5, "a", "b").load_weights(tmp_path / "w.h5")
    model.save_weights(tmp_path / "w.weights.h5")
    model.save(tmp_path / "w.keras")
    for name in ("w.weights.h5", "w.keras"):
        with pytest.raises(ValueError, match="by_name=True is for"):
            model.load_weights(tmp_path / name, by_name=True)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        model.save_weights(tmp_path / "w.h5", overwrite=False)
    with pytest.raises(ValueError, match="not built"):
        stack(layers.Dense(2)).load_weights(tmp_path / "w.h5")

    class Twins(tricorn.Model):
        def __init__(self, *names):
            super().__init__()
            self.a, self.b = (layers.Dense(2, name=name) for name in names)

        def call(self, x):
            return self.b(self.a(x))

    model = Twins("same", "same")
    model(np.zeros((1, 2), "float32"))
    with pytest.raises(ValueError, match="'same'"):
        model.save_weights(tmp_path / "twins.h5")
    assert not (tmp_path / "twins.h5").exists()

    class Aside(tricorn.Model):
        def __init__(self):
            x = layers.Input((2,))
            super().__init__(x, layers.Dense(2)(x))
            self.aside = layers.Dense(3, name="aside")
            self.aside.build((None, 2))

    model = Aside()
    with pytest.raises(ValueError, match="aside/kernel, aside/bias"):
        model.save_weights(tmp_path / "aside.h5")


# ------------------------------------------------------------------------ damaged and hostile files


def _attribute(group, key, value):
    def change(file):
        file[group].attrs[key] = value

    return change


def _no_weight_names(file):
    del file["a"].attrs["weight_names"]


def _link(file):
    del file["a/a/kernel:0"]
    file["a/a/kernel:0"] = h5py.SoftLink("/head/head/kernel:0")


def _bomb(file):
    del file["a/a/kernel:0"]
    file["a"].create_dataset(
        "a/kernel:0", (1 << 20, 1 << 20), "float32", chunks=(1024, 1024), compression="gzip"
    )


def _large(file):
    """Honestly compressed, but far more than the layer holds."""
    del file["a/a/kernel:0"]
    file["a"].create_dataset("a/kernel:0", data=np.zeros((2000, 2000)), compression="gzip")


def _many_texts(file):
    """Texts of variable length; in a file made by hand all can be one long piece of it."""
    file.attrs.create("layer_names", ["a"] * 1000, dtype=h5py.string_dtype())


TRICKS = {
    "another layer": (_attribute("/", "layer_names", [b"a", b"none", b"head"]), "'none'"),
    "a layer above": (_attribute("/", "layer_names", [b"../a", b"head"]), "'../a'"),
    "the root": (_attribute("/", "layer_names", [b"/", b"head"]), "weight_names"),
    "another weight": (_attribute("a", "weight_names", [b"a/kernel:0", b"../x"]), "a/../x"),
    "a weight twice": (_attribute("a", "weight_names", [b"a/bias:0"] * 2), "twice"),
    "numbers": (_attribute("a", "weight_names", np.arange(3)), "a attribute weight_names"),
    "not UTF-8": (_attribute("a", "weight_names", [b"\xff\xfe"]), "UTF-8"),
    "no version": (_attribute("/", "keras_version", b"two"), "'two'"),
    "no names": (_no_weight_names, "weight_names"),
    "a link": (_link, "SoftLink"),
    "a bomb": (_bomb, "declares"),
    "too large": (_large, "(2000, 2000)"),
    "more texts than members": (_many_texts, "1,000 texts"),
}  # fmt: skip


@pytest.mark.parametrize("trick", TRICKS)
def test_hostile_files(trick, tmp_path):
    change, word = TRICKS[trick]
    model = head(5, "a")
    model.save_weights(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5", "a", libver="latest") as file:
        change(file)
    before = model.get_weights()
    with pytest.raises(ValueError) as error:
        model.load_weights(tmp_path / "w.h5")
    assert word in str(error.value) and "w.h5" in str(error.value)
    equal(model.get_weights(), before)


def test_random_damage_gives_value_errors_only(tmp_path):
    model, path = head(5, "a"), tmp_path / "w.h5"
    model.save_weights(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(whole)
        data[rng.integers(len(data))] ^= int(rng.integers(1, 256))
        path.write_bytes(data)
        with contextlib.suppress(ValueError):
            model.load_weights(path)


# ----------------------------------------------------------------------------------------- kernels


def test_convert_kernel():
    """Definition: both kinds of convolution, the slow way."""
    rng = np.random.default_rng(0)
    kernel, image = rng.normal(size=(2, 3)), rng.normal(size=(5, 6))

    def correlate(x, k):
        h, w = k.shape
        rows, columns = range(x.shape[0] - h + 1), range(x.shape[1] - w + 1)
        return np.array([[np.sum(x[i : i + h, j : j + w] * k) for j in columns] for i in rows])

    def convolve(x, k):
        h, w = k.shape
        y = np.zeros((x.shape[0] - h + 1, x.shape[1] - w + 1))
        for i, j in np.ndindex(y.shape):
            for a, b in np.ndindex(k.shape):
                y[i, j] += k[a, b] * x[i + h - 1 - a, j + w - 1 - b]
        return y

    converted = convert_kernel(kernel[..., None, None])
    close(correlate(image, converted[..., 0, 0]), convolve(image, kernel), 1e-12)
    for shape in ((4, 2, 3), (4, 5, 2, 3), (4, 5, 6, 2, 3)):
        kernel = rng.normal(size=shape)
        np.testing.assert_array_equal(convert_kernel(convert_kernel(kernel)), kernel)
        np.testing.assert_array_equal(
            convert_kernel(kernel)[0], convert_kernel(kernel[:1] * 0 + kernel[-1:])[0]
        )
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        convert_kernel(np.zeros((2, 3)))


def test_convert_all_kernels_in_model():
    """What Theano turned is turned, in models inside too, and the rest is left."""
    s, i, v = layers.Input((9, 3)), layers.Input((7, 6, 2)), layers.Input((4, 5, 4, 2))
    turned = [layers.Conv1D(2, 3), layers.Conv2D(4, 3), layers.Conv3D(2, 2)]
    turned += [layers.Conv2DTranspose(3, 2), layers.Conv3DTranspose(3, 2)]
    left = [layers.SeparableConv2D(3, 3), layers.DepthwiseConv2D(3), layers.Dense(2)]
    inner = stack(layers.Input((7, 6, 2)), turned[3])
    first, *others = turned[:3] + turned[4:]
    outputs = [first(s), others[0](i), others[1](v), others[2](v), inner(i)]
    model = tricorn.Model([s, i, v], [*outputs, *(layer(i) for layer in left)])
    before = {layer: layer.get_weights() for layer in turned + left}
    convert_all_kernels_in_model(model)
    for layer in turned:
        kernel, bias = before[layer]
        equal(layer.get_weights(), [convert_kernel(kernel), bias])
    for layer in left:
        equal(layer.get_weights(), before[layer])
    convert_all_kernels_in_model(model)
    for layer, arrays in before.items():
        equal(layer.get_weights(), arrays)


@pytest.mark.parametrize("target", ["channels_first", "channels_last"])
def test_dense_behind_a_flatten_whose_channels_move(target):
    rng = np.random.default_rng(0)
    last = rng.normal(size=(2, 3, 4, 5)).astype("float32")
    first = np.moveaxis(last, -1, 1)
    before, after = (last, first) if target == "channels_first" else (first, last)
    model = stack(layers.Input((60,)), layers.Dense(2))
    expected = np.asarray(model(before.reshape(2, -1)))
    convert_dense_weights_data_format(model.layers[0], after.shape[1:], target)
    close(model(after.reshape(2, -1)), expected)
    with pytest.raises(ValueError, match="60 inputs"):
        convert_dense_weights_data_format(model.layers[0], (3, 4, 6), target)
    with pytest.raises(ValueError, match="'th'"):
        convert_dense_weights_data_format(model.layers[0], (3, 4, 5), "th")
