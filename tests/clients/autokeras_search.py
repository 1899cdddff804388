"""AutoKeras 3.0 searches for models of images, texts and tables."""

import os
import tempfile

import autokeras as ak
import keras
import numpy as np

random = np.random.default_rng(0)
images = random.normal(size=(24, 8, 8, 1)).astype("float32")
labels = np.eye(3)[random.integers(0, 3, 24)]
texts = np.array(["a cat sat", "the dog ran", "a dog"] * 8)
table = random.normal(size=(24, 5)).astype("float32")
tasks = {
    "images": (ak.ImageInput, ak.ConvBlock, ak.ClassificationHead, images, labels),
    "texts": (ak.TextInput, ak.TextBlock, ak.ClassificationHead, texts, [[0], [1], [1]] * 8),
    "table": (ak.Input, ak.DenseBlock, ak.RegressionHead, table, table.sum(1, keepdims=True)),
}
with tempfile.TemporaryDirectory() as folder:
    for name, (begin, block, head, x, y) in tasks.items():
        given, y = begin(), np.array(y)
        found = ak.AutoModel(
            given, head()(block()(given)), max_trials=2, directory=folder, project_name=name, seed=0
        )
        found.fit(x, y, epochs=1, batch_size=8, verbose=0)
        assert found.predict(x, verbose=0).shape == y.shape
        model = found.export_model()
        model.save(os.path.join(folder, "best.keras"))
        again = keras.models.load_model(
            os.path.join(folder, "best.keras"), custom_objects=ak.CUSTOM_OBJECTS
        )
        for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
