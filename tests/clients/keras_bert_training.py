"""keras-bert 0.81, for Keras 2, trains a small BERT with its own optimizer, saves and loads it."""

import os
import tempfile

import numpy as np
from keras.models import Model, load_model
from keras_bert import (
    AdamWarmup,
    compile_model,
    gen_batch_inputs,
    get_base_dict,
    get_custom_objects,
    get_model,
)

pairs = [[["all", "work"], ["no", "play"]], [["my", "arm"], ["has", "changed"]]] * 4
words = get_base_dict()
for pair in pairs:
    for word in pair[0] + pair[1]:
        words.setdefault(word, len(words))
settings = {
    "token_num": len(words), "head_num": 2, "transformer_num": 2, "embed_dim": 12,
    "feed_forward_dim": 24, "seq_len": 8, "pos_num": 8, "dropout_rate": 0.0,
}  # fmt: skip
np.random.seed(0)
model = get_model(**settings)
compile_model(model, weight_decay=0.01, decay_steps=100, warmup_steps=2, learning_rate=1e-2)
assert isinstance(model.optimizer, AdamWarmup)


def batches():
    while True:
        yield gen_batch_inputs(pairs, words, list(words), seq_len=8)


history = model.fit_generator(batches(), steps_per_epoch=6, epochs=4, verbose=0).history
assert history["loss"][-1] < history["loss"][0], history["loss"]
assert model.optimizer.get_weights()[0] == 24
inputs, _ = gen_batch_inputs(pairs, words, list(words), seq_len=8)
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "bert.h5")
    model.save(path)
    again = load_model(path, custom_objects=get_custom_objects())
    for found, wanted in zip(again.predict(inputs), model.predict(inputs)):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
inputs, outputs = get_model(training=False, output_layer_num=2, **settings)
assert Model(inputs, outputs).output_shape == (None, 8, 24)
