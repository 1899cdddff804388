"""A script that was written for Theano: channels first, Keras 1's names."""

import numpy as np
from keras import backend as K
from keras.layers import Convolution2D, Dense, Flatten, MaxPooling2D, ZeroPadding2D
from keras.models import Sequential
from keras.utils.np_utils import convert_kernel, to_categorical

K.set_image_dim_ordering("th")
try:
    model = Sequential()
    model.add(ZeroPadding2D((1, 1), input_shape=(1, 8, 8)))
    model.add(Convolution2D(nb_filter=4, nb_row=3, nb_col=3, activation="relu", init="he_normal"))
    model.add(Convolution2D(4, 3, 3, subsample=(2, 2), border_mode="same"))
    model.add(MaxPooling2D((2, 2), strides=(2, 2), dim_ordering="th"))
    model.add(Flatten())
    model.add(Dense(2, activation="softmax"))
    assert model.layers[1].output_shape == (None, 4, 8, 8)
    assert model.layers[3].output_shape == (None, 4, 2, 2)
    model.compile(loss="categorical_crossentropy", optimizer="adagrad")
    X = np.random.RandomState(0).rand(12, 1, 8, 8).astype("float32")
    Y = to_categorical(np.arange(12) % 2, 2)
    history = model.fit(X, Y, nb_epoch=2, batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    kernel = model.layers[1].get_weights()[0]
    assert convert_kernel(kernel).shape == kernel.shape == (3, 3, 1, 4)
finally:
    K.set_image_dim_ordering("tf")
