"""MLflow's callback, log of a run, and files, without a server."""

import os
import tempfile

import keras
import mlflow
import numpy as np

x, y = np.ones((16, 3), "float32"), np.zeros((16, 1), "float32")
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
with tempfile.TemporaryDirectory() as folder:
    mlflow.set_tracking_uri(f"sqlite:///{folder}/runs.db")
    mlflow.create_experiment("trial", artifact_location=f"file:{folder}/artifacts")
    mlflow.set_experiment("trial")
    with mlflow.start_run() as run:
        history = model.fit(
            x, y, epochs=3, verbose=0, callbacks=[mlflow.keras.MlflowCallback(run)]
        ).history
    client = mlflow.MlflowClient()
    logged = [entry.value for entry in client.get_metric_history(run.info.run_id, "loss")]
    np.testing.assert_allclose(logged, history["loss"], rtol=1e-6)
    params = client.get_run(run.info.run_id).data.params
    assert params["optimizer_name"].lower() == "sgd", params

    mlflow.keras.save_model(model, os.path.join(folder, "saved"))
    loaded = mlflow.keras.load_model(os.path.join(folder, "saved"))
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))

    mlflow.keras.autolog(log_models=False, log_datasets=False)
    again = model.fit(x, y, epochs=2, verbose=0).history
    last = client.search_runs([mlflow.get_experiment_by_name("trial").experiment_id])[0]
    np.testing.assert_allclose(last.data.metrics["loss"], again["loss"][-1], rtol=1e-6)
