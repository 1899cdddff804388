"""A small GPT learns to write the licence of this repository, character by character.

Shows: `TextVectorization` by characters, causal attention, a callback that writes text.
Data: the text of `LICENSE`, nine tenths to learn from, the rest to be judged by.
Expected: less than 2.3 nats a character on the rest, where guessing by frequency takes 3.0.
Source: Radford et al., Improving Language Understanding by Generative Pre-Training, 2018.
"""

from pathlib import Path

import numpy as np

import tricorn as keras
from tricorn import layers, ops

keras.utils.set_random_seed(0)

LENGTH, WIDTH = 32, 64

# ------------------------------------------------------------------------------------------ data

text = (Path(__file__).parent.parent / "LICENSE").read_text(encoding="utf-8")
text = " ".join(text.lower().split())

vectorize = layers.TextVectorization(standardize=None, split="character")
vectorize.adapt([text])
characters = vectorize.get_vocabulary()
ids = np.asarray(vectorize([text]))[0]

cut = len(ids) * 9 // 10


def windows(ids):
    """Every other stretch of LENGTH characters, and the same one character on."""
    stretches = np.lib.stride_tricks.sliding_window_view(ids, LENGTH + 1)
    return stretches[::2, :-1], stretches[::2, 1:]


x_train, y_train = windows(ids[:cut])
x_test, y_test = windows(ids[cut:])

# ----------------------------------------------------------------------------------------- model


def transformer_block(x):
    attention = layers.MultiHeadAttention(num_heads=4, key_dim=WIDTH // 4, dropout=0.1)
    x = layers.LayerNormalization()(x + attention(x, x, use_causal_mask=True))
    hidden = layers.Dense(4 * WIDTH, activation="gelu")(x)
    hidden = layers.Dropout(0.2)(layers.Dense(WIDTH)(hidden))
    return layers.LayerNormalization()(x + hidden)


class PositionEmbedding(layers.Layer):
    """Adds to each step a vector for its place."""

    def build(self, input_shape):
        self.table = self.add_weight(input_shape[1:], initializer="uniform", name="table")

    def call(self, x):
        return x + self.table


inputs = keras.Input((LENGTH,), dtype="int32")
x = layers.Embedding(len(characters), WIDTH)(inputs)
x = layers.Dropout(0.1)(PositionEmbedding()(x))
for _ in range(2):
    x = transformer_block(x)
model = keras.Model(inputs, layers.Dense(len(characters))(x))

# -------------------------------------------------------------------------------------- training


class TextGenerator(keras.callbacks.Callback):
    """Writes some text after each epoch."""

    def __init__(self, prompt, count=100, top_k=5):
        super().__init__()
        self.prompt, self.count, self.top_k = prompt, count, top_k
        self.rng = np.random.default_rng(0)

    def generate(self):
        written = [characters.index(c) for c in self.prompt]
        for _ in range(self.count):
            recent = written[-LENGTH:]
            padded = np.array([recent + [0] * (LENGTH - len(recent))])
            logits = self.model.predict_on_batch(padded)[0, len(recent) - 1]
            best, choices = ops.top_k(logits, self.top_k)
            chances = ops.convert_to_numpy(ops.softmax(best)).astype("float64")
            chosen = self.rng.choice(ops.convert_to_numpy(choices), p=chances / chances.sum())
            written.append(int(chosen))
        return "".join(characters[i] for i in written)

    def on_epoch_end(self, epoch, logs=None):
        print(repr(self.generate()))


model.compile(
    keras.optimizers.AdamW(2e-3, weight_decay=0.01),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
)
model.fit(
    x_train, y_train, batch_size=32, epochs=2, verbose=2, callbacks=[TextGenerator("the license")]
)

loss = model.evaluate(x_test[::6], y_test[::6], verbose=0)
share = np.bincount(ids[:cut], minlength=len(characters)) / cut
guessing = -np.mean(np.log(np.maximum(share[ids[cut:]], 1e-4)))
print(f"nats a character: {loss:.2f}, guessing by frequency: {guessing:.2f}")
assert loss < 2.3 < guessing, (loss, guessing)
