"""Writes ``numbers-2.3.1.npz``: what the genuine Keras 2.3.1 gives for `cases`.

Run once, with Keras 2.3.1 on TensorFlow 1.15 (Python 3.7): ``python tests/classic/record.py``.
"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import cases
import keras
import numpy as np

found = {}
for name, case in cases.CASES.items():
    keras.backend.clear_session()
    for key, value in case(keras).items():
        found[name + "/" + key] = np.asarray(value, "float32")
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "numbers-2.3.1.npz")
np.savez_compressed(path, **found)
print(len(found), os.path.getsize(path))
