"""tf-explain 0.3: its maps of what a network looks at, written to a file."""

import sys

import keras
import numpy as np
from tf_explain import core

random = np.random.default_rng(0)
layers = keras.layers
x = inputs = keras.Input((16, 16, 3))
for layer in (
    layers.Conv2D(4, 3, activation="relu", name="first"),
    layers.MaxPooling2D(),
    layers.Conv2D(5, 3, activation="relu", name="last"),
    layers.GlobalAveragePooling2D(),
    layers.Dense(3),
    layers.Activation("softmax"),
):
    x = layer(x)
model = keras.Model(inputs, x)
model.set_weights([0.5 * random.normal(size=w.shape) for w in model.get_weights()])
data = (random.uniform(size=(2, 16, 16, 3)).astype("float32"), None)
found = {
    "gradients": core.VanillaGradients().explain(data, model, 1),
    "times inputs": core.GradientsInputs().explain(data, model, 1),
    "integrated": core.IntegratedGradients().explain(data, model, 1, n_steps=4),
    "occlusion": core.OcclusionSensitivity().explain(data, model, 1, 4),
    "activations": core.ExtractActivations().explain(data, model, ["first"]),
    "Grad-CAM": core.GradCAM().explain(data, model, 1, layer_name="last"),
}
np.savez(sys.argv[1], **{name: value.astype("float64") / 255 for name, value in found.items()})
