"""keras-tcn 3.5: its layer trained, saved and loaded; what it gives is written to a file."""

import os
import sys
import tempfile

import keras
import numpy as np
from tcn import TCN, compiled_tcn

random = np.random.default_rng(0)
x = random.normal(size=(16, 12, 3)).astype("float32")
settings = {"nb_filters": 4, "kernel_size": 2, "dilations": [1, 2]}
LAYERS = {
    "causal": {**settings},
    "same, sequences": {**settings, "padding": "same", "return_sequences": True},
    "batch norm": {**settings, "use_batch_norm": True, "nb_stacks": 2},
    "layer norm": {**settings, "use_layer_norm": True, "use_skip_connections": False},
    "backwards": {**settings, "go_backwards": True},
}
found = {}
for name, arguments in LAYERS.items():
    keras.utils.clear_session()
    layer = TCN(**arguments)
    model = keras.Sequential([keras.Input((12, 3)), layer, keras.layers.Dense(1)])
    draw = np.random.default_rng(1)
    model.set_weights([draw.uniform(0.2, 0.8, w.shape) for w in model.get_weights()])
    found[f"{name}/output"] = model.predict(x, verbose=0)
    found[f"{name}/field"] = np.array(layer.receptive_field)
    y = np.zeros(found[f"{name}/output"].shape, "float32")
    model.compile(keras.optimizers.SGD(1e-3), "mse")
    history = model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0).history
    found[f"{name}/loss"] = np.array(history["loss"])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tcn.keras")
        model.save(path)
        again = keras.models.load_model(path)
        np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
model = compiled_tcn(3, 4, 4, 2, [1, 2], 1, 12, return_sequences=False)
labels = (x.sum((1, 2)) > 0).astype("float32")
history = model.fit(x, labels, epochs=30, verbose=0).history
assert history["loss"][-1] < history["loss"][0] and "accuracy" in history
np.savez(sys.argv[1], **found)
