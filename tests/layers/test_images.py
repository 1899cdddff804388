"""Layers that change images, beside genuine Keras: what is drawn, images, masks, labels and boxes;
in every circumstance; in the functions of tf.data."""

from __future__ import annotations

import json
from typing import Any

import jax
import keras
import numpy as np
import pytest

import tricorn
from tests.oracle import array, cached, close, program
from tricorn import dtypes, layers, ops, tree
from tricorn.utils import bounding_boxes as box_utils

pytestmark = pytest.mark.heavy

_rng = np.random.default_rng(0)
IMAGES = _rng.uniform(0, 255, (3, 6, 5, 3)).astype("float32")
MASKS = _rng.integers(0, 4, (3, 6, 5, 1)).astype("uint8")
LABELS = np.eye(4, dtype="float32")[[0, 2, 3]]
BOXES = {
    "boxes": np.array([[[0, 1, 3, 4], [1, 1, 5, 6]], [[2, 0, 4, 3], [0, 0, 0, 0]],
                       [[1, 2, 2, 5], [3, 3, 5, 5]]], "float32"),
    "labels": np.array([[0, 1], [2, -1], [1, 3]], "int32"),
}  # fmt: skip
UNIT = (0, 1)

#: layer, arguments; each as in Keras where that does what its documentation says
SAME = [
    ("RandomBrightness", {"factor": 0.5}),
    ("RandomBrightness", {"factor": (-0.2, 0.1), "value_range": UNIT}),
    ("RandomContrast", {"factor": (0.2, 0.7)}),
    ("RandomColorDegeneration", {"factor": (0.1, 0.9)}),
    ("RandomHue", {"factor": 0.7}),
    ("RandomSaturation", {"factor": (0.2, 0.8), "value_range": UNIT}),
    ("RandomSharpness", {"factor": (0.0, 1.0)}),
    ("RandomPosterization", {"factor": (2, 7)}),
    ("RandomPosterization", {"factor": (3, 3), "value_range": UNIT}),
    ("RandomInvert", {"factor": 0.9}),
    ("RandomGrayscale", {"factor": 0.5}),
    ("RandomGaussianBlur", {"kernel_size": 5, "sigma": (0.7, 0.7)}),
    ("RandomErasing", {"factor": (0.8, 1.0), "fill_value": 7}),
    ("RandomErasing", {"scale": (0.3, 0.6)}),
    ("Solarization", {"addition_factor": 0.3, "threshold_factor": 0.9}),
    ("RandomColorJitter", {"value_range": UNIT, "brightness_factor": 0.3, "hue_factor": 0.4,
                           "contrast_factor": (0.2, 0.4), "saturation_factor": (0.1, 0.6)}),
    ("AutoContrast", {}),
    ("ContrastLimitedAdaptiveHistogramEqualization", {"tile_grid_size": (2, 3)}),
    ("ContrastLimitedAdaptiveHistogramEqualization", {"clip_limit": 0, "value_range": UNIT}),
    ("Resizing", {"height": 4, "width": 7}),
    ("Resizing", {"height": 4, "width": 7, "crop_to_aspect_ratio": True}),
    ("Resizing", {"height": 4, "width": 7, "pad_to_aspect_ratio": True, "fill_value": 3}),
    ("Resizing", {"height": 3, "width": 3, "interpolation": "bicubic", "antialias": True}),
    ("CenterCrop", {"height": 4, "width": 3}),
    ("CenterCrop", {"height": 7, "width": 3}),
    ("RandomCrop", {"height": 4, "width": 3}),
    ("RandomFlip", {}),
    ("RandomFlip", {"mode": "vertical"}),
    ("RandomRotation", {"factor": 0.4}),
    ("RandomRotation", {"factor": (0.1, 0.2), "fill_mode": "constant", "fill_value": 4,
                        "interpolation": "nearest"}),
    ("RandomTranslation", {"height_factor": 0.4, "width_factor": (0.1, 0.3)}),
    ("RandomTranslation", {"height_factor": 0.4, "width_factor": 0.2, "fill_mode": "wrap"}),
    ("RandomZoom", {"height_factor": 0.4}),
    ("RandomZoom", {"height_factor": (-0.3, -0.1), "width_factor": 0.4, "fill_mode": "nearest"}),
    ("RandomShear", {"x_factor": (0.1, 0.6), "y_factor": (0.0, 0.3)}),
    ("RandomPerspective", {"scale": 0.5, "fill_value": 9}),
    ("RandomElasticTransform", {"scale": (0.8, 0.8)}),
    ("MaxNumBoundingBoxes", {"max_number": 3}),
    ("MixUp", {}),
    ("CutMix", {}),
]  # fmt: skip
#: draw otherwise than Keras on JAX: the same numbers are given to both
OTHER_DRAWS = {"MixUp", "CutMix", "RandomElasticTransform"}
#: of which Keras makes no program
ONE_BY_ONE = {"RandomCrop", "MaxNumBoundingBoxes", "RandomElasticTransform", "RandomColorJitter"}
#: what is drawn has another form
OTHER_FORM = {"RandomCrop", "CenterCrop", "RandomColorJitter", "RandomElasticTransform", "Resizing"}
#: Keras has no method for them, or does not what it says (see docs/differences.md)
NO_BOXES = {"CutMix", "MixUp", "RandomElasticTransform", "RandomShear", "RandomCrop",
            "RandomGrayscale", "ContrastLimitedAdaptiveHistogramEqualization"}  # fmt: skip
NO_MASKS = {"MixUp", "RandomElasticTransform", "CenterCrop", "RandomGrayscale",
            "ContrastLimitedAdaptiveHistogramEqualization", "Resizing"}  # fmt: skip
NO_SEED = {"AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization", "Resizing",
           "Equalization", "CenterCrop", "MaxNumBoundingBoxes"}  # fmt: skip


def made(lib: Any, name: str, arguments: dict, **more: Any) -> Any:
    more = {"bounding_box_format": "xyxy", **more}
    if name not in NO_SEED:
        more.setdefault("seed", 4)
    return getattr(lib.layers, name)(**arguments, **more)


def images_for(arguments: dict) -> np.ndarray:
    return IMAGES / 255 if arguments.get("value_range") == UNIT else IMAGES


def data_for(name: str, arguments: dict) -> dict:
    data = {"images": images_for(arguments), "labels": LABELS}
    if name not in NO_MASKS:
        data["segmentation_masks"] = MASKS
    if name not in NO_BOXES:
        data["bounding_boxes"] = {key: value.copy() for key, value in BOXES.items()}
    if name in ("RandomGrayscale", "ContrastLimitedAdaptiveHistogramEqualization"):
        return {"images": data["images"]}
    return data


def as_arrays(x: Any) -> Any:
    return tree.map(lambda leaf: np.asarray(leaf) if hasattr(leaf, "shape") else leaf, x)


@cached
def of_keras(index: int) -> tuple[Any, dict]:
    """(what was drawn, the changed data)"""
    name, arguments = SAME[index]
    data = data_for(name, arguments)
    first, layer, known = made(keras, name, arguments), made(keras, name, arguments), []

    def run(data):
        inner = data if name != "RandomGrayscale" else data["images"]
        drawn, form = jax.tree.flatten(first.get_random_transformation(inner, training=True))
        known[:] = form, [None if hasattr(leaf, "shape") else leaf for leaf in drawn]
        drawn = [leaf if hasattr(leaf, "shape") else None for leaf in drawn]
        if isinstance(inner, dict) and len(inner) > 1:
            return drawn, layer(inner, training=True)
        return drawn, {"images": layer(data["images"], training=True)}

    drawn, result = (run if name in ONE_BY_ONE else program(keras, run))(data)
    drawn = [a if b is None else b for a, b in zip(drawn, known[1])]
    drawn = as_arrays(jax.tree.unflatten(known[0], drawn)) if name not in OTHER_FORM else None
    return drawn, as_arrays(result)


def agree(found: Any, expected: Any) -> None:
    """Images to 1e-5 of their greatest value, whatever the dtype of masks."""
    for key, theirs in expected.items():
        if isinstance(theirs, dict):
            agree(found[key], theirs)
        else:
            close(found[key], theirs, 1e-5)


EACH = pytest.mark.parametrize("index", range(len(SAME)), ids=lambda i: f"{SAME[i][0]}-{i}")


@pytest.mark.engine("jax")
@EACH
def test_draws_and_results_are_keras_s(index):
    """On JAX equal seeds give equal images."""
    name, arguments = SAME[index]
    if name in OTHER_DRAWS:
        pytest.skip("draws otherwise")
    layer = made(tricorn, name, arguments)
    found = program(tricorn, lambda data: layer(data, training=True))(data_for(name, arguments))
    agree(found, of_keras(index)[1])


@pytest.mark.engine("tensorflow", "torch")  # on JAX the test above says more
@EACH
def test_equal_draws_give_equal_results(index):
    name, arguments = SAME[index]
    drawn, expected = of_keras(index)
    data, layer = data_for(name, arguments), made(tricorn, name, arguments)
    if name == "RandomRotation":
        drawn = {**drawn, "input_shape": IMAGES.shape}
    as_tensor = lambda x: ops.convert_to_tensor(x) if isinstance(x, np.ndarray) else x
    drawn = tree.map(as_tensor, drawn)
    if drawn is None and name not in NO_SEED:
        pytest.skip("what is drawn has another form")
    if name in NO_SEED:
        found = layer(data, training=True)
    else:
        boxes = data.pop("bounding_boxes", None)
        found = {
            key: getattr(layer, f"transform_{key}")(ops.convert_to_tensor(x), drawn)
            for key, x in data.items()
        }
        if boxes is not None:
            boxes = {key: ops.convert_to_tensor(x) for key, x in boxes.items()}
            found["bounding_boxes"] = layer.transform_bounding_boxes(boxes, drawn)
    agree(found, expected)


# ------------------------------------------------------------------------------------ circumstances

#: every layer once, with arguments
ALL = dict(reversed(SAME)) | {
    "RandAugment": {}, "AugMix": {}, "Equalization": {}
}  # fmt: skip
EVERY = pytest.mark.parametrize("name", sorted(ALL))


@pytest.mark.engine_free
def test_every_layer_is_here():
    base = layers.BaseImagePreprocessingLayer
    found = {n for n, c in vars(layers).items() if isinstance(c, type) and issubclass(c, base)}
    assert found - {"BaseImagePreprocessingLayer"} == set(ALL)


@EVERY
def test_layouts_dtypes_and_inference(name):
    """Channels first give the transpose; half precision and integers; outside of training images
    stay as they are."""
    images, layers = images_for(ALL[name]), {}
    for layout in ("channels_last", "channels_first"):
        tricorn.set_random_seed(4, portable=True)
        layers[layout] = made(tricorn, name, ALL[name], data_format=layout)

    def both(last, first):
        last = layers["channels_last"](last, training=True)
        return last, layers["channels_first"](first, training=True)

    last, first = program(tricorn, both)(
        *map(ops.convert_to_tensor, (images, np.moveaxis(images, -1, 1)))
    )
    close(np.moveaxis(array(first), 1, -1), last)
    half = made(tricorn, name, ALL[name], dtype="mixed_float16")
    whole = made(tricorn, name, ALL[name])(IMAGES.astype("uint8"), training=False)
    keeps = name.startswith(("Resizing", "RandomGray", "ContrastLimited", "MaxNum"))
    assert dtypes.standardize(whole.dtype) == ("uint8" if keeps else "float32")
    result = half(images, training=False)
    assert dtypes.standardize(result.dtype) == ("float16" if name != "MaxNumBoundingBoxes"
                                                else "float32")  # fmt: skip
    if not getattr(half, "always", False) and "Crop" not in name:
        close(ops.cast(result, "float32"), images.astype("float16").astype("float32"), 1e-3)


@EVERY
def test_single_images_of_unknown_sizes(name):
    """One image is the batch of it; shapes are known as far as they can be."""
    layer = made(tricorn, name, ALL[name])
    size = tuple(layer.compute_output_shape((None, 6, 5, 3)))[1:]
    outputs = layer(tricorn.Input((None, None, 3)), training=True)
    fixed = size if name in ("Resizing", "CenterCrop", "RandomCrop") else (None, None, 3)
    assert tuple(outputs.shape) == (None, *fixed)
    assert tuple(layer.compute_output_shape((6, 5, 3))) == size


@pytest.mark.engine_free
@EVERY
def test_configs_go_both_ways(name):
    """Keras makes its layer from our config, and we make ours from Keras's."""
    ours, theirs = made(tricorn, name, ALL[name]), made(keras, name, ALL[name])
    mine = json.loads(json.dumps(ours.get_config()))
    genuine = json.loads(json.dumps(theirs.get_config()))
    for key in genuine.keys() & mine.keys() - {"name", "dtype", "trainable"}:
        assert mine[key] == genuine[key], key
    again = type(ours).from_config(mine)
    assert json.loads(json.dumps(again.get_config())) == mine
    type(ours).from_config({**genuine, "dtype": "float32"})
    type(theirs).from_config({**mine, "dtype": "float32"})


@pytest.mark.parametrize("name", ["RandomFlip", "RandomErasing", "CutMix", "AugMix", "RandAugment"])
def test_seeds(name):
    """Equal seeds give equal images, call after call."""
    first, second = (made(tricorn, name, ALL[name], seed=5) for _ in range(2))
    for _ in range(2):
        np.testing.assert_array_equal(array(first(IMAGES)), array(second(IMAGES)))


# --------------------------------------------------------------- where the documentation counts

#: layer, arguments, what is drawn, the bounds that the documentation says
BOUNDS = [
    ("RandomContrast", {"factor": 0.3}, "contrast_factor", 0.7, 1.3),
    ("RandomColorDegeneration", {"factor": 0.5}, "factor", 0.0, 0.5),
    ("RandomSaturation", {"factor": 0.5}, "factor", 0.0, 1.0),
    ("RandomHue", {"factor": 0.5}, "factor", -0.25, 0.25),
    ("RandomPosterization", {"factor": 3}, "shift_factor", 5, 5),
    ("Solarization", {"addition_factor": (0.5, 0.6)}, "additions", 127.5, 153.0),
    ("Solarization", {"threshold_factor": (0.5, 0.6)}, "thresholds", 127.5, 153.0),
    ("RandomShear", {"x_factor": 0.3, "y_factor": 0.3}, "shear_factor", -0.3, 0.3),
    ("RandomRotation", {"factor": 0.25}, "angle", -90.0, 90.0),
    ("RandomZoom", {"height_factor": 0.3}, "width_zoom", 0.7, 1.3),
    ("RandomTranslation", {"height_factor": 0.5, "width_factor": 0.2}, "translations", -3, 3),
    ("RandomBrightness", {"factor": 0.1}, "rgb_delta", -25.5, 25.5),
]


@pytest.mark.parametrize(("name", "arguments", "key", "least", "greatest"), BOUNDS)
def test_bounds_of_draws(name, arguments, key, least, greatest):
    layer = made(tricorn, name, arguments)
    many = ops.zeros((400, 6, 5, 3))
    values = array(layer.get_random_transformation(many)[key]).astype("float64")
    spread = greatest - least
    assert least - 1e-4 <= values.min() <= least + 0.1 * spread
    assert greatest - 0.1 * spread <= values.max() <= greatest + 1e-4


def test_probabilities_of_choices():
    layer = made(tricorn, "RandomInvert", {"factor": (0.8, 0.8)})
    share = array(layer.get_random_transformation(ops.zeros((500, 2, 2, 3)))["apply_inversion"])
    assert 0.7 < share.mean() < 0.9


def test_every_place_of_a_crop_is_drawn():
    layer = made(tricorn, "RandomCrop", {"height": 4, "width": 5})
    drawn = [layer.get_random_transformation(ops.zeros((1, 6, 5, 3))) for _ in range(40)]
    assert {tuple(map(int, one["start"])) for one in drawn} == {(0, 0), (1, 0), (2, 0)}


def test_values_where_keras_is_wrong():
    one, unit = IMAGES[:1], IMAGES / 255
    call = lambda name, x, **arguments: array(made(tricorn, name, arguments)(x, training=True))
    # a range that does not begin at 0; a range of 255
    close(call("RandomInvert", unit * 2 - 1, factor=(1, 1), value_range=(-1, 1)), 1 - unit * 2)
    saturated = {"factor": (0.7, 0.7)}
    close(
        call("RandomSaturation", IMAGES, **saturated),
        255 * call("RandomSaturation", unit, value_range=UNIT, **saturated),
    )
    # each image by itself; also outside of training
    for name in ("Equalization", "AutoContrast"):
        layer = made(tricorn, name, {})
        np.testing.assert_array_equal(array(layer(IMAGES))[:1], array(layer(one, training=False)))
    # at most so many values as pixels, spread from 0 to 255
    found = np.unique(call("Equalization", one))
    assert (found.min(), found.max()) == (0, 255)
    # outside of training the largest block with the proportions, resized
    small = made(tricorn, "RandomCrop", {"height": 3, "width": 3})(IMAGES, training=False)
    close(
        small,
        made(tricorn, "Resizing", {"height": 3, "width": 3, "crop_to_aspect_ratio": True})(IMAGES),
    )
    # three numbers are the channels'
    filled = call("RandomErasing", np.zeros((1, 4, 4, 3), "float32"), factor=(1, 1), scale=(1, 1),
                  fill_value=[1, 2, 3])  # fmt: skip
    assert filled.reshape(-1, 3).max(0).tolist() == [1, 2, 3]
    # labels of any rank are mixed, sample by sample
    drawn = {"mix_weight": np.float32([0.25, 0.5, 1.0]), "permutation_order": np.int32([1, 2, 0])}
    mixed = made(tricorn, "MixUp", {}).transform_labels(
        ops.convert_to_tensor([4.0, 8.0, 16.0]), drawn
    )
    assert array(mixed).tolist() == [7.0, 12.0, 16.0]


def test_equalization_is_keras_s_for_one_image():
    for bins in (256, 16):
        expected = equalized_by_keras(bins)
        close(made(tricorn, "Equalization", {"bins": bins})(IMAGES[:1], training=True), expected)


@cached
def equalized_by_keras(bins: int) -> np.ndarray:
    return np.asarray(keras.layers.Equalization(bins=bins)(IMAGES[:1], training=True))


# -------------------------------------------------------------------------------------------- boxes

FORMATS = ("xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw", "rel_xyxy", "rel_yxyx", "rel_xywh",
           "rel_center_xywh")  # fmt: skip
MOVING = {
    "RandomTranslation": {"height_factor": (0.2, 0.2), "width_factor": (0.1, 0.1)},
    "RandomRotation": {"factor": (0.05, 0.05)},
    "RandomShear": {"x_factor": (0.2, 0.2)},
    "RandomPerspective": {"scale": 0.3},
    "RandomZoom": {"height_factor": (0.3, 0.3)},
    "RandomFlip": {},
    "RandomCrop": {"height": 4, "width": 3},
    "CenterCrop": {"height": 4, "width": 3},
    "Resizing": {"height": 9, "width": 4},
}


@pytest.mark.parametrize("name", MOVING)
def test_boxes_in_every_format(name):
    plain = made(tricorn, name, MOVING[name])
    data = {"images": IMAGES[:2], "bounding_boxes": {k: v[:2] for k, v in BOXES.items()}}
    expected = plain(data, training=True)["bounding_boxes"]
    sizes = np.shape(IMAGES)[1:3], plain.compute_output_shape((2, 6, 5, 3))[1:3]
    for kind in FORMATS[:: 1 if name == "RandomTranslation" else 8]:
        layer = made(tricorn, name, MOVING[name], bounding_box_format=kind)
        boxes = box_utils.convert_format(BOXES["boxes"][:2], "xyxy", kind, *sizes[0])
        given = {**data, "bounding_boxes": {**data["bounding_boxes"], "boxes": boxes}}
        found = layer(given, training=True)["bounding_boxes"]
        back = box_utils.convert_format(found["boxes"], kind, "xyxy", *sizes[1])
        np.testing.assert_allclose(array(back), array(expected["boxes"]), atol=1e-4)
        np.testing.assert_array_equal(array(found["labels"]), array(expected["labels"]))


@pytest.mark.parametrize("name", sorted(MOVING.keys() - {"Resizing"}))
def test_boxes_move_with_images(name):
    """The box around a bright block is around what has become of the block."""
    x, box = np.zeros((1, 40, 30, 1), "float32"), np.array([[[10, 12, 18, 24]]], "float32")
    x[:, 12:24, 10:18] = 1
    arguments = {k: 5 * v if k in ("height", "width") else v for k, v in MOVING[name].items()}
    more = {} if name in ("RandomFlip", "RandomCrop", "CenterCrop") else {"fill_value": 0}
    if name not in ("RandomFlip", "RandomCrop", "CenterCrop", "RandomPerspective"):
        more["fill_mode"] = "constant"
    layer = made(tricorn, name, {**arguments, **more})
    boxes = {"boxes": box, "labels": np.array([[1]])}
    found = layer({"images": x, "bounding_boxes": boxes}, training=True)
    seen = array(found["images"])[0, :, :, 0] > 0.5
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    around = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    np.testing.assert_allclose(array(found["bounding_boxes"]["boxes"])[0, 0], around, atol=1.5)


def test_data_with_boxes():
    layer = made(tricorn, "RandomFlip", {})
    lists = {"boxes": [[[0.0, 1, 2, 3]], [[1, 1, 2, 2], [0, 0, 4, 4.0]]], "labels": [[1], [2, 3]]}
    data = {"images": IMAGES[:2], "bounding_boxes": lists, "file": np.arange(2)}
    found = layer(data, training=False)
    assert found["file"] is not None and data["bounding_boxes"] is lists
    assert array(found["bounding_boxes"]["labels"]).tolist() == [[1, -1], [2, 3]]
    assert array(found["bounding_boxes"]["boxes"])[0].tolist() == [[0, 1, 2, 3], [0, 0, 0, 0]]
    one = {"images": IMAGES[0], "bounding_boxes": {k: v[0] for k, v in BOXES.items()}}
    for name in ("RandomTranslation", "MaxNumBoundingBoxes", "RandAugment"):
        found = made(tricorn, name, ALL[name])(one, training=True)["bounding_boxes"]
        assert tuple(found["boxes"].shape) == (3 if name[0] == "M" else 2, 4)
    without = layers.RandomFlip()
    with pytest.raises(ValueError, match="specify a bounding box format"):
        without(data)
    with pytest.raises(ValueError, match="a dict with keys 'boxes' and 'labels'"):
        layer({"images": IMAGES, "bounding_boxes": {"boxes": BOXES["boxes"]}})
    for name in ("CutMix", "RandomElasticTransform"):
        with pytest.raises(NotImplementedError, match="bounding boxes"):
            made(tricorn, name, {})({"images": IMAGES, "bounding_boxes": BOXES}, training=True)
    with pytest.raises(ValueError, match="rank 3 .single image. or 4"):
        layer(IMAGES[0, 0])
    with pytest.raises(ValueError, match="the key 'images'"):
        layer({"labels": LABELS})


def test_masks_keep_their_dtype_and_values():
    for name in ("RandomRotation", "RandomElasticTransform", "CutMix", "Resizing", "RandomCrop"):
        arguments = {**ALL[name], **({"factor": (0.1, 0.3)} if name == "RandomRotation" else {})}
        data = {"images": IMAGES, "segmentation_masks": MASKS}
        found = made(tricorn, name, arguments)(data, training=True)["segmentation_masks"]
        assert dtypes.standardize(found.dtype) == "uint8"
        assert set(np.unique(array(found))) <= set(range(4))


# -------------------------------------------------------------------------- in models and pipelines


class Darker(layers.BaseImagePreprocessingLayer):
    """A user's own layer."""

    def get_random_transformation(self, data, training=True, seed=None):
        images = data["images"] if isinstance(data, dict) else data
        return self.backend.random.uniform((self.backend.shape(images)[0], 1, 1, 1), seed=seed)

    def transform_images(self, images, transformation, training=True):
        return images * transformation if training else images

    def transform_labels(self, labels, transformation, training=True):
        return labels + 1


class OnlyImages(layers.RandomFlip):
    def get_random_transformation(self, data, training=True, seed=None):
        drawn = super().get_random_transformation(data, training=training, seed=seed)
        return {**drawn, "flips": ops.ones_like(drawn["flips"])}


def test_layers_of_users():
    found = Darker()({"images": IMAGES, "labels": LABELS}, training=True)
    assert (array(found["images"]) <= IMAGES).all()
    np.testing.assert_array_equal(array(found["labels"]), LABELS + 1)
    flipped = OnlyImages("vertical")(IMAGES, training=True)
    np.testing.assert_array_equal(array(flipped), IMAGES[:, ::-1])


def test_in_a_model():
    """In `fit` images change, in `predict` they do not."""
    model = tricorn.Sequential([
        tricorn.Input((6, 5, 3)), layers.RandAugment(seed=1), layers.RandomTranslation(0.2, 0.2),
        layers.Resizing(4, 4), layers.Flatten(), layers.Dense(4),
    ])  # fmt: skip
    model.compile("sgd", "mse")
    model.fit(IMAGES / 1000, LABELS, epochs=2, verbose=0)
    first, second = (model.predict(IMAGES, verbose=0) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.filterwarnings("ignore")
def test_in_tf_data():
    """Whichever engine is active; sizes are not known when the function is made."""
    tf = pytest.importorskip("tensorflow")
    chain = [
        made(tricorn, "CenterCrop", {"height": 9, "width": 9}),
        made(tricorn, "Resizing", {"height": 12, "width": 8, "pad_to_aspect_ratio": True}),
        made(tricorn, "Resizing", {"height": 8, "width": 8, "crop_to_aspect_ratio": True}),
        made(tricorn, "RandomFlip", {}), made(tricorn, "RandomRotation", {"factor": 0.1}),
        made(tricorn, "RandomCrop", {"height": 6, "width": 7}),
        made(tricorn, "RandAugment", {"num_ops": 1}), made(tricorn, "RandomErasing", {}),
        made(tricorn, "RandomCrop", {"height": 5, "width": 5}),
    ]  # fmt: skip

    def change(data):
        for layer in chain[:-1]:
            data = layer(data, training=True)
        return chain[-1](data, training=False)

    def samples():
        for height in (9, 12):
            yield {"images": np.full((2, height, 10, 3), 200, "uint8"), "labels": LABELS[:2],
                   "bounding_boxes": {k: v[:2] for k, v in BOXES.items()},
                   "segmentation_masks": np.ones((2, height, 10, 1), "uint8")}  # fmt: skip

    spec = tf.nest.map_structure(
        lambda x: tf.TensorSpec([None] * (x.ndim - 1) + [x.shape[-1]], x.dtype), next(samples())
    )
    results = list(tf.data.Dataset.from_generator(samples, output_signature=spec).map(change))
    for found in results:
        assert found["images"].shape == (2, 5, 5, 3)
        assert found["bounding_boxes"]["boxes"].shape == (2, 2, 4)
        assert found["images"].numpy().std() > 0
    assert not np.array_equal(results[0]["images"], results[1]["images"])


@pytest.mark.parametrize("jit", [True, False])
def test_augmentation_in_a_compiled_step(jit):
    stack = [made(tricorn, name, ALL[name]) for name in ("RandomRotation", "RandomZoom")]
    stack += [tricorn.layers.Flatten(), tricorn.layers.Dense(1)]
    model = tricorn.Sequential([tricorn.Input((6, 6, 3)), *stack])
    model.compile("sgd", "mse", jit_compile=jit)
    losses = model.fit(np.ones((4, 6, 6, 3)), np.ones((4, 1)), verbose=0).history["loss"]
    assert np.isfinite(losses).all()
