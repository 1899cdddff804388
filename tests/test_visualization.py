"""Boxes, masks and galleries: the pixels they should have, and beside genuine Keras."""

from __future__ import annotations

import builtins

import keras
import numpy as np
import pytest

import tricorn
from tests.oracle import cached
from tricorn import visualization as ours

_draw = np.random.RandomState(0)
IMAGES = _draw.randint(0, 256, (4, 24, 32, 3)).astype("uint8")
GREY, RED = np.array([128, 128, 128], "uint8"), (255, 0, 0)
#: (left, top, right, bottom) of a box in 24 x 32 pixels
BOX = (5, 4, 20, 15)


def boxes(*each, labels=None, **more):
    found = np.array([each], "float32").reshape(1, -1, 4)
    labels = np.zeros((1, len(each)), int) if labels is None else np.array([labels])
    return {"boxes": found, "labels": labels, **more}


def black(*shape):
    return np.zeros(shape or (1, 24, 32, 3), "uint8")


# ------------------------------------------------------------------------------------------- boxes

#: the box as each format has it
FORMS = {
    "xyxy": BOX, "yxyx": (4, 5, 15, 20), "xywh": (5, 4, 15, 11),
    "center_xywh": (12.5, 9.5, 15, 11), "rel_xyxy": (5 / 32, 4 / 24, 20 / 32, 15 / 24),
}  # fmt: skip
#: thickness -> how far from the edge the line goes, inward and outward of the box's corner
THICKNESSES = {1: (0, 0), 2: (1, 0), 3: (1, 1), 4: (2, 1)}


def edge(thickness, box=BOX):
    """Which pixels a box's line covers."""
    before, after = THICKNESSES[thickness]
    left, top, right, bottom = box
    y, x = np.mgrid[:24, :32]
    near = lambda a, b: (a >= b - before) & (a <= b + after)
    outer = (
        (y >= top - before) & (y <= bottom + after) & (x >= left - before) & (x <= right + after)
    )
    return outer & (near(y, top) | near(y, bottom) | near(x, left) | near(x, right))


@pytest.mark.parametrize("form", FORMS)
def test_formats_of_boxes(form):
    found = ours.draw_bounding_boxes(black(), boxes(FORMS[form]), form, color=RED)
    assert np.array_equal(found[0], edge(2)[..., None] * np.array(RED, "uint8"))


@pytest.mark.parametrize("thickness", THICKNESSES)
def test_lines_of_boxes(thickness):
    images = IMAGES[:1]
    found = ours.draw_bounding_boxes(images, boxes(BOX), "xyxy", line_thickness=thickness)
    assert np.array_equal(found[0], np.where(edge(thickness)[..., None], GREY, images[0]))


def test_boxes_that_reach_outside_and_filled_boxes():
    found = ours.draw_bounding_boxes(black(), boxes((-5, 4, 20, 40)), "xyxy", line_thickness=1)
    assert np.array_equal(found[0, :, :, 0] > 0, edge(1, (-5, 4, 20, 40)))
    found = ours.draw_bounding_boxes(black(), boxes((20, 15, 5, 4)), "xyxy", line_thickness=-1)
    assert found[0, 4:16, 5:21].min() == 128
    assert found.sum() == 12 * 16 * 3 * 128


@pytest.mark.parametrize(
    "images",
    [IMAGES[:1], IMAGES[:1].astype("float32"), IMAGES[:1].astype("float32") / 255,
     IMAGES[:1, ..., :1], IMAGES[:1].transpose(0, 3, 1, 2)],
    ids=["bytes", "floats to 255", "floats to 1", "one channel", "channels first"],
)  # fmt: skip
def test_kinds_of_images(images):
    before, first = images.copy(), images.shape[1] == 3
    layout = "channels_first" if first else "channels_last"
    tensor = tricorn.ops.convert_to_tensor(images)
    for given in (images, tensor):
        found = ours.draw_bounding_boxes(given, boxes(BOX), "xyxy", data_format=layout)
        assert found.shape == images.shape
        assert found.dtype == np.uint8
        found = found.transpose(0, 2, 3, 1) if first else found
        plain = IMAGES[0, ..., : found.shape[-1]]
        wanted = np.where(edge(2)[..., None], np.uint8(128), plain).astype(int)
        assert np.abs(found[0].astype(int) - wanted).max() <= 1  # floats are cut
    assert np.array_equal(images, before)


def test_boxes_with_the_label_minus_one_are_none():
    found = ours.draw_bounding_boxes(black(), boxes(BOX, BOX, labels=[-1, -1]), "xyxy")
    assert not found.any()


def test_names_and_confidences():
    pytest.importorskip("PIL")
    images, big = black(1, 100, 200, 3), boxes((20, 60, 150, 90))

    def letters(**arguments):
        found = ours.draw_bounding_boxes(images, big, "xyxy", color=RED, **arguments)
        without = ours.draw_bounding_boxes(images, big, "xyxy", color=RED)
        assert set(np.unique(found.reshape(-1, 3), axis=0).flatten()) <= {0, 255}
        return ((found != without).any(-1))[0]

    assert not letters(class_mapping={7: "cat"}).any()
    plain = letters(class_mapping={0: "cat"})
    rows, columns = np.nonzero(plain)
    assert 10 < 53 - rows.min() < 30  # the height of letters, above the box
    assert rows.max() <= 53
    assert columns.min() >= 20
    bold = letters(class_mapping={0: "cat"}, text_thickness=4)
    assert bold.sum() > 1.3 * plain.sum()
    small = letters(class_mapping={0: "cat"}, font_scale=0.5)
    assert small.sum() < 0.5 * plain.sum()
    big["confidences"] = np.array([[0.75]])
    longer = letters(class_mapping={0: "cat"}, font_scale=0.5)
    assert np.nonzero(longer)[1].max() > np.nonzero(small)[1].max() + 20
    big["boxes"][0, 0, 1] = 5  # no room above: in the box
    assert np.nonzero(letters(class_mapping={0: "cat"}))[0].min() > 5


# ------------------------------------------------------------------------------------------- masks

MASKS = _draw.randint(1, 4, (4, 24, 32, 1))


@cached
def genuine_masks(alpha):
    return keras.visualization.draw_segmentation_masks(IMAGES, MASKS, num_classes=4, alpha=alpha)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.8, 1.0])
def test_masks_beside_keras(alpha):
    """Keras draws class 0, the background, too, and leaves out the last: here there are neither."""
    wanted = np.asarray(genuine_masks(alpha)).astype(int)
    for masks in (MASKS, MASKS[..., 0], tricorn.ops.convert_to_tensor(MASKS.astype("int32"))):
        found = ours.draw_segmentation_masks(IMAGES, masks, num_classes=4, alpha=alpha)
        assert found.dtype == np.uint8
        assert np.abs(found.astype(int) - wanted).max() <= 1


def test_the_classes_of_masks():
    masks = np.arange(4)[None, None].repeat(24, 1).repeat(8, 2)  # stripes 0, 1, 2, 3
    colours = {1: (250, 0, 0), 2: (0, 250, 0), 3: (0, 0, 250)}
    draw = lambda **more: ours.draw_segmentation_masks(
        black(), masks, color_mapping=colours, blend=False, **more
    )[0, 0, ::8].tolist()
    none = [0, 0, 0]
    assert draw() == [none, [250, 0, 0], [0, 250, 0], [0, 0, 250]]
    assert draw(num_classes=2) == [none, [250, 0, 0], [0, 250, 0], none]
    assert draw(ignore_index=2) == [none, [250, 0, 0], none, [0, 0, 250]]
    first = ours.draw_segmentation_masks(
        black(1, 3, 24, 32), masks[:, None], color_mapping=colours, data_format="channels_first",
        alpha=0.5,
    )  # fmt: skip
    assert first[0, :, 0, ::8].T.tolist() == [none, [125, 0, 0], [0, 125, 0], [0, 0, 125]]


# --------------------------------------------------------------------------------------- galleries


@pytest.fixture
def pyplot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.close("all")
    yield pyplot
    pyplot.close("all")


def shown(pyplot):
    """The images of the current figure, and their titles."""
    axes = pyplot.gcf().axes
    pictures = [a.images[0].get_array() if a.images else None for a in axes]
    return pictures, [a.get_title() for a in axes]


@pytest.mark.engine_free
@pytest.mark.parametrize("value_range", [(0, 255), (0, 1), (-1, 1)])
def test_a_gallery_beside_keras(pyplot, tmp_path, value_range):
    low, high = value_range
    images = IMAGES.astype("float32") / 255 * (high - low) + low
    for lib, name in ((ours, "ours.png"), (keras.visualization, "theirs.png")):
        lib.plot_image_gallery(
            images, y_true=np.arange(4), y_pred=np.array([0, 2, 2, 9]),
            label_map={0: "cat", 1: "dog", 2: "cow"}, rows=2, cols=2, value_range=value_range,
            path=tmp_path / name,
        )  # fmt: skip
    found, wanted = (pyplot.imread(tmp_path / f"{name}.png") for name in ("ours", "theirs"))
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 1.01 / 255  # a value may be cut to its neighbour


@pytest.mark.engine_free
@pytest.mark.parametrize(
    ("count", "given", "table"),
    [(1, {}, (1, 1)), (2, {}, (2, 1)), (4, {}, (2, 2)), (5, {}, (3, 2)), (5, {"cols": 5}, (1, 5)),
     (5, {"rows": 1}, (1, 5)), (5, {"cols": 2}, (3, 2)), (5, {"rows": 1, "cols": 2}, (1, 2))],
)  # fmt: skip
def test_every_image_has_a_place(pyplot, count, given, table):
    images = np.concatenate([IMAGES, IMAGES])[:count]
    ours.plot_image_gallery(images, show=False, **given)
    pictures, _ = shown(pyplot)
    assert len(pictures) == table[0] * table[1]
    assert pyplot.gcf().axes[0].get_gridspec().get_geometry() == table
    for i, picture in enumerate(pictures):
        assert picture is None if i >= count else np.array_equal(picture, images[i])


def test_galleries_of_images_with_channels_first_and_of_one_channel(pyplot):
    ours.plot_image_gallery(IMAGES.transpose(0, 3, 1, 2), data_format="channels_first", show=False)
    assert np.array_equal(shown(pyplot)[0][3], IMAGES[3])
    ours.plot_image_gallery(IMAGES[..., :1], show=False)
    assert shown(pyplot)[0][3].squeeze().shape == (24, 32)


@pytest.mark.engine_free
def test_what_is_shown_or_saved_is_closed(pyplot, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(pyplot, "show", lambda: calls.append(len(pyplot.get_fignums())))
    ours.plot_image_gallery(IMAGES)
    ours.plot_image_gallery(IMAGES, show=True)
    assert calls == [1, 1]
    ours.plot_image_gallery(IMAGES, path=tmp_path / "a.png")
    assert not pyplot.get_fignums()
    assert (tmp_path / "a.png").exists()


def test_a_gallery_of_boxes(pyplot):
    given = {k: np.repeat(x, 4, 0) for k, x in boxes(BOX, labels=[1]).items()}
    other = {k: np.repeat(x, 4, 0) for k, x in boxes((2, 2, 8, 9)).items()}
    floats = IMAGES.astype("float32") / 255
    ours.plot_bounding_box_gallery(
        floats, "xyxy", y_true=given, y_pred=other, value_range=(0, 1), legend=True, show=False,
        true_color=RED, pred_color=(0, 255, 0), line_thickness=1,
    )  # fmt: skip
    pictures, _ = shown(pyplot)
    wanted = np.where(edge(1)[..., None], np.array(RED), IMAGES[2])
    wanted = np.where(edge(1, (2, 2, 8, 9))[..., None], np.array((0, 255, 0)), wanted)
    assert np.abs(pictures[2].astype(int) - wanted).max() <= 1
    (legend,) = pyplot.gcf().legends
    assert [text.get_text() for text in legend.get_texts()] == ["Ground Truth", "Prediction"]


def test_a_gallery_of_masks(pyplot):
    floats = IMAGES.astype("float32") / 255
    ours.plot_segmentation_mask_gallery(
        floats, 3, value_range=(0, 1), y_true=MASKS, y_pred=MASKS * 0, show=False
    )
    pictures, _ = shown(pyplot)
    assert len(pictures) == 12
    drawn = ours.draw_segmentation_masks(IMAGES, MASKS, 3)
    for picture, wanted in zip(pictures[6:9], (IMAGES[2], drawn[2], IMAGES[2])):
        assert np.abs(picture.astype(int) - wanted.astype(int)).max() <= 1


#: what is wrong -> (function, kind of error, its words)
WRONG = {
    "boxes: one image": (
        lambda: ours.draw_bounding_boxes(IMAGES[0], boxes(BOX), "xyxy"), ValueError, "batched 4D"),
    "boxes: no dict": (
        lambda: ours.draw_bounding_boxes(IMAGES, [BOX], "xyxy"), TypeError, "should be a dict"),
    "boxes: no labels": (
        lambda: ours.draw_bounding_boxes(IMAGES, {"boxes": [BOX]}, "xyxy"), ValueError, "'labels'"),
    "boxes: format": (
        lambda: ours.draw_bounding_boxes(IMAGES[:1], boxes(BOX), "xx"), ValueError, "'xx'"),
    "masks: one image": (
        lambda: ours.draw_segmentation_masks(IMAGES[0], MASKS), ValueError, "batched 4D"),
    "masks: floats": (
        lambda: ours.draw_segmentation_masks(IMAGES, MASKS * 0.5), TypeError, "integer.*float64"),
    "masks: shape": (
        lambda: ours.draw_segmentation_masks(IMAGES, MASKS[:, :3]), ValueError, r"\(4, 24, 32\)"),
    "masks: colours": (
        lambda: ours.draw_segmentation_masks(IMAGES, MASKS, color_mapping={1: RED}), ValueError,
        "no colour for the class 2"),
    "gallery: path and show": (
        lambda: ours.plot_image_gallery(IMAGES, path="a.png", show=True), ValueError, "not both"),
    "gallery: no names": (
        lambda: ours.plot_image_gallery(IMAGES, y_true=[0] * 4), ValueError, "`label_map`"),
    "gallery: one image": (
        lambda: ours.plot_image_gallery(IMAGES[0]), ValueError, "batched 4D"),
    "gallery: range": (
        lambda: ours.plot_image_gallery(IMAGES, value_range=(1, 1)), ValueError, "value_range"),
    "gallery: legends": (
        lambda: ours.plot_bounding_box_gallery(IMAGES, "xyxy", legend=True, legend_handles=[1]),
        ValueError, "either `legend` or `legend_handles`"),
}  # fmt: skip


@pytest.mark.engine_free
@pytest.mark.parametrize("what", WRONG)
def test_errors(what, pyplot):
    run, kind, words = WRONG[what]
    with pytest.raises(kind, match=words):
        run()


@pytest.mark.engine_free
@pytest.mark.parametrize(
    ("package", "extra", "run"),
    [
        ("matplotlib", "plot", lambda: ours.plot_image_gallery(IMAGES)),
        ("matplotlib", "plot", lambda: ours.plot_bounding_box_gallery(IMAGES, "xyxy")),
        ("PIL", "images", lambda: ours.draw_bounding_boxes(
            IMAGES[:1], boxes(BOX), "xyxy", class_mapping={0: "cat"})),
    ],
)  # fmt: skip
def test_what_is_not_installed(monkeypatch, package, extra, run):
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=rf"tricorn\[{extra}\]"):
        run()
