"""Keras 2's example of a VAE: the loss is a tensor of the graph, added to the model."""

import numpy as np
from keras import backend as K
from keras.layers import Dense, Input, Lambda
from keras.losses import binary_crossentropy
from keras.models import Model

original_dim, intermediate_dim, latent_dim = 12, 8, 2


def sampling(args):
    z_mean, z_log_var = args
    batch = K.shape(z_mean)[0]
    dim = K.int_shape(z_mean)[1]
    epsilon = K.random_normal(shape=(batch, dim))
    return z_mean + K.exp(0.5 * z_log_var) * epsilon


inputs = Input(shape=(original_dim,), name="encoder_input")
x = Dense(intermediate_dim, activation="relu")(inputs)
z_mean = Dense(latent_dim, name="z_mean")(x)
z_log_var = Dense(latent_dim, name="z_log_var")(x)
z = Lambda(sampling, output_shape=(latent_dim,), name="z")([z_mean, z_log_var])
encoder = Model(inputs, [z_mean, z_log_var, z], name="encoder")

latent_inputs = Input(shape=(latent_dim,), name="z_sampling")
x = Dense(intermediate_dim, activation="relu")(latent_inputs)
outputs = Dense(original_dim, activation="sigmoid")(x)
decoder = Model(latent_inputs, outputs, name="decoder")

outputs = decoder(encoder(inputs)[2])
vae = Model(inputs, outputs, name="vae_mlp")
reconstruction_loss = binary_crossentropy(inputs, outputs) * original_dim
kl_loss = 1 + z_log_var - K.square(z_mean) - K.exp(z_log_var)
kl_loss = K.sum(kl_loss, axis=-1) * -0.5
vae.add_loss(K.mean(reconstruction_loss + kl_loss))
vae.add_metric(K.mean(kl_loss), name="kl")
vae.compile(optimizer="adam")

data = np.random.RandomState(0).randint(0, 2, (64, 3)).repeat(4, axis=1).astype("float32")
history = vae.fit(data, epochs=15, batch_size=16, validation_data=(data, None), verbose=0)
assert history.history["loss"][-1] < history.history["loss"][0], history.history
assert "kl" in history.history
mean, log_var, sample = encoder.predict(data)
assert mean.shape == (64, 2) and decoder.predict(mean).shape == (64, 12)
kl = -0.5 * np.sum(1 + log_var - mean**2 - np.exp(log_var), axis=-1)
assert abs(vae.evaluate(data, verbose=0)[1] - kl.mean()) < 1e-3
