"""What the data tools of Keras 2 make of fixed seeds, as arrays by name.

The same lines run here and in genuine Keras 2.3.1 (Python 3.7), whose results are kept beside:

    python tests/preprocessing/cases.py
"""

import os
import random
import tempfile
import warnings

import numpy as np

TEXTS = ["To be, or not to be!", "that is the question", "The rest is silence; is it?", ""]
GENERATORS = {
    "rotation": dict(rotation_range=40),
    "shifts": dict(width_shift_range=0.3, height_shift_range=0.2),
    "pixels": dict(width_shift_range=3, height_shift_range=[-2, 1, 2], fill_mode="reflect"),
    "pixels apart": dict(width_shift_range=2.5, fill_mode="constant", cval=7.0),
    "shear": dict(shear_range=25),
    "zoom": dict(zoom_range=0.4),
    "zoom in": dict(zoom_range=(0.5, 0.8), fill_mode="constant", cval=3.0),
    "flips": dict(horizontal_flip=True, vertical_flip=True),
    "channels": dict(channel_shift_range=60.0),
    "brightness": dict(brightness_range=(0.4, 1.5)),
    "nearest pixel": dict(rotation_range=30, interpolation_order=0, fill_mode="nearest"),
    "rescaled": dict(rescale=1 / 255.0, preprocessing_function=lambda x: x[::-1] + 1),
    "samplewise": dict(samplewise_center=True, samplewise_std_normalization=True),
    "featurewise": dict(featurewise_center=True, featurewise_std_normalization=True),
    "whitened": dict(zca_whitening=True, featurewise_center=True, zca_epsilon=0.1, rescale=0.01),
    "all": dict(
        rotation_range=10, width_shift_range=0.1, height_shift_range=0.1, shear_range=5,
        zoom_range=0.1, channel_shift_range=5.0, horizontal_flip=True,
    ),
}  # fmt: skip


def images(count=7, size=(6, 5, 3)):
    """Smooth pictures, so that interpolation matters and edges do not."""
    rows, columns, channels = np.meshgrid(*map(np.arange, size), indexing="ij")
    waves = [np.sin(0.7 * rows + i) * np.cos(0.5 * columns - channels) for i in range(count)]
    return (127 + 100 * np.stack(waves)).astype("float32")


def transforms(image):
    x = images(1)[0]
    axes = dict(row_axis=0, col_axis=1, channel_axis=2)
    for name, arguments in {
        "random_rotation": (30,),
        "random_shift": (0.2, 0.3),
        "random_shear": (20,),
        "random_zoom": ((0.6, 1.3),),
    }.items():
        np.random.seed(3)
        yield name, getattr(image, name)(x, *arguments, **axes)
    for name, arguments in {
        "random_channel_shift": (50, 2),
        "random_brightness": ((0.3, 2),),
    }.items():
        np.random.seed(3)
        yield name, getattr(image, name)(x, *arguments)
    settings = dict(theta=20, tx=1.5, ty=-2, shear=10, zx=0.8, zy=1.2)
    yield "apply_affine_transform", image.apply_affine_transform(x, **settings)
    first = dict(row_axis=1, col_axis=2, channel_axis=0)
    yield "channels_first", image.apply_affine_transform(x.transpose(2, 0, 1), **settings, **first)


def generators(image):
    x, y = images(), np.arange(7)
    for name, settings in GENERATORS.items():
        for layout in ("channels_last", "channels_first"):
            if name not in ("all", "featurewise", "whitened") and layout == "channels_first":
                continue
            ordered = x if layout == "channels_last" else x.transpose(0, 3, 1, 2)
            generator = image.ImageDataGenerator(data_format=layout, **settings)
            generator.fit(ordered, seed=1)
            flow = generator.flow(ordered, y, batch_size=3, seed=11, sample_weight=y / 2)
            for number in range(2 + (name == "all") * 2):
                for part, array in zip("xyw", next(flow)):
                    yield "%s %s %s%d" % (name, layout, part, number), array
    generator = image.ImageDataGenerator(rotation_range=20, validation_split=0.4)
    generator.fit(x, augment=True, rounds=2, seed=5)
    for subset in ("training", "validation"):
        flow = generator.flow(x, batch_size=2, subset=subset, seed=2)
        for turn, number in enumerate((0, len(flow) - 1, 0)):
            yield "by number %s %d" % (subset, turn), flow[number]
    np.random.seed(9)
    flow = generator.flow((x, [y, y * 2]), y, batch_size=4, shuffle=True)
    for number in range(3):
        batch = next(flow)
        for part, array in zip("abc", batch[0] + [batch[1]]):
            yield "several %s%d" % (part, number), array


def directories(image):
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        for number, pixels in enumerate(images(9).astype("uint8")):
            path = os.path.join(folder, "abc"[number % 3], "in" if number > 6 else "")
            os.makedirs(path, exist_ok=True)
            Image.fromarray(pixels).save(os.path.join(path, "%d.png" % number))
        generator = image.ImageDataGenerator(horizontal_flip=True, validation_split=0.5)
        for mode in ("categorical", "binary", "sparse", "input", None):
            for subset in (None, "training", "validation"):
                flow = generator.flow_from_directory(
                    folder, target_size=(5, 7), color_mode="grayscale" if subset else "rgba",
                    class_mode=mode, batch_size=4, seed=3, subset=subset,
                )  # fmt: skip
                batch = next(flow)
                for part, array in zip("xy", batch if mode else [batch]):
                    yield "directory %s %s %s" % (mode, subset, part), array
        names = ["%s/%s%d.png" % ("abc"[i % 3], "in/" if i > 6 else "", i) for i in range(9)]
        table = {
            "filename": names + ["none.png"],
            "class": list("abcbcbabca"),
            "many": [["a"], ["b", "a"], "c"] * 3 + ["a"],
            "p": np.arange(10.0), "q": np.arange(10.0) * 2, "w": np.arange(10),
        }  # fmt: skip
        for mode, y in (
            ("categorical", "class"), ("categorical", "many"), ("sparse", "class"),
            ("raw", "p"), ("raw", ["p", "q"]), ("multi_output", ["p", "q"]), (None, None),
        ):  # fmt: skip
            for subset in (None, "training", "validation"):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    flow = generator.flow_from_dataframe(
                        make_table(table), folder, y_col=y, class_mode=mode, target_size=(8, 6),
                        batch_size=5, seed=4, subset=subset, weight_col=None if y is None else "w",
                        classes=["a", "b"] if y == "class" else None,
                    )  # fmt: skip
                batch = next(flow)
                for part, array in zip("xyw", batch if mode else [batch]):
                    yield "table %s %s %s %s" % (mode, y, subset, part), np.array(array)


make_table = dict  # a DataFrame, where Keras 2 wants one


def tokens(text):
    for name, settings in {
        "plain": {},
        "few": dict(num_words=4),
        "unknown": dict(num_words=5, oov_token="?"),
        "characters": dict(char_level=True, lower=False),
        "split": dict(filters="e", split=" t"),
    }.items():
        tokenizer = text.Tokenizer(**settings)
        tokenizer.fit_on_texts(TEXTS[:2])
        tokenizer.fit_on_texts(TEXTS[2:] + [["words", "in", "a", "list"]])
        sequences = tokenizer.texts_to_sequences(TEXTS + ["never to be seen", ["to", "be"]])
        yield name, np.array([repr(sequences)])
        yield name + " back", np.array(tokenizer.sequences_to_texts(sequences + [[99]]))
        for mode in ("binary", "count", "freq", "tfidf"):
            yield name + mode, tokenizer.texts_to_matrix(TEXTS, mode)
        again = text.tokenizer_from_json(tokenizer.to_json())
        yield name + " again", again.texts_to_matrix(TEXTS, "tfidf")
    tokenizer = text.Tokenizer(num_words=6)
    tokenizer.fit_on_sequences([[1, 2, 2], [5, 1]])
    yield "sequences", tokenizer.sequences_to_matrix([[1, 2, 1], [5]], "tfidf")
    yield "hashes", np.array(text.hashing_trick(" ".join(TEXTS), 50, "md5"))
    yield "words", np.array(text.text_to_word_sequence("A-b,c d", lower=False, filters="-"))


def sequences(sequence):
    yield "table", sequence.make_sampling_table(50)
    for name, settings in {
        "plain": {},
        "few": dict(negative_samples=0.5, window_size=1),
        "none": dict(negative_samples=0, shuffle=False),
        "pairs": dict(categorical=True, seed=4),
        "sampled": dict(sampling_table=sequence.make_sampling_table(9, 0.01)),
    }.items():
        random.seed(6)
        couples, labels = sequence.skipgrams([1, 0, 3, 5, 8, 2, 3], 9, **settings)
        yield name, np.array(couples)
        yield name + " labels", np.array(labels)
    data, targets = np.arange(40.0).reshape(20, 2), np.arange(20)
    for name, settings in {
        "windows": {},
        "rate": dict(sampling_rate=2, stride=3, reverse=True),
        "part": dict(start_index=3, end_index=15, shuffle=True),
    }.items():
        np.random.seed(2)
        series = sequence.TimeseriesGenerator(data, targets, length=4, batch_size=3, **settings)
        yield name + " count", np.array(len(series))
        for number in range(len(series)):
            yield "%s x%d" % (name, number), series[number][0]
            yield "%s y%d" % (name, number), series[number][1] if "part" not in name else data[0]


def results(image, text, sequence):
    """All of it."""
    for kind, found in {
        "transforms": transforms(image),
        "generators": generators(image),
        "directories": directories(image),
        "tokens": tokens(text),
        "sequences": sequences(sequence),
    }.items():
        for name, array in found:
            yield kind + ": " + name, np.asarray(array)


if __name__ == "__main__":
    from keras.preprocessing import image, sequence, text
    from keras_preprocessing.text import tokenizer_from_json
    from pandas import DataFrame as make_table

    text.tokenizer_from_json = tokenizer_from_json
    recorded = dict(results(image, text, sequence))
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "keras-2.3.1.npz")
    np.savez_compressed(path, **recorded)
    print(len(recorded), "arrays,", os.path.getsize(path), "bytes")
