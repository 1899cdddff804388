"""A page of what users write, for type checkers and editors: `test_editors.py` reads what each says
about it.  Lines that are wrong say after ``wrong:`` which rule of pyright's finds them."""

import numpy as np

import tricorn as keras
from tricorn import callbacks, layers, losses, metrics, ops, optimizers
from tricorn.layers import LSTM, Dense
from tricorn.models import Sequential, load_model

x = np.zeros((8, 4), "float32")
y = np.zeros((8, 1), "float32")

# A graph of layers.
inputs = keras.Input(shape=(4,), name="features")
hidden = layers.Dense(8, activation="relu", kernel_initializer="he_normal")(inputs)
hidden = layers.Dropout(0.5)(hidden[:, :4] * 2.0)
outputs = Dense(1)(ops.tanh(hidden))
model = keras.Model(inputs, outputs, name="graph")
model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse", metrics=["mae"])
stop = callbacks.EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True)
history = model.fit(x, y, batch_size=4, epochs=2, validation_split=0.5, callbacks=[stop])
print(history.history["loss"][-1], model.evaluate(x, y), model.predict(x).shape)
print(model.layers[1].kernel, model.get_layer("features").output, model.optimizer.learning_rate)
model.optimizer.learning_rate = 1e-4
model.save("model.keras")
loaded = load_model("model.keras")
loaded.predict(x)
weights: list[np.ndarray] = model.get_weights()
for variable in model.trainable_variables:
    print(variable.path, variable.shape, variable.numpy().mean())

model.fit(x, y, epoch=2)  # wrong: reportCallIssue
model.fitt(x, y)  # wrong: reportAttributeAccessIssue
model.compile(optimiser="adam")  # wrong: reportCallIssue
layers.Dense()  # wrong: reportCallIssue
layers.Dense("many")  # wrong: reportArgumentType
layers.Dens(3)  # wrong: reportAttributeAccessIssue
keras.layer.Dense(3)  # wrong: reportAttributeAccessIssue
keras.optimizers.Adam(lr=0.1)  # wrong: reportCallIssue
callbacks.EarlyStopping(patient=2)  # wrong: reportCallIssue
metrics.AUC(curves="PR")  # wrong: reportCallIssue
losses.Huber(deltas=1.0)  # wrong: reportCallIssue
ops.matmul(x)  # wrong: reportCallIssue
ops.sum(x, axes=1)  # wrong: reportCallIssue
ops.reduce_sum(x)  # wrong: reportAttributeAccessIssue
keras.saving.load(x)  # wrong: reportAttributeAccessIssue
print(Dense(3).units_)  # wrong: reportAttributeAccessIssue

# A stack of layers.
stack = Sequential([keras.Input((5, 4)), LSTM(3, return_sequences=True), layers.Flatten()])
stack.add(Dense(2, activation="softmax"))
stack.summary()
stack.evaluate(x, y, batchsize=3)  # wrong: reportCallIssue
stack.push(Dense(3))  # wrong: reportAttributeAccessIssue


# Classes of one's own.
class Scale(layers.Layer):
    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1], self.units), initializer="ones")

    def call(self, inputs, training=None):
        self.add_loss(ops.mean(self.scale))
        return ops.matmul(inputs, self.scale) + 1.0

    def compute_mask(self, inputs, mask=None):
        return mask

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Pair(layers.Layer):
    def build(self, a_shape, b_shape):
        self.inner = Dense(a_shape[-1] + b_shape[-1])

    def call(self, a, b):
        return self.inner(ops.concatenate([a, b]))


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.body = Scale(3)
        self.mean = metrics.Mean(name="mean")

    def call(self, x, training=False):
        return self.body(x, training=training)

    def train_step(self, data):
        x, y = data
        with keras.GradientTape() as tape:
            loss = self.compute_loss(x=x, y=y, y_pred=self(x, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
        self.mean.update_state(loss)
        return {"loss": self.mean.result()}

    def wrong(self):
        self.bodies(3)  # wrong: reportAttributeAccessIssue
        print(self.body.unit)  # wrong: reportAttributeAccessIssue


class Ratio(metrics.Metric):
    def __init__(self, name="ratio", **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(name="total", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total.assign_add(ops.sum(y_true))

    def result(self):
        return self.total / 3


class Largest(losses.Loss):
    def call(self, y_true, y_pred):
        return ops.max(ops.abs(y_true - y_pred), axis=-1)


class Plain(optimizers.Optimizer):
    def update_step(self, gradient, variable, learning_rate):
        self.assign_sub(variable, learning_rate * gradient)


class Watch(callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = logs["loss"] < 0.1


@keras.saving.register_keras_serializable("page")
def double(x):
    return x * 2


own = Own()
own.compile(Plain(learning_rate=0.1), loss=Largest(), metrics=[Ratio()])
own.fit(x, y, callbacks=[Watch()], epochs="two")  # wrong: reportArgumentType
v = keras.Variable(np.zeros(3), name="v")
v.assign(v * 2 + 1)
v.assigns(v)  # wrong: reportAttributeAccessIssue
