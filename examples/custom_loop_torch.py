"""A training loop as PyTorch's users write it, around a model of layers.

Shows: a model among torch's tensors: a `DataLoader`, an optimizer of `torch.optim` over
`model.parameters()`, `loss.backward()`, metrics, a validation loop.
Data: the digits that ship with the package. Expected: more than 0.93 of unseen digits right.
"""

import os

os.environ["KERAS_BACKEND"] = "torch"

import numpy as np
import torch

import tricorn as keras
from tricorn import layers
from tricorn.datasets import digits

keras.utils.set_random_seed(0)

(x_train, y_train), (x_test, y_test) = digits.load_data()
x_train, x_test = x_train.reshape(-1, 64) / np.float32(16), x_test.reshape(-1, 64) / np.float32(16)


def loader(x, y, shuffle):
    data = torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y).long())
    return torch.utils.data.DataLoader(data, batch_size=32, shuffle=shuffle)


train, test = loader(x_train, y_train, shuffle=True), loader(x_test, y_test, shuffle=False)

model = keras.Sequential(
    [
        keras.Input((64,)),
        layers.Dense(64, activation="relu"),
        layers.BatchNormalization(),
        layers.Dropout(0.2),
        layers.Dense(10),
    ]
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loss_fn = torch.nn.CrossEntropyLoss()
accuracy = keras.metrics.SparseCategoricalAccuracy()

for epoch in range(8):
    for x, y in train:
        logits = model(x, training=True)
        loss = loss_fn(logits, y)
        model.zero_grad()
        loss.backward()
        optimizer.step()

    accuracy.reset_state()
    with torch.no_grad():
        for x, y in test:
            accuracy.update_state(y, model(x, training=False))
    print(f"epoch {epoch}: loss {loss.item():.3f}, accuracy {float(accuracy.result()):.3f}")

assert float(accuracy.result()) > 0.93
