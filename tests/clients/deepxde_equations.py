"""DeepXDE 1.15 solves Poisson's equation; the losses are written to a file."""

import os
import sys

os.environ["DDE_BACKEND"] = "tensorflow"
import deepxde as dde
import numpy as np

np.random.seed(0)
sin = dde.backend.sin


def residual(x, y):
    return -dde.grad.hessian(y, x) - np.pi**2 * sin(np.pi * x)


where = dde.geometry.Interval(-1, 1)
edge = dde.icbc.DirichletBC(where, lambda x: 0, lambda x, on: on)
solution = lambda x: np.sin(np.pi * x)
data = dde.data.PDE(
    where, residual, edge, 16, 2, solution=solution, num_test=10, train_distribution="uniform"
)
network = dde.nn.FNN([1, 8, 8, 1], "tanh", "Glorot uniform")
model = dde.Model(data, network)
model.compile("adam", lr=1e-2, metrics=["l2 relative error"])
model.predict(np.zeros((1, 1), "float32"))
draw = np.random.default_rng(0)
network.set_weights([0.5 * draw.normal(size=w.shape) for w in network.get_weights()])
history, _ = model.train(iterations=20, display_every=5, verbose=0)
assert sum(history.loss_train[-1]) < sum(history.loss_train[0])
x = np.linspace(-1, 1, 5, dtype="float32")[:, None]
np.savez(sys.argv[1], losses=np.array(history.loss_train), y=model.predict(x))
