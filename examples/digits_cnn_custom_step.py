"""A convolutional network with a training step of its own: it learns from mixed digits.

Mixup: a batch is blended with its own reverse, image by image and label by label, and the network
learns the blend. The step is the same on every engine.

    python examples/digits_cnn_custom_step.py
    KERAS_BACKEND=torch python examples/digits_cnn_custom_step.py

Source: Zhang et al., mixup: Beyond Empirical Risk Minimization, https://arxiv.org/abs/1710.09412.
"""

import argparse

import tricorn as keras
from tricorn import ops
from tricorn.datasets import digits


class Mixup(keras.Model):
    """A classifier of 8×8 images that trains on blends."""

    def __init__(self) -> None:
        super().__init__()
        self.blend = 0.2
        self.network = keras.Sequential(
            [
                keras.Input((8, 8)),
                keras.layers.Rescaling(1 / 16),
                keras.layers.Reshape((8, 8, 1)),
                keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
                keras.layers.Conv2D(64, 3, activation="relu"),
                keras.layers.MaxPooling2D(),
                keras.layers.Dropout(0.25),
                keras.layers.Flatten(),
                keras.layers.Dense(128, activation="relu"),
                keras.layers.Dense(10, activation="softmax"),
            ]
        )

    def call(self, x, training=False):
        return self.network(x, training=training)

    def train_step(self, data):
        x, y = data
        x = (1 - self.blend) * x + self.blend * ops.flip(x, axis=0)
        blended = (1 - self.blend) * y + self.blend * ops.flip(y, axis=0)

        def loss_of(x, y):
            y_pred = self(x, training=True)
            return self.compute_loss(x=x, y=y, y_pred=y_pred), y_pred

        step = keras.value_and_grad(loss_of, self.trainable_variables, has_aux=True)
        (loss, y_pred), gradients = step(x, blended)
        self.optimizer.apply(gradients, self.trainable_variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred)
        return {metric.name: metric.result() for metric in self.metrics}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=12)
    arguments = parser.parse_args()

    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    x_train, x_test = x_train.astype("float32"), x_test.astype("float32")
    one_hot = keras.utils.to_categorical
    model = Mixup()
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, one_hot(y_train, 10), batch_size=32, epochs=arguments.epochs)
    _, accuracy = model.evaluate(x_test, one_hot(y_test, 10), verbose=0)
    print(f"accuracy on held-out digits: {accuracy:.4f}")
    assert accuracy > 0.9


if __name__ == "__main__":
    main()
