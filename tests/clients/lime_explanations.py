"""LIME 0.2 explains predictions for tables and images; what it finds is written to a file."""

import sys

import keras
import numpy as np
from lime import lime_image, lime_tabular

random = np.random.default_rng(0)


def drawn(model):
    model.set_weights([2 * random.normal(size=w.shape) for w in model.get_weights()])
    return lambda x: model.predict(np.asarray(x, "float32"), verbose=0)


layers, found = keras.layers, {}
table = random.normal(size=(64, 4)).astype("float32")
classes = drawn(keras.Sequential([keras.Input((4,)), layers.Dense(2, activation="softmax")]))
explainer = lime_tabular.LimeTabularExplainer(table, random_state=0)
for row in range(3):
    weights = explainer.explain_instance(table[row], classes, num_samples=200).as_list()
    found[f"{row}/names"], found[f"{row}/weights"] = map(np.array, zip(*sorted(weights)))
network = [layers.Conv2D(4, 3, activation="relu"), layers.GlobalAveragePooling2D()]
seen = drawn(
    keras.Sequential([keras.Input((16, 16, 3)), *network, layers.Dense(3, activation="softmax")])
)
quarters = np.arange(256).reshape(16, 16) // 64
told = lime_image.LimeImageExplainer(random_state=0).explain_instance(
    random.uniform(size=(16, 16, 3)), seen, num_samples=20, segmentation_fn=lambda _: quarters
)
for label, weights in told.local_exp.items():
    found[f"image/{label}"] = np.array([weight for _, weight in sorted(weights)])
np.savez(sys.argv[1], **found)
