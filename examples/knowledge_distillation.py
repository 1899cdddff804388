"""A small student learns from a large teacher, which answers more than right or wrong.

Shows: a model that holds two others, `compile` and `compute_loss` of one's own inside the
library's training step, losses by temperature.
Data: the digits that ship with the package. The teacher learns from all of them, the student sees
the labels of 60 and the teacher's answers to the others.
Expected: the student taught so is right on more than 0.9 of unseen digits, and better than the
same student that learned from the 60 labels alone.
Source: Hinton et al., Distilling the Knowledge in a Neural Network,
https://arxiv.org/abs/1503.02531.
"""

import numpy as np

import tricorn as keras
from tricorn import layers, ops
from tricorn.datasets import digits

keras.utils.set_random_seed(0)

(x_train, y_train), (x_test, y_test) = digits.load_data()
x_train, x_test = (
    x_train[:1408, ..., None] / np.float32(16),
    x_test[:352, ..., None] / np.float32(16),
)
y_train, y_test = y_train[:1408], y_test[:352]

# ---------------------------------------------------------------------------------------- models

teacher = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.Conv2D(64, 3, strides=2, padding="same", activation="relu"),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(10),
    ],
    name="teacher",
)
student = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        layers.Conv2D(4, 3, strides=2, padding="same"),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Flatten(),
        layers.Dense(10),
    ],
    name="student",
)
student_alone = keras.models.clone_model(student)


class Distiller(keras.Model):
    def __init__(self, student, teacher):
        super().__init__()
        self.teacher = teacher
        self.student = student

    def compile(
        self, optimizer, metrics, student_loss_fn, distillation_loss_fn, alpha, temperature
    ):
        super().compile(optimizer=optimizer, metrics=metrics)
        self.student_loss_fn = student_loss_fn
        self.distillation_loss_fn = distillation_loss_fn
        self.alpha = alpha
        self.temperature = temperature

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        teacher_pred = self.teacher(x, training=False)
        student_loss = self.student_loss_fn(y, y_pred, sample_weight=sample_weight)
        distillation_loss = self.distillation_loss_fn(
            ops.softmax(teacher_pred / self.temperature, axis=1),
            ops.softmax(y_pred / self.temperature, axis=1),
        ) * (self.temperature**2)
        return self.alpha * student_loss + (1 - self.alpha) * distillation_loss

    def call(self, x, training=False):
        return self.student(x, training=training)


# -------------------------------------------------------------------------------------- training

crossentropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

teacher.compile("adam", crossentropy, metrics=["accuracy"])
teacher.fit(x_train, y_train, batch_size=32, epochs=12, verbose=2)
_, of_teacher = teacher.evaluate(x_test, y_test, verbose=0)
teacher.trainable = False

student_alone.compile(keras.optimizers.Adam(3e-3), crossentropy, metrics=["accuracy"])
student_alone.fit(x_train[:60], y_train[:60], batch_size=30, epochs=60, verbose=0)
_, alone = student_alone.evaluate(x_test, y_test, verbose=0)

labelled = np.zeros(len(x_train), "float32")
labelled[:60] = 1
distiller = Distiller(student, teacher)
distiller.compile(
    optimizer=keras.optimizers.Adam(3e-3),
    metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    student_loss_fn=crossentropy,
    distillation_loss_fn=keras.losses.KLDivergence(),
    alpha=0.1,
    temperature=5,
)
distiller.fit(x_train, y_train, sample_weight=labelled, batch_size=32, epochs=15, verbose=2)

student.compile(loss=crossentropy, metrics=["accuracy"])
_, taught = student.evaluate(x_test, y_test, verbose=0)
print(f"teacher: {of_teacher:.3f}, taught student: {taught:.3f}, student alone: {alone:.3f}")
assert taught > max(0.9, alone), (taught, alone)
