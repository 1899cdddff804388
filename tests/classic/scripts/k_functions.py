"""The backend's functions on a model: outputs of layers, both phases, updates, optimizers by hand."""

import numpy as np
from keras import backend as K
from keras.layers import BatchNormalization, Dense, Dropout
from keras.models import Sequential
from keras.optimizers import SGD

model = Sequential()
model.add(Dense(6, input_shape=(4,), activation="relu"))
model.add(Dropout(0.5))
model.add(BatchNormalization())
model.add(Dense(2))
x = np.random.RandomState(0).rand(32, 4).astype("float32")
get_3rd_layer_output = K.function([model.layers[0].input, K.learning_phase()],
                                  [model.layers[1].output])  # fmt: skip
test = get_3rd_layer_output([x, 0])[0]
train = get_3rd_layer_output([x, 1])[0]
assert (train == 0).mean() > (test == 0).mean()
assert model.uses_learning_phase
assert len(model.updates) == 2 and len(model.get_updates_for(model.inputs)) == 2
kept = model.layers[2].get_weights()[2]
run = K.function([model.inputs[0], K.learning_phase()], [model.outputs[0]], updates=model.updates)
run([x, 1])
assert abs(model.layers[2].get_weights()[2] - kept).max() > 0

target = K.placeholder(shape=(None, 2))
loss = K.mean(K.square(target - model.output))
optimizer = SGD(lr=0.1)
updates = optimizer.get_updates(loss, model.trainable_weights)
step = K.function([model.input, target, K.learning_phase()], [loss], updates=updates)
values = [float(step([x, x[:, :2], 0])[0]) for _ in range(30)]
assert values[-1] < 0.5 * values[0], values
assert int(K.get_value(optimizer.iterations)) == 30
K.set_value(optimizer.lr, 0.5)
assert abs(float(K.get_value(optimizer.lr)) - 0.5) < 1e-6
assert K.image_dim_ordering() == "tf" and K.backend() == K._BACKEND
from keras.backend import tensorflow_backend, theano_backend

assert tensorflow_backend.mean is K.mean and theano_backend.dot is K.dot
every = [layer.output for layer in model.layers]
outputs = K.function([model.input], every)([x])
assert [o.shape for o in outputs] == [(32, 6), (32, 6), (32, 6), (32, 2)]
K.clear_session()
assert Dense(1).name == "dense_1"
