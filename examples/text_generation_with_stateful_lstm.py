"""An LSTM that keeps its state between batches reads the licence of this repository, and writes on.

The text is cut into as many parts as a batch has rows; each batch goes on where the one before
ended, so that the state carries what stood before. For writing, a second model with the same
weights takes one character at a time.

Shows: `stateful=True`, `reset_state`, `shuffle=False`, `get_weights` and `set_weights`.
Data: the text of `LICENSE`.
Expected: less than 1.6 nats a character of what it has read (guessing by frequency takes 3.0), and
less with the state than without it.
"""

from pathlib import Path

import numpy as np

import tricorn as keras
from tricorn import layers

keras.utils.set_random_seed(0)

ROWS, STEPS = 16, 24

# ------------------------------------------------------------------------------------------ data

text = (Path(__file__).parent.parent / "LICENSE").read_text(encoding="utf-8")
text = " ".join(text.lower().split())
characters = sorted(set(text))
ids = np.array([characters.index(c) for c in text])

# row r of batch b + 1 goes on where row r of batch b ended
batches = (len(ids) - 1) // (ROWS * STEPS)
kept = batches * ROWS * STEPS


def stretches(ids):
    return ids[:kept].reshape(ROWS, batches, STEPS).swapaxes(0, 1).reshape(-1, STEPS)


x, y = stretches(ids), stretches(ids[1:])

# ----------------------------------------------------------------------------------------- model


def make_model(rows, steps):
    return keras.Sequential(
        [
            keras.Input(batch_shape=(rows, steps), dtype="int32"),
            layers.Embedding(len(characters), 32),
            layers.LSTM(128, return_sequences=True, stateful=True),
            layers.Dense(len(characters)),
        ]
    )


class ResetStates(keras.callbacks.Callback):
    """An epoch begins with the beginning of the text."""

    def on_epoch_begin(self, epoch, logs=None):
        for layer in self.model.layers:
            if getattr(layer, "stateful", False):
                layer.reset_state()


model = make_model(ROWS, STEPS)
model.compile(
    keras.optimizers.Adam(1e-2), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
)
model.fit(x, y, batch_size=ROWS, epochs=25, shuffle=False, callbacks=[ResetStates()], verbose=2)

# ---------------------------------------------------------------------------------------- result

writer = make_model(1, 1)
writer.set_weights(model.get_weights())
rng = np.random.default_rng(0)
written = "you may "
for place in range(120):
    character = written[place] if place < len(written) else written[-1]
    logits = writer.predict_on_batch(np.array([[characters.index(character)]]))[0, 0]
    if place + 1 >= len(written):
        chances = np.exp(2 * (logits - logits.max()).astype("float64"))
        written += characters[rng.choice(len(characters), p=chances / chances.sum())]
print(repr(written))

model.layers[1].reset_state()
loss = model.evaluate(x, y, batch_size=ROWS, verbose=0)
forgetful = []
for start in range(0, len(x), ROWS):
    model.layers[1].reset_state()
    forgetful.append(model.test_on_batch(x[start : start + ROWS], y[start : start + ROWS]))
print(f"nats a character: {loss:.2f}, without the state: {np.mean(forgetful):.2f}")
assert loss < 1.6
assert loss < np.mean(forgetful)
