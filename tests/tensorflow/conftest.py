"""TensorFlow's own world: every test here runs inside ``tf.Graph().as_default()``, and once more,
in a process of its own (test_eager_off.py), with eager execution switched off."""

import os

import numpy as np
import pytest

import tricorn as keras
from tricorn.graph import phase

#: set in the process that switches eager execution off
EAGER_OFF = "TRICORN_TESTS_EAGER_OFF"


@pytest.fixture
def tf(_engine):
    """TensorFlow as scripts for version 1 import it, with a fresh default graph."""
    import tensorflow.compat.v1 as tf

    keras.set_random_seed(11)
    if EAGER_OFF in os.environ:
        tf.disable_eager_execution()
        tf.reset_default_graph()
        yield tf
    else:
        with tf.Graph().as_default():
            yield tf
    phase.release()


@pytest.fixture(scope="session")
def digits():
    """(images, labels) for training and for testing: pixels in [0, 1], (n, 64), and one-hot."""
    parts = keras.datasets.digits.load_data()
    return [((x.reshape(-1, 64) / 16).astype("float32"), np.eye(10, dtype="float32")[y])
            for x, y in parts]  # fmt: skip
