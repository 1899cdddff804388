"""Bounding boxes, beside Keras's; Keras computes in float32 too."""

import inspect

import keras
import numpy as np
import pytest

from tests.oracle import array
from tricorn import utils
from tricorn.ops.boxes import FORMATS

RNG = np.random.default_rng(0)


def corners(*shape):
    places, sizes = RNG.uniform(2, 40, (*shape, 2)), RNG.uniform(1, 30, (*shape, 2))
    return np.concatenate([places, places + sizes], -1).astype("float32")


BOXES, OTHERS = corners(2, 5), corners(2, 3)
FLAT = BOXES[0]
SIZE = {"height": 60, "width": 80}
FIVE = [np.array([a, b], "float32") for a, b in [(10, -35), (0.1, -0.2), (0.05, 0), (1.5, 0.7)]]
SHEAR = [np.array([5, 0], "float32"), np.array([-3, 20], "float32")]
LABELS = np.array([[0, 1, 2, 3, 4]] * 2)
CALLS = {
    **{
        f"{a} to {b}": (lambda u, a=a, b=b: u.convert_format(BOXES / 100, a, b, **SIZE))
        for a in FORMATS
        for b in FORMATS
    },
    "dict": lambda u: u.convert_format({"boxes": FLAT.copy()}, "xyxy", "xywh")["boxes"],
    "dtype": lambda u: u.convert_format(FLAT, "xyxy", "rel_xywh", 50, 50, dtype="float16"),
    "clip": lambda u: u.clip_to_image_size({"boxes": BOXES, "labels": LABELS}, 10, 20),
    "clip relative": lambda u: u.clip_to_image_size(
        {"boxes": BOXES / 30 - 0.5, "labels": LABELS}, bounding_box_format="rel_xyxy"
    ),
    "clip without labels": lambda u: u.clip_to_image_size({"boxes": FLAT}, 10, 20),
    "crop": lambda u: u.crop(BOXES, 5, 8, 20, 30),
    "pad": lambda u: u.pad(BOXES, 5, 8),
    "affine": lambda u: u.affine_transform(BOXES, *FIVE, *SHEAR, **SIZE),
    "affine around": lambda u: u.affine_transform(
        BOXES, *FIVE, *SHEAR, **SIZE, center_x=0.2, center_y=0.9
    ),
    "encode": lambda u: u.encode_box_to_deltas(OTHERS[0], BOXES[:, :3], "xyxy", "xyxy"),
    "encode relative": lambda u: u.encode_box_to_deltas(
        FLAT / 60, FLAT[::-1] / 60, "rel_xyxy", "rel_yxyx", "center_xywh", [0.1, 0.1, 0.2, 0.2],
        (60, 80, 3),
    ),
    "decode": lambda u: u.decode_deltas_to_boxes(
        FLAT, BOXES / 50, "xyxy", "xywh", "center_xywh", [0.1, 0.1, 0.2, 0.2]
    ),
    "decode levels": lambda u: u.decode_deltas_to_boxes(
        {"a": FLAT, "b": FLAT * 2}, {"a": FLAT / 50, "b": FLAT / 60}, "xyxy", "yxyx"
    ),
    "iou": lambda u: u.compute_iou(FLAT, OTHERS[0], "xyxy"),
    "iou of batches": lambda u: u.compute_iou(BOXES, OTHERS, "yxyx"),
    "iou of a batch": lambda u: u.compute_iou(FLAT, OTHERS, "xywh"),
    "iou relative": lambda u: u.compute_iou(
        FLAT / 60, OTHERS[0] / 60, "rel_center_xywh", image_shape=(60, 80, 3)
    ),
    "iou masked": lambda u: u.compute_iou(
        np.concatenate([BOXES, -np.ones((2, 1, 4))], 1), np.concatenate([OTHERS, -OTHERS], 1),
        "xyxy", use_masking=True, mask_val=-7,
    ),
    "ciou": lambda u: u.compute_ciou(BOXES[:, :3], OTHERS, "xyxy"),
    "ciou of sizes": lambda u: u.compute_ciou(FLAT, FLAT[::-1].copy(), "center_xywh"),
}  # fmt: skip


def parts(found):
    return list(found.values()) if isinstance(found, dict) else [found]


@pytest.mark.parametrize("name", CALLS)
def test_boxes_are_keras_s(name):
    ours = parts(CALLS[name](utils.bounding_boxes))
    theirs = parts(CALLS[name](keras.utils.bounding_boxes))
    assert len(ours) == len(theirs)
    for a, b in zip(map(array, ours), map(keras.ops.convert_to_numpy, theirs)):
        assert a.shape == b.shape
        bound = 2e-3 if b.dtype == np.float16 else 2e-5
        np.testing.assert_allclose(a, b, rtol=bound, atol=bound)


def test_relative_ciou_works_with_the_size():
    """Keras refuses them with the words that the size must be given, also when it is."""
    scaled = FLAT / np.array([80, 60, 80, 60], "float32"), FLAT[::-1] / np.array([80, 60, 80, 60])
    found = utils.bounding_boxes.compute_ciou(*scaled, "rel_xyxy", image_shape=(60, 80, 3))
    expected = utils.bounding_boxes.compute_ciou(FLAT, FLAT[::-1].copy(), "xyxy")
    np.testing.assert_allclose(array(found), array(expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda u: u.convert_format(FLAT[:, :3], "xyxy", "xywh"), ValueError, "dimension of 4"),
        (lambda u: u.convert_format(FLAT, "xyxy", "zzz"), ValueError, "Invalid source or target"),
        (lambda u: u.convert_format(FLAT, "xyxy", "rel_xywh"), ValueError, "height"),
        (lambda u: u.clip_to_image_size({"boxes": FLAT}), ValueError, "must be set"),
        (lambda u: u.clip_to_image_size({"boxes": FLAT}, 1, 1, "xywh"), NotImplementedError, ""),
        (lambda u: u.crop(FLAT, 1, 1, 1, 1, "xywh"), NotImplementedError, ""),
        (lambda u: u.pad(FLAT, 1, 1, 1, 1, "xywh"), NotImplementedError, ""),
        (lambda u: u.compute_iou(FLAT[0], FLAT, "xyxy"), ValueError, "unbatched"),
        (lambda u: u.compute_iou(FLAT, FLAT, "rel_xyxy"), ValueError, "image_shape"),
        (
            lambda u: u.encode_box_to_deltas(FLAT, FLAT, "xyxy", "xyxy", "xyxy"),
            ValueError,
            "center",
        ),
        (
            lambda u: u.encode_box_to_deltas(FLAT, FLAT, "xyxy", "xyxy", variance=[1.0]),
            ValueError,
            "length 4",
        ),
    ],
)
def test_bad_boxes(call, error, message):
    for library in (utils, keras.utils):
        with pytest.raises(error, match=message or None):
            call(library.bounding_boxes)


@pytest.mark.engine_free
def test_signatures():
    for name in utils.bounding_boxes.__all__:
        ours, theirs = (
            [(p.name, p.default) for p in inspect.signature(getattr(u, name)).parameters.values()]
            for u in (utils.bounding_boxes, keras.utils.bounding_boxes)
        )
        assert ours == theirs, name
