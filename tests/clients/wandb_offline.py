"""The callbacks of Weights & Biases, offline."""

import os
import tempfile

import keras
import numpy as np
import wandb
from wandb.integration.keras import WandbMetricsLogger, WandbModelCheckpoint

x, y = np.ones((16, 3), "float32"), np.zeros((16, 1), "float32")
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
with tempfile.TemporaryDirectory() as folder:
    run = wandb.init(mode="offline", project="trial", dir=folder)
    path = os.path.join(folder, "best.keras")
    callbacks = [WandbMetricsLogger(), WandbModelCheckpoint(path, monitor="loss")]
    history = model.fit(x, y, epochs=2, verbose=0, callbacks=callbacks).history
    np.testing.assert_allclose(run.summary["epoch/loss"], history["loss"][-1], rtol=1e-6)
    run.finish()
    assert keras.models.load_model(path).count_params() == 4
