"""SHAP's explainers of a small network: by its gradients, its layers, and as any function."""

import sys

import keras
import numpy as np
import shap

random = np.random.default_rng(0)
x = random.normal(size=(20, 4)).astype("float32")
model = keras.Sequential(
    [keras.Input((4,)), keras.layers.Dense(6, "relu"), keras.layers.Dense(2, "softmax")]
)
model.set_weights([random.normal(size=w.shape) for w in model.get_weights()])
found = {}
explainer = shap.GradientExplainer(model, x[:10])
found["gradient"] = np.asarray(explainer.shap_values(x[10:14], nsamples=20, rseed=1))
values, indices = explainer.shap_values(x[10:12], nsamples=20, ranked_outputs=1, rseed=1)
found["ranked"], found["indices"] = np.asarray(values), np.asarray(indices)
predict = lambda x: model.predict(x, verbose=0)
found["kernel"] = np.asarray(
    shap.KernelExplainer(predict, x[:5]).shap_values(x[10:12], silent=True)
)
found["permutation"] = shap.PermutationExplainer(predict, x[:5], seed=1)(x[10:12]).values
found["deep"] = np.asarray(shap.DeepExplainer(model, x[:10]).shap_values(x[10:12]))
two = [keras.Input((4,)), keras.Input((3,))]
model = keras.Model(two, keras.layers.Dense(1)(keras.layers.Concatenate()(two)))
model.set_weights([random.normal(size=w.shape) for w in model.get_weights()])
both = [x, x[:, :3]]
explainer = shap.GradientExplainer(model, both)
values = explainer.shap_values([part[:3] for part in both], nsamples=20, rseed=1)
found |= {f"two/{i}": np.asarray(value) for i, value in enumerate(values)}
np.savez(sys.argv[1], **found)
