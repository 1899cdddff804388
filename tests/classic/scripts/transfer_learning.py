"""Fine-tuning: train, take the top off, freeze, put a new top on; layers shared by two models."""

import numpy as np
from keras.layers import Activation, Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from keras.models import Sequential
from keras.utils import to_categorical

random = np.random.RandomState(0)
kinds = random.randint(0, 4, 60)
x = random.rand(60, 8, 8, 1) * 0.3 + kinds[:, None, None, None] * 0.2

feature_layers = [
    Conv2D(4, 3, padding="valid", input_shape=(8, 8, 1)), Activation("relu"),
    MaxPooling2D(pool_size=2), Dropout(0.25), Flatten(),
]  # fmt: skip
classification_layers = [Dense(8), Activation("relu"), Dense(2), Activation("softmax")]
model = Sequential(feature_layers + classification_layers)


def train(kinds, x):
    model.compile(loss="categorical_crossentropy", optimizer="adadelta", metrics=["accuracy"])
    model.fit(x, to_categorical(kinds, 2), batch_size=10, epochs=2, verbose=0)
    return model.evaluate(x, to_categorical(kinds, 2), verbose=0)


train(kinds[kinds < 2], x[kinds < 2])
for l in feature_layers:
    l.trainable = False
kept = feature_layers[0].get_weights()
moved = classification_layers[0].get_weights()
assert len(model.trainable_weights) == 4 and len(model.non_trainable_weights) == 2
train(kinds[kinds > 1] - 2, x[kinds > 1])
np.testing.assert_array_equal(feature_layers[0].get_weights()[0], kept[0])
assert abs(classification_layers[0].get_weights()[0] - moved[0]).max() > 0

model.pop()
model.pop()
assert model.output_shape == (None, 8) and model.layers[-1].name == classification_layers[1].name
model.add(Dense(3, name="new_top", activation="softmax"))
assert model.predict(x[:2]).shape == (2, 3)
bottleneck = Sequential(feature_layers)
features = bottleneck.predict(x)
top = Sequential([Dense(3, input_shape=features.shape[1:])])
top.compile("sgd", "mse")
model.save_weights("all.h5")
copy = Sequential([Conv2D.from_config(feature_layers[0].get_config())])
copy.build((None, 8, 8, 1))
copy.layers[0].set_weights(kept)
np.testing.assert_array_equal(copy.layers[0].get_weights()[0], kept[0])
