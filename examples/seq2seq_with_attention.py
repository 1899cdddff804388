"""A recurrent encoder and decoder with attention between them rewrite dates.

"march 5th, 1987" becomes "1987-03-05", one character at a time. The decoder is trained on the
right characters before each one (teacher forcing); for decoding, the same layers make a second
model that takes one character and the state, and gives the next character and state.

Shows: several models that share layers, `return_state`, `initial_state`, `Attention`, decoding.
Data: made here. Expected: more than 0.9 of 256 unseen dates right in every character.
Source: Luong et al., Effective Approaches to Attention-based Neural Machine Translation,
https://arxiv.org/abs/1508.04025.
"""

import datetime

import numpy as np

import tricorn as keras
from tricorn import layers

keras.utils.set_random_seed(0)

UNITS = 64

# ------------------------------------------------------------------------------------------ data

ALPHABET = "\0 0123456789abcdefghijklmnopqrstuvwxyz,.-/\t"  # 0 is padding, the tab begins a date
FORMATS = ["%d %B %Y", "%B %d, %Y", "%d %b %Y", "%b %d %Y", "%d.%m.%Y", "%Y/%m/%d"]


def encode(texts, length):
    codes = np.zeros((len(texts), length), "int32")
    for row, text in zip(codes, texts):
        row[: len(text)] = [ALPHABET.index(c) for c in text]
    return codes


def dates(count, seed):
    rng = np.random.default_rng(seed)
    begin = datetime.date(1950, 1, 1)
    days = [begin + datetime.timedelta(days=int(n)) for n in rng.integers(0, 36500, count)]
    sources = [day.strftime(FORMATS[rng.integers(len(FORMATS))]).lower() for day in days]
    return sources, [day.isoformat() for day in days]


train_sources, train_targets = dates(6400, seed=0)
test_sources, test_targets = dates(256, seed=1)
source_length, target_length = 18, 10
x_train = encode(train_sources, source_length)
y_train = encode(train_targets, target_length)
start = np.full((len(y_train), 1), ALPHABET.index("\t"))
before = np.concatenate([start, y_train[:, :-1]], axis=1)  # what the decoder has seen

# ----------------------------------------------------------------------------------------- model

embed_source = layers.Embedding(len(ALPHABET), 32, mask_zero=True)
embed_target = layers.Embedding(len(ALPHABET), 32)
encoder = layers.Bidirectional(layers.GRU(UNITS // 2, return_sequences=True, return_state=True))
decoder = layers.GRU(UNITS, return_sequences=True, return_state=True)
attention = layers.Attention(use_scale=True)
combine = layers.Dense(UNITS, activation="tanh")
choose = layers.Dense(len(ALPHABET))


def decode(before, encoded, state):
    steps, state = decoder(embed_target(before), initial_state=state)
    context = attention([steps, encoded])
    return choose(combine(layers.concatenate([steps, context]))), state


source = keras.Input((source_length,), dtype="int32", name="source")
previous = keras.Input((None,), dtype="int32", name="previous")
encoded, forward_state, backward_state = encoder(embed_source(source))
state = layers.concatenate([forward_state, backward_state])
logits, _ = decode(previous, encoded, state)
model = keras.Model([source, previous], logits)

# -------------------------------------------------------------------------------------- training

model.compile(
    keras.optimizers.Adam(5e-3),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit([x_train, before], y_train, batch_size=64, epochs=4, verbose=2)

# -------------------------------------------------------------------------------------- decoding

encoder_model = keras.Model(source, [encoded, state])
encoded_input = keras.Input((source_length, UNITS))
state_input = keras.Input((UNITS,))
decoder_model = keras.Model(
    [previous, encoded_input, state_input], decode(previous, encoded_input, state_input)
)


def translate(texts):
    encoded, state = encoder_model.predict(encode(texts, source_length), verbose=0)
    step = np.full((len(texts), 1), ALPHABET.index("\t"))
    written = []
    for _ in range(target_length):
        logits, state = decoder_model.predict_on_batch([step, encoded, state])
        step = np.argmax(logits, axis=-1)
        written.append(step[:, 0])
    return ["".join(ALPHABET[i] for i in row) for row in np.stack(written, axis=1)]


answers = translate(test_sources)
for text, answer in list(zip(test_sources, answers))[:5]:
    print(f"{text:20} {answer}")
right = np.mean([answer == target for answer, target in zip(answers, test_targets)])
print(f"dates right in every character: {right:.3f}")
assert right > 0.9, right
