"""Reading words from pictures: convolutions, recurrence both ways, CTC as a Lambda, callbacks."""

import csv
import os

import numpy as np
from keras import backend as K
from keras.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    ModelCheckpoint,
    TensorBoard,
    TerminateOnNaN,
)
from keras.layers import (
    Activation,
    Conv2D,
    Dense,
    Input,
    Lambda,
    MaxPooling2D,
    Reshape,
    add,
    advanced_activations,
    concatenate,
    noise,
)
from keras.layers.recurrent import GRU
from keras.models import Model
from keras.optimizers import Adam
from keras.preprocessing.sequence import pad_sequences

random = np.random.RandomState(0)
alphabet = "abc"
width, height, longest, conv_filters = 24, 8, 3, 6
stamps = [np.pad(np.eye(4), ((0, 4), (0, 0)), "constant"),
          np.pad(np.ones((2, 4)), ((6, 0), (0, 0)), "constant"),
          np.pad(np.ones((8, 1)), ((0, 0), (1, 2)), "constant")]  # fmt: skip


def paint(word):
    picture = random.rand(height, width) * 0.1
    place = random.randint(0, 4)
    for letter in word:
        picture[:, place : place + 4] += stamps[alphabet.index(letter)]
        place += 4 + random.randint(1, 3)
    return picture.T[:, :, np.newaxis]


class TextImageGenerator(Callback):
    """Batches, which become longer words as training goes on."""

    def __init__(self, size):
        super().__init__()
        self.size, self.most = size, 1

    def batch(self):
        words = ["".join(random.choice(list(alphabet), random.randint(1, self.most + 1)))
                 for _ in range(self.size)]  # fmt: skip
        numbers = [[alphabet.index(letter) for letter in word] for word in words]
        inputs = {
            "the_input": np.array([paint(word) for word in words]),
            "the_labels": pad_sequences(numbers, maxlen=longest, padding="post", value=-1),
            "input_length": np.full((self.size, 1), width // 2),
            "label_length": np.array([[len(word)] for word in words]),
            "source_str": words,
        }
        return inputs, {"ctc": np.zeros([self.size])}

    def next_train(self):
        while 1:
            inputs, outputs = self.batch()
            inputs.pop("source_str")
            yield inputs, outputs

    def on_epoch_begin(self, epoch, logs={}):
        self.most = min(longest, 1 + epoch)


def ctc_lambda_func(args):
    y_pred, labels, input_length, label_length = args
    return K.ctc_batch_cost(labels, y_pred, input_length, label_length)


def decode_batch(test_func, word_batch):
    out = test_func([word_batch])[0]
    lengths = np.full(len(out), out.shape[1])
    best, _ = K.ctc_decode(out, lengths, greedy=True)
    return ["".join(alphabet[int(c)] for c in row if c >= 0) for row in K.get_value(best[0])]


input_data = Input(name="the_input", shape=(width, height, 1), dtype="float32")
inner = Conv2D(conv_filters, (3, 3), padding="same", kernel_initializer="he_normal",
               name="conv1")(input_data)  # fmt: skip
inner = advanced_activations.LeakyReLU(alpha=0.1)(inner)
inner = MaxPooling2D(pool_size=(2, 2), name="max1")(inner)
inner = noise.GaussianNoise(0.01)(inner)
inner = Reshape(target_shape=(width // 2, (height // 2) * conv_filters), name="reshape")(inner)
inner = Dense(16, activation="relu", name="dense1")(inner)
gru_1 = GRU(12, return_sequences=True, kernel_initializer="he_normal", name="gru1")(inner)
gru_1b = GRU(12, return_sequences=True, go_backwards=True, kernel_initializer="he_normal",
             name="gru1_b")(inner)  # fmt: skip
gru1_merged = add([gru_1, Lambda(lambda x: K.reverse(x, axes=1))(gru_1b)])
inner = Dense(len(alphabet) + 1, name="dense2")(concatenate([gru1_merged, inner]))
y_pred = Activation("softmax", name="softmax")(inner)
labels = Input(name="the_labels", shape=[longest], dtype="float32")
input_length = Input(name="input_length", shape=[1], dtype="int64")
label_length = Input(name="label_length", shape=[1], dtype="int64")
loss_out = Lambda(ctc_lambda_func, output_shape=(1,), name="ctc")(
    [y_pred, labels, input_length, label_length]
)
assert K.int_shape(y_pred) == (None, width // 2, len(alphabet) + 1)
model = Model(inputs=[input_data, labels, input_length, label_length], outputs=loss_out)
model.compile(loss={"ctc": lambda y_true, y_pred: y_pred}, optimizer=Adam(lr=0.02, clipnorm=5))
test_func = K.function([input_data], [y_pred])

img_gen, said = TextImageGenerator(32), []
history = model.fit_generator(
    generator=img_gen.next_train(), steps_per_epoch=12, epochs=10, verbose=0,
    callbacks=[
        img_gen, TerminateOnNaN(), CSVLogger("log.csv", separator=";"),
        ModelCheckpoint("best.h5", monitor="loss", save_best_only=True, save_weights_only=True),
        EarlyStopping(monitor="loss", patience=8, min_delta=1e-3, restore_best_weights=True),
        LambdaCallback(on_epoch_end=lambda epoch, logs: said.append(logs["loss"])),
        TensorBoard(log_dir="logs", write_graph=False),
    ],
)  # fmt: skip
assert history.history["loss"] == said and said[-1] < 0.3 * said[0], said
with open("log.csv") as file:
    rows = list(csv.DictReader(file, delimiter=";"))
np.testing.assert_allclose([float(row["loss"]) for row in rows], said, rtol=1e-5)
assert any(name.startswith("events") for _, _, names in os.walk("logs") for name in names)

img_gen.most = longest
inputs, _ = img_gen.batch()
model.load_weights("best.h5")
read = decode_batch(test_func, inputs["the_input"])
right = np.mean([word == text for word, text in zip(read, inputs["source_str"])])
assert right > 0.8, list(zip(read, inputs["source_str"]))
