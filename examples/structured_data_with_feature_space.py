"""A table of numbers and words becomes vectors by a `FeatureSpace`: who has heart trouble?

Shows: `FeatureSpace` with features of every kind and a cross, adapted to the data and mapped over
it before the model; the encoded features as the inputs of the model; new rows, as dicts.
Data: made here: 1,600 patients with three numbers, two integer codes and one word each.
Expected: more than 0.8 of unseen patients right (saying what most have: about 0.6).
"""

import numpy as np

import tricorn as keras
from tricorn import layers
from tricorn.utils import FeatureSpace

keras.utils.set_random_seed(0)

# ------------------------------------------------------------------------------------------ data


def patients(count, seed):
    """Columns by their names, and who is ill."""
    rng = np.random.default_rng(seed)
    columns = {
        "age": rng.integers(30, 80, count).astype("float32"),
        "cholesterol": rng.normal(220, 40, count).astype("float32"),
        "slope": rng.uniform(0, 1, count).astype("float32"),
        "sex": rng.integers(0, 2, count).astype("int32"),
        "pain": rng.integers(1, 5, count).astype("int32"),
        "thal": rng.choice(["normal", "fixed", "reversible"], count),
    }
    leaning = (
        (columns["cholesterol"] - 220) / 20
        + 2.5 * (columns["thal"] == "reversible")
        - 2.0 * (columns["pain"] == 2)
        + 3.0 * ((columns["age"] > 60) & (columns["sex"] == 1))  # neither does it alone
        - 1.2
    )
    ill = rng.random(count) < 1 / (1 + np.exp(-1.5 * leaning))
    return columns, ill.astype("float32")


x_train, y_train = patients(1280, seed=0)
x_test, y_test = patients(320, seed=1)

# -------------------------------------------------------------------------------------- features

feature_space = FeatureSpace(
    features={
        "sex": "integer_categorical",
        "pain": FeatureSpace.integer_categorical(num_oov_indices=0),
        "thal": "string_categorical",
        "age": FeatureSpace.float_discretized(num_bins=10),
        "cholesterol": FeatureSpace.float_normalized(),
        "slope": FeatureSpace.float_rescaled(scale=2, offset=-1),
    },
    crosses=[FeatureSpace.cross(feature_names=("sex", "age"), crossing_dim=32)],
    output_mode="concat",
)
feature_space.adapt(x_train)


def encoded(columns):
    return np.asarray(feature_space(columns))


print("a row as a vector:", encoded(x_train)[0])

# ----------------------------------------------------------------------------------------- model

encoded_features = feature_space.get_encoded_features()
x = layers.Dense(32, activation="relu")(encoded_features)
x = layers.Dropout(0.5)(x)
predictions = layers.Dense(1, activation="sigmoid")(x)
model = keras.Model(inputs=encoded_features, outputs=predictions)

# -------------------------------------------------------------------------------------- training

model.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy", metrics=["accuracy"])
model.fit(
    encoded(x_train),
    y_train,
    batch_size=32,
    epochs=20,
    validation_data=(encoded(x_test), y_test),
    verbose=2,
)

somebody = {"age": 64.0, "cholesterol": 260.0, "slope": 0.3, "sex": 1, "pain": 3, "thal": "fixed"}
row = {name: np.array([value]) for name, value in somebody.items()}
chance = model.predict(encoded(row), verbose=0)[0, 0]
print(f"this patient is ill with probability {chance:.2f}")

_, accuracy = model.evaluate(encoded(x_test), y_test, verbose=0)
print(f"accuracy on unseen patients: {accuracy:.3f}")
assert accuracy > 0.8, accuracy
