"""keras-self-attention 0.51: what its layers give, learn and write, goes to a file."""

import os
import sys
import tempfile

import keras
import numpy as np
from keras_self_attention import ScaledDotProductAttention, SeqSelfAttention, SeqWeightedAttention

tokens = np.random.default_rng(0).integers(0, 9, (4, 6))
LAYERS = {
    "additive": lambda: SeqSelfAttention(attention_activation="sigmoid"),
    "local": lambda: SeqSelfAttention(
        attention_width=3, attention_type="multiplicative", kernel_regularizer="l2",
        attention_regularizer_weight=1e-2, history_only=True,
    ),
    "weights": lambda: SeqSelfAttention(return_attention=True),
    "pooled": lambda: SeqWeightedAttention(return_attention=True),
    "scaled": lambda: ScaledDotProductAttention(history_only=True),
}  # fmt: skip
OBJECTS = {
    kind.__name__: kind
    for kind in (SeqSelfAttention, SeqWeightedAttention, ScaledDotProductAttention)
}
found = {}
for name, make in LAYERS.items():
    keras.utils.clear_session()
    inputs = keras.Input((None,))
    outputs = make()(keras.layers.Embedding(9, 5, mask_zero=True)(inputs))
    model = keras.Model(inputs, outputs)
    draw = np.random.default_rng(1)
    model.set_weights([0.5 * draw.normal(size=w.shape) for w in model.get_weights()])
    given = model.predict(tokens, verbose=0)
    several = isinstance(given, (list, tuple))
    for number, value in enumerate(given if several else [given]):
        found[f"{name}/{number}"] = value
    if not several:
        model.compile(keras.optimizers.SGD(0.1), "mse")
        history = model.fit(tokens, np.zeros((4, 6, 5), "float32"), epochs=2, verbose=0).history
        found[f"{name}/losses"] = np.array(history["loss"])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        model.save(path)
        again = keras.models.load_model(path, custom_objects=OBJECTS)
        for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
np.savez(sys.argv[1], **found)
