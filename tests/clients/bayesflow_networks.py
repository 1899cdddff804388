"""BayesFlow 2.0: its networks trained, sampled from, saved and loaded."""

import os
import tempfile

import bayesflow as bf
import keras
import numpy as np

random = np.random.default_rng(0)
theta = random.normal(size=(64, 2)).astype("float32")
x = theta[:, None] + 0.1 * random.normal(size=(64, 5, 2)).astype("float32")
small = {"subnet_kwargs": {"widths": (8, 8)}}
adapter = (
    bf.Adapter()
    .to_array()
    .convert_dtype("float64", "float32")
    .rename("theta", "inference_variables")
    .rename("x", "summary_variables")
)
for network in (
    bf.networks.CouplingFlow(depth=2, **small),
    bf.networks.FlowMatching(**small),
    bf.networks.DiffusionModel(**small),
):
    summary = bf.networks.DeepSet(summary_dim=3, depth=1)
    model = bf.ContinuousApproximator(
        adapter=adapter, inference_network=network, summary_network=summary
    )
    data = bf.OfflineDataset({"theta": theta, "x": x}, batch_size=16, adapter=adapter)
    model.compile(keras.optimizers.Adam(1e-2))
    losses = model.fit(dataset=data, epochs=6, verbose=0).history["loss"]
    assert np.isfinite(losses).all(), (network, losses)
    if isinstance(network, bf.networks.CouplingFlow):  # the others' losses are draws
        assert losses[-1] < losses[0], losses
    found = model.sample(num_samples=3, conditions={"x": x[:2]})["theta"]
    assert found.shape == (2, 3, 2) and np.isfinite(found).all()
    with tempfile.TemporaryDirectory() as folder:
        model.save(os.path.join(folder, "model.keras"))
        again = keras.saving.load_model(os.path.join(folder, "model.keras"))
    for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
