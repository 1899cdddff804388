"""A recurrent layer in the manner of Keras 1: a subclass of Recurrent that defines its step."""

import numpy as np
from keras import backend as K
from keras.engine import InputSpec
from keras.layers.recurrent import Recurrent
from keras.models import Sequential


class Running(Recurrent):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.input_spec = [InputSpec(shape=input_shape)]
        self.states = [None]
        if self.stateful:
            self.reset_states()
        self.W = self.add_weight((input_shape[2], self.units), initializer="one", name="W")
        self.built = True

    def step(self, x, states):
        total = states[0] + K.dot(x, self.W)
        return total, [total]


x = np.random.RandomState(0).rand(2, 5, 3).astype("float32")
sums = np.cumsum(x.sum(axis=-1), axis=1)[:, :, None].repeat(4, axis=2)
model = Sequential([Running(4, input_shape=(5, 3), return_sequences=True)])
np.testing.assert_allclose(model.predict(x), sums, rtol=1e-5)
assert model.output_shape == (None, 5, 4)
model.compile("sgd", "mse")
model.train_on_batch(x, sums * 0)
assert abs(model.get_weights()[0] - 1).max() > 0
kept = Sequential([Running(4, batch_input_shape=(2, 5, 3), stateful=True)])
first = kept.predict(x, batch_size=2)
np.testing.assert_allclose(first, sums[:, -1], rtol=1e-5)
np.testing.assert_allclose(kept.predict(x, batch_size=2), 2 * first, rtol=1e-5)
kept.reset_states()
np.testing.assert_allclose(kept.predict(x, batch_size=2), first, rtol=1e-5)
