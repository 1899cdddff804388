"""A dense network learns to read handwritten digits, stops by itself, and is saved.

python examples/digits_mlp.py
"""

import argparse

import tricorn as keras
from tricorn.datasets import digits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--output", default="digits_mlp.keras")
    arguments = parser.parse_args()

    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    model = keras.Sequential(
        [
            keras.Input((8, 8)),
            keras.layers.Rescaling(1 / 16),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.summary()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        x_train,
        y_train,
        epochs=arguments.epochs,
        validation_split=0.1,
        callbacks=[keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)],
    )
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"accuracy on held-out digits: {accuracy:.4f}")
    model.save(arguments.output)
    assert accuracy > 0.9


if __name__ == "__main__":
    main()
