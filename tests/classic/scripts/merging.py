"""Branches merged as Keras 1 did it, and as Keras 2."""

import numpy as np
from keras.layers import Activation, Dense, Dot, Input, Lambda, Merge, add, merge, multiply
from keras.layers.merge import Concatenate
from keras.models import Model, Sequential

left = Sequential()
left.add(Dense(4, input_dim=3))
right = Sequential()
right.add(Dense(4, input_dim=2))
model = Sequential()
model.add(Merge([left, right], mode="concat"))
model.add(Dense(1))
model.add(Activation("sigmoid"))
model.compile("rmsprop", "binary_crossentropy")
random = np.random.RandomState(0)
a, b = random.rand(8, 3), random.rand(8, 2)
model.fit([a, b], np.ones((8, 1)), nb_epoch=1, verbose=0)
assert model.predict([a, b]).shape == (8, 1) and len(model.trainable_weights) == 6

one, two = Input((4,)), Input((4,))
x, y = random.rand(5, 4).astype("float32"), random.rand(5, 4).astype("float32")
expected = {
    "sum": x + y, "mul": x * y, "ave": (x + y) / 2, "max": np.maximum(x, y),
    "concat": np.concatenate([x, y], 1), "dot": (x * y).sum(1, keepdims=True),
}  # fmt: skip
for mode, result in expected.items():
    found = Model(input=[one, two], output=merge([one, two], mode=mode)).predict([x, y])
    np.testing.assert_allclose(found, result, rtol=1e-5)
by_function = merge([one, two], mode=lambda t: t[0] - t[1], output_shape=lambda s: s[0])
np.testing.assert_allclose(Model([one, two], by_function).predict([x, y]), x - y, rtol=1e-5)
new = Model([one, two], Concatenate()([add([one, two]), multiply([one, two])]))
np.testing.assert_allclose(new.predict([x, y]), np.concatenate([x + y, x * y], 1), rtol=1e-5)
cosine = Model([one, two], Dot(axes=1, normalize=True)([one, two])).predict([x, y])
norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
np.testing.assert_allclose(cosine[:, 0], (x * y).sum(1) / norms, rtol=1e-4)
half = Model(one, Lambda(lambda t, factor: t * factor, arguments={"factor": 0.5})(one))
np.testing.assert_allclose(half.predict(x), x / 2)
