"""Small models that are run alike by the genuine Keras 2.3.1 (see ``record.py``) and by the classic
face.  Each case takes the module ``keras`` and gives numbers by name.

Weights are drawn here, so both begin with the same.  This file runs on Python 3.7, too.
"""

import numpy as np

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def filled(model, seed=0):
    """The model with weights drawn by shape, layer by layer; variances are positive."""
    random = np.random.RandomState(seed)
    for layer in model.layers:
        drawn = [0.5 * random.randn(*w.shape) for w in layer.get_weights()]
        names = [w.name for w in layer.weights]
        layer.set_weights([abs(w) + 0.5 if "variance" in n else w for w, n in zip(drawn, names)])
    return model


def data(*shape, **options):
    return np.random.RandomState(options.get("seed", 1)).randn(*shape).astype("float32")


def trained(model, x, y, steps=3, **options):
    """Predictions, losses of some steps, evaluation, and the sums of the weights after them."""
    found = {"before": model.predict(x)}
    found["steps"] = [model.train_on_batch(x, y, **options) for _ in range(steps)]
    found["evaluated"] = model.evaluate(x, y, verbose=0, batch_size=len(x))
    found["after"] = model.predict(x)
    return found


@case
def dense(keras):
    L = keras.layers
    model = keras.models.Sequential()
    model.add(L.Dense(5, input_shape=(4,), activation="hard_sigmoid", kernel_regularizer="l2"))
    model.add(L.BatchNormalization())
    model.add(L.ELU(0.5))
    model.add(L.Dense(5, activity_regularizer=keras.regularizers.l2(0.01)))
    model.add(L.LeakyReLU())
    model.add(L.ThresholdedReLU(0.1))
    model.add(L.Dense(3, activation="softmax"))
    filled(model).compile(
        keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, decay=0.1, clipnorm=0.5),
        "categorical_crossentropy",
        ["accuracy", "top_k_categorical_accuracy", "mape"],
    )
    return trained(model, data(6, 4), np.eye(3)[[0, 1, 2, 0, 1, 2]])


@case
def images(keras):
    L = keras.layers
    x = L.Input((8, 8, 2))
    y = L.Conv2D(4, 3, padding="same", activation="relu", dilation_rate=2)(x)
    y = L.BatchNormalization(momentum=0.5)(y)
    y = L.add([y, L.Conv2DTranspose(4, 2, strides=2)(L.MaxPooling2D()(y))])
    y = L.SeparableConv2D(4, (3, 3), depth_multiplier=2)(L.ZeroPadding2D()(y))
    y = L.DepthwiseConv2D(2)(L.Cropping2D(((1, 0), (0, 1)))(y))
    y = L.AveragePooling2D(padding="same")(L.PReLU(shared_axes=[1, 2])(y))
    y = L.concatenate([y, L.UpSampling2D(3)(L.LocallyConnected2D(2, 2, strides=2)(y))])
    y = L.Flatten()(L.Conv2D(2, (1, 2), strides=(2, 1))(y))
    model = keras.models.Model(x, L.Dense(1)(y))
    filled(model, 3).compile(keras.optimizers.Adam(0.01, decay=0.1), "mae", ["mse", "cosine"])
    return trained(model, data(3, 8, 8, 2), data(3, 1))


@case
def channels_first(keras):
    L = keras.layers
    x = L.Input((2, 6, 6))
    y = L.MaxPooling2D(data_format="channels_first")(x)
    model = keras.models.Model(x, L.Flatten(data_format="channels_first")(y))
    return {"output": model.predict(data(2, 2, 6, 6))}


@case
def sequences(keras):
    """Masks, through recurrent layers into the loss."""
    L = keras.layers
    x = L.Input((5,), dtype="int32")
    y = L.Embedding(7, 4, mask_zero=True)(x)
    y = L.Bidirectional(L.LSTM(3, return_sequences=True, activation="relu"))(y)
    y = L.GRU(4, return_sequences=True, recurrent_activation="hard_sigmoid")(y)
    y = L.SimpleRNN(3, return_sequences=True, go_backwards=False)(y)
    y = L.TimeDistributed(L.Dense(2, activation="softmax"))(y)
    model = keras.models.Model(x, y)
    filled(model, 5).compile("rmsprop", "categorical_crossentropy", ["accuracy"])
    x = np.array([[1, 2, 3, 0, 0], [4, 5, 0, 0, 0], [6, 6, 1, 2, 3]])
    return trained(model, x, np.eye(2)[x % 2])


@case
def sample_weights(keras):
    """Weights by sample, by class and by step; what evaluate averages over uneven batches."""
    L = keras.layers
    model = keras.models.Sequential([L.Dense(3, input_shape=(4,), activation="softmax")])
    filled(model).compile(
        "adagrad", "sparse_categorical_crossentropy", ["acc"], weighted_metrics=["accuracy"]
    )
    x, y = data(7, 4), np.arange(7) % 3
    weights = np.arange(7) / 3.0
    fitted = model.fit(
        x,
        y,
        batch_size=3,
        epochs=2,
        verbose=0,
        shuffle=False,
        sample_weight=weights,
        class_weight={0: 1.0, 1: 2.0, 2: 0.5},
        validation_split=0.3,
    )
    found = dict(fitted.history.items())
    found["uneven"] = model.evaluate(x, y, batch_size=4, verbose=0, sample_weight=weights)
    many = keras.models.Sequential([L.Dense(1, input_shape=(5, 4))])
    filled(many).compile("sgd", "mse", sample_weight_mode="temporal")
    steps = abs(data(2, 5, seed=4))
    found["temporal"] = many.train_on_batch(data(2, 5, 4), data(2, 5, 1), sample_weight=steps)
    return found


@case
def several_outputs(keras):
    L = keras.layers
    x = L.Input((4,))
    h = L.Dense(4, activation="tanh", name="h")(x)
    outputs = [L.Dense(2, name="a")(h), L.Dense(1, name="b", activation="sigmoid")(h)]
    model = keras.models.Model(x, outputs)
    filled(model).compile(
        keras.optimizers.RMSprop(),
        {"a": "mse", "b": "binary_crossentropy"},
        loss_weights={"a": 0.3, "b": 2.0},
        metrics={"b": ["accuracy", "mae"]},
    )
    x, y = data(6, 4), [data(6, 2), (np.arange(6) % 2)[:, None]]
    found = {"steps": [model.train_on_batch(x, y) for _ in range(4)]}
    found["after"] = np.concatenate(model.predict(x), axis=1)
    return found


@case
def conv_lstm(keras):
    L = keras.layers
    model = keras.models.Sequential()
    model.add(L.ConvLSTM2D(2, 2, padding="same", input_shape=(3, 4, 4, 1)))
    model.add(L.GlobalAveragePooling2D())
    filled(model).compile("sgd", "mse")
    return trained(model, data(2, 3, 4, 4, 1), data(2, 2))


@case
def one_and_three_axes(keras):
    L = keras.layers
    x = L.Input((9, 2))
    y = L.Conv1D(3, 3, padding="causal", dilation_rate=2)(x)
    y = L.MaxPooling1D(2, padding="same")(L.SeparableConv1D(3, 2)(y))
    y = L.LocallyConnected1D(2, 2)(L.ZeroPadding1D()(y))
    y = L.GlobalMaxPooling1D()(L.UpSampling1D()(L.Cropping1D()(y)))
    first = keras.models.Model(x, L.RepeatVector(2)(y))
    x = L.Input((4, 4, 4, 1))
    y = L.AveragePooling3D()(L.Conv3D(2, 2, padding="same")(x))
    y = L.Conv3DTranspose(2, 2)(L.UpSampling3D()(y))
    second = keras.models.Model(x, L.Permute((2, 1))(L.Reshape((25, -1))(y)))
    return {
        "first": filled(first).predict(data(2, 9, 2)),
        "second": filled(second).predict(data(2, 4, 4, 4, 1)),
    }


@case
def stateful(keras):
    L = keras.layers
    model = keras.models.Sequential()
    model.add(L.LSTM(3, batch_input_shape=(2, 4, 2), stateful=True))
    model.add(L.Dense(1))
    filled(model).compile("adam", "mse")
    x, y = data(2, 4, 2), data(2, 1)
    found = [model.train_on_batch(x, y) for _ in range(3)]
    model.reset_states()
    return {"steps": found, "again": model.predict(x, batch_size=2)}


@case
def older_layers(keras):
    L = keras.layers
    x = L.Input((4,))
    y = L.MaxoutDense(4, nb_feature=3)(L.Highway(activation="tanh")(x))
    y = L.Dot(axes=1, normalize=True)([y, L.Dense(4)(x)])
    return {"output": filled(keras.models.Model(x, y)).predict(data(3, 4))}


@case
def optimizers(keras):
    """Each, with decay and both kinds of clipping, on a line."""
    found = {}
    for name in ("SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "Adamax", "Nadam"):
        for more in ({}, {"clipnorm": 0.1, "clipvalue": 0.05}, {"decay": 0.5}):
            if name == "Nadam" and "decay" in more:
                more = {"schedule_decay": 0.1}
            model = keras.models.Sequential([keras.layers.Dense(2, input_shape=(3,))])
            filled(model).compile(getattr(keras.optimizers, name)(lr=0.1, **more), "mse")
            x, y = data(4, 3), data(4, 2)
            losses = [model.train_on_batch(x, y) for _ in range(5)]
            found[" ".join([name] + sorted(more))] = losses
    return found


@case
def losses(keras):
    """Every loss on numbers in (0, 1), and as an object with weights."""
    random = np.random.RandomState(0)
    K = keras.backend
    y, p = random.rand(4, 3).astype("float32"), random.rand(4, 3).astype("float32")
    binary = (y > 0.5).astype("float32")
    found = {}
    names = (
        "mse mae mape msle squared_hinge hinge categorical_hinge logcosh huber_loss "
        "categorical_crossentropy binary_crossentropy kullback_leibler_divergence poisson "
        "cosine_proximity"
    )
    for name in names.split():
        target = binary if "hinge" in name else y
        found[name] = K.eval(getattr(keras.losses, name)(K.constant(target), K.constant(p)))
    labels = K.constant([0, 2, 1, 1])
    found["sparse"] = K.eval(keras.losses.sparse_categorical_crossentropy(labels, K.constant(p)))
    classes = "CategoricalCrossentropy Huber KLDivergence LogCosh MeanSquaredError"
    for name in classes.split():
        loss = getattr(keras.losses, name)()
        weights = K.constant([1.0, 0.0, 2.0, 0.5])
        found[name] = K.eval(loss(K.constant(y), K.constant(p), sample_weight=weights))
    smooth = keras.losses.BinaryCrossentropy(label_smoothing=0.2, reduction="sum")
    found["smooth"] = K.eval(smooth(K.constant(binary), K.constant(p)))
    return found


@case
def metrics(keras):
    """Metrics as functions, by name and as objects."""
    L = keras.layers
    x = L.Input((4,))
    model = filled(keras.models.Model(x, L.Dense(3, activation="softmax")(x)))
    model.compile("sgd", "mse", [
        "binary_accuracy", "categorical_accuracy", "mae", "mape", "cosine_proximity", "hinge",
        keras.metrics.top_k_categorical_accuracy, keras.metrics.Precision(name="precision"),
        keras.metrics.AUC(name="auc"), keras.metrics.CosineSimilarity(name="cosine_similarity"),
        keras.metrics.RootMeanSquaredError(name="rmse"),
    ])  # fmt: skip
    values = model.evaluate(data(6, 4), np.eye(3)[[0, 1, 2, 0, 1, 2]], batch_size=4, verbose=0)
    found = dict(zip(model.metrics_names, values))
    K = keras.backend
    y, p = K.constant([[0.0, 1.0], [1.0, 0.0]]), K.constant([[0.2, 0.7], [0.6, 0.5]])
    for name in ("accuracy", "binary_accuracy", "categorical_accuracy", "cosine_proximity"):
        found["function " + name] = K.eval(getattr(keras.metrics, name)(y, p))
    return found


@case
def initial_weights(keras):
    """The spread of initializers, and what they set exactly."""
    L, found = keras.layers, {}
    for name in [
        "uniform",
        "normal",
        "lecun_uniform",
        "glorot_normal",
        "he_uniform",
        "VarianceScaling",
    ]:
        layer = L.Dense(200, input_shape=(200,), kernel_initializer=name)
        model = keras.models.Sequential([layer])
        found[name] = np.round(np.std(model.get_weights()[0]), 2)
    lstm = L.LSTM(2)
    keras.models.Sequential([L.Masking(input_shape=(3, 2)), lstm])
    found["lstm bias"] = lstm.get_weights()[2]
    found["limits"] = np.ceil(abs(lstm.get_weights()[0]).max())
    return found


@case
def enlarged(keras):
    """Bilinear interpolation, with each pixel at the corner of its square; fully convolutional."""
    L, K = keras.layers, keras.backend
    x = L.Input((None, None, 2))
    y = L.UpSampling2D((2, 3), interpolation="bilinear")(L.Conv2D(2, 1)(x))
    model = filled(keras.models.Model(x, y))
    model.compile("sgd", "mse")
    found = trained(model, data(2, 3, 4, 2), np.ones((2, 6, 12, 2)), steps=2)
    x = K.constant(data(1, 2, 3, 4))
    found["K"] = K.eval(K.resize_images(x, 3, 2, "channels_first", interpolation="bilinear"))
    return found


@case
def order_of_weights(keras):
    """Of models in models: those that training changes come first, also where all are frozen."""
    L = keras.layers

    def normalized(trainable=True):
        inner = keras.models.Sequential()
        inner.add(L.Dense(3, input_shape=(2,)))
        inner.add(L.BatchNormalization())
        inner.add(L.Dense(4))
        inner.add(L.BatchNormalization())
        inner.trainable = trainable
        return inner

    x = L.Input((2,))
    parts = [part(x) for part in (normalized(), normalized(False), L.Dense(5))]
    model = keras.models.Model(x, parts)
    found = {"weights": [w.shape[-1] for w in model.get_weights()]}
    found["listed"] = [int(w.shape[-1]) for w in model.weights]
    found["not trained"] = [int(w.shape[-1]) for w in model.non_trainable_weights]
    model.set_weights([np.full(w.shape, i) for i, w in enumerate(model.get_weights())])
    found["assigned"] = [w[0].mean() for layer in model.layers for w in layer.get_weights()]
    return found


@case
def optimizers_state(keras):
    """Its order, also of what is not used; a training goes on with it."""
    found = {}
    for name in ("SGD", "RMSprop", "Adam", "Nadam"):
        x, y = data(6, 4), data(6, 2, seed=2)
        more = {"momentum": 0.9} if name == "SGD" else {}  # without, nothing is kept here
        models = []
        for _ in range(2):
            model = keras.models.Sequential([keras.layers.Dense(2, input_shape=(4,))])
            filled(model).compile(getattr(keras.optimizers, name)(**more), "mse")
            model._make_train_function()
            models.append(model)
        first, second = models
        first.train_on_batch(x, y)
        state = first.optimizer.get_weights()
        found[name] = [np.sum(abs(array)) for array in state]
        second.set_weights(first.get_weights())
        second.optimizer.set_weights(state)
        found[name + " on"] = first.train_on_batch(x, y) - second.train_on_batch(x, y)
    return found


@case
def added_losses(keras):
    """Losses of a graph that have a number for each sample, alone and beside another loss."""
    L, K, found = keras.layers, keras.backend, {}
    for loss in (None, "mae"):
        x, t = L.Input((4,)), L.Input((3,))
        y = L.Dense(3, kernel_regularizer="l2")(x)
        model = filled(keras.models.Model([x, t], y))
        model.add_loss(K.mean(K.square(y - t), axis=-1))
        model.compile("sgd", loss)
        given, target = [data(6, 4), data(6, 3, seed=3)], None if loss is None else data(6, 3)
        found[str(loss)] = [model.train_on_batch(given, target) for _ in range(3)]
        found[str(loss) + " losses"] = len(model.losses)
        found[str(loss) + " weights"] = model.get_weights()[0]
    return found


@case
def counted_names(keras):
    """Of metrics: the numbers that their names end with."""
    metrics, found = keras.metrics, {}
    for _ in range(2):
        made = [metrics.AUC(), metrics.Precision(), metrics.Recall(), metrics.TruePositives()]
        for metric in made:
            found[metric.name] = int(metric.name[-1])
    return found
