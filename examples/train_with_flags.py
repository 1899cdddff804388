"""A script with flags that goes on where it was killed, and writes what TensorBoard shows.

python examples/train_with_flags.py --epochs=20 --folder=run --learning_rate=0.002
tensorboard --logdir run/logs

Kill it and start it again: it ends with the numbers of a run that nobody interrupted.
"""

import os
import tempfile

import tricorn as keras
from tricorn import flags

EPOCHS = flags.DEFINE_integer("epochs", 8, "How often the data are seen.", lower_bound=1)
BATCH = flags.DEFINE_integer("batch_size", 32, "Samples in a step.", lower_bound=1)
RATE = flags.DEFINE_float("learning_rate", 0.002, "Adam's learning rate.", lower_bound=0.0)
UNITS = flags.DEFINE_multi_integer("units", [64, 32], "Units of each hidden layer.")
FOLDER = flags.DEFINE_string("folder", None, "Where states and logs are kept; none: a new one.")


def make_model():
    model = keras.Sequential([keras.Input((64,)), keras.layers.Rescaling(1 / 16)])
    for units in UNITS.value:
        model.add(keras.layers.Dense(units, activation="relu"))
    model.add(keras.layers.Dense(10, activation="softmax"))
    optimizer = keras.optimizers.Adam(RATE.value)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main(arguments):
    if len(arguments) > 1:
        raise flags.UsageError(f"there are only flags, got {arguments[1:]}")
    keras.utils.set_random_seed(1)
    (x, y), (x_test, y_test) = keras.datasets.digits.load_data()
    x, x_test = x.reshape(len(x), 64), x_test.reshape(len(x_test), 64)
    folder = FOLDER.value or tempfile.mkdtemp()
    model = make_model()
    model.fit(
        x,
        y,
        batch_size=BATCH.value,
        epochs=EPOCHS.value,
        validation_data=(x_test, y_test),
        callbacks=[keras.callbacks.TensorBoard(os.path.join(folder, "logs"))],
        resume=os.path.join(folder, "states"),
    )
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"accuracy on held-out digits: {accuracy:.3f}")
    assert accuracy > 0.9


if __name__ == "__main__":
    flags.run(main)
