"""Films are recommended by what others with a like taste have rated.

Shows: a subclassed model of `Embedding`s, regularizers, a dot product, ranking with a trained
model.
Data: made here: 200 users and 120 films with hidden tastes, 9,000 ratings from 0 to 1, of which a
tenth is kept back.
Expected: a squared error of unseen ratings below 0.4 of that of the film's own mean.
Source: Koren et al., Matrix Factorization Techniques for Recommender Systems, 2009.
"""

import numpy as np

import tricorn as keras
from tricorn import layers, ops

keras.utils.set_random_seed(0)

USERS, FILMS, RATINGS, SIZE = 200, 120, 9000, 16

# ------------------------------------------------------------------------------------------ data

rng = np.random.default_rng(0)
tastes, kinds = rng.normal(size=(USERS, 3)), rng.normal(size=(FILMS, 3))
quality = rng.normal(size=FILMS)
liking = tastes @ kinds.T + 0.5 * quality
pairs = np.stack(np.divmod(rng.permutation(USERS * FILMS)[:RATINGS], FILMS), axis=1)
ratings = 1 / (1 + np.exp(-liking[pairs[:, 0], pairs[:, 1]] - rng.normal(0, 0.3, RATINGS)))
stars = np.round(ratings * 10) / 10
cut = RATINGS * 9 // 10
x_train, y_train = pairs[:cut], stars[:cut].astype("float32")
x_test, y_test = pairs[cut:], stars[cut:].astype("float32")

# ----------------------------------------------------------------------------------------- model


class RecommenderNet(keras.Model):
    """The match of a user and a film: the dot product of their vectors, and a bias of each."""

    def __init__(self, num_users, num_films, embedding_size, **kwargs):
        super().__init__(**kwargs)
        self.user_embedding = layers.Embedding(
            num_users,
            embedding_size,
            embeddings_initializer="he_normal",
            embeddings_regularizer=keras.regularizers.l2(1e-6),
        )
        self.user_bias = layers.Embedding(num_users, 1)
        self.film_embedding = layers.Embedding(
            num_films,
            embedding_size,
            embeddings_initializer="he_normal",
            embeddings_regularizer=keras.regularizers.l2(1e-6),
        )
        self.film_bias = layers.Embedding(num_films, 1)

    def call(self, inputs):
        user_vector = self.user_embedding(inputs[:, 0])
        film_vector = self.film_embedding(inputs[:, 1])
        match = ops.sum(user_vector * film_vector, axis=1, keepdims=True)
        x = match + self.user_bias(inputs[:, 0]) + self.film_bias(inputs[:, 1])
        return ops.sigmoid(x)


# -------------------------------------------------------------------------------------- training

model = RecommenderNet(USERS, FILMS, SIZE)
model.compile(
    loss=keras.losses.BinaryCrossentropy(),
    optimizer=keras.optimizers.Adam(learning_rate=5e-3),
    metrics=["mse"],
)
model.fit(x_train, y_train, batch_size=100, epochs=12, verbose=2, validation_data=(x_test, y_test))
model.summary()

# ---------------------------------------------------------------------------------------- result

error = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["mse"]
sums = np.bincount(x_train[:, 1], weights=y_train, minlength=FILMS)
mean_of_film = sums / np.bincount(x_train[:, 1], minlength=FILMS)
error_of_mean = np.mean((mean_of_film[x_test[:, 1]] - y_test) ** 2)
print(f"squared error: {error:.4f}, of the film's mean: {error_of_mean:.4f}")

user = 7
seen = x_train[x_train[:, 0] == user, 1]
others = np.setdiff1d(np.arange(FILMS), seen)
answers = model.predict(np.stack([np.full(len(others), user), others], axis=1), verbose=0)[:, 0]
for film in others[np.argsort(-answers)[:5]]:
    print(f"film {film:3} for user {user}: {1 / (1 + np.exp(-liking[user, film])):.2f} in truth")
assert error < 0.4 * error_of_mean, (error, error_of_mean)
