"""A convolutional and recurrent network reads numbers in pictures, trained by CTC.

The loss needs no places of the digits, only which digits there are, in their order.

Shows: `losses.CTC`, `Bidirectional`, labels of different lengths, `ops.ctc_decode`.
Data: pictures of 3 to 5 handwritten digits beside each other, made of the digits that ship with
the package; those of the test are of digits that were not learned from.
Expected: more than 0.8 of 200 unseen numbers read without a mistake.
Source: Graves et al., Connectionist Temporal Classification, ICML 2006.
"""

import numpy as np

import tricorn as keras
from tricorn import layers, ops
from tricorn.datasets import digits

keras.utils.set_random_seed(0)

WIDTH, LONGEST = 56, 5

# ------------------------------------------------------------------------------------------ data


def pictures(images, labels, count, seed):
    """Pictures `(count, 8, WIDTH, 1)`; labels `(count, LONGEST)`, digit + 1, padded with 0."""
    rng = np.random.default_rng(seed)
    x = np.zeros((count, 8, WIDTH, 1), "float32")
    y = np.zeros((count, LONGEST), "int32")
    for picture, label in zip(x, y):
        chosen = rng.integers(0, len(images), rng.integers(3, LONGEST + 1))
        label[: len(chosen)] = labels[chosen].astype("int32") + 1
        left = rng.integers(0, 8)
        for i in chosen:
            picture[:, left : left + 8, 0] = np.maximum(
                picture[:, left : left + 8, 0], images[i] / 16
            )
            left += rng.integers(7, 10)
    return x + rng.normal(0, 0.05, x.shape).astype("float32"), y


train_digits, test_digits = digits.load_data()
x_train, y_train = pictures(*train_digits, count=3200, seed=0)
x_test, y_test = pictures(*test_digits, count=200, seed=1)

# ----------------------------------------------------------------------------------------- model

image = keras.Input((8, WIDTH, 1), name="image")
x = layers.Conv2D(32, 3, padding="same", activation="relu")(image)
x = layers.MaxPooling2D((2, 1))(x)
x = layers.Conv2D(48, 3, padding="same", activation="relu")(x)
x = layers.MaxPooling2D((2, 2))(x)
x = layers.Permute((2, 1, 3))(x)  # the width becomes the time
x = layers.Reshape((WIDTH // 2, 2 * 48))(x)
x = layers.Dense(64, activation="relu")(x)
x = layers.Dropout(0.2)(x)
x = layers.Bidirectional(layers.LSTM(32, return_sequences=True))(x)
scores = layers.Dense(11, name="scores")(x)  # ten digits, and the blank of CTC, which is 0
model = keras.Model(image, scores)
model.summary()

# -------------------------------------------------------------------------------------- training

model.compile(keras.optimizers.Adam(4e-3), loss=keras.losses.CTC())
model.fit(x_train, y_train, batch_size=32, epochs=10, verbose=2)

# --------------------------------------------------------------------------------------- reading


def read(x):
    scores = model.predict(x, verbose=0)
    lengths = np.full(len(x), scores.shape[1])
    decoded, _ = ops.ctc_decode(scores, lengths, strategy="beam_search", beam_width=20, top_paths=1)
    return ["".join(str(i - 1) for i in row if i > 0) for row in ops.convert_to_numpy(decoded[0])]


numbers = ["".join(str(i - 1) for i in row if i > 0) for row in y_test]
answers = read(x_test)
for number, answer in list(zip(numbers, answers))[:8]:
    print(f"{number:6} read as {answer}")
right = np.mean([number == answer for number, answer in zip(numbers, answers)])
print(f"numbers read without a mistake: {right:.3f}")
assert right > 0.8, right
